"""The step `evaluate`: score models on the test set, and the silver against hidden gold."""

import warnings
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from spacy.vocab import Vocab

from ..errors import Errors, LLMJudgeError, Warnings
from ..evaluation.scores import (
    count_matches,
    evaluate_model,
    labels_of,
    right_documents,
    score_pair,
    silver_quality,
)
from ..evaluation.significance import bootstrap_f1, compare, count_documents
from ..evaluation.summary import make_summary
from ..stages import once
from ..storage import read_docs, write_docs, write_json
from ..streams import Documents
from ..targets.base import Target, find_record, find_target
from ..training.origin import hash_model, read_origin, same_data
from ..training.student import component_name, load_student

# in the folder of metrics: what the judged student, or the last one, says about the test set
PREDICTED = "predicted.spacy"
Progress = Optional[Callable[[int], None]]


def evaluate(
    models: Dict[str, str],
    test: Path,
    output: Path,
    *,
    silver: Optional[Path] = None,
    pool_gold: Optional[Path] = None,
    notes: Optional[Path] = None,
    n_resamples: int = 2000,
    gpu_id: int = -1,
    progress: Progress = None,
) -> Dict[str, Any]:
    """Score models on the test set, with intervals, and compare the judged student with the others.

    models (Dict[str, str]): Name to pipeline; "judged" is compared with all others, paired.
    test (Path): The test set.
    output (Path): The folder of metrics. Gets `<name>.json` for each model and `summary.json`, which
        also gathers what the other steps left there; PREDICTED has the judged student's predictions.
    silver (Optional[Path]): The silver documents, to be measured against
    pool_gold (Optional[Path]): the pool's hidden gold. It is used for nothing else.
    notes (Optional[Path]): The folder of what other steps left, where it is another.
    RETURNS (Dict[str, Any]): The summary.
    """
    models = _comparable(models)
    notes = notes or output
    beside = [notes / name for name in ("selection.json", "judge.json")]
    inputs = {
        "models": {name: hash_model(model) for name, model in models.items()},
        "test": test,
        "target": find_record(test),
        "silver": silver,
        "pool_gold": pool_gold,
        "n_resamples": n_resamples,
        **{path.name: path for path in beside},
    }
    path = output / "summary.json"

    def work() -> Dict[str, Any]:
        summary = _evaluate(
            models, test, output, notes, silver, pool_gold, n_resamples, gpu_id, progress
        )
        write_json(path, summary)
        return summary

    # not the summary itself: times of later steps are added to it
    outputs = [output / name for name in (*(f"{name}.json" for name in models), PREDICTED)]
    found = once("evaluate", inputs, outputs, work, beside=path)
    if not path.exists():
        write_json(path, found)
    return found


def _comparable(models: Dict[str, str]) -> Dict[str, str]:
    """Leave out baselines of another seed or data set, which an earlier run left in their folders."""
    judged = read_origin(Path(models["judged"])) if "judged" in models else None
    kept = {}
    for name, model in models.items():
        if name in ("seed", "judged") or same_data(judged, read_origin(Path(model))):
            kept[name] = model
        else:
            warnings.warn(Warnings.JW663.format(name=name, path=model), stacklevel=3)
    return kept


def _evaluate(
    models: Dict[str, str],
    test: Path,
    output: Path,
    notes: Path,
    silver: Optional[Path],
    pool_gold: Optional[Path],
    n_resamples: int,
    gpu_id: int,
    progress: Progress,
) -> Dict[str, Any]:
    target = find_target(test)
    gold = list(read_docs(test, Vocab()))
    if not gold:
        raise LLMJudgeError(Errors.J805.format(path=test))
    predicted, results = {}, {}
    for name, model in models.items():
        nlp = load_student(model, gpu_id)
        component_name(nlp, target)
        predicted[name] = evaluate_model(nlp, gold)
        if progress is not None:
            progress(1)
    labels = labels_of(gold, *predicted.values(), target=target)
    counts = {name: count_matches(gold, docs, labels, target) for name, docs in predicted.items()}
    how: Dict[str, Any] = {"averages": target.averages, "n_resamples": n_resamples}
    for name, docs in predicted.items():
        results[name] = {
            **score_pair(gold, docs, target),
            "interval": bootstrap_f1(counts[name], **how),
            "intervals": {
                label: bootstrap_f1(counts[name][:, [i]], n_resamples=n_resamples)
                for i, label in enumerate(labels)
            },
        }
        if target.name == "cats":
            right = count_documents(right_documents(gold, docs, target))
            found = bootstrap_f1(right, n_resamples=n_resamples)
            results[name]["accuracy_interval"] = {
                "low": found["f_low"],
                "high": found["f_high"],
            }
        write_json(output / f"{name}.json", results[name])
    last = predicted.get("judged") or next(reversed(predicted.values()), [])
    write_docs(output / PREDICTED, (target.copy(doc) for doc in last))
    comparisons = {
        name: compare(counts["judged"], counts[name], **how)
        for name in counts
        if name != "judged" and "judged" in counts
    }
    quality = None
    if silver is not None and pool_gold is not None and pool_gold.exists():
        quality = silver_quality(Documents(silver), Documents(pool_gold), target)
    return make_summary(notes, results, comparisons, quality, target.name)


def summarise_without_test(output: Path, target: Target, notes: Path) -> Dict[str, Any]:
    """Gather what is known where no test set says how good a student is.

    output (Path): The folder that gets `summary.json`.
    target (Target): What is labelled.
    notes (Path): The folder of what the other steps left.
    RETURNS (Dict[str, Any]): The summary.
    """
    summary = make_summary(notes, {}, {}, None, target.name)
    write_json(output / "summary.json", summary)
    return summary
