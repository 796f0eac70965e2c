"""A round of self-training for text classification: students say what they think of the pool, their
word is fused with the LLM's on the gold evidence, and what is sure enough trains the next student."""

import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..errors import Errors, LLMJudgeError
from ..numeric import fold_of
from ..selection.guarantees import conformal_cut, conformal_needed
from ..storage import PathLike, read_docs, require_file, write_docs, write_json
from ..training.student import load_student
from .data import (
    HINT,
    Task,
    get_choice,
    read_cats,
    read_task,
    set_refined,
    to_choices,
    to_matrix,
    write_task,
)
from .steps import REPORT, Pool, train_texts


def annotate_texts(
    config: PathLike,
    corpus: PathLike,
    output: PathLike,
    *,
    n_folds: int = 3,
    overrides: Optional[Dict[str, Any]] = None,
    gpu_id: int = -1,
    progress: Optional[Callable[[int], None]] = None,
) -> Dict[str, Any]:
    """Pseudo-label the pool by students that were not trained on the document, with probabilities.

    The evidence is dealt to folds by text. Each student is trained on the gold of all folds but one. A
    document of the evidence gets the `doc.cats` of the student that has not seen it, any other document
    those of all students, averaged.

    config (PathLike): A training config with a component `textcat`.
    corpus (PathLike): The folder that `prepare` wrote.
    output (PathLike): A `.spacy` file; gets the pool with the probabilities as `doc.cats`.
    n_folds (int): How many students.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    progress (Optional[Callable[[int], None]]): Called after each student.
    RETURNS (Dict[str, Any]): `students`, `evidence` and `documents`.
    """
    corpus, vocab = Path(corpus), Vocab()
    task = read_task(corpus)
    gold = list(read_docs(require_file(corpus / "evidence.spacy", HINT), vocab))
    pool = list(read_docs(require_file(corpus / "pool.spacy", HINT), vocab))
    folds = [fold_of(doc.text, n_folds) for doc in gold] if n_folds > 1 else []
    _check_folds(gold, folds, n_folds, task)
    held = {doc.text: fold for doc, fold in zip(gold, folds)}
    cats = np.zeros((n_folds, len(pool), len(task.labels)))
    with tempfile.TemporaryDirectory() as temporary:
        for fold in range(n_folds):
            inside = [doc for doc, of_doc in zip(gold, folds) if of_doc != fold]
            part = Path(temporary) / f"fold-{fold}"
            write_docs(part / "evidence.spacy", inside)
            write_task(part, task)
            train_texts(config, part, part / "student", overrides=overrides, gpu_id=gpu_id)
            cats[fold] = _predict(str(part / "student" / "model-best"), pool, task, gpu_id)
            if progress is not None:
                progress(1)
    mean = cats.mean(axis=0)
    for i, doc in enumerate(pool):
        row = cats[held[doc.text], i] if doc.text in held else mean[i]
        doc.cats = {label: float(p) for label, p in zip(task.labels, row)}
    write_docs(output, pool)
    return {"students": n_folds, "evidence": len(gold), "documents": len(pool)}


def _check_folds(gold: List[Doc], folds: List[int], n_folds: int, task: Task) -> None:
    if n_folds < 2:
        raise LLMJudgeError(Errors.J921.format(n=len(gold), folds=n_folds))
    for fold in range(n_folds):
        inside = {get_choice(doc, task) for doc, of_doc in zip(gold, folds) if of_doc != fold}
        if len(inside) < 2 or fold not in folds:
            raise LLMJudgeError(Errors.J921.format(n=len(gold), folds=n_folds))


def _predict(model: str, docs: List[Doc], task: Task, gpu_id: int) -> np.ndarray:
    nlp = load_student(model, gpu_id)
    return read_cats(nlp.pipe([nlp.make_doc(doc.text) for doc in docs]), task)


def select_texts(
    corpus: PathLike,
    judged: PathLike,
    features: PathLike,
    output: PathLike,
    *,
    q: float = 0.1,
    cats: Optional[PathLike] = None,
    allow_missing: bool = False,
    seed: int = 0,
) -> Dict[str, Any]:
    """Fuse the students' word with the LLM's by stacking, and keep what is sure enough to train on.

    A document's score is the probability of its labels. The cut is that of conformal selection on the
    evidence, whose documents are scored by a fusion that has not seen their gold. Where no cut keeps
    the share of wrong at q, everything is kept and nothing is promised.

    corpus, judged, features (PathLike): What `prepare`, `judge` and `features` wrote.
    output (PathLike): The folder; gets `pool.spacy` (documents that are not accepted have no
        `doc.cats`) and `report.json`.
    q (float): The share of wrong documents among those that are kept, over 0 and under 1.
    cats (Optional[PathLike]): What `annotate` wrote.
    allow_missing (bool): Go on where the evidence lacks labels that the LLM gives.
    seed (int): For the folds.
    RETURNS (Dict[str, Any]): `accepted`, `documents`, `evidence`, `wrong`, `cut`, `q`, `needed`
        (documents of evidence that would carry q, were the rest as those seen) and `statement`.
    """
    if not 0 < q < 1:
        raise LLMJudgeError(Errors.J624.format(q=q))
    pool = Pool(corpus, judged, features, cats=cats)
    refined = pool.refine("stacking", allow_missing, seed)
    scores = _score(refined.probabilities, refined.chosen, pool.task)
    known = np.array([choice is not None for choice in pool.gold])
    truth = to_matrix(pool.gold, pool.task)
    wrong = (truth != refined.chosen).any(axis=1)[known]
    rest, n = scores[~known], int(known.sum())
    cut = conformal_cut(rest, scores[known][wrong], n, q)
    accepted = ~known & (scores >= (-np.inf if cut is None else cut))
    choices = to_choices(refined.chosen, pool.task)
    for doc, choice, p, keep in zip(pool.docs, choices, refined.probabilities, accepted):
        decision = "accepted" if keep else "undecided"
        set_refined(doc, choice if keep else None, p, pool.task, decision)
    report = {
        "accepted": int(accepted.sum()),
        "documents": len(rest),
        "evidence": n,
        "wrong": int(wrong.sum()),
        "cut": cut,
        "q": q,
        "needed": conformal_needed(rest, scores[known][wrong], n, q),
    }
    report["statement"] = _state(report)
    write_docs(Path(output) / "pool.spacy", pool.docs)
    write_json(Path(output) / REPORT, report)
    return report


def _score(probabilities: np.ndarray, chosen: np.ndarray, task: Task) -> np.ndarray:
    """The probability of the labels of each document, shape (n,); of several, of the least sure one."""
    of_labels = np.where(chosen, probabilities, 1 - probabilities)
    return probabilities.max(axis=1) if task.exclusive else of_labels.min(axis=1)


def _state(report: Dict[str, Any]) -> str:
    n, q, wrong = report["evidence"], report["q"], report["wrong"]
    seen = f"{wrong} of {n} documents of evidence were labelled wrong"
    if report["cut"] is None:
        more = (
            f"; about {report['needed']} would, were the rest as those seen"
            if report["needed"]
            else ""
        )
        return (
            f"No promise: {n} documents of evidence carry no cut for q = {q} ({seen}){more}. "
            f"All {report['documents']} documents are kept."
        )
    return (
        f"Of the {report['accepted']} documents that are kept, of {report['documents']}, the expected share with a "
        f"wrong label is at most {q} (conformal selection on {n} documents of evidence; {seen}, cross-fitted, "
        "so that it holds approximately; on average over draws of the evidence, and not for every one)."
    )
