"""The steps of a text classification run, from files to files: denoise, gather what to train on, train."""

import shutil
import time
import warnings
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..candidates import copy_tokens
from ..corpora.duplicates import normalise, texts_of
from ..encoders.doc_vectors import read_features
from ..errors import Errors, LLMJudgeError, Warnings
from ..storage import PathLike, read_docs, require_file, sha256_json, write_docs, write_json
from .data import (
    HINT,
    Choice,
    Task,
    choose,
    get_choice,
    get_support,
    read_cats,
    read_parallel,
    read_task,
    set_choice,
    set_refined,
    to_choices,
)
from .denoise import OTHERS_MAY_DO, Refined, make_scores, refine_texts

REPORT = "report.json"


class Pool:
    """What the denoisers are given: the judged pool, its vectors, and the gold of the evidence.

    task (Task): The task.
    docs (List[Doc]): The judged documents.
    noisy (List[Choice]): The LLM's labels.
    gold (List[Choice]): The gold of the evidence, None for the rest.
    features (np.ndarray): Shape (n, d).
    scores (Optional[np.ndarray]): How sure the LLM was, and what students say, shape (n, k).
    evidence_hash (Optional[str]): Of the evidence of the corpus; None where other gold was given.
    groups (List[str]): The texts without differences of case and spaces: duplicates share a fold.
    """

    def __init__(
        self,
        corpus: PathLike,
        judged: PathLike,
        features: PathLike,
        evidence: Optional[PathLike] = None,
        cats: Optional[PathLike] = None,
    ) -> None:
        corpus, judged, features = Path(corpus), Path(judged), Path(features)
        vocab = Vocab()
        self.task = read_task(corpus)
        folder = require_file(judged / "pool", "Run `textcat judge` first.")
        self.docs = list(read_docs(folder, vocab))
        if not self.docs:
            raise LLMJudgeError(Errors.J905.format(path=folder, reason="it is empty"))
        self.noisy = [get_choice(doc, self.task) for doc in self.docs]
        if not any(choice is not None for choice in self.noisy):
            raise LLMJudgeError(Errors.J911.format(path=folder, n=len(self.docs)))
        found = list(read_docs(require_file(evidence or corpus / "evidence.spacy", HINT), vocab))
        self.gold = self._match(found, evidence or corpus / "evidence.spacy")
        self.evidence_hash = None if evidence else identify_gold(found, self.task)
        self.features = read_features(features / "pool.npz", [doc.text for doc in self.docs])
        support = np.array([get_support(doc, self.task) for doc in self.docs])
        said = None
        if cats is not None:
            said = read_cats(read_parallel(cats, [doc.text for doc in self.docs]), self.task)
        self.scores = make_scores(support, said)
        self.groups = [normalise(doc.text) for doc in self.docs]

    def _match(self, evidence: Sequence[Doc], path: PathLike) -> List[Choice]:
        """The gold of a text goes to the first document with this text."""
        first: Dict[str, int] = {}
        for i, doc in enumerate(self.docs):
            first.setdefault(doc.text, i)
        gold: List[Choice] = [None] * len(self.docs)
        for doc in evidence:
            if doc.text not in first:
                raise LLMJudgeError(Errors.J918.format(path=path, text=doc.text[:60]))
            choice = get_choice(doc, self.task)
            if choice is not None:
                gold[first[doc.text]] = choice
        return gold

    def refine(self, method: str, allow_missing: bool, seed: int) -> Refined:
        return refine_texts(
            method,
            self.features,
            self.noisy,
            self.gold,
            self.task,
            scores=self.scores,
            groups=self.groups,
            allow_missing=allow_missing,
            seed=seed,
        )


def identify_gold(docs: Sequence[Doc], task: Task) -> str:
    """RETURNS (str): A hash of texts and their labels, in any order."""
    return sha256_json(sorted([doc.text, *(get_choice(doc, task) or ())] for doc in docs))


def denoise_texts(
    corpus: PathLike,
    judged: PathLike,
    features: PathLike,
    output: PathLike,
    methods: Sequence[str],
    *,
    evidence: Optional[PathLike] = None,
    cats: Optional[PathLike] = None,
    name: Optional[str] = None,
    allow_missing: bool = False,
    seed: int = 0,
    progress: Optional[Callable[[int], None]] = None,
) -> Dict[str, Dict[str, Any]]:
    """Refine the LLM's labels of the pool, with one method or several.

    corpus (PathLike): The folder that `prepare` wrote.
    judged (PathLike): The folder that `judge` wrote.
    features (PathLike): The folder that `features` wrote.
    output (PathLike): Gets a folder for each method: `pool.spacy` with its labels as `doc.cats` and
        its probabilities as candidates, `test.spacy` with what its classifier says of the test set,
        and `report.json`.
    methods (Sequence[str]): Names in METHODS. Where there are several, one whose package is not
        installed or that labels and gold do not carry is left out with a warning.
    evidence (Optional[PathLike]): Other gold than `evidence.spacy`.
    cats (Optional[PathLike]): The pool with `doc.cats` of students that were not trained on the
        document, for "stacking".
    name (Optional[str]): Another name for the folder; for one method.
    allow_missing (bool): Go on where the evidence lacks labels that the LLM gives.
    seed (int): For folds, weights and batches.
    RETURNS (Dict[str, Dict[str, Any]]): The report of each method.
    RAISES (LLMJudgeError): J923 where there is no method, or several under one name; what was wrong with the
        last method where none is left.
    """
    pool = Pool(corpus, judged, features, evidence, cats)
    test = _read_test(Path(corpus), Path(features))
    if not methods or (name is not None and len(methods) > 1):
        raise LLMJudgeError(Errors.J923.format(n=len(methods)))
    reports = {}
    for method in methods:
        start = time.perf_counter()
        folder = Path(output) / (name or method)
        try:
            refined = pool.refine(method, allow_missing, seed)
        except LLMJudgeError as error:
            is_last = method == methods[-1] and not reports
            if is_last or error.code not in OTHERS_MAY_DO:
                raise
            warnings.warn(Warnings.JW901.format(method=method, error=error), stacklevel=2)
            # what an earlier run left there is not of this one
            shutil.rmtree(folder, ignore_errors=True)
            continue
        choices = to_choices(refined.chosen, pool.task)
        for doc, choice, known, p in zip(pool.docs, choices, refined.known, refined.probabilities):
            set_refined(doc, choice if known else None, p, pool.task)
        write_docs(folder / "pool.spacy", pool.docs)
        if test is not None:
            write_docs(folder / "test.spacy", _predict(refined, *test, pool.task))
        reports[name or method] = report = _describe(
            method, pool, refined, time.perf_counter() - start
        )
        write_json(folder / REPORT, report)
        if progress is not None:
            progress(1)
    return reports


