"""Measure what a selection costs: arrays in, decisions out; and apart from it, files in and files out.

    python scripts/bench_selection.py --json docs/selection_cost.json

Candidates are drawn as in `simulate_guarantees.py`, with spans that overlap. Every size is measured in a process
of its own, whose memory before the selection is taken off. The plain alternative is one cut on the student's confidence.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import numpy as np
from simulate_guarantees import PER_DOCUMENT, draw_world
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, set_candidates, set_status
from spacy_llmjudge.selection.certified import make_certified
from spacy_llmjudge.selection.conformal import make_conformal
from spacy_llmjudge.selection.decide import ACCEPTED, decide
from spacy_llmjudge.selection.select import select
from spacy_llmjudge.selection.table import CandidateTable
from spacy_llmjudge.selection.threshold import make_threshold
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.storage import read_docs, write_docs, write_json

SIZES = (10_000, 100_000, 1_000_000)
EVIDENCE = 3_000
SELECTORS: Dict[str, Callable[[], Any]] = {
    "threshold": lambda: make_threshold(0.8),
    "conformal": lambda: make_conformal(0.25, floor=0.3),
    "conformal_weighted": lambda: make_conformal(0.25, weighted=True, floor=0.3),
    "certified": lambda: make_certified(0.25, 0.1, floor=0.3),
}


def draw(n: int, seed: int) -> CandidateTable:
    """RETURNS (CandidateTable): Some n candidates of one to three tokens, every other of which overlaps."""
    rng = np.random.default_rng(seed)
    table = draw_world(rng, round(n / PER_DOCUMENT))
    return table.replace(end=table.start + rng.integers(1, 4, len(table)))


def measure_arrays(name: str, n: int) -> Dict[str, Any]:
    pool, evidence = draw(n, 0), draw(EVIDENCE, 1)
    before = peak_mb()
    start, usage = time.perf_counter(), time.process_time()
    decisions = decide(pool, evidence, SELECTORS[name]())
    return {
        "selector": name,
        "candidates": len(pool),
        "accepted": int((decisions.decision == ACCEPTED).sum()),
        "seconds": round(time.perf_counter() - start, 3),
        "cpu_seconds": round(time.process_time() - usage, 3),
        "mb": round(peak_mb() - before),
        "mb_with_the_arrays": round(peak_mb()),
    }


def make_docs(table: CandidateTable) -> Tuple[List[Doc], List[Doc]]:
    """RETURNS (Tuple[List[Doc], List[Doc]]): Judged documents with the candidates of a table, and their gold."""
    vocab = Vocab()
    docs, gold = [], []
    ends = np.searchsorted(table.document, np.arange(len(table.texts) + 1))
    for i, text in enumerate(table.texts):
        rows = range(ends[i], ends[i + 1])
        words = [*text.split(), *(f"w{k}" for k in range(len(rows) + 2))]
        doc, right = Doc(vocab, words=words), Doc(vocab, words=words)
        found = [
            Candidate(
                int(table.start[r]),
                int(table.end[r]),
                table.labels[table.label[r]],
                posterior=float(table.posterior[r]),
                confidence=float(table.confidence[r]),
                verdict="correct",
                support=float(table.support[r]),
            )
            for r in rows
        ]
        set_candidates(doc, found)
        set_status(doc, "judged")
        taken: List[Any] = []
        for r, candidate in zip(rows, found):
            if (
                table.correct is not None
                and table.correct[r]
                and not (taken and taken[-1].end > candidate.start)
            ):
                taken.append(
                    right.char_span(
                        right[candidate.start].idx,
                        right[candidate.end - 1].idx + len(right[candidate.end - 1]),
                        candidate.label,
                    )
                )
        right.set_ents(taken)
        docs.append(doc)
        gold.append(right)
    return docs, gold


def measure_files(name: str, n: int) -> Dict[str, Any]:
    """The same with documents: reading the judged pool, selecting, writing the silver."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pool, _ = make_docs(draw(n, 0))
        held_out, gold = make_docs(draw(EVIDENCE, 1))
        process_shards(pool, folder / "pool", lambda batch: batch, fingerprint={})
        seconds = {}
        start = time.process_time()
        docs = list(read_docs(folder / "pool", Vocab()))
        seconds["read"] = time.process_time() - start
        start = time.process_time()
        _, silver, report = select(docs, held_out, gold, SELECTORS[name]())
        seconds["select"] = time.process_time() - start
        start = time.process_time()
        write_docs(folder / "silver.spacy", silver)
        seconds["write"] = time.process_time() - start
        return {
            "selector": name,
            "candidates": report["candidates"]["pool"],
            "documents": len(docs),
            "silver": len(silver),
            **{key: round(value, 2) for key, value in seconds.items()},
            "mb": round(peak_mb()),
        }


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(work: Callable[..., Dict[str, Any]], *inputs: Any) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What the work returns in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, inputs)


def render(arrays: List[Dict[str, Any]], files: List[Dict[str, Any]]) -> str:
    plain = {
        row["candidates"]: row["cpu_seconds"] for row in arrays if row["selector"] == "threshold"
    }
    lines = [
        "# What a selection costs",
        "",
        "```",
        "python scripts/bench_selection.py --json docs/selection_cost.json",
        "```",
        "",
        f"Drawn candidates, {EVIDENCE:,} held out, one thread. MB is what the selection needs beyond its input arrays; the ratio is to one",
        "cut on the student's confidence, which resolves overlaps, too.",
        "",
        "## Arrays in, decisions out",
        "",
        "| selector | candidates | accepted | CPU seconds | ratio | MB | MB of the process |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in arrays:
        ratio = row["cpu_seconds"] / plain[row["candidates"]]
        lines.append(
            f"| {row['selector']} | {row['candidates']:,} | {row['accepted']:,} | {row['cpu_seconds']:.2f} | {ratio:.1f} | "
            f"{row['mb']:,} | {row['mb_with_the_arrays']:,} |"
        )
    lines += [
        "",
        "## With documents (CPU seconds)",
        "",
        "`select` is the whole function: candidates of the documents into arrays, the decision, decisions into the documents, silver.",
        "",
        "| candidates | documents | read | select | write | MB of the process |",
        "|---|---|---|---|---|---|",
    ]
    for row in files:
        lines.append(
            f"| {row['candidates']:,} | {row['documents']:,} | {row['read']:.1f} | {row['select']:.1f} | {row['write']:.1f} | {row['mb']:,} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--json", type=Path, required=True, help="where to write; the table goes beside it"
    )
    args = parser.parse_args()
    arrays = [apart(measure_arrays, name, n) for n in SIZES for name in SELECTORS]
    files = [apart(measure_files, "conformal", n) for n in SIZES[:2]]
    write_json(args.json, {"arrays": arrays, "files": files})
    args.json.with_suffix(".md").write_text(render(arrays, files), encoding="utf8")
    print(json.dumps({"arrays": arrays, "files": files}, indent=2))


if __name__ == "__main__":
    main()
