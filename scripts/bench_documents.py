"""Measure reading and writing documents with candidates, against spaCy's DocBin as it is.

    python scripts/bench_documents.py --json docs/documents.json

Both ways read and write the same documents in turn, several times in one process; the figures are CPU time, the
medians. The plain way looks through the entry points of all installed packages for every document with
a span group, so its time grows with the number of packages.
"""

import argparse
import statistics
import sys
import tempfile
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Callable, Dict, List

from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, set_candidates
from spacy_llmjudge.storage import read_docs, write_docs, write_json

WORDS = "slugs ate my hostas again and the neem oil from the corner shop did nothing at all".split()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True, help="where to write")
    parser.add_argument("--docs", type=int, default=1000)
    parser.add_argument("--candidates", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    docs = make_docs(args.docs, args.candidates)
    with tempfile.TemporaryDirectory() as folder:
        plain, ours = Path(folder) / "plain.spacy", Path(folder) / "ours.spacy"
        seconds = measure(
            {
                "write": {
                    "plain": lambda: write_plain(plain, docs),
                    "ours": lambda: write_docs(ours, docs),
                },
                "read": {
                    "plain": lambda: list(DocBin().from_disk(plain).get_docs(Vocab())),
                    "ours": lambda: list(read_docs(ours, Vocab())),
                },
            },
            args.repeats,
        )
        same = plain.read_bytes() == ours.read_bytes()
    result = {
        "documents": args.docs,
        "candidates_per_document": args.candidates,
        "installed_packages": len(list(distributions())),
        "same_bytes": same,
        "ms_per_document": {
            task: {way: 1000 * s / args.docs for way, s in ways.items()}
            for task, ways in seconds.items()
        },
        "times_faster": {task: ways["plain"] / ways["ours"] for task, ways in seconds.items()},
    }
    write_json(args.json, result)
    for task, ways in result["ms_per_document"].items():
        print(
            f"{task}: {ways['plain']:.3f} ms a document, ours {ways['ours']:.3f} ms,"
            f" {result['times_faster'][task]:.1f} times faster"
        )
    return 0 if same else 1


def make_docs(n: int, n_candidates: int) -> List[Doc]:
    """RETURNS (List[Doc]): Documents of one sentence with candidates, as `annotate` writes them."""
    vocab = Vocab()
    docs = []
    for i in range(n):
        doc = Doc(vocab, words=[*WORDS[i % len(WORDS) :], *WORDS[: i % len(WORDS)], str(i)])
        places = [(k % (len(doc) - 2), f"LABEL_{k // (len(doc) - 2)}") for k in range(n_candidates)]
        found = [Candidate(k, k + 2, label, posterior=1 / (k + 1)) for k, label in places]
        set_candidates(doc, found)
        docs.append(doc)
    return docs


def write_plain(path: Path, docs: List[Doc]) -> None:
    DocBin(docs=docs, store_user_data=False).to_disk(path)


def measure(
    tasks: Dict[str, Dict[str, Callable[[], object]]], repeats: int
) -> Dict[str, Dict[str, float]]:
    """RETURNS (Dict[str, Dict[str, float]]): Median CPU seconds by task and way, the ways in turn."""
    seconds: Dict[str, Dict[str, List[float]]] = {
        task: {way: [] for way in ways} for task, ways in tasks.items()
    }
    for _ in range(repeats):
        for task, ways in tasks.items():
            for way, function in ways.items():
                start = time.process_time()
                function()
                seconds[task][way].append(time.process_time() - start)
    return {
        task: {way: statistics.median(of_way) for way, of_way in ways.items()}
        for task, ways in seconds.items()
    }


if __name__ == "__main__":
    sys.exit(main())