def _read_test(corpus: Path, features: Path) -> Optional[Tuple[List[Doc], np.ndarray]]:
    if not (corpus / "test.spacy").exists():
        return None
    docs = list(read_docs(corpus / "test.spacy", Vocab()))
    return docs, read_features(features / "test.npz", [doc.text for doc in docs])


def _predict(refined: Refined, docs: List[Doc], features: np.ndarray, task: Task) -> List[Doc]:
    probabilities = refined.predict(features)
    for doc, choice, p in zip(docs, to_choices(choose(probabilities, task), task), probabilities):
        set_refined(doc, choice, p, task)
    return docs


def _describe(method: str, pool: Pool, refined: Refined, seconds: float) -> Dict[str, Any]:
    task = pool.task
    said = [() if choice is None else choice for choice in pool.noisy]
    found = to_choices(refined.chosen, task)
    judged = [i for i, choice in enumerate(pool.noisy) if choice is not None]
    changed = sum(set(said[i]) != set(found[i]) for i in judged if refined.known[i])
    return {
        "method": method,
        "documents": len(pool.docs),
        "evidence": sum(choice is not None for choice in pool.gold),
        "evidence_hash": pool.evidence_hash,
        "without_llm_label": len(pool.docs) - len(judged),
        "labelled": int(refined.known.sum()),
        "changed": changed,
        "labels": {
            x: int(n) for x, n in zip(task.labels, refined.chosen[refined.known].sum(axis=0))
        },
        "details": refined.report,
        "seconds": round(seconds, 2),
    }


def gather_training(
    corpus: PathLike, output: PathLike, labels: Optional[PathLike] = None
) -> Dict[str, int]:
    """Write what a student is trained on: the gold of the evidence, and labels for the rest of the pool.

    corpus (PathLike): The folder that `prepare` wrote.
    output (PathLike): Gets the documents.
    labels (Optional[PathLike]): A `.spacy` file with `doc.cats`; documents without are left out.
        None trains on the evidence alone.
    RETURNS (Dict[str, int]): How many documents of `gold` and of `pool`.
    """
    corpus, vocab = Path(corpus), Vocab()
    task = read_task(corpus)
    gold = list(read_docs(require_file(corpus / "evidence.spacy", HINT), vocab))
    known = texts_of(gold)
    rest = []
    if labels is not None:
        hint = "Run `textcat denoise` first."
        rest = [
            doc
            for doc in read_docs(require_file(labels, hint), vocab)
            if doc.cats and normalise(doc.text) not in known
        ]
    docs, classes = [], set()
    for doc in [*gold, *rest]:
        choice = get_choice(doc, task)
        plain = copy_tokens(doc)
        set_choice(plain, choice, task)
        docs.append(plain)
        classes.add(choice)
    if task.exclusive and len(classes) < 2:
        found = ", ".join(x for choice in classes for x in choice or ()) or "none"
        raise LLMJudgeError(Errors.J904.format(path=labels or corpus, column="cats", found=found))
    write_docs(output, docs)
    return {"gold": len(gold), "pool": len(rest)}


def train_texts(
    config: PathLike,
    corpus: PathLike,
    output: PathLike,
    *,
    labels: Optional[PathLike] = None,
    overrides: Optional[Dict[str, Any]] = None,
    gpu_id: int = -1,
) -> Dict[str, Any]:
    """Train a student of the corpus's kind with `spacy train`, from the pretrained encoder.

    config (PathLike): A training config with a component `textcat`. Its factory and its kind are set.
    corpus (PathLike): The folder that `prepare` wrote.
    output (PathLike): Gets `model-best`. What it is trained on is beside this folder, in a `.spacy` file
        of its name.
    labels (Optional[PathLike]): See `gather_training`.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    RETURNS (Dict[str, Any]): What `train_student` returns, with `documents`.
    """
    from ..training.student import train_student

    corpus, output = Path(corpus), Path(output)
    task = read_task(corpus)
    data = output.with_name(f"{output.name}.spacy")
    counts = gather_training(corpus, data, labels)
    settings = {
        "components.textcat.factory": task.factory,
        "components.textcat.model.exclusive_classes": task.exclusive,
        "initialize.components.textcat.labels": list(task.labels),
        "paths.train": str(data),
        "paths.dev": str(corpus / "evidence.spacy"),
        **dict(overrides or {}),
    }
    result = train_student(Path(config), output, overrides=settings, gpu_id=gpu_id)
    return {**result, "documents": counts}
