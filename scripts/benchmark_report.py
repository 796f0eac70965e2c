"""From the runs of `benchmark.py` to the rows of docs/benchmark.json and to docs/benchmark.md."""

import platform
import statistics
from collections import defaultdict
from operator import itemgetter
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy
from benchmark_data import FRONTIER, cell_folder

from spacy_llmjudge.evaluation.significance import document_error, f_difference, interval_over_seeds
from spacy_llmjudge.storage import read_json, write_bytes, write_json

HEAD = Path(__file__).with_name("benchmark_intro.md")
# what was tried and did not work
FAILED = Path(__file__).with_name("benchmark_failed.md")
# what ours is compared with, at equal calls
RIVALS = {
    "minus_llm_labels": "llm_labels",
    "minus_llm_labels_long": "llm_labels_long",
    "minus_equal": "llm_labels_equal",
}
# what makes the curve of F1 against q
CURVE = ("ours_q", "ours_masked_q")
PACKAGES = ("spacy", "spacy-transformers", "spacy-llm", "torch", "thinc")
TITLES = {
    "seed": "seed student",
    "self_training": "classic self-training, cut .8",
    "bond": "after BOND: sure tokens only, 2 teachers",
    "collaborative": "collaborative filter, as published",
    "llm_labels": "LLM labels as they are",
    "llm_labels_long": "the same, trained as long as ours",
    "llm_labels_equal": "the same, with the gold and the calls of ours, trained as long",
    "ours": "ours",
    "ours_gold": "ours, the evidence's gold in the last training",
    "ours_likelihood": "the same, with log-probabilities in the fusion",
    "pool_gold": "pool gold (ceiling)",
}


def write_report(path: Path, order: Sequence[Tuple[str, Tuple[Any, ...]]], work: Path) -> None:
    """Add the rows to the file of runs, and write the table beside it.

    path (Path): docs/benchmark.json with `runs`, by name. Gets `rows`: a row for each data set,
        shots, method and number of calls, with means and standard deviations over the seeds (n - 1).
    order (Sequence): The names of all rows in their order.
    work (Path): Where the counts of the runs are, for differences between methods.
    """
    report = read_json(path)
    runs = report["runs"]
    groups: Dict[Tuple[Any, ...], List[Dict[str, Any]]] = defaultdict(list)
    for name, (*key, _) in order:
        if name in runs:
            groups[tuple(key)].append(runs[name])
    rows = [_aggregate(key, found, work) for key, found in groups.items()]
    before = {_key(row): row for row in report.get("rows", [])}
    for row in rows:
        for name in (*RIVALS, "f_low", "f_high"):
            if row.get(name) is None and before.get(_key(row), {}).get(name) is not None:
                row[name] = before[_key(row)][name]
    missing = [name for name, _ in order if name not in runs]
    write_json(path, {"rows": rows, "missing": missing, "versions": _versions(), "runs": runs})
    table = [row for row in rows if not row["method"].startswith(CURVE)]
    text = (
        HEAD.read_text(encoding="utf8")
        + _table(table)
        + _curve(runs)
        + FAILED.read_text(encoding="utf8")
    )
    if missing:
        text += f"\nNot measured yet: {len(missing)} of {len(order)} runs; `--plan` lists them.\n"
    versions = ", ".join(f"{name} {version}" for name, version in _versions().items())
    write_bytes(path.with_suffix(".md"), f"{text}\nMeasured with {versions}.\n".encode())


def _key(row: Dict[str, Any]) -> Tuple[Any, ...]:
    names = ("dataset", "shots", "method", "llm_calls")
    return *(row[name] for name in names), row.get("llm", FRONTIER), tuple(row["seeds"])


def _aggregate(key: Tuple[Any, ...], runs: List[Dict[str, Any]], work: Path) -> Dict[str, Any]:
    dataset, shots, llm, method, calls = key
    seeds = [run["seed"] for run in runs]
    row: Dict[str, Any] = {
        "dataset": dataset,
        "shots": shots,
        "llm": llm,
        "method": method,
        "llm_calls": calls,
        "seeds": seeds,
        "uses_evidence": runs[0]["uses_evidence"],
        "gold": runs[0].get("gold"),
    }
    values = [run["f"] for run in runs]
    row["f_mean"], row["f_std"] = _spread(values)
    counts = [_counts(work, key, method, seed) for seed in seeds]
    if all(one is not None for one in counts):
        found = interval_over_seeds(values, document_error(numpy.array(counts)))
        row.update(f_low=round(found["low"], 5), f_high=round(found["high"], 5))
    minutes = [run["minutes"] for run in runs if run["minutes"] is not None]
    row["minutes"] = round(_spread(minutes)[0], 2) if minutes else None
    for source in ("precision", "recall", "wrong_share"):
        values = [run["silver"][source] for run in runs if "silver" in run]
        row[f"silver_{source}"] = round(_spread(values)[0], 4) if values else None
    if method.startswith("ours"):
        for name, rival in RIVALS.items():
            pairs = [[_counts(work, key, one, seed) for seed in seeds] for one in (method, rival)]
            if all(counts is not None for side in pairs for counts in side):
                ours, theirs = (numpy.array(side) for side in pairs)
                values = [f_difference(a, b) for a, b in zip(ours, theirs)]
                found = interval_over_seeds(values, document_error(ours, theirs))
                row[name] = {k: round(found[k], 5) for k in ("mean", "low", "high")}
    return row


