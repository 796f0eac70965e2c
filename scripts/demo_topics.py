"""Text classification on the demo, at equal gold: five draws of the evidence, each method on each draw.

    python scripts/demo_topics.py --work /tmp/topics --json docs/topics.json

The rows are classifiers on frozen vectors of all-MiniLM-L6-v2, as the selectors of denoised labels use them; the
LLM's labels are those of assets/garden/topics.jsonl. Vectors are computed once; a run that was stopped
resumes with the draw that is missing. Confident learning needs the extra [denoise].
"""

import json
import random
import statistics
import time
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
import typer

from spacy_llmjudge.errors import LLMJudgeError

ROOT = Path(__file__).parents[1]
METHODS = ("gold", "none", "confident_learning", "prior_correction", "stacking", "uu", "sidyp")
FIGURES = ("accuracy", "macro_f1", "pool_accuracy", "pool_macro_f1")
# what every other row is compared with
REFERENCE = "none"


def main(
    # fmt: off
    work: Path = typer.Option(..., help="Folder for vectors and draws"),
    seeds: str = typer.Option("0,1,2,3,4", help="Seeds of the draws, separated by commas"),
    gold: int = typer.Option(60, help="Documents of evidence in each draw"),
    output: Path = typer.Option(Path("docs/topics.json"), "--json", help="File for the figures"),
    # fmt: on
) -> None:
    from spacy_llmjudge.encoders.fetch import MINILM, fetch_encoder
    from spacy_llmjudge.storage import read_json, write_json

    fetch_encoder(MINILM, work / "encoder")
    numbers = [int(seed) for seed in seeds.split(",")]
    draws = {}
    for seed in numbers:
        kept = work / f"draw-{gold}-{seed}.json"
        if not kept.exists():
            write_json(kept, measure(work, seed, gold))
        draws[seed] = read_json(kept)
    methods = [
        name for name in ("llm", *METHODS, "all_gold") if all(name in draws[s] for s in numbers)
    ]
    rows = [describe(name, [draws[s][name] for s in numbers], gold) for name in methods]
    pairs = [
        {"method": name, "against": other, **compare(name, other, draws, numbers)}
        for other in (REFERENCE, "gold")
        for name in methods
        if name != other
    ]
    write_json(output, {"seeds": numbers, "gold": gold, "rows": rows, "differences": pairs})
    for row in rows:
        cells = [f"{f} {show(row[f])}" for f in FIGURES if row[f]["mean"] is not None]
        print(f"{row['method']:20s} {'  '.join(cells)}")
    for pair in pairs:
        cells = [
            f"{f} {100 * pair[f]['mean']:+.1f} ({100 * pair[f]['low']:+.1f} to {100 * pair[f]['high']:+.1f})"
            for f in FIGURES[:2]
        ]
        print(f"{pair['method']:>20s} - {pair['against']:6s} {'  '.join(cells)}")


def measure(work: Path, seed: int, gold: int) -> Dict[str, Dict[str, Any]]:
    """RETURNS (Dict[str, Dict[str, Any]]): By method the figures of one draw."""
    from spacy_llmjudge.corpora.duplicates import normalise
    from spacy_llmjudge.denoise.methods import make_scores, refine_labels
    from spacy_llmjudge.encoders.doc_vectors import centre_layers, load_encoder

    pool, test = read_topics()
    labels = sorted({row["label"] for row in (*pool, *test)})
    texts = {"pool": [row["text"] for row in pool], "test": [row["text"] for row in test]}
    path = work / "vectors.npz"
    if not path.exists():
        embed = load_encoder(work / "encoder")
        np.savez(path, **centre_layers({name: embed(found) for name, found in texts.items()}))
    vectors = np.load(path)
    # numbered as strings: the draws are those of the figures that were published before
    order = sorted(range(len(pool)), key=lambda i: str(pool[i]["line"]))
    drawn = set(random.Random(f"{seed} evidence").sample(order, gold))
    truth = [(row["label"],) for row in pool]
    noisy = [(row["llm_label"],) for row in pool]
    support = np.full((len(pool), len(labels)), np.nan)
    for i, row in enumerate(pool):
        support[i, labels.index(row["llm_label"])] = row["llm_confidence"] / 100
    settings: Dict[str, Any] = {
        "labels": labels,
        "exclusive": True,
        "scores": make_scores(support, None),
        "groups": [normalise(text) for text in texts["pool"]],
        "allow_missing": True,
        "seed": seed,
    }
    of_test = one_hot([row["label"] for row in test], labels)
    rest = [i for i in range(len(pool)) if i not in drawn]
    of_pool = one_hot([pool[i]["label"] for i in rest], labels)
    found = {
        "llm": {
            **score(of_test, one_hot([row["llm_label"] for row in test], labels)),
            **as_pool(score(of_pool, one_hot([pool[i]["llm_label"] for i in rest], labels))),
            "seconds": None,
        }
    }
    for name in (*METHODS, "all_gold"):
        given = (
            truth
            if name == "all_gold"
            else [t if i in drawn else None for i, t in enumerate(truth)]
        )
        start = time.perf_counter()
        try:
            method = "gold" if name == "all_gold" else name
            refined = refine_labels(method, vectors["pool"], noisy, given, **settings)
        except LLMJudgeError as error:
            print(f"{name} is left out: {error}")
            continue
        seconds = round(time.perf_counter() - start, 2)
        predicted = np.eye(len(labels), dtype=bool)[refined.predict(vectors["test"]).argmax(axis=1)]
        kept = refined.chosen[rest] & refined.known[rest, None]
        of_labels = score(of_pool, kept) if name != "all_gold" else dict.fromkeys(FIGURES[:2])
        found[name] = {**score(of_test, predicted), **as_pool(of_labels), "seconds": seconds}
    return found


