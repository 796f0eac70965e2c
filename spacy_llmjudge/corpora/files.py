"""Which file of a data set is which set: by its name, or by a column of the only file."""

import os
import warnings
from collections import Counter
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..errors import Errors, LLMJudgeError, Warnings
from ..storage import PathLike, require_file
from .class_names import FILES as CLASS_NAMES
from .formats import (
    COLUMN_SUFFIXES,
    ROW_SUFFIXES,
    SUFFIXES,
    Part,
    holds_rows,
    is_set,
    read_named_rows,
)
from .guidelines import NAMES as GUIDELINES
from .lines import printable
from .shapes import brat
from .split_names import GOLD, SPLITS, names_of, split_in_stem, split_of_stem, split_of_value

Parts = Dict[str, Optional[Part]]

LISTED = 12
# what looks like data, whether it can be read or not
DATA_SUFFIXES = (*SUFFIXES, ".xlsx", ".xml", ".gz", ".zip", ".arrow", ".ann", ".yaml", ".yml")


def find_parts(
    source: Path, given: Dict[str, Optional[PathLike]], split_column: str = "split"
) -> Parts:
    """Find the sets of a data set.

    source (Path): A folder with a file (or a folder of brat) for each set, or one file whose rows name their set
        in a column. One file without that column, or a folder of brat, is the labelled set.
    given (Dict[str, Optional[PathLike]]): Files that stand elsewhere, by the names of their sets.
    split_column (str): The column.
    RETURNS (Parts): The sets; None for those that are not there.
    """
    if source.is_dir():
        parts = _find_files(source, [split for split in (*SPLITS, GOLD) if not given[split]])
        rows = [path for path in _files(source) if path.suffix.lower() in ROW_SUFFIXES]
        if not any(parts.values()) and brat.is_annotated(source):
            parts["labelled"] = Part(source)
        if not any(parts.values()) and len(rows) == 1:
            parts = dict(_find_in_rows(rows[0], split_column))
    else:
        parts = dict(_find_in_rows(source, split_column))
    for split, path in given.items():
        if path is not None:
            parts[split] = Part(require_file(path, f"Check the name of the {split} file."))
    return {split: parts.get(split) for split in (*SPLITS, GOLD)}


def unread_files(source: Path, read: Iterable[str]) -> List[str]:
    """List the files of a data set that look like data and were not read.

    source (Path): The folder of the data set.
    read (Iterable[str]): The files that were read, as in the report of `prepare`.
    RETURNS (List[str]): Their names.
    """
    known = set(read)
    if not source.is_dir() or printable(source) in known:
        return []
    return [
        printable(path.name)
        for path in _files(source)
        if printable(path) not in known
        and (path.suffix.lower() in DATA_SUFFIXES or _split_of(path, in_full=False) is not None)
    ]


def expected_names(split: str) -> str:
    """RETURNS (str): The names that a file of a set may have, for messages."""
    suffixes = ", ".join(suffix for suffix in SUFFIXES if suffix not in COLUMN_SUFFIXES[-3:])
    return f"{' or '.join(names_of(split)[:2])} with one of the suffixes {suffixes}"


def list_folder(source: Path) -> str:
    """RETURNS (str): What is in a folder, for messages."""
    names = sorted(os.listdir(source)) if source.is_dir() else [source.name]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return printable(", ".join(names[:LISTED]) + more or "nothing")


def _files(source: Path) -> List[Path]:
    names = (name for name in os.listdir(source) if name not in (*GUIDELINES, *CLASS_NAMES))
    paths = (source / name for name in names if not name.startswith("."))
    return sorted(path for path in paths if is_set(path) or not path.is_dir())


def _find_files(source: Path, splits: Sequence[str]) -> Parts:
    """The files that have the names of sets, or else those whose names end in them."""
    files = _files(source)
    for in_full in (True, False):
        named = {split: [f for f in files if _split_of(f, in_full) == split] for split in splits}
        if any(named.values()):
            return {split: _choose_file(source, split, found) for split, found in named.items()}
    return {}


def _choose_file(source: Path, split: str, found: List[Path]) -> Optional[Part]:
    broken = [path for path in found if not path.exists()]
    if broken:
        raise LLMJudgeError(Errors.J643.format(path=broken[0], split=split))
    readable = [path for path in found if path.suffix.lower() in SUFFIXES or path.is_dir()]
    if len(readable) > 1:
        names = ", ".join(printable(path.name) for path in readable)
        raise LLMJudgeError(Errors.J616.format(folder=source, split=split, names=names))
    if found and not readable:
        suffixes = ", ".join(SUFFIXES)
        message = Warnings.JW618.format(path=found[0], split=split, suffixes=suffixes)
        warnings.warn(message, stacklevel=4)
    return Part(readable[0]) if readable else None


def _split_of(path: Path, in_full: bool) -> Optional[str]:
    suffix = path.suffix.lower()
    if suffix in COLUMN_SUFFIXES[-3:]:
        return split_of_stem(suffix[1:])
    if in_full:
        return split_of_stem(path.stem)
    # a text file that only ends in such a word may be anything
    return split_in_stem(path.stem) if suffix != ".txt" else split_of_stem(path.stem)


def _find_in_rows(path: Path, column: str) -> Iterator[Tuple[str, Part]]:
    """The sets that the rows of a file name; all of the file is the labelled set where they name none."""
    if not holds_rows(path):
        yield "labelled", Part(path)
        return
    values: Counter = Counter()
    n_without, first_without, keys = 0, "", ""
    for where, row in read_named_rows(Part(path)):
        if row.get(column) is None:
            n_without += 1
            first_without = first_without or where
            keys = keys or ", ".join(map(str, row))
        else:
            values[str(row[column])] += 1
    if not values:
        yield "labelled", Part(path)
        return
    if n_without:
        raise LLMJudgeError(Errors.J632.format(where=first_without, column=column, columns=keys))
    others = {value: n for value, n in values.items() if split_of_value(value) is None}
    if others:
        _warn_of_others(path, column, others)
    for split in SPLITS:
        if any(split_of_value(value) == split for value in values):
            yield split, Part(path, column, split)


def _warn_of_others(path: Path, column: str, others: Dict[str, int]) -> None:
    shown = ", ".join(f"{printable(value)!r} ({n})" for value, n in list(others.items())[:5])
    known: Sequence[str] = [names_of(split)[0] for split in SPLITS]
    found = {"path": path, "column": column, "values": shown, "known": ", ".join(known)}
    warnings.warn(Warnings.JW617.format(**found), stacklevel=4)