def _counts(work: Path, key: Tuple[Any, ...], method: str, seed: int) -> Optional[numpy.ndarray]:
    dataset, shots, llm, _, calls = key
    folder = cell_folder(work, dataset, shots, llm) / f"seed-{seed}" / "counts"
    path = folder / f"{method}-{calls}.npy"
    return numpy.load(path) if path.exists() else None


def _spread(values: List[float]) -> Tuple[float, Optional[float]]:
    deviation = round(statistics.stdev(values), 5) if len(values) > 1 else None
    return round(statistics.fmean(values), 5), deviation


def _table(rows: List[Dict[str, Any]]) -> str:
    lines = []
    for where in dict.fromkeys((row["dataset"], row["shots"], row["llm"]) for row in rows):
        dataset, shots, llm = where
        title = f"\n## {dataset}" + (f", {shots} sentences a label" if shots else "")
        lines += [title + ("" if llm == FRONTIER else f", answered by {llm}"), ""]
        if shots in (5, 20) and dataset == "mit_restaurant":
            lines += ["The LLM had seen the 80 sentences of the 10-shot set.", ""]
        if dataset == "garden":
            lines += [
                "The demo, with 60 labelled messages. Its pool has 1,000, and the LLM answered for all of them.",
                "",
            ]
        lines.append(
            "| method | LLM calls | seeds | test F1 | minus LLM labels | minus these, trained as long | minus these, with equal gold and calls | silver P | silver R | CPU minutes |"
        )
        lines.append("|---|---|---|---|---|---|---|---|---|---|")
        for row in rows:
            if (row["dataset"], row["shots"], row["llm"]) == where:
                lines.append(_line(row))
    return "\n".join(lines) + "\n"


def _curve(runs: Dict[str, Dict[str, Any]]) -> str:
    """F1 against q, on the seed for which all of it was measured."""
    rows = [run for run in runs.values() if run["method"].startswith(CURVE)]
    if not rows:
        return ""
    where = itemgetter("dataset", "shots", "llm_calls", "seed")
    (cell,) = set(map(where, rows))
    rows += [run for run in runs.values() if run["method"] == "ours" and where(run) == cell]
    lines = [
        "",
        "## F1 against q",
        "",
        f"{cell[0]}, {cell[1]} sentences a label, {cell[2]} LLM calls, seed {cell[3]}. What is not accepted is outside; in the rows",
        "that say masked, what has a probability over .3 and is not accepted is missing, as in configs/filter.cfg.",
        "",
        "| q | test F1 | precision | recall | silver spans | silver P | silver R |",
        "|---|---|---|---|---|---|---|",
    ]
    for run in sorted(rows, key=lambda run: ("masked" in run["method"], run["settings"]["q"])):
        silver = run["silver"]
        name = f"{run['settings']['q']:g}" + (", masked" if "masked" in run["method"] else "")
        scores = [f"{100 * run[key]:.1f}" for key in ("f", "precision", "recall")]
        cells = [
            name,
            *scores,
            f"{silver['spans']:,}",
            _share(silver["precision"]),
            _share(silver["recall"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _line(row: Dict[str, Any]) -> str:
    spread = f" ± {100 * row['f_std']:.1f}" if row["f_std"] is not None else ""
    cells = [
        TITLES.get(row["method"], row["method"]) + (" (e)" if row["uses_evidence"] else ""),
        str(row["llm_calls"] or "-"),
        str(len(row["seeds"])),
        f"{100 * row['f_mean']:.1f}{spread}",
        *(_gain(row.get(name)) for name in RIVALS),
        _share(row["silver_precision"]),
        _share(row["silver_recall"]),
        "-" if row["minutes"] is None else f"{row['minutes']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _gain(gain: Optional[Dict[str, float]]) -> str:
    if gain is None:
        return "-"
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * gain[k] for k in ("mean", "low", "high")))


def _share(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.3f}".removeprefix("0")


def _versions() -> Dict[str, str]:
    from importlib.metadata import version

    return {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
