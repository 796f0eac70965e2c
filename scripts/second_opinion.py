"""List the entities on which a trained NER pipeline and an LLM disagree.

    python scripts/second_opinion.py en_core_web_sm texts.txt configs/judges/openai.cfg --output disagreements.jsonl

The pipeline may be anybody's. Texts are lines of a .txt file, or rows with "text" of a .jsonl file.
Settings of the judge's config can be given by their dotted names: --paths.labelled labelled.spacy.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import spacy
from spacy.cli._util import parse_config_overrides
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_config
from wasabi import msg

from spacy_llmjudge.candidates import Candidate, get_candidates, is_judged
from spacy_llmjudge.errors import LLMJudgeError

COLUMNS = ("says", "span", "label", "confidence", "verdict", "support", "text")


def add_second_opinion(
    nlp: Language, config: Path, overrides: Optional[Dict[str, Any]] = None, pipe_name: str = "ner"
) -> Language:
    """Add both components to a trained pipeline: how sure is it, and does an LLM agree?

    nlp (Language): The pipeline.
    config (Path): The config of a judge.
    overrides (Optional[Dict[str, Any]]): Settings of that config by their dotted names.
    pipe_name (str): The name of the NER component.
    RETURNS (Language): The same pipeline.
    """
    nlp.add_pipe("calibrated_confidence", after=pipe_name, config={"pipe_name": pipe_name})
    block = load_config(config, overrides=overrides or {}, interpolate=True)
    judge = {k: v for k, v in block["components"]["llm_judge"].items() if k != "factory"}
    task = judge["task"]
    if not task.get("labels") and not task.get("demonstrations"):
        task["labels"] = list(nlp.get_pipe(pipe_name).labels)
    nlp.add_pipe("llm_judge", config=judge)
    return nlp


def find_disagreements(doc: Doc) -> Iterator[Dict[str, Any]]:
    """Find the entities that only one of the two sees.

    doc (Doc): A document that went through both components. One that the judge did not answer for
        has no disagreements.
    YIELDS (Dict[str, Any]): A row: `says` is "model" for an entity of the pipeline that the judge
        rejects, and "judge" for one that only the judge lists.
    """
    entities = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
    for candidate in get_candidates(doc):
        is_entity = candidate.key in entities
        if candidate.verdict in (None, "abstained"):
            continue
        if is_entity != (candidate.verdict == "correct"):
            yield _row(doc, candidate, "model" if is_entity else "judge")


def _row(doc: Doc, candidate: Candidate, says: str) -> Dict[str, Any]:
    span = doc[candidate.start : candidate.end]
    return {
        "text": doc.text,
        "start": span.start_char,
        "end": span.end_char,
        "span": span.text,
        "label": candidate.label,
        "says": says,
        "posterior": candidate.posterior,
        "confidence": candidate.confidence,
        "verdict": candidate.verdict,
        "support": candidate.support,
    }


def read_texts(path: Path) -> List[str]:
    """RETURNS (List[str]): The texts of a .txt or .jsonl file, without empty ones."""
    lines = path.read_text(encoding="utf8").split("\n")
    if path.suffix == ".jsonl":
        lines = [json.loads(line)["text"] for line in lines if line.strip()]
    return [line.strip() for line in lines if line.strip()]


def show(rows: Sequence[Dict[str, Any]]) -> None:
    """Print the disagreements as a table."""
    data = []
    for row in rows:
        # Without calibration on held-out gold, the posterior is all that is known.
        number = row["posterior"] if row["confidence"] is None else row["confidence"]
        numbers = {"confidence": _format(number), "support": _format(row["support"])}
        text = " ".join(row["text"].split())
        text = text if len(text) <= 60 else f"{text[:57]}..."
        data.append([{**row, **numbers, "text": text}[name] for name in COLUMNS])
    msg.table(data, header=COLUMNS, divider=True, max_col=60)


def _format(number: Optional[float]) -> str:
    return "-" if number is None else f"{number:.2f}"


def main(arguments: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="A trained pipeline with NER: a folder or a package")
    parser.add_argument("texts", type=Path, help="A .txt or .jsonl file")
    parser.add_argument("config", type=Path, help="The config of a judge, see configs/judges")
    parser.add_argument("--output", type=Path, help="File for the rows as JSONL")
    parser.add_argument("--pipe-name", default="ner", help="Name of the NER component")
    options, rest = parser.parse_known_args(arguments)
    overrides = parse_config_overrides(rest, env_var=None)
    try:
        nlp = spacy.load(options.model)
        add_second_opinion(nlp, options.config, overrides, options.pipe_name)
        docs = list(nlp.pipe(read_texts(options.texts)))
    except LLMJudgeError as error:
        msg.fail(str(error), exits=1)
    rows = [row for doc in docs for row in find_disagreements(doc)]
    if rows:
        show(rows)
    unanswered = sum(not is_judged(doc) for doc in docs)
    msg.info(f"{len(rows)} disagreements in {len(docs)} texts; no full answer for {unanswered}")
    if options.output is not None:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        options.output.write_text("".join(lines), encoding="utf8")


if __name__ == "__main__":
    main(sys.argv[1:])
