"""Read texts with one label or a list of labels from JSONL."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ..corpora.rows import read_rows, require_string, show
from ..errors import Errors, LLMJudgeError
from ..storage import PathLike, require_file
from .data import SPLITS, Choice


@dataclass(frozen=True)
class Item:
    """A row: where it stands, its text, its labels (None: nobody gave any), and whether they came as
    a list (None: there are none)."""

    where: str
    text: str
    choice: Choice
    listed: Optional[bool]


def read_source(
    source: PathLike, *, label: str = "label", split: str = "split"
) -> Tuple[Dict[str, List[Item]], Dict[str, int]]:
    """Read a data set: one JSONL file whose rows say where they belong, or a folder with a file for each.

    source (PathLike): A file, or a folder with `pool.jsonl` and, if there is one, `test.jsonl`.
    label (str): The column with the label, or with a list of labels. A row of the pool may lack it.
    split (str): The column of a single file that says "pool" or "test"; other rows are left out.
    RETURNS (Tuple): The rows by split, and how many rows of other splits were left out.
    """
    path = require_file(source, "Name a JSONL file, or a folder with pool.jsonl and test.jsonl.")
    found: Dict[str, List[Item]] = {name: [] for name in SPLITS}
    left_out: Dict[str, int] = {}
    for name, where, row in _walk(path, split):
        if name in found:
            found[name].append(_read_item(row, where, label, optional=name == "pool"))
        else:
            left_out[name] = left_out.get(name, 0) + 1
    if not found["pool"]:
        raise LLMJudgeError(Errors.J905.format(path=path, reason="no row is in it"))
    return found, left_out


def _walk(path: Path, split: str) -> Iterator[Tuple[str, str, Dict[str, Any]]]:
    if path.is_dir():
        require_file(
            path / "pool.jsonl", "It should hold the texts to label, one JSON object a line."
        )
        for name in SPLITS:
            if (path / f"{name}.jsonl").exists():
                yield from ((name, where, row) for where, row in read_rows(path / f"{name}.jsonl"))
        return
    for where, row in read_rows(path):
        yield str(require_column(row, split, where)), where, row


def require_column(row: Dict[str, Any], column: str, where: str) -> Any:
    """RETURNS (Any): What a row has in a column; a column that is missing is an error."""
    if column not in row:
        columns = ", ".join(sorted(row)) or "none"
        raise LLMJudgeError(Errors.J901.format(where=where, column=column, columns=columns))
    return row[column]


def read_choice(value: Any, column: str, where: str) -> Tuple[str, ...]:
    """RETURNS (Tuple[str, ...]): The labels in a cell that holds one, or a list of them."""
    values = value if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, (str, int)) or isinstance(one, bool) or not str(one).strip():
            found = show(value)
            raise LLMJudgeError(Errors.J902.format(where=where, found=found, column=column))
    return tuple(dict.fromkeys(str(one).strip() for one in values))


def _read_item(row: Dict[str, Any], where: str, label: str, optional: bool) -> Item:
    text = require_string(require_column(row, "text", where), "text", where)
    value = row.get(label) if optional else require_column(row, label, where)
    if value is None and optional:
        return Item(where, text, None, None)
    return Item(where, text, read_choice(value, label, where), isinstance(value, list))


def find_kind(items: Sequence[Item], label: str) -> bool:
    """RETURNS (bool): Whether the task is exclusive: labels are strings, and not lists."""
    first: Dict[bool, str] = {}
    for item in items:
        if item.listed is not None:
            first.setdefault(item.listed, item.where)
    if len(first) == 2:
        raise LLMJudgeError(Errors.J903.format(column=label, string=first[False], list=first[True]))
    return not first.get(True)
