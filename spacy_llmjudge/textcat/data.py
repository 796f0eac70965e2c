"""What every step of text classification shares: the labels of a task, and how a document carries them.

A document's labels are `doc.cats`, 1.0 or 0.0 for every label of the task (`textcat` takes nothing
else); an empty `doc.cats` says that nobody knows. What is known beside them is kept in the candidate
group: a candidate for each label that was said, over the whole document.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..candidates import Candidate, get_candidates, set_candidates, set_status
from ..errors import Errors, LLMJudgeError
from ..storage import PathLike, read_docs, read_json, write_json

LABELS = "labels.json"
HINT = "Run `textcat prepare` first."
SPLITS = ("pool", "test")

# the labels of a document; None where nobody knows them
Choice = Optional[Tuple[str, ...]]


@dataclass(frozen=True)
class Task:
    """The labels that there are, and whether a document has exactly one of them (`textcat`) or any
    number (`textcat_multilabel`)."""

    labels: Tuple[str, ...]
    exclusive: bool

    @property
    def factory(self) -> str:
        return "textcat" if self.exclusive else "textcat_multilabel"


def write_task(corpus: Path, task: Task) -> None:
    write_json(corpus / LABELS, {"labels": list(task.labels), "exclusive": task.exclusive})


def read_task(corpus: Path) -> Task:
    """RETURNS (Task): What `prepare` found out about the labels."""
    found = read_json(corpus / LABELS, HINT)
    return Task(tuple(found["labels"]), bool(found["exclusive"]))


def set_choice(doc: Doc, choice: Choice, task: Task) -> None:
    """Write the labels of a document.

    doc (Doc): The document.
    choice (Choice): Its labels; None empties `doc.cats`.
    task (Task): The task.
    """
    chosen = set(choice or ())
    doc.cats = {} if choice is None else {x: float(x in chosen) for x in task.labels}


def get_choice(doc: Doc, task: Task) -> Choice:
    """Read the labels of a document, be its `doc.cats` 0 and 1 or probabilities.

    doc (Doc): The document.
    task (Task): The task.
    RETURNS (Choice): The likeliest label of an exclusive task, those from .5 on of the other kind.
    """
    values = {label: float(doc.cats.get(label, 0.0)) for label in task.labels}
    if not doc.cats or (task.exclusive and not any(values.values())):
        return None
    if task.exclusive:
        return (max(values, key=values.__getitem__),)
    return tuple(label for label, value in values.items() if value >= 0.5)


def read_parallel(path: PathLike, texts: Sequence[str]) -> List[Doc]:
    """Read what a step made of the documents of another file.

    path (PathLike): A `.spacy` file or a folder of shards.
    texts (Sequence[str]): The texts of the other file.
    RETURNS (List[Doc]): Documents with these texts, in their order.
    RAISES (LLMJudgeError): J908 where they are others.
    """
    docs = list(read_docs(path, Vocab()))
    if [doc.text for doc in docs] != list(texts):
        raise LLMJudgeError(Errors.J908.format(path=path, rows=len(docs), n=len(texts)))
    return docs


def to_matrix(choices: Sequence[Choice], task: Task) -> np.ndarray:
    """RETURNS (np.ndarray): Whether a document has a label, shape (documents, labels), bool; a row of
    False where nobody knows."""
    index = {label: k for k, label in enumerate(task.labels)}
    matrix = np.zeros((len(choices), len(task.labels)), dtype=bool)
    for i, choice in enumerate(choices):
        for label in choice or ():
            matrix[i, index[label]] = True
    return matrix


def to_choices(matrix: np.ndarray, task: Task) -> List[Choice]:
    """RETURNS (List[Choice]): The labels of each row of a matrix, shape (documents, labels)."""
    return [tuple(x for x, has in zip(task.labels, row) if has) for row in matrix]


def read_cats(docs: Iterable[Doc], task: Task) -> np.ndarray:
    """RETURNS (np.ndarray): `doc.cats` in the order of the task's labels, shape (documents, labels)."""
    return np.array([[doc.cats.get(label, 0.0) for label in task.labels] for doc in docs])


def choose(probabilities: np.ndarray, task: Task) -> np.ndarray:
    """The labels that probabilities speak for.

    probabilities (np.ndarray): P(label | document), shape (documents, labels).
    task (Task): The task.
    RETURNS (np.ndarray): The same shape, bool: the likeliest label of an exclusive task, those from
        .5 on of the other kind.

    >>> task = Task(("a", "b"), True)
    >>> choose(np.array([[0.4, 0.45]]), task).tolist()
    [[False, True]]
    """
    if not task.exclusive:
        return probabilities >= 0.5
    best = np.zeros(probabilities.shape, dtype=bool)
    best[np.arange(len(best)), probabilities.argmax(axis=1)] = True
    return best


def set_judged(
    doc: Doc,
    choice: Choice,
    task: Task,
    support: Optional[Dict[str, float]] = None,
    state: Optional[str] = None,
    reason: Optional[str] = None,
) -> None:
    """Write what the judge said of a document.

    doc (Doc): The document.
    choice (Choice): The labels it gave; None where it gave no usable answer.
    support (Optional[Dict[str, float]]): How sure it said it was, by label, 0 to 1.
    state, reason (Optional[str]): What became of the question, where it is known.
    """
    set_choice(doc, choice, task)
    said = [
        Candidate(0, len(doc), x, support=(support or {}).get(x), source="judge")
        for x in choice or ()
    ]
    set_candidates(doc, said)
    set_status(doc, state or ("abstained" if choice is None else "judged"), reason)


def get_support(doc: Doc, task: Task) -> np.ndarray:
    """RETURNS (np.ndarray): How sure the judge was of each label it gave, shape (labels,); NaN where
    it did not say."""
    known = {c.label: c.support for c in get_candidates(doc) if c.support is not None}
    return np.array([known.get(label, np.nan) for label in task.labels])


def set_refined(
    doc: Doc, choice: Choice, probabilities: Any, task: Task, decision: Optional[str] = None
) -> None:
    """Write refined labels with the probability of each label of the task.

    doc (Doc): The document.
    choice (Choice): Its labels; None where it is not to be trained on.
    probabilities (array-like): P(label | document), shape (labels,).
    decision (Optional[str]): What a selection made of the document.
    """
    set_choice(doc, choice, task)
    rows = zip(task.labels, np.asarray(probabilities, dtype=float))
    set_candidates(
        doc,
        [
            Candidate(0, len(doc), x, probability=round(float(p), 6), decision=decision)
            for x, p in rows
        ],
    )


def get_probabilities(doc: Doc, task: Task) -> np.ndarray:
    """RETURNS (np.ndarray): What `set_refined` wrote, shape (labels,)."""
    known = {c.label: c.probability for c in get_candidates(doc)}
    return np.array([known[label] for label in task.labels], dtype=float)
