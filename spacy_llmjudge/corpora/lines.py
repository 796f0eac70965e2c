"""Lines of a text file with where they are, so that messages can name file and line.

Files are UTF-8, with or without a byte order mark, or UTF-16 with one. Other encodings cannot be told
apart for sure, and are refused.
"""

import codecs
from pathlib import Path
from typing import Iterator, Tuple

from ..errors import Errors, LLMJudgeError

_MARK = "\ufeff"
_WIDE_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# what files begin with that are no text, whatever their name says
_NO_TEXT = {
    b"\x1f\x8b": ("packed by gzip", "Unpack it (gzip -d)."),
    b"PK\x03\x04": ("an archive or an office document", "Unpack it, or export it as CSV or text."),
    b"\xd0\xcf\x11\xe0": ("an old office document", "Export it as CSV or text."),
    # and the first byte of a header, as a gene has that name
    b"PAR1\x15": ("a parquet file", "Give it the suffix .parquet."),
    b"SQLite format 3\0": ("a database", "Export its rows as JSONL."),
    b"version https://git-lfs": ("a pointer of Git LFS", "Fetch the file itself: git lfs pull."),
}


def read_lines(path: Path, keep_ends: bool = False) -> Iterator[Tuple[str, str]]:
    """Read a text file line by line.

    A line ends at a line feed, with or without a carriage return, and in a file that has none at carriage
    returns (as old Macs wrote them). What Unicode calls line separators may stand inside of a text.

    path (Path): The file.
    keep_ends (bool): Leave the end of a line on it.
    YIELDS (Tuple[str, str]): "file, line 12" and the line.
    """
    name = printable(path)
    number = 0
    try:
        for number, line in enumerate(_decode_lines(path), start=1):
            # files that were joined have a byte order mark in the middle
            line = line.lstrip(_MARK)
            yield f"{name}, line {number}", line if keep_ends else line.rstrip("\r\n")
    except UnicodeDecodeError as error:
        where = f"{name}, line {number + 1}"
        raise LLMJudgeError(Errors.J601.format(where=where, error=error.reason)) from error


def read_text(path: Path) -> str:
    """RETURNS (str): The whole of a text file."""
    return "\n".join(line for _, line in read_lines(path))


def printable(value: object) -> str:
    """RETURNS (str): A name on one line, without what a terminal or a file in UTF-8 cannot take.

    >>> printable("a\\x1b[2J.jsonl")
    'a\\\\x1b[2J.jsonl'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))


def _decode_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file_:
        start = file_.read(32)
        file_.seek(0)
        for mark, (kind, do) in _NO_TEXT.items():
            if start.startswith(mark):
                raise LLMJudgeError(Errors.J995.format(path=printable(path), kind=kind, do=do))
        if start.startswith(_UTF16_MARKS) and not start.startswith(_WIDE_MARKS):
            yield from _decode_utf16(path)
            return
        for number, data in enumerate(file_):
            if number == 0 and not data.endswith(b"\n"):
                lines = data.rstrip(b"\r").split(b"\r")
                yield from (f"{line.decode('utf8')}\r" for line in lines)
            else:
                yield data.decode("utf8")


def _decode_utf16(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-16", newline="\n") as file_:
        yield from file_
