"""From the runs of `benchmark.py` to the rows of docs/benchmark.json and to docs/benchmark.md."""

import base64
import platform
import statistics
import zlib
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
# what no difference is shown of: it has no calls, or is what others are compared with
UNCOMPARED = ("seed", "self_training", "bond", "pool_gold", *RIVALS.values())
# what makes the curve of F1 against q
CURVE = ("ours_q", "ours_masked_q")
INTERVAL = ("f_low", "f_high")
PACKAGES = ("spacy", "spacy-transformers", "spacy-llm", "torch", "thinc")
TITLES = {
    "seed": "seed student",
    "self_training": "classic self-training, cut .8",
    "bond": "after BOND: sure tokens only, 2 teachers",
    "collaborative": "the published filter as we read it, one round, cut .9, on all sentences",
    **{
        f"published_tau{tau:g}": f"the published filter as we read it, two rounds, cut {tau:g}"
        for tau in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
    },
    "llm_labels": "LLM labels as they are",
    "llm_labels_long": "the same, trained as long as ours",
    "llm_labels_equal": "the same, with the gold and the calls of ours, trained as long",
    "hf_classifier": "LLM labels, token classifier of transformers",
    "hf_classifier_equal": "the same, with the gold and the calls of ours, trained as long",
    "span_marker": "LLM labels, SpanMarker",
    "span_marker_equal": "the same, with the gold and the calls of ours, trained as long",
    "cleanlab": "LLM labels after cleanlab's token filter, equal gold and calls, trained as long",
    "skweak": "skweak's HMM of LLM and seed student, equal gold and calls, trained as long",
    "ours": "ours",
    "ours_gold": "ours, the evidence's gold in the last training",
    "ours_likelihood": "the same, with log-probabilities in the fusion",
    "without_choice": "ours without the choice of what to ask: the first sentences",
    "without_second_round": "ours without the second round: the teacher trained further",
    "without_unasked": "ours without the unasked pool",
    "without_student": "ours without fusion: the judge's support alone ranks what it read",
    "without_judge": "ours without fusion: the student's confidence alone ranks",
    "without_selection": "ours without selection: all that the judge lists or the student predicts",
    "pool_gold": "pool gold (ceiling)",
}


def write_report(path: Path, order: Sequence[Tuple[str, Tuple[Any, ...]]]) -> None:
    """Add the rows to the file of runs, and write the table beside it.

    path (Path): docs/benchmark.json with `runs`, by name. Gets `rows`: a row for each data set,
        shots, LLM, method and number of calls, with means, standard deviations over the seeds (n - 1) and
        intervals over seeds and documents; and `summary`: ours against LLM labels with the same gold and calls.
    order (Sequence): The names of all rows in their order.
    """
    report = read_json(path)
    runs = report["runs"]
    groups: Dict[Tuple[Any, ...], List[Dict[str, Any]]] = defaultdict(list)
    for name, (*key, _) in order:
        if name in runs:
            groups[tuple(key)].append(runs[name])
    counts = {
        _run_key(run): unpack_counts(run["counts"]) for run in runs.values() if "counts" in run
    }
    rows = [_aggregate(key, found, counts) for key, found in groups.items()]
    before = {_key(row): row for row in report.get("rows", [])}
    for row, found in zip(rows, groups.values()):
        # measured before counts were kept here: what was said of these very runs holds
        if not any("counts" in run for run in found):
            known = before.get(_key(row), {})
            row.update({name: known.get(name) for name in (*RIVALS, *INTERVAL) if name in known})
    missing = [name for name, _ in order if name not in runs]
    written = {
        "rows": rows,
        "summary": _summarise(rows),
        "missing": missing,
        "versions": _versions(),
        "runs": runs,
    }
    write_json(path, written)
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


def counts_path(folder: Path, method: str, calls: int) -> Path:
    """RETURNS (Path): The counts of a run in the folder of its cell and seed."""
    return folder / "counts" / f"{method}-{calls}.npy"


def pack_counts(counts: numpy.ndarray) -> str:
    """RETURNS (str): Right, wrong and missed entities of each test document, shape (documents, 3): unsigned
    bytes, zlib, base64."""
    if counts.max(initial=0) > 255:
        raise ValueError("a document with more than 255 entities")
    return base64.b64encode(zlib.compress(counts.astype("uint8").tobytes(), 9)).decode("ascii")


def unpack_counts(packed: str) -> numpy.ndarray:
    found = numpy.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype="uint8")
    return found.reshape(-1, 3).astype("int64")


