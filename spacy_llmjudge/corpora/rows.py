"""Lines and JSON rows of a text file with where they are, so that messages can name file and line."""

import codecs
import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..errors import Errors, LLMJudgeError

Row = Dict[str, Any]


def read_lines(path: Path) -> Iterator[Tuple[str, str]]:
    """Read a UTF-8 file line by line, with or without a byte order mark, ended by LF or CRLF.

    Only a line feed ends a line: what Unicode calls line separators may stand inside of a text.

    path (Path): The file.
    YIELDS (Tuple[str, str]): "file, line 12" and the line without its end.
    """
    with path.open("rb") as file_:
        for number, data in enumerate(file_, start=1):
            where = f"{path}, line {number}"
            if number == 1 and data.startswith(codecs.BOM_UTF8):
                data = data[len(codecs.BOM_UTF8) :]
            try:
                line = data.decode("utf8")
            except UnicodeDecodeError as error:
                message = Errors.J601.format(where=where, error=error.reason)
                raise LLMJudgeError(message) from error
            yield where, line.rstrip("\r\n")


def read_rows(path: Path) -> Iterator[Tuple[str, Row]]:
    """Read the rows of a JSONL file; empty lines are passed over.

    path (Path): The file.
    YIELDS (Tuple[str, Row]): "file, line 12" and the row.
    """
    for where, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LLMJudgeError(Errors.J602.format(where=where, error=error)) from error
        if not isinstance(row, dict):
            raise LLMJudgeError(Errors.J603.format(where=where, found=show(row)))
        yield where, row


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


def show(value: Any) -> str:
    """RETURNS (str): Type and beginning of a JSON value, on one line, for messages."""
    return f"{type(value).__name__} {json.dumps(value)[:60]}"
