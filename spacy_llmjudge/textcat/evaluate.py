"""Score labels of the pool, predictions for the test set, and students; and the closing table."""

from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..errors import Errors, LLMJudgeError
from ..storage import PathLike, read_docs, read_json, require_file, write_json
from ..training.student import load_student
from .data import HINT, Choice, Task, get_choice, read_parallel, read_task, to_matrix
from .scores import METRICS, UNANSWERED, bootstrap_scores, score_matrices
from .steps import REPORT, identify_gold

TITLES = {
    "llm": "LLM alone",
    "gold": "gold evidence alone",
    "none": "LLM labels as they are",
    "confident_learning": "confident learning",
    "prior_correction": "prior correction",
    "stacking": "stacking",
    "uu": "robust UU",
    "sidyp": "SiDyP",
    "all_gold": "all gold of the pool",
}


def evaluate_texts(
    corpus: PathLike,
    judged: PathLike,
    denoised: PathLike,
    output: PathLike,
    *,
    students: Optional[Dict[str, str]] = None,
    n_resamples: int = 2000,
    gpu_id: int = -1,
    progress: Optional[Callable[[int], None]] = None,
) -> Dict[str, Any]:
    """Measure everything on the test set, and the labels of the pool against its hidden gold.

    The hidden gold is read here and nowhere else. The documents of the evidence are left out of it.

    corpus (PathLike): The folder that `prepare` wrote, with a test set.
    judged (PathLike): The folder that `judge` wrote; its `test` is the LLM alone.
    denoised (PathLike): The folder of the denoisers' folders.
    output (PathLike): Gets `summary.json`.
    students (Optional[Dict[str, str]]): Name to pipeline.
    n_resamples (int): Of the bootstrap over documents.
    RAISES (LLMJudgeError): J924 where a denoiser learned from evidence that was drawn before.
    RETURNS (Dict[str, Any]): `rows`: by name `test` and `pool`, each with `accuracy` and `macro_f1` as
        `value`, `low`, `high`; `documents`; `comparisons`: each student minus what it is compared
        with, paired.
    """
    corpus, judged, denoised = Path(corpus), Path(judged), Path(denoised)
    task, vocab = read_task(corpus), Vocab()
    test = list(read_docs(require_file(corpus / "test.spacy", HINT), vocab))
    texts = [doc.text for doc in test]
    gold = to_matrix([get_choice(doc, task) for doc in test], task)
    predicted: Dict[str, np.ndarray] = {}
    if (judged / "test").exists():
        predicted["llm"] = _read_matrix(judged / "test", texts, task)
    evidence = list(read_docs(corpus / "evidence.spacy", vocab))
    _require_same_evidence(denoised, identify_gold(evidence, task))
    for folder in sorted(path.parent for path in denoised.glob("*/test.spacy")):
        predicted[folder.name] = _read_matrix(folder / "test.spacy", texts, task)
    for name, model in (students or {}).items():
        predicted[name] = predict_texts(model, test, task, gpu_id)
        if progress is not None:
            progress(1)
    rows: Dict[str, Dict[str, Any]] = {
        name: {"test": bootstrap_scores(gold, found, n_resamples=n_resamples)}
        for name, found in predicted.items()
    }
    scored = _score_pool(corpus, judged, denoised, task, [doc.text for doc in evidence])
    for name, scores in scored.items():
        rows.setdefault(name, {})["pool"] = scores
    compared = {
        name: {
            other: bootstrap_scores(gold, predicted[name], found, n_resamples=n_resamples)
            for other, found in predicted.items()
            if other != name
        }
        for name in students or {}
    }
    summary = {
        "rows": rows,
        "comparisons": compared,
        "documents": {"test": len(test), "evidence": len(evidence)},
        "labels": list(task.labels),
        "exclusive": task.exclusive,
        "students": dict(students or {}),
    }
    write_json(Path(output) / "summary.json", summary)
    return summary


def _require_same_evidence(denoised: Path, evidence: str) -> None:
    for path in sorted(denoised.glob(f"*/{REPORT}")):
        # of gold from another file nothing is known
        if read_json(path).get("evidence_hash") not in (None, evidence):
            raise LLMJudgeError(Errors.J924.format(path=path.parent, method=path.parent.name))


