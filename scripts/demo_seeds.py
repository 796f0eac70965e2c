"""Run the demo with several seeds and print what it comes to: seed student, classic self-training, the
LLM's labels as they are, judged student, with paired differences over the seeds.

    python scripts/demo_seeds.py --seeds 0,1,2 --work /tmp/demo --json docs/demo.json

Every seed runs in a folder of its own through `spacy project run`, so that a run which was stopped goes
on where it was.
"""

import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import typer

ROOT = Path(__file__).parents[1]
METHODS = ("seed", "unjudged", "llm_labels", "judged")


def main(
    # fmt: off
    work: Path = typer.Option(..., help="Folder for the runs"),
    seeds: str = typer.Option("0,1,2", help="Seeds, separated by commas"),
    json: Path = typer.Option(Path("docs/demo.json"), help="File for the figures"),
    # fmt: on
) -> None:
    from spacy_llmjudge.storage import read_json, write_json

    numbers = [int(seed) for seed in seeds.split(",")]
    runs = {}
    for seed in numbers:
        folder = work / f"seed-{seed}"
        copy_project(folder)
        for workflow in ("selftrain", "compare"):
            command = ["project", "run", workflow, str(folder), "--vars.seed", str(seed)]
            subprocess.run([sys.executable, "-m", "spacy", *command], check=True)
        runs[seed] = read_json(folder / "metrics/round-1/summary.json")
    scores = {m: [runs[seed][m]["f"] for seed in numbers] for m in METHODS}
    report: Dict[str, Any] = {
        "seeds": numbers,
        "f": {method: spread(values) for method, values in scores.items()},
        "judged_minus": {
            method: paired(
                scores["judged"], scores[method], [runs[s]["comparisons"][method] for s in numbers]
            )
            for method in METHODS
            if method != "judged"
        },
        "silver": {
            key: spread([runs[seed]["silver"][key] for seed in numbers])
            for key in ("spans", "precision", "recall", "wrong_share")
        },
        "q": runs[numbers[0]]["silver"]["q"],
        "runs": {str(seed): runs[seed] for seed in numbers},
    }
    write_json(json, report)
    for method, row in report["f"].items():
        print(f"{method:12s} F1 {100 * row['mean']:.1f} +- {100 * row['std']:.1f}")
    for method, row in report["judged_minus"].items():
        low, high = 100 * row["low"], 100 * row["high"]
        print(f"judged - {method:12s} {100 * row['mean']:+.1f} ({low:+.1f} to {high:+.1f})")


def copy_project(folder: Path) -> None:
    """Make a folder with the project and links to nothing: what a clone would hold."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "project.yml", folder / "project.yml")
    for name in ("configs", "assets/garden"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)


def spread(values: List[float]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Mean, standard deviation over the seeds (n - 1), and the values."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "std": deviation, "values": values}


def paired(
    ours: List[float], theirs: List[float], comparisons: List[Dict[str, float]]
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Mean difference over the seeds, and its 95 % interval over seeds and test
    documents. The mean of the seeds' errors over documents is an upper limit for that of their mean."""
    from spacy_llmjudge.evaluation.significance import interval_over_seeds

    row = spread([a - b for a, b in zip(ours, theirs)])
    error = statistics.fmean(found["high"] - found["low"] for found in comparisons) / (2 * 1.96)
    return {**row, **interval_over_seeds(row["values"], error)}


if __name__ == "__main__":
    typer.run(main)