def with_counts(run: Dict[str, Any], work: Path) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The run with its counts, where its work folder still has them."""
    cell = cell_folder(work, run["dataset"], run["shots"], run.get("llm", FRONTIER))
    path = counts_path(cell / f"seed-{run['seed']}", run["method"], run["llm_calls"])
    if "counts" in run or not path.exists():
        return run
    return {**run, "counts": pack_counts(numpy.load(path))}


def _run_key(run: Dict[str, Any]) -> Tuple[Any, ...]:
    where = (run["dataset"], run["shots"], run.get("llm", FRONTIER))
    return *where, run["method"], run["llm_calls"], run["seed"]


def _key(row: Dict[str, Any]) -> Tuple[Any, ...]:
    names = ("dataset", "shots", "method", "llm_calls")
    return *(row[name] for name in names), row.get("llm", FRONTIER), tuple(row["seeds"])


def _aggregate(
    key: Tuple[Any, ...], runs: List[Dict[str, Any]], counts: Dict[Tuple[Any, ...], numpy.ndarray]
) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): A row; see `write_report`."""
    dataset, shots, llm, method, calls = key
    row: Dict[str, Any] = {
        "dataset": dataset,
        "shots": shots,
        "llm": llm,
        "method": method,
        "llm_calls": calls,
        "seeds": [run["seed"] for run in runs],
        "uses_evidence": runs[0]["uses_evidence"],
        "gold": runs[0].get("gold"),
    }
    values = [run["f"] for run in runs]
    row["f_mean"], row["f_std"] = _spread(values)
    row.update(dict.fromkeys(INTERVAL))
    own = [counts.get((*key, seed)) for seed in row["seeds"]]
    if all(one is not None for one in own):
        found = interval_over_seeds(values, document_error(numpy.array(own)))
        row.update(f_low=round(found["low"], 5), f_high=round(found["high"], 5))
    for name in ("minutes", "docs_per_second", "megabytes"):
        known = [run[name] for run in runs if run.get(name) is not None]
        row[name] = round(_spread(known)[0], 2) if known else None
    for source in ("precision", "recall", "wrong_share"):
        values = [run["silver"][source] for run in runs if run.get("silver")]
        row[f"silver_{source}"] = round(_spread(values)[0], 4) if values else None
    if method not in UNCOMPARED:
        for name, rival in RIVALS.items():
            row[name] = _compare(key, (*key[:3], rival, calls), row["seeds"], counts)
    return row


def _compare(
    key: Tuple[Any, ...],
    rival: Tuple[Any, ...],
    seeds: Sequence[int],
    counts: Dict[Tuple[Any, ...], numpy.ndarray],
) -> Optional[Dict[str, Any]]:
    """RETURNS (Optional[Dict[str, Any]]): How much better a method is, over the seeds that both have."""
    both = [seed for seed in seeds if (*key, seed) in counts and (*rival, seed) in counts]
    if not both:
        return None
    ours, theirs = (numpy.array([counts[(*one, seed)] for seed in both]) for one in (key, rival))
    values = [f_difference(a, b) for a, b in zip(ours, theirs)]
    found = interval_over_seeds(values, document_error(ours, theirs))
    return {**{k: round(found[k], 5) for k in ("mean", "low", "high")}, "seeds": both}


def _summarise(rows: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): Ours as the command does it beside LLM labels with the same gold and calls, for
    each data set, shots, LLM and number of calls that has both."""
    where = itemgetter("dataset", "shots", "llm", "llm_calls")
    rivals = {where(row): row for row in rows if row["method"] == RIVALS["minus_equal"]}
    names = ("dataset", "shots", "llm", "llm_calls", "gold", "seeds", "f_mean", *INTERVAL)
    return [
        {
            "method": "ours",
            **{name: row[name] for name in names},
            "minus_equal": row["minus_equal"],
            "equal": {name: rivals[where(row)][name] for name in names[4:]},
        }
        for row in rows
        if row["method"] == "ours_gold" and where(row) in rivals
    ]


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
            "| method | LLM calls | gold | seeds | test F1 | minus LLM labels | minus these, trained as long | minus these, with equal gold and calls | silver P | silver R | CPU minutes | documents a second | MB |"
        )
        lines.append("|---" * 13 + "|")
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
    ends = [row[name] for name in INTERVAL]
    if None not in ends:
        spread = " ({:.1f} to {:.1f})".format(*(100 * x for x in ends))
    else:
        spread = f" ± {100 * row['f_std']:.1f}" if len(row["seeds"]) > 1 else ""
    cells = [
        TITLES.get(row["method"], row["method"]) + (" (e)" if row["uses_evidence"] else ""),
        str(row["llm_calls"] or "-"),
        "-" if row["gold"] is None else f"{row['gold']:,}",
        str(len(row["seeds"])),
        f"{100 * row['f_mean']:.1f}{spread}",
        *(_gain(row.get(name)) for name in RIVALS),
        _share(row["silver_precision"]),
        _share(row["silver_recall"]),
        _number(row["minutes"], 1),
        _number(row["docs_per_second"], 0),
        _number(row["megabytes"], 0),
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: Optional[float], digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _gain(gain: Optional[Dict[str, float]]) -> str:
    if gain is None:
        return "-"
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * gain[k] for k in ("mean", "low", "high")))


def _share(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.3f}".removeprefix("0")


def _versions() -> Dict[str, str]:
    from importlib.metadata import version

    return {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
