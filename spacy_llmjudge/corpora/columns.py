"""Read CoNLL-like columns: a token and its tag on a line, an empty line between sentences."""

import re
import warnings
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple

from ..errors import Errors, LLMJudgeError, Warnings
from .layout import Layout, find_layout, is_document_start
from .lines import read_lines
from .record import Record
from .tags import encode_record, is_tag, make_tagged_record

Rows = List[Tuple[str, str]]

_NO_SINGLE_TOKEN = re.compile(r"\d+[-.]\d+")


def read_columns(path: Path, lang: Optional[str]) -> Iterator[Record]:
    """Read a column file, a record for every sentence.

    An I tag that continues nothing starts an entity: it is repaired and counted. Where several columns
    could hold the tags, the first of them does.

    path (Path): The file.
    lang (Optional[str]): The code of the language, which says what stands between tokens.
    YIELDS (Record): The sentences.
    """
    layout = find_layout(path)
    if len(layout.tag_columns) > 1:
        listed = ", ".join(str(i + 1) for i in layout.tag_columns)
        read = layout.tag % layout.width + 1
        warnings.warn(Warnings.JW615.format(path=path, columns=listed, read=read), stacklevel=2)
    for where, rows in _read_sentences(path, layout):
        words, tags = zip(*rows)
        yield make_tagged_record(where, words, tags, lang)


def format_columns(record: Record, scheme: str) -> str:
    """RETURNS (str): A token and its tag on a line, and an empty line; white space is no token."""
    rows = zip(*encode_record(record, scheme))
    return "".join(f"{word}\t{tag}\n" for word, tag in rows) + "\n"


def _read_sentences(path: Path, layout: Layout) -> Iterator[Tuple[str, Rows]]:
    rows: Rows = []
    first = ""
    for where, line in read_lines(path):
        if not line.strip(" \t") or is_document_start(layout.split(line)):
            if rows:
                yield first, rows
            rows = []
        elif not line.startswith("#") or not _is_comment(line, layout, bool(rows)):
            row = _read_row(line, layout, where)
            if row is not None:
                first = first if rows else where
                rows.append(row)
    if rows:
        yield first, rows


def _is_comment(line: str, layout: Layout, is_inside: bool) -> bool:
    """Inside of a sentence a row with a mistake must not pass for a comment: there it has other columns."""
    columns = layout.split(line)
    if is_inside and (
        not line.startswith("# ") or len(columns) == layout.width or _is_row(columns, layout)
    ):
        return False
    return layout.is_comment(line)


def _is_row(columns: Sequence[str], layout: Layout) -> bool:
    """Whether a line of another width ends in a tag, and has before it only what other rows have beside tokens."""
    seen = [cells for i, cells in enumerate(layout.others) if i != layout.token]
    known = all(cell == "#" or any(cell in cells for cells in seen) for cell in columns[1:-1])
    return is_tag(columns[-1]) and known


def _read_row(line: str, layout: Layout, where: str) -> Optional[Tuple[str, str]]:
    """Token and tag of a line; None for a line about several tokens (1-2) or about none (1.1)."""
    columns = layout.split(line)
    if layout.numbered and _NO_SINGLE_TOKEN.fullmatch(columns[0]):
        return None
    n = len(columns)
    if n > layout.width and any(columns[layout.width :]):
        found = {"n": n, "width": layout.width, "line": repr(line[:60])}
        raise LLMJudgeError(Errors.J996.format(where=where, **found))
    tag = columns[layout.tag] if n > layout.tag >= 0 or 0 < -layout.tag <= n else ""
    token = columns[layout.token] if n > layout.token else ""
    if n < 2 or not token:
        raise LLMJudgeError(Errors.J612.format(where=where, line=repr(line[:60])))
    if not is_tag(tag):
        raise LLMJudgeError(Errors.J613.format(where=where, tag=repr(tag[:60])))
    return token, tag
