"""Write a corpus with nested spans, made of the demo's messages, gold and recorded replies.

    python scripts/nested_garden.py work/nested
    python -m spacy llmjudge prepare work/nested corpus/nested

Two labels are added by rules that look at the marked spans only, so that the gold and what the LLM said are
treated alike: VARIETY inside a PLANT ("Autumn Bliss" in "Autumn Bliss raspberries"), and CASE around a plant
and what is wrong with it ("spider mites on my monstera"). A derived span of a reply is right where the LLM
was right about all that it is derived from.
"""

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, NamedTuple, Optional

import typer

ROOT = Path(__file__).parents[1]
GARDEN = ROOT / "assets" / "garden"
TROUBLES = ("PEST", "DISEASE", "SYMPTOM")
# the suggester of configs/components/spancat.cfg proposes spans of at most six tokens
MAX_WORDS = 6
MAX_WORDS_BETWEEN = 3
RULES = """\
VARIETY: mark the capitalised words in front of the last word of a plant's name that is written in lower case (Autumn Bliss in Autumn Bliss raspberries), inside of the PLANT.
CASE: mark a plant together with the pest, disease or symptom next to it, from the first word of the one to the last word of the other, where at most three words and no punctuation stand between them and at most six words are marked.
"""


class Span(NamedTuple):
    """A stretch of a text, in characters, with how sure the LLM was; 100 for gold."""

    start: int
    end: int
    label: str
    confidence: int = 100


def nest(text: str, spans: Iterable[Span]) -> List[Span]:
    """Add the spans that follow from marked ones.

    text (str): The text.
    spans (Iterable[Span]): Spans of the demo; they do not overlap.
    RETURNS (List[Span]): These and the derived ones, in the order in which they begin, long ones first.
    """
    marked = sorted(spans)
    varieties = (_variety(text, span) for span in marked if span.label == "PLANT")
    cases = (_case(text, first, second) for first, second in zip(marked, marked[1:]))
    derived = [span for span in (*varieties, *cases) if span is not None]
    return sorted([*marked, *derived], key=lambda span: (span.start, -span.end, span.label))


def _variety(text: str, plant: Span) -> Optional[Span]:
    words = text[plant.start : plant.end].split(" ")
    if len(words) < 2 or not words[-1][:1].islower():
        return None
    if not all(word[:1].isupper() for word in words[:-1]):
        return None
    end = plant.start + len(" ".join(words[:-1]))
    return Span(plant.start, end, "VARIETY", plant.confidence)


def _case(text: str, first: Span, second: Span) -> Optional[Span]:
    labels = {first.label, second.label}
    if "PLANT" not in labels or not labels & set(TROUBLES) or second.start < first.end:
        return None
    between = text[first.end : second.start]
    if re.search(r"[^\w\s'-]", between) or len(between.split()) > MAX_WORDS_BETWEEN:
        return None
    if len(re.findall(r"\w+|[^\w\s]", text[first.start : second.end])) > MAX_WORDS:
        return None
    return Span(first.start, second.end, "CASE", min(first.confidence, second.confidence))


def nest_reply(text: str, response: Dict[str, Any]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): A recorded reply with the spans that follow from what it lists. What cannot be
    found in the text stays as it is."""
    located: List[Span] = []
    lost: List[Dict[str, Any]] = []
    position = 0
    for entity in response["entities"]:
        start = text.find(entity["text"], position)
        if start < 0:
            lost.append(entity)
            continue
        position = start + len(entity["text"])
        located.append(Span(start, position, entity["label"], entity["confidence"]))
    entities = [
        {"text": text[span.start : span.end], "label": span.label, "confidence": span.confidence}
        for span in nest(text, located)
    ]
    return {**response, "entities": [*entities, *lost]}


def nest_row(row: Dict[str, Any], text: str) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): A row of gold with nested spans."""
    spans = (Span(span["start"], span["end"], span["label"]) for span in row["spans"])
    nested = [{"start": s.start, "end": s.end, "label": s.label} for s in nest(text, spans)]
    return {**row, "spans": nested}


def write_corpus(folder: Path) -> None:
    """Write the files of a dataset: labelled, dev, test, pool, pool_gold, responses and rules."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("labelled", "dev", "test"):
        rows = (nest_row(row, row["text"]) for row in _read(name))
        _write(folder / f"{name}.jsonl", rows)
    pool = _read("pool")
    _write(folder / "pool.jsonl", pool)
    gold = zip(pool, _read("pool_gold"))
    _write(folder / "pool_gold.jsonl", (nest_row(row, of["text"]) for of, row in gold))
    replies = _read("responses")
    nested = ({**row, "response": nest_reply(row["text"], row["response"])} for row in replies)
    _write(folder / "responses.jsonl", nested)
    rules = (GARDEN / "rules.txt").read_text(encoding="utf8")
    (folder / "rules.txt").write_text(rules.rstrip("\n") + "\n" + RULES, encoding="utf8")


def _read(name: str) -> List[Dict[str, Any]]:
    lines = (GARDEN / f"{name}.jsonl").read_text(encoding="utf8").split("\n")
    return [json.loads(line) for line in lines if line]


def _write(path: Path, rows: Iterable[Dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf8")


def main(folder: Path = typer.Argument(..., help="Where the dataset is written")) -> None:
    write_corpus(folder)


if __name__ == "__main__":
    typer.run(main)
