"""The summary of a round: for programs as JSON, for people as a table."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..stages import read_seconds
from ..storage import read_json_if_there

TITLES = {
    "seed": "seed student (labelled set only)",
    "unjudged": "classic self-training (no judge)",
    "llm_labels": "trained on the LLM's labels as they are",
    "judged": "judged student",
}
# of held-out candidates that the student predicted or the judge proposed: most others are hopeless
CALIBRATION = ("n", "ece", "ece_low", "ece_high", "brier", "auroc", "log_loss")
CALIBRATION_TITLES = ("source", "n", "ECE", "95 % interval", "Brier", "AUROC")


def make_summary(
    metrics: Path,
    results: Dict[str, Dict[str, Any]],
    comparisons: Dict[str, Dict[str, Any]],
    quality: Optional[Dict[str, Any]],
    target: str = "ents",
) -> Dict[str, Any]:
    """Gather the scores and what the other steps left in the folder of metrics.

    metrics (Path): The folder, with `selection.json`, `judge.json` and `seconds.json` where those
        steps ran.
    results (Dict[str, Dict[str, Any]]): Of each model: `spacy`, `seqeval` and `interval`.
    comparisons (Dict[str, Dict[str, Any]]): The judged student against each other model.
    quality (Optional[Dict[str, Any]]): The silver against the pool's hidden gold.
    target (str): The name of what is labelled.
    RETURNS (Dict[str, Any]): The summary.
    """
    selection = read_json_if_there(metrics / "selection.json")
    summary: Dict[str, Any] = {
        name: {
            **{key: result["spacy"][key] for key in ("p", "r", "f")},
            "f_low": result["interval"]["f_low"],
            "f_high": result["interval"]["f_high"],
            **_describe_more(result),
        }
        for name, result in results.items()
    }
    summary["target"] = target
    summary["comparisons"] = comparisons
    summary["silver"] = _describe_silver(selection, quality)
    summary["calibration"] = {
        source: {key: figures.get(key) for key in CALIBRATION}
        for source, figures in (selection.get("reliability_listed") or {}).items()
    }
    summary["judge"] = read_json_if_there(metrics / "judge.json")
    summary["held_out"] = read_json_if_there(metrics / "held_out.json")
    summary["seconds"] = read_seconds(metrics)
    return summary


def _describe_more(result: Dict[str, Any]) -> Dict[str, Any]:
    """What only one target has: F1 by seqeval, or the share of documents that are right."""
    if "seqeval" in result:
        return {"f_seqeval": result["seqeval"]["f"]}
    if "accuracy" in result:
        interval = result["accuracy_interval"]
        values = (result["accuracy"], interval["low"], interval["high"])
        return dict(zip(("accuracy", "accuracy_low", "accuracy_high"), values))
    return {}


def _describe_silver(
    selection: Dict[str, Any], quality: Optional[Dict[str, Any]]
) -> Dict[str, Any]:
    measured = quality or {}
    return {
        "documents": selection.get("documents", {}).get("silver"),
        "spans": measured.get("spans", selection.get("spans")),
        "precision": measured.get("precision"),
        "recall": measured.get("recall"),
        "wrong_share": measured.get("wrong_share"),
        "q": (selection.get("promise") or {}).get("q"),
        "attained": (selection.get("promise") or {}).get("attained"),
        "statement": selection.get("statement"),
        "warning": selection.get("warning"),
        "per_type": measured.get("per_type"),
    }


def model_rows(summary: Dict[str, Any]) -> List[Tuple[str, ...]]:
    """RETURNS (List[Tuple[str, ...]]): A row for each model, in the columns of `header`."""
    rows = []
    for name, title in TITLES.items():
        if name in summary:
            scores = summary[name]
            gain = summary["comparisons"].get(name)
            rows.append(
                (
                    title,
                    *(_percent(scores[key]) for key in ("p", "r", "f")),
                    f"{_percent(scores['f_low'])} to {_percent(scores['f_high'])}",
                    *_accuracy_cells(scores),
                    "" if gain is None else _gain(gain),
                )
            )
    return rows


def describe_held_out(held_out: Dict[str, Any], level: str) -> str:
    """Say what the evidence shows, which needs no test set.

    held_out (Dict[str, Any]): What `score_held_out` found, and whether it was cross-fitted.
    level (str): What the scores are about.
    RETURNS (str): Sentences.
    """
    n = held_out["documents"]
    place = f"the {n} documents of dev"
    if held_out["crossfitted"]:
        place = f"the labelled set ({n} documents), cross-validated"
    parts = [
        f"{title} {_percent(scores['f'])} ({_percent(scores['f_low'])} to {_percent(scores['f_high'])})"
        for title, scores in (
            ("the student that annotated", held_out["student"]),
            ("the judge's own labels", held_out["judge"]),
        )
    ]
    return f"F1 on {place}: {', '.join(parts)} ({level}, %, 95 % intervals)."


def silver_rows(summary: Dict[str, Any]) -> List[Tuple[str, ...]]:
    """RETURNS (List[Tuple[str, ...]]): Label, spans, precision and recall of the silver, all labels
    together first; empty where the pool has no hidden gold."""
    silver = summary["silver"]
    if silver["precision"] is None:
        return []
    rows = [("all", silver)] + sorted((silver["per_type"] or {}).items())
    return [
        (label, str(row["spans"]), _percent(row["precision"]), _percent(row["recall"]))
        for label, row in rows
    ]


def calibration_rows(calibration: Dict[str, Any]) -> List[Tuple[str, ...]]:
    """RETURNS (List[Tuple[str, ...]]): The rows under CALIBRATION_TITLES, by source."""
    return [
        (
            source,
            str(figures["n"]),
            _number(figures["ece"]),
            " to ".join(_number(figures.get(key)) for key in ("ece_low", "ece_high")),
            *(_number(figures[key]) for key in ("brier", "auroc")),
        )
        for source, figures in calibration.items()
    ]


def _accuracy_cells(scores: Dict[str, Any]) -> Tuple[str, ...]:
    if "accuracy" not in scores:
        return ()
    low, high = scores["accuracy_low"], scores["accuracy_high"]
    return (_percent(scores["accuracy"]), f"{_percent(low)} to {_percent(high)}")


def _gain(gain: Dict[str, Any]) -> str:
    low, high = (f"{100 * gain[key]:+.1f}" for key in ("low", "high"))
    return f"{100 * gain['difference']:+.1f} ({low} to {high})"


def _percent(value: Optional[float]) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _number(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.3f}"


def header(summary: Dict[str, Any]) -> Sequence[str]:
    """RETURNS (Sequence[str]): The titles over `model_rows`."""
    f1 = "macro-F1" if summary.get("target") == "cats" else "F1"
    more = ("accuracy", "95 % interval") if summary.get("target") == "cats" else ()
    better = f"judged student is better by ({f1})" if more else "judged student is better by"
    return ("model", "P", "R", f1, "95 % interval", *more, better)