def predict_texts(model: str, docs: Sequence[Doc], task: Task, gpu_id: int = -1) -> np.ndarray:
    """RETURNS (np.ndarray): The labels that a pipeline gives, shape (documents, labels), 0 and 1, or
    UNANSWERED in the row of a document for which it gives none."""
    nlp = load_student(model, gpu_id)
    if not any(nlp.get_pipe_meta(name).factory.startswith("textcat") for name in nlp.pipe_names):
        raise LLMJudgeError(
            Errors.J919.format(path=model, found=", ".join(nlp.pipe_names) or "nothing")
        )
    copies = [nlp.make_doc(doc.text) for doc in docs]
    return _answers([get_choice(doc, task) for doc in nlp.pipe(copies)], task)


def _read_matrix(path: Path, texts: Sequence[str], task: Task) -> np.ndarray:
    return _answers([get_choice(doc, task) for doc in read_parallel(path, texts)], task)


def _answers(choices: Sequence[Choice], task: Task) -> np.ndarray:
    matrix = to_matrix(choices, task).astype("int8")
    matrix[[choice is None for choice in choices]] = UNANSWERED
    return matrix


def _score_pool(
    corpus: Path, judged: Path, denoised: Path, task: Task, evidence: Sequence[str]
) -> Dict[str, Dict[str, Any]]:
    """Accuracy and macro-F1 of the labels that each method gives to the pool without the evidence.

    A document that has no label counts as wrong, and `labelled` says how many have one.
    """
    hidden = list(read_docs(require_file(corpus / "pool_gold.spacy", HINT), Vocab()))
    texts, seen = [doc.text for doc in hidden], set(evidence)
    truth: List[Choice] = [get_choice(doc, task) for doc in hidden]
    kept = [i for i, text in enumerate(texts) if truth[i] is not None and text not in seen]
    if not kept:
        return {}
    gold = to_matrix([truth[i] for i in kept], task)
    files = {path.parent.name: path for path in sorted(denoised.glob("*/pool.spacy"))}
    # it learned from what it would be measured against
    files.pop("all_gold", None)
    if (judged / "pool").exists():
        files["llm"] = judged / "pool"
    scores = {}
    for name, path in files.items():
        docs = read_parallel(path, texts)
        found = [get_choice(docs[i], task) for i in kept]
        labelled = np.array([choice is not None for choice in found])
        matrix = _answers(found, task)
        scores[name] = {
            **score_matrices(gold, matrix),
            "documents": len(kept),
            "labelled": int(labelled.sum()),
            "wrong_share": float((gold != matrix).any(axis=1)[labelled].mean())
            if labelled.any()
            else None,
        }
    return scores


def table_rows(summary: Dict[str, Any]) -> List[Tuple[str, ...]]:
    """RETURNS (List[Tuple[str, ...]]): A row for each method and student: title, accuracy on the test
    set and its interval, macro-F1 and its interval, accuracy of its labels of the pool."""
    names = [name for name in TITLES if name in summary["rows"]]
    names += [name for name in summary["rows"] if name not in TITLES]
    rows = []
    for name in names:
        found = summary["rows"][name]
        cells = [_title(name, summary)]
        for metric in METRICS:
            score = found.get("test", {}).get(metric)
            cells += ["-", "-"] if score is None else [_percent(score["value"]), _interval(score)]
        pool = found.get("pool")
        rows.append((*cells, "-" if pool is None else _percent(pool["accuracy"])))
    return rows


def header() -> Sequence[str]:
    """RETURNS (Sequence[str]): The titles over `table_rows`."""
    return ("method", "accuracy", "95 % interval", "macro-F1", "95 % interval", "pool labels right")


def _title(name: str, summary: Dict[str, Any]) -> str:
    return f"student: {name}" if name in summary["students"] else TITLES.get(name, name)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _interval(score: Dict[str, float]) -> str:
    return f"{_percent(score['low'])} to {_percent(score['high'])}"
