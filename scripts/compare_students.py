"""Which student learns most from the same documents in the same steps? Chosen on a part of MIT Restaurant's pool.

    python scripts/compare_students.py --data DIR --work DIR

The last 1,500 documents of the pool that the LLM was not asked about, in a random order, are held out; the test
set is not read. Rows are kept in docs/student.json as soon as they are measured.
"""

import random
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import typer
from benchmark_data import ROOT, read_rows
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.encoders.fetch import MINILM, fetch_encoder
from spacy_llmjudge.evaluation.scores import evaluate_model, score_pair
from spacy_llmjudge.storage import read_docs, read_json, write_docs, write_json
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.training.student import load_student, train_student

N_HELD_OUT = 1500
SEED_TRAINING: Dict[str, Any] = {"training.max_steps": 150, "training.batcher.size": 16}
TRAINING: Dict[str, Any] = {
    "training.max_steps": 400,
    "training.batcher.size": 24,
    "training.optimizer.learn_rate.initial_rate": 2e-4,
    "corpora.train.gold_per_batch": 3,
    "corpora.train.silver_per_batch": 21,
}


def plain(config: Any) -> None:
    """The head listens to the encoder, with nothing between them."""
    model = config["components"]["ner"]["model"]
    model["tok2vec"] = model["tok2vec"]["embed"]


def window(config: Any) -> None:
    """As in configs/student.cfg."""


STUDENTS: Dict[str, Callable[[Any], None]] = {"plain": plain, "window": window}
# what is learned from beside the 80 labelled sentences, and the seeds
ROWS = [
    *((student, "nothing", seed) for seed in (0, 1) for student in STUDENTS),
    *((student, source, 0) for source in ("llm", "gold") for student in STUDENTS),
]


def to_docs(rows: List[Dict[str, Any]]) -> List[Doc]:
    vocab, docs = Vocab(), []
    for row in rows:
        doc = Doc(vocab, words=row["tokens"])
        doc.ents = [Span(doc, start, end, label=label) for start, end, label in row["ents"]]
        docs.append(doc)
    return docs


def first_readings(entities: List[Dict[str, Any]]) -> List[Tuple[int, int, str]]:
    """RETURNS (List[Tuple[int, int, str]]): What an LLM listed, without what overlaps with an earlier one."""
    kept: List[Tuple[int, int, str]] = []
    for found in entities:
        start, end = found["start"], found["end"]
        if all(end <= s or e <= start for s, e, _ in kept):
            kept.append((start, end, found["label"]))
    return kept


def write_sets(data: Path, work: Path) -> None:
    if (work / "held_out.spacy").exists():
        return
    pool, gold = read_rows(data / "pool.jsonl"), read_rows(data / "pool_gold.jsonl")
    rows = [{**row, "ents": truth["ents"]} for row, truth in zip(pool, gold)]
    asked = {row["pool_index"]: row for row in read_rows(data / "recorded_llm.jsonl")}
    rest = [i for i in range(len(rows)) if i not in asked]
    random.Random(0).shuffle(rest)
    judged = [{**rows[i], "ents": first_readings(asked[i]["entities"])} for i in sorted(asked)]
    sets = {
        "labelled": read_rows(data / "labelled_10shot.jsonl"),
        "gold": [rows[i] for i in (*rest[N_HELD_OUT:], *sorted(asked))],
        "llm": judged,
        "held_out": [rows[i] for i in rest[:N_HELD_OUT]],
    }
    for name, found in sets.items():
        write_docs(work / f"{name}.spacy", to_docs(found))


def measure(student: str, source: str, seed: int, work: Path) -> Dict[str, Any]:
    from spacy.util import load_config

    config = load_config(ROOT / "configs" / "student.cfg")
    STUDENTS[student](config)
    path = work / "configs" / f"{student}.cfg"
    path.parent.mkdir(exist_ok=True)
    config.to_disk(path)
    overrides = {
        "paths.encoder": str(work / "encoder"),
        "paths.gold": str(work / "labelled.spacy"),
        "paths.dev": str(work / "labelled.spacy"),
        "system.seed": seed,
        **(SEED_TRAINING if source == "nothing" else TRAINING),
    }
    if source != "nothing":
        overrides["paths.silver"] = str(work / f"{source}.spacy")
    start = time.process_time()
    folder = work / "models" / f"{student}-{source}-{seed}"
    train_student(path, folder, overrides=overrides)
    seconds = time.process_time() - start
    nlp = load_student(str(folder / "model-best"))
    gold = list(read_docs(work / "held_out.spacy", nlp.vocab))
    start = time.process_time()
    found = score_pair(gold, evaluate_model(nlp, gold), Ents())["spacy"]
    return {
        "student": student,
        "source": source,
        "seed": seed,
        **{key: round(100 * found[key], 2) for key in ("p", "r", "f")},
        "seconds": round(seconds),
        "documents_per_second": round(len(gold) / (time.process_time() - start)),
    }


def main(
    # fmt: off
    data: Path = typer.Option(..., help="Folder with mit_restaurant/"),
    work: Path = typer.Option(Path(".students"), help="Folder for corpora and models"),
    json: Path = typer.Option(ROOT / "docs" / "student.json", help="File for the rows"),
    # fmt: on
) -> None:
    """Train every student that is not measured yet."""
    fetch_encoder(MINILM, work / "encoder")
    write_sets(data / "mit_restaurant", work)
    rows = read_json(json) if json.exists() else {}
    for student, source, seed in ROWS:
        name = f"{student}/{source}/{seed}"
        if name not in rows:
            rows[name] = measure(student, source, seed, work)
            write_json(json, rows)
        print(name, rows[name]["f"])


if __name__ == "__main__":
    typer.run(main)
