"""Which column of a file holds the tokens, which the tags, and which lines are comments.

Found out by looking at the lines: a column of row numbers holds no tokens, a column of chunks (NP, VP)
no entities, and only spaces and tabs separate columns. CoNLL-U Plus names its columns itself.
"""

import re
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..errors import Errors, LLMJudgeError
from .lines import read_lines
from .tags import is_tag

LINES_TO_LOOK_AT = 2000
MOST_ROWS = 0.9
DOCUMENT_START = "-DOCSTART-"
_NAMES_LINE = re.compile(r"#\s*global\.columns\s*=\s*(.+)")
_ROW_NUMBER = re.compile(r"\d+")
# what stands in the chunk column of CoNLL-2000 and CoNLL-2003, English and German
_CHUNKS = set("NP VP PP ADVP ADJP SBAR PRT CONJP INTJ LST UCP NC VC PC".split())
_TOKEN_NAMES = ("FORM", "TOKEN", "WORD")
_TAG_NAMES = ("NER", "NE", "ENTITY", "TAG")


class Layout(NamedTuple):
    """How the lines of a file are read.

    separator (str): What separates columns: a tab, or any number of spaces and tabs ("").
    token (int): The column of the tokens.
    tag (int): The column of the tags; negative ones count from the last.
    width (int): How many columns most lines have.
    tag_columns (Tuple[int, ...]): All that could hold the tags.
    numbered (bool): Whether the first column counts the tokens.
    others (Tuple[Set[str], ...]): What was seen in each column.
    """

    separator: str
    token: int
    tag: int
    width: int
    tag_columns: Tuple[int, ...]
    numbered: bool
    others: Tuple[Set[str], ...]

    def split(self, line: str) -> List[str]:
        """RETURNS (List[str]): The columns of a line."""
        return split_columns(line, self.separator)

    def is_comment(self, line: str) -> bool:
        """Whether a line that begins with a number sign is a comment, and not a token.

        A token stands in a row like the others: of the usual width and with a tag. Where spaces separate
        columns, a comment may look so too; a row has in between what other rows have there, or the token.
        """
        columns = self.split(line)
        if len(columns) != self.width or not is_tag(columns[self.tag]):
            return True
        if self.separator:
            return False
        between = (i for i in range(self.width) if i not in (self.token, self.tag % self.width))
        return not all(columns[i] in {*self.others[i], columns[self.token]} for i in between)


def find_layout(path: Path) -> Layout:
    """Find out how the lines of a file are to be read.

    path (Path): The file; its first lines are looked at.
    RETURNS (Layout): The layout.
    """
    lines = _sample(path)
    layout = _guess(lines, path)
    if layout is None:
        n_lines = sum(1 for line in lines if not _is_blank(line))
        raise LLMJudgeError(Errors.J611.format(path=path, n=n_lines))
    return layout


def has_columns(path: Path) -> bool:
    """Whether a file that may be plain text holds columns: all rows have as many, one column holds tags
    in nearly all of them, and at least one tag names a label (O and - are words as well).

    path (Path): The file.
    RETURNS (bool): Whether it does.
    """
    lines = _sample(path)
    separator = _find_separator(lines)
    rows = [row for row in _rows(lines, separator) if not row[0].startswith("#")]
    if len({len(row) for row in rows}) != 1 or len(rows[0]) < 2:
        return False
    return any(
        sum(map(is_tag, column)) >= MOST_ROWS * len(column) and any(map(_names_label, column))
        for column in zip(*rows)
    )


def split_columns(line: str, separator: str) -> List[str]:
    """RETURNS (List[str]): The columns of a line. A no-break space is part of a column."""
    if separator:
        return [column.strip(" \r\n") for column in line.split(separator)]
    return re.split(r"[ \t]+", line.strip(" \t\r\n"))


def is_document_start(columns: Sequence[str]) -> bool:
    """RETURNS (bool): Whether a line only says that a document begins; some name it there, as in `-DOCSTART- (7)`."""
    return DOCUMENT_START in columns or columns[0].startswith(DOCUMENT_START)


