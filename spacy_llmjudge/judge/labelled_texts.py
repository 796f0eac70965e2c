"""Labelled documents as the classifying task shows them: a text and its labels."""

from pathlib import Path
from typing import Any, List, Optional, Sequence, Set, Tuple, TypedDict, Union

from ..errors import Errors, LLMJudgeError
from ..storage import read_docs, read_json_lines, require_file
from ..targets.base import find_target
from ..targets.cats import THRESHOLD, Cats
from .demonstrations import HINT, choose_rows

# Characters of a text that are shown: a long one says what it is about early, and there are many of them.
MOST_CHARS = 1000


class LabelledText(TypedDict):
    """A labelled document: its text and its labels."""

    text: str
    labels: List[str]


def read_labelled_texts(
    path: Union[str, Path], target: Optional[Cats] = None
) -> Tuple[Cats, Tuple[LabelledText, ...]]:
    """Read the labelled documents of a `.spacy` file, a folder of shards, or a `.jsonl` file.

    path (Union[str, Path]): The file. JSONL rows have a `text` and a `label`, or a list of them, in
        `label` or `labels`, or `cats` with a number by label.
    target (Optional[Cats]): Which labels there are; None takes what the file says: a document has
        exactly one where every row names one that is no list.
    RETURNS (Tuple[Cats, Tuple[LabelledText, ...]]): The target, and the documents in the order of the file.
    """
    path = require_file(path, HINT)
    found, rows = _read_jsonl(path) if path.suffix == ".jsonl" else _read_spacy(path, target)
    if not rows:
        raise LLMJudgeError(Errors.J206.format(path=path))
    return target or found, tuple(rows)


def _read_spacy(path: Path, target: Optional[Cats]) -> Tuple[Cats, List[LabelledText]]:
    from spacy.vocab import Vocab

    found = target or find_target(path)
    if not isinstance(found, Cats):
        raise LLMJudgeError(Errors.J242.format(path=path, found=found.units))
    rows: List[LabelledText] = [
        {"text": doc.text, "labels": [label for _, _, label in found.keys(doc)]}
        for doc in read_docs(path, Vocab())
        if found.is_annotated(doc)
    ]
    return found, rows


def _read_jsonl(path: Path) -> Tuple[Cats, List[LabelledText]]:
    rows: List[LabelledText] = []
    exclusive = True
    labels: Set[str] = set()
    for number, row in read_json_lines(path):
        known = _read_labels(row)
        if known is None or not isinstance(row.get("text"), str):
            raise LLMJudgeError(Errors.J243.format(path=path, line=number))
        given, is_one, all_labels = known
        exclusive = exclusive and is_one
        labels.update(all_labels)
        rows.append({"text": row["text"], "labels": given})
    return Cats(tuple(sorted(labels)), exclusive), rows


def _read_labels(row: Any) -> Optional[Tuple[List[str], bool, Sequence[str]]]:
    """The labels of a row, whether it can have one only, and all labels that it names; None where
    they cannot be read."""
    if not isinstance(row, dict):
        return None
    cats = row.get("cats")
    if isinstance(cats, dict):
        if not all(isinstance(value, (int, float)) for value in cats.values()):
            return None
        given = [label for label, value in cats.items() if value >= THRESHOLD]
        return given, len(given) == 1, list(cats)
    value = row.get("label", row.get("labels"))
    if isinstance(value, str) and value.strip():
        return [value], True, [value]
    if isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value):
        return list(value), False, value
    return None


def show_labelled_texts(
    rows: Sequence[LabelledText], target: Cats, n: int, seed: int
) -> List[LabelledText]:
    """Choose what a prompt shows of labelled documents.

    rows (Sequence[LabelledText]): All of them.
    target (Cats): The labels that are asked about; documents that have exactly one, and none of these,
        are left out.
    n (int): How many to show at most.
    seed (int): The same seed chooses the same ones.
    RETURNS (List[LabelledText]): Every label early, and the beginning of those that are long.
    """
    known: List[LabelledText] = [
        {"text": row["text"], "labels": [x for x in row["labels"] if x in target.labels]}
        for row in rows
    ]
    usable = [row for row in known if row["labels"] or not target.exclusive]
    chosen = choose_rows(usable, lambda row: row["labels"], n, seed)
    return [{"text": _shorten(row["text"]), "labels": row["labels"]} for row in chosen]


def _shorten(text: str) -> str:
    if len(text) <= MOST_CHARS:
        return text
    head = text[:MOST_CHARS]
    return (head.rpartition(" ")[0] or head) + " [...]"