def read_topics() -> Tuple[List[Dict[str, Any]], List[Dict[str, Any]]]:
    """RETURNS (Tuple): The rows of pool and test, each with its line."""
    path = ROOT / "assets/garden/topics.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    numbered = [{**row, "line": n} for n, row in enumerate(rows, 1)]
    parts = [[row for row in numbered if row["split"] == name] for name in ("pool", "test")]
    return parts[0], parts[1]


def one_hot(names: List[str], labels: List[str]) -> np.ndarray:
    return np.array([[name == label for label in labels] for name in names], dtype=bool)


def score(gold: np.ndarray, said: np.ndarray) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Accuracy and macro-F1 of two matrices of bool, documents by labels, and
    the counts that both come from."""
    from spacy_llmjudge.evaluation.significance import count_documents, macro_f1

    counts = np.stack([gold & said, ~gold & said, gold & ~said], axis=2).astype("int64")
    right = (gold == said).all(axis=1)
    return {
        "accuracy": float(right.mean()),
        "macro_f1": float(macro_f1(counts.sum(axis=0))),
        "counts": counts.tolist(),
        "counts_of_documents": count_documents(right).tolist(),
    }


def as_pool(figures: Dict[str, Any]) -> Dict[str, Any]:
    return {f"pool_{name}": figures[name] for name in FIGURES[:2]}


def describe(name: str, draws: List[Dict[str, Any]], gold: int) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): A method's mean and standard deviation (n - 1) over the draws."""
    needs = {"llm": 0, "none": 0, "confident_learning": 0, "sidyp": 0, "all_gold": "all"}
    row: Dict[str, Any] = {
        "dataset": "garden_topics",
        "method": name,
        "gold": needs.get(name, gold),
    }
    return {**row, **{f: spread([d[f] for d in draws]) for f in (*FIGURES, "seconds")}}


def spread(values: List[Any]) -> Dict[str, Any]:
    if any(value is None for value in values):
        return {"mean": None, "std": None, "values": []}
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "std": deviation, "values": values}


def compare(name: str, other: str, draws: Dict[int, Any], seeds: List[int]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): By figure the mean difference over the draws, paired, and its 95 %
    interval over draws and test texts."""
    from spacy_llmjudge.evaluation.significance import document_error, interval_over_seeds

    counts = {
        "macro_f1": [[np.array(draws[s][n]["counts"]) for s in seeds] for n in (name, other)],
        "accuracy": [
            [np.array(draws[s][n]["counts_of_documents"]) for s in seeds] for n in (name, other)
        ],
    }
    found = {}
    for figure in FIGURES[:2]:
        row = spread([draws[s][name][figure] - draws[s][other][figure] for s in seeds])
        averages = "macro" if figure == "macro_f1" else "micro"
        error = document_error(*map(np.array, counts[figure]), averages=averages)
        found[figure] = {**row, **interval_over_seeds(row["values"], error)}
    return found


def show(row: Dict[str, Any]) -> str:
    return f"{100 * row['mean']:.1f} +- {100 * row['std']:.1f}"


if __name__ == "__main__":
    typer.run(main)
