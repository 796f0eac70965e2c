"""OntoNotes in the columns of CoNLL-2012, where brackets mark entities: `(ORG*`, `*` and `*)`, or `(ORG)`."""

import re
from itertools import chain
from pathlib import Path
from typing import Iterator, List, Optional

from ..errors import Errors, LLMJudgeError
from .layout import has_columns, split_columns
from .lines import read_lines
from .record import Record
from .tags import make_tagged_record

# the columns of the tokens and of the entities; behind these are as many as a sentence has predicates
_TOKEN, _ENTITY = 3, 10
_BRACKETS = re.compile(r"(?:\(([^\s()*]+))?\*?(\)?)")


def is_ontonotes(path: Path) -> bool:
    """RETURNS (bool): Whether a file begins as those of OntoNotes do, and has not just columns of its own."""
    lines = (line for _, line in read_lines(path) if line.strip())
    if not next(lines, "").startswith("#begin document"):
        return False
    row = next((line for line in lines if not line.startswith(("#begin", "#end"))), "")
    return len(split_columns(row, "")) > _ENTITY or not has_columns(path)


def read_ontonotes(path: Path, lang: Optional[str]) -> Iterator[Record]:
    """Read a file of OntoNotes, a record for every sentence.

    path (Path): The file.
    lang (Optional[str]): The code of the language, which says what stands between tokens.
    YIELDS (Record): The sentences.
    """
    first = opened = ""
    words: List[str] = []
    tags: List[str] = []
    for where, line in chain(read_lines(path), [("", "")]):
        if not line.strip() or line.startswith(("#begin", "#end")):
            if words:
                yield make_tagged_record(first, words, tags, lang)
            first, words, tags, opened = "", [], [], ""
            continue
        columns = split_columns(line, "")
        cell = columns[_ENTITY] if len(columns) > _ENTITY else ""
        match = _BRACKETS.fullmatch(cell)
        if not cell or match is None or (match.group(1) and opened):
            raise LLMJudgeError(Errors.J998.format(where=where, cell=repr(cell[:60])))
        label = match.group(1) or opened
        first = first or where
        words.append(columns[_TOKEN])
        tags.append(f"{'B' if match.group(1) else 'I'}-{label}" if label else "O")
        opened = "" if match.group(2) else label
