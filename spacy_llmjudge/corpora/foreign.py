"""Files that are something else than their name says: archives, office documents, web pages, pointers.

A text file gives a document a line, whatever stands in it: that of a PDF would be sent to the judge, and paid.
"""

import csv
import json
import re
from itertools import islice
from pathlib import Path
from typing import List, Tuple

from ..errors import Errors, LLMJudgeError
from ..storage import is_json
from .lines import printable, read_lines
from .rows import TEXT_KEYS

_HEADER = re.compile(r"\w[\w -]*([,;|\t])\w[\w -]*(?:\1\w[\w -]*)*")
# what a list or an object goes on with, where its bracket has a line of its own
_INSIDE = re.compile(r'[{[]\s*(?:["{[]|$)|"(?:[^"\\]|\\.)*"\s*(?::|,?$)')

# what a first line may look like, what that is, and what to do; a text may be about HTML
_KINDS: Tuple[Tuple[str, str, str], ...] = (
    (r"%PDF-\d", "a PDF", "Extract its text, a text a line."),
    (r"\{\\rtf\d", "a document of a word processor", "Save it as plain text, a text a line."),
    (
        r"<(?:!doctype\s[^>]*|html(?:\s+[\w:-]+\s*=[^>]*)?\s*)(?:>(?:\w|\s*<|\s*$)|$)|<\?xml\s+version",
        "HTML or XML",
        "Extract its text, a text a line.",
    ),
)


def require_texts(path: Path) -> None:
    """Check that a file holds texts, one a line.

    path (Path): The file.
    """
    lines = (line.strip() for _, line in read_lines(path))
    line, second = [*islice(filter(None, lines), 2), "", ""][:2]
    kinds = ((kind, do) for pattern, kind, do in _KINDS if re.match(pattern, line, re.IGNORECASE))
    found = next(kinds, None)
    opens = line in ("{", "[") and _INSIDE.match(second) is not None
    if found is None and (opens or _holds_rows(line)):
        found = ("JSON", "Give it the suffix .jsonl, or .json.")
    header = _HEADER.fullmatch(line)
    if found is None and header is not None and _begins_a_table(path, header.group(1)):
        found = ("a table", "Give it the suffix .csv, or .tsv.")
    if found is not None:
        raise LLMJudgeError(Errors.J995.format(path=printable(path), kind=found[0], do=found[1]))


def _begins_a_table(path: Path, delimiter: str) -> bool:
    """Whether the header names a column of texts, and a row with as many cells is under it."""
    rows = csv.reader((line for _, line in read_lines(path, keep_ends=True)), delimiter=delimiter)
    try:
        found: List[List[str]] = list(islice(filter(any, rows), 2))
    except csv.Error:
        return False
    names = {name.strip().lower() for name in found[0]}
    return (
        bool(names.intersection(TEXT_KEYS)) and len(found[0]) == len(found[-1]) and len(found) == 2
    )


def _holds_rows(line: str) -> bool:
    """Whether a line is a row, or a list of them; [7] may as well stand in a text, and so may [[7], 1]."""
    if line[:1] not in ("{", "[") or not is_json(line):
        return False
    value = json.loads(line)
    items = value if isinstance(value, list) else [value]
    inner = (one for item in items for one in (item if isinstance(item, list) else [item]))
    return any(isinstance(one, dict) for one in inner)
