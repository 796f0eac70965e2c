"""Text classification on the demo, at equal gold: five draws of the evidence, each method on each draw.

    python scripts/demo_topics.py --work /tmp/topics --json docs/topics.json

The rows are classifiers on frozen vectors of all-MiniLM-L6-v2, as `textcat denoise` makes them; the
LLM's labels are those of assets/garden/topics.jsonl. Vectors are computed once; a run that was stopped
goes on with the draw that is missing. Confident learning needs the extra [denoise].
"""

import statistics
from pathlib import Path
from typing import Any, Dict, List

import typer

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
    json: Path = typer.Option(Path("docs/topics.json"), help="File for the figures"),
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
    write_json(json, {"seeds": numbers, "gold": gold, "rows": rows, "differences": pairs})
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
    from spacy_llmjudge.encoders.doc_vectors import make_features
    from spacy_llmjudge.textcat.denoise import METHODS as KNOWN
    from spacy_llmjudge.textcat.evaluate import evaluate_texts
    from spacy_llmjudge.textcat.judge import judge_texts
    from spacy_llmjudge.textcat.prepare import prepare_texts
    from spacy_llmjudge.textcat.steps import denoise_texts

    assert set(METHODS) == set(KNOWN)
    source, corpus = ROOT / "assets/garden/topics.jsonl", work / f"corpus-{seed}"
    prepare_texts(source, corpus, gold=gold, seed=seed)
    make_features(corpus, work / "encoder", work / "features")
    column = {"path": str(source), "label": "llm_label", "confidence": "llm_confidence"}
    judge_texts(corpus, work / "judged", column=column, splits=("pool", "test"))
    args = (corpus, work / "judged", work / "features", corpus / "denoised")
    reports = denoise_texts(*args, METHODS, allow_missing=True, seed=seed)
    reports.update(
        denoise_texts(*args, ["gold"], evidence=corpus / "pool_gold.spacy", name="all_gold")
    )
    found = evaluate_texts(
        corpus, work / "judged", corpus / "denoised", corpus / "metrics", n_resamples=10
    )
    return {
        name: {
            **{metric: row["test"][metric]["value"] for metric in FIGURES[:2]},
            "pool_accuracy": row.get("pool", {}).get("accuracy"),
            "pool_macro_f1": row.get("pool", {}).get("macro_f1"),
            "seconds": reports[name]["seconds"] if name in reports else None,
        }
        for name, row in found["rows"].items()
    }


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
    interval by Student's t."""
    from scipy.stats import t

    found = {}
    for figure in FIGURES[:2]:
        row = spread([draws[s][name][figure] - draws[s][other][figure] for s in seeds])
        n = len(seeds)
        half = row["std"] / n**0.5 * float(t.ppf(0.975, n - 1)) if n > 1 else float("nan")
        found[figure] = {**row, "low": row["mean"] - half, "high": row["mean"] + half}
    return found


def show(row: Dict[str, Any]) -> str:
    return f"{100 * row['mean']:.1f} +- {100 * row['std']:.1f}"


if __name__ == "__main__":
    typer.run(main)
