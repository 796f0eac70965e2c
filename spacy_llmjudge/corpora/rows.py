"""Rows of JSON and JSONL files with where they are."""

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..errors import Errors, LLMJudgeError
from ..storage import is_json
from .lines import printable, read_lines, read_text

Row = Dict[str, Any]

# of these the first that a row has is its text
TEXT_KEYS = ("text", "data", "sentence", "content")
# under one of these keys a JSON file holds its rows, where it is no list itself
_LISTS = ("data", "rows", "examples", "documents", "annotations", "records", "items", "tasks")


def read_rows(path: Path) -> Iterator[Tuple[str, Row]]:
    """Read the rows of a JSONL file; empty lines are passed over. A JSON list under that name is read too.

    path (Path): The file.
    YIELDS (Tuple[str, Row]): "file, line 12" and the row.
    """
    for number, (where, line) in enumerate(read_lines(path)):
        if not line.strip():
            continue
        if number == 0 and _begins_a_list(line, path):
            yield from read_json_rows(path)
            return
        yield where, _as_row(_parse(line, where), where)


def read_json_rows(path: Path) -> Iterator[Tuple[str, Row]]:
    """Read the rows of a JSON file: a list of them, or an object that holds one. Lines of JSON under that
    name are read too.

    path (Path): The file.
    YIELDS (Tuple[str, Row]): "file, row 12" and the row.
    """
    text = read_text(path)
    name = printable(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        first = text.lstrip().partition("\n")[0]
        if first.startswith("{") and is_json(first):
            yield from read_rows(path)
            return
        raise LLMJudgeError(Errors.J602.format(where=name, error=error)) from error
    if isinstance(data, dict):
        is_row = "text" in data or "tokens" in data or isinstance(data.get("data"), dict)
        lists = (data[key] for key in _LISTS if isinstance(data.get(key), list))
        data = [data] if is_row else next(lists, [data])
    if not isinstance(data, list):
        raise LLMJudgeError(Errors.J603.format(where=name, found=show(data)))
    for number, item in enumerate(data, start=1):
        if item is not None:
            where = f"{name}, row {number}"
            yield where, _as_row(item, where)


def _parse(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LLMJudgeError(Errors.J602.format(where=where, error=error)) from error


def _begins_a_list(line: str, path: Path) -> bool:
    """Whether a file is one list of rows, and not a row a line, by its first line."""
    if not line.lstrip().startswith("["):
        return False
    if not is_json(line):
        return is_json(read_text(path))
    items = json.loads(line)
    return bool(items) and all(isinstance(item, dict) or _is_tuple(item) for item in items)


def _is_tuple(item: Any) -> bool:
    """Whether an item is a pair of a text and a dictionary, as spaCy v2 was trained on."""
    return (
        isinstance(item, list)
        and len(item) == 2
        and isinstance(item[0], str)
        and isinstance(item[1], dict)
    )


def _as_row(item: Any, where: str) -> Row:
    if _is_tuple(item):
        return {"text": item[0], **item[1]}
    if not isinstance(item, dict):
        raise LLMJudgeError(Errors.J603.format(where=where, found=show(item)))
    return item


def read_words(row: Row, where: str) -> Optional[List[str]]:
    """The tokens of a row, where they are strings; Prodigy's dictionaries only repeat the text.

    row (Row): The row.
    where (str): File and line, for messages.
    RETURNS (Optional[List[str]]): The tokens, or None.
    """
    words = row.get("tokens")
    if words is None:
        return None
    if not isinstance(words, list):
        raise shape_error("tokens", show(words), where)
    if words and all(isinstance(word, dict) for word in words):
        return None
    for word in words:
        if not require_string(word, "tokens", where):
            raise shape_error("tokens", "an empty token", where)
    return words


def require_string(value: Any, key: str, where: str) -> str:
    """RETURNS (str): The value, where it is a string that can be encoded."""
    if not isinstance(value, str):
        raise shape_error(key, show(value), where)
    try:
        value.encode("utf8")
    except UnicodeEncodeError as error:
        found = f"half of a surrogate pair at character {error.start}"
        raise shape_error(key, found, where) from error
    return value


def shape_error(key: str, found: str, where: str) -> LLMJudgeError:
    """RETURNS (LLMJudgeError): The error about a row in which `key` is not what it should be."""
    return LLMJudgeError(Errors.J605.format(where=where, key=key, found=found))


def range_error(
    where: str, start: int, end: int, label: str, length: int, unit: str, hint: str = ""
) -> LLMJudgeError:
    """RETURNS (LLMJudgeError): The error about a span that is not inside of its document."""
    span = {"start": start, "end": end, "label": label}
    return LLMJudgeError(
        Errors.J606.format(where=where, length=length, unit=unit, hint=hint, **span)
    )


def show(value: Any) -> str:
    """RETURNS (str): Type and beginning of a JSON value, on one line, for messages."""
    return f"{type(value).__name__} {json.dumps(value)[:60]}"
