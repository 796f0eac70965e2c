"""Files that are something else than their name says: archives, office documents, web pages, pointers.

A text file gives a document a line, whatever stands in it: that of a PDF would be sent to the judge, and paid.
"""

import json
import re
from pathlib import Path
from typing import Tuple

from ..errors import Errors, LLMJudgeError
from ..storage import is_json
from .lines import printable, read_lines
from .rows import TEXT_KEYS

_HEADER = re.compile(r"\w[\w -]*([,;|\t])\w[\w -]*(?:\1\w[\w -]*)*")

# what a first line may look like, what that is, and what to do
_KINDS: Tuple[Tuple[str, str, str], ...] = (
    (r"%PDF-", "a PDF", "Extract its text, a text a line."),
    (r"\{\\rtf", "a document of a word processor", "Save it as plain text, a text a line."),
    (r"<(?:!doctype\b|html\b|\?xml\b)", "HTML or XML", "Extract its text, a text a line."),
)


def require_texts(path: Path) -> None:
    """Check that a file holds texts, one a line.

    path (Path): The file.
    """
    line = next((line.strip() for _, line in read_lines(path) if line.strip()), "")
    kinds = ((kind, do) for pattern, kind, do in _KINDS if re.match(pattern, line, re.IGNORECASE))
    found = next(kinds, None)
    if found is None and (line in ("{", "[") or _holds_rows(line)):
        found = ("JSON", "Give it the suffix .jsonl, or .json.")
    header = _HEADER.fullmatch(line)
    if found is None and header is not None:
        names = [name.strip().lower() for name in line.split(header.group(1))]
        if set(names) & {*TEXT_KEYS}:
            found = ("a table", "Give it the suffix .csv, or .tsv.")
    if found is not None:
        raise LLMJudgeError(Errors.J995.format(path=printable(path), kind=found[0], do=found[1]))


def _holds_rows(line: str) -> bool:
    """Whether a line is a row, or a list of them; [7] may as well stand in a text."""
    if line[:1] not in ("{", "[") or not is_json(line):
        return False
    value = json.loads(line)
    return isinstance(value, dict) or any(isinstance(item, (dict, list)) for item in value)