def _sample(path: Path) -> List[str]:
    return [line for _, line in islice(read_lines(path), LINES_TO_LOOK_AT)]


def _is_blank(line: str) -> bool:
    return not line.strip(" \t\r\n")


def _find_separator(lines: Iterable[str]) -> str:
    rows = [line for line in lines if not _is_blank(line) and not line.startswith("#")]
    rows = [line for line in rows if not is_document_start(split_columns(line, ""))]
    return "\t" if rows and all("\t" in line for line in rows) else ""


def _rows(lines: Iterable[str], separator: str) -> Iterator[List[str]]:
    for line in lines:
        if not _is_blank(line) and not is_document_start(split_columns(line, "")):
            yield split_columns(line, separator)


def _guess(lines: Sequence[str], path: Path) -> Optional[Layout]:
    separator = _find_separator(lines)
    rows = [row for row in _rows(lines, separator) if not row[0].startswith("#")]
    # a file of hashtags
    rows = rows or list(_rows(lines, separator))
    if not rows:
        return None
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    usual = [row for row in rows if len(row) == width]
    columns = [list(column) for column in zip(*usual)]
    names = _column_names(lines)
    numbered = width > 1 and all(_is_row_number(cell) for cell in columns[0])
    tags = _tag_columns(columns, names, len(rows))
    if not tags:
        return None
    token = _token_column(columns, names, numbered, tags, path)
    tag = tags[0] - width if tags[0] == width - 1 else tags[0]
    seen = tuple(set(column) for column in columns)
    return Layout(separator, token, tag, width, tuple(tags), numbered, seen)


def _column_names(lines: Iterable[str]) -> List[str]:
    """The names of CoNLL-U Plus, without what stands behind a colon, such as the scheme of the tags."""
    found = (_NAMES_LINE.match(line) for line in lines)
    names = next((match.group(1).split() for match in found if match), [])
    return [name.partition(":")[0].upper() for name in names]


def _tag_columns(columns: List[List[str]], names: List[str], n_rows: int) -> List[int]:
    """The columns that could hold the tags, the one that is read first."""
    found = [i for i, column in enumerate(columns) if 2 * sum(map(is_tag, column)) >= n_rows]
    named = [i for name in _TAG_NAMES for i in found if name in names[i : i + 1]]
    found = named[:1] or found
    # a column of nothing but hyphens was left empty; one of nothing but O may have no entities
    found = [i for i in found if set(columns[i]) != {"-"}] or found
    found = [i for i in found if not _has_chunks(columns[i])] or found
    return [i for i in found if any(map(_names_label, columns[i]))] or found


def _token_column(
    columns: List[List[str]], names: List[str], numbered: bool, tags: List[int], path: Path
) -> int:
    named = [i for i, name in enumerate(names[: len(columns)]) if name in _TOKEN_NAMES]
    if named:
        return named[0]
    candidates = [i for i in range(int(numbered), len(columns)) if i not in tags]
    counts = numbered and len(columns) == 2 and _counts_rows(columns[0])
    if 0 in tags and len(tags) > 1 or (numbered and not candidates and counts):
        listed = ", ".join(str(i + 1) for i in tags)
        raise LLMJudgeError(Errors.J640.format(path=path, tags=listed))
    if not candidates:
        return 0 if tags[0] else 1
    return candidates[0]


def _is_row_number(cell: str) -> bool:
    return _ROW_NUMBER.fullmatch(cell.replace("-", "").replace(".", "")) is not None


def _counts_rows(column: Sequence[str]) -> bool:
    """Whether numbers go up by one, and start again now and then."""
    steps = list(zip(column, column[1:]))
    return len(column) > 2 and all(
        int(second) == int(first) + 1 or second in ("0", "1") for first, second in steps
    )


def _names_label(cell: str) -> bool:
    return cell not in ("O", "-") and is_tag(cell)


def _has_chunks(column: Sequence[str]) -> bool:
    labels = {cell[2:] for cell in column if _names_label(cell)}
    return bool(labels) and labels <= _CHUNKS
