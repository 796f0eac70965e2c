"""The labelled set as a judge sees it: which documents are shown, and what looked like an entity but is none."""

import json
import random
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Sequence, Tuple, Union

from ..errors import Errors, LLMJudgeError
from ..storage import read_docs, require_file

Demonstration = Dict[str, Any]

_HINT = "It should hold the labelled documents (.spacy or .jsonl)."


def read_demonstrations(path: Union[str, Path]) -> Tuple[Demonstration, ...]:
    """Read the labelled documents of a `.spacy` file, a folder of shards, or a `.jsonl` file.

    path (Union[str, Path]): The file. JSONL rows are `{"text", "spans": [{"start", "end", "label"}]}`
        with character offsets.
    RETURNS (Tuple[Demonstration, ...]): `{"text", "entities": [{"text", "label", "start", "end"}]}`,
        offsets in characters.
    """
    path = require_file(path, _HINT)
    rows = _read_jsonl(path) if path.suffix == ".jsonl" else _read_spacy(path)
    demonstrations = tuple(rows)
    if not demonstrations:
        raise LLMJudgeError(Errors.J206.format(path=path))
    return demonstrations


def _read_spacy(path: Path) -> Iterable[Demonstration]:
    from spacy.vocab import Vocab

    for doc in read_docs(path, Vocab()):
        spans = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
        yield make_demonstration(doc.text, spans)


def _read_jsonl(path: Path) -> Iterable[Demonstration]:
    with path.open(encoding="utf8") as file_:
        for number, line in enumerate(file_, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                spans = [(int(s["start"]), int(s["end"]), str(s["label"])) for s in row["spans"]]
                text = row["text"]
                fine = isinstance(text, str) and all(0 <= s < e <= len(text) for s, e, _ in spans)
            except (ValueError, TypeError, KeyError):
                fine = False
            if not fine:
                raise LLMJudgeError(Errors.J205.format(path=path, line=number))
            yield make_demonstration(text, spans)


def make_demonstration(text: str, spans: Iterable[Tuple[int, int, str]]) -> Demonstration:
    """Make a demonstration from a text and its entities (start and end character, label)."""
    entities = [
        {"text": text[start:end], "label": label, "start": start, "end": end}
        for start, end, label in sorted(spans)
    ]
    return {"text": text, "entities": entities}


def labels_of(demonstrations: Iterable[Demonstration]) -> List[str]:
    """RETURNS (List[str]): The labels that occur, sorted."""
    return sorted({e["label"] for row in demonstrations for e in row["entities"]})


def choose_demonstrations(
    demonstrations: Sequence[Demonstration], n: int, seed: int
) -> List[Demonstration]:
    """Choose which documents a prompt shows: every label early, and some without any entity.

    Rare labels are served first; about one document in six is entity-free, where there are such, as a
    judge that only sees texts with entities marks something everywhere.

    demonstrations (Sequence[Demonstration]): All labelled documents.
    n (int): How many to show.
    seed (int): The same seed chooses the same documents.
    RETURNS (List[Demonstration]): At most n of them.
    """
    rows = list(demonstrations)
    random.Random(seed).shuffle(rows)
    empty = [row for row in rows if not row["entities"]]
    marked = [row for row in rows if row["entities"]]
    n_empty = min(len(empty), max(n // 6, n - len(marked)))
    counts = dict.fromkeys(labels_of(rows), 0)
    chosen: List[Demonstration] = []
    while marked and len(chosen) < n - n_empty:
        rarest = min(counts, key=lambda label: (counts[label], label))
        has_rarest = [row for row in marked if rarest in {e["label"] for e in row["entities"]}]
        row = (has_rarest or marked)[0]
        if not has_rarest:
            counts.pop(rarest)
            continue
        marked.remove(row)
        chosen.append(row)
        for entity in row["entities"]:
            if entity["label"] in counts:
                counts[entity["label"]] += 1
    chosen += empty[:n_empty]
    random.Random(seed + 1).shuffle(chosen)
    return chosen


def near_misses(row: Demonstration, demonstrations: Iterable[Demonstration]) -> List[str]:
    """Find words of one document that were entities elsewhere and were left unmarked here.

    row (Demonstration): The document.
    demonstrations (Iterable[Demonstration]): All labelled documents.
    RETURNS (List[str]): The words as they stand in the text, in order of appearance.
    """
    mentions = {e["text"].lower() for other in demonstrations for e in other["entities"]}
    marked = [(e["start"], e["end"]) for e in row["entities"]]
    found: Dict[Tuple[int, int], str] = {}
    for mention in mentions:
        for match in re.finditer(rf"(?<!\w){re.escape(mention)}(?!\w)", row["text"], re.I):
            start, end = match.span()
            if all(end <= s or e <= start for s, e in marked):
                found[(start, end)] = match.group()
    widest = [
        (start, text)
        for (start, end), text in found.items()
        if not any(s <= start and end <= e and (s, e) != (start, end) for s, e in found)
    ]
    return [text for _, text in sorted(widest)]
