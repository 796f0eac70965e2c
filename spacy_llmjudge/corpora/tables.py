"""Rows of tables: CSV and TSV with a header, and parquet where pyarrow is installed.

A cell that holds JSON (or a list as pandas and numpy print it) is read as that, but for the text itself; an empty
cell is none.
A table of tokens (a word and a tag in a row, as Kaggle's NER corpus) gives a row for every sentence.
"""

import ast
import csv
import io
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..errors import Errors, LLMJudgeError
from .lines import printable, read_lines
from .rows import TEXT_KEYS, Row
from .shapes.plain import LABEL_KEYS, SPAN_KEYS
from .shapes.token_tags import TAG_KEYS

_DELIMITERS = ",;\t|"
_WORD_COLUMNS = ("word", "token", "form")
_TAG_COLUMNS = ("tag", "ner_tag", "ner", "label", "bio", "iob")
_SENTENCE_COLUMNS = (
    "sentence #",
    "sentence_id",
    "sentence",
    "sent_id",
    "sentence_idx",
    "sentenceid",
)
# what is read of a row with a text, by the shapes of rows and as the set that it is in
_READ = (*TEXT_KEYS, *SPAN_KEYS, *LABEL_KEYS, *TAG_KEYS, "tokens", "words", "answer", "split")
# Excel's
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])", re.IGNORECASE)
_CELL_LIMIT = 1 << 24
_ITEM = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+""")
_ARRAY = re.compile(rf"\[\s*(?:{_ITEM.pattern})(?:\s+(?:{_ITEM.pattern}))*\s*\]")

Cells = Iterator[Tuple[str, Dict[str, str]]]


def read_table(path: Path) -> Iterator[Tuple[str, Row]]:
    """Read a file of separated values with a header.

    path (Path): The file.
    YIELDS (Tuple[str, Row]): "file, line 12" and the row.
    """
    header, cells = _read_cells(path)
    columns = _find_token_columns(header)
    if columns is not None:
        yield from _read_sentences(cells, *columns)
    else:
        for where, row in cells:
            yield where, {key: _read_cell(cell, key) for key, cell in row.items()}


def format_csv(rows: Sequence[Row]) -> str:
    """RETURNS (str): Rows with the same keys as separated values with a header; what is no text is JSON."""
    out = io.StringIO()
    # a text may begin or end with white space, or hold line breaks
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    # a column that is empty everywhere says nothing
    keys = [key for key in (rows[0] if rows else ()) if any(row[key] is not None for row in rows)]
    writer.writerow(keys)
    writer.writerows([_format_cell(row[key]) for key in keys] for row in rows)
    return out.getvalue()


def write_parquet(rows: Sequence[Row], path: Path) -> None:
    """Write rows as a parquet file."""
    try:
        from pyarrow import Table
        from pyarrow.parquet import write_table
    except ImportError as error:
        raise LLMJudgeError(Errors.J642.format(path=path)) from error
    write_table(Table.from_pylist(list(rows)), path)


def _format_cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def read_parquet(path: Path) -> Iterator[Tuple[str, Row]]:
    """Read a parquet file, with the names of its tags where it says them.

    path (Path): The file.
    YIELDS (Tuple[str, Row]): "file, row 12" and the row.
    """
    number = 0
    for batch in _open_parquet(path).iter_batches():
        for row in batch.to_pylist():
            number += 1
            yield f"{printable(path)}, row {number}", row


def read_parquet_names(path: Path) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The features that the library `datasets` wrote into a parquet file."""
    metadata = _open_parquet(path).schema_arrow.metadata or {}
    info = json.loads(metadata.get(b"huggingface", b"{}"))
    return info.get("info", {}).get("features", {})


def _open_parquet(path: Path) -> Any:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise LLMJudgeError(Errors.J642.format(path=path)) from error
    try:
        return ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise LLMJudgeError(Errors.J648.format(path=path, error=error)) from error


def _read_cells(path: Path) -> Tuple[List[str], Cells]:
    # those inside of quotation marks belong to the text
    lines = read_lines(path, keep_ends=True)
    where, first = next(lines, (printable(path), ""))
    said = _SEPARATOR_LINE.fullmatch(first.rstrip("\r\n"))
    if said is not None:
        where, first = next(lines, (where, ""))
    delimiter = said.group(1) if said is not None else max(_DELIMITERS, key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if not any(header):
        raise LLMJudgeError(Errors.J641.format(where=where, found="no header"))
    header = _number_repeated(header, where)
    first_row = 2 + (said is not None)
    return header, _iterate(lines, header, delimiter, printable(path), first_row)


def _number_repeated(header: Sequence[str], where: str) -> List[str]:
    """Columns of one name get numbers, note (1) and note (2), or are an error where that name is read."""
    counts, seen = Counter(header), Counter[str]()
    read = _find_token_columns(header) or _READ
    for name, n in counts.items():
        if n > 1 and name in read:
            found = f"there are several columns {printable(name)!r}"
            raise LLMJudgeError(Errors.J641.format(where=where, found=found))
    names = []
    for name in header:
        seen[name] += 1
        names.append(f"{name} ({seen[name]})" if name and counts[name] > 1 else name)
    return names


def _find_token_columns(header: Sequence[str]) -> Optional[Tuple[str, str, Optional[str]]]:
    """The columns of words, tags and sentences; None where a table has no row for every token."""
    by_name = {name.lower(): name for name in header}
    word = _first(by_name, _WORD_COLUMNS)
    tag = _first(by_name, _TAG_COLUMNS)
    if word is None or tag is None:
        return None
    return word, tag, _first(by_name, _SENTENCE_COLUMNS)


def _iterate(
    lines: Iterable[Tuple[str, str]], header: List[str], delimiter: str, name: str, first_row: int
) -> Cells:
    csv.field_size_limit(max(csv.field_size_limit(), _CELL_LIMIT))
    reader = csv.reader((line for _, line in lines), delimiter=delimiter)
    while True:
        # a cell may go over several lines
        where = f"{name}, line {reader.line_num + first_row}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise LLMJudgeError(Errors.J641.format(where=where, found=error)) from error
        if len(cells) > len(header):
            found = f"{len(cells)} cells for {len(header)} columns"
            raise LLMJudgeError(Errors.J641.format(where=where, found=found))
        yield where, dict(zip(header, cells))


def _read_sentences(
    cells: Cells, word: str, tag: str, sentence: Optional[str]
) -> Iterator[Tuple[str, Row]]:
    """A new sentence begins at an empty line, and where its column names another one."""
    tokens: List[str] = []
    tags: List[str] = []
    first, current = "", None
    for where, row in cells:
        name = row.get(sentence, "").strip() if sentence is not None else ""
        is_new = not any(row.values()) or (bool(name) and name != current)
        if is_new and tokens:
            yield first, {"tokens": tokens, "ner_tags": tags}
            tokens, tags = [], []
        current = name or current
        if any(row.values()):
            if not row.get(word) or not row.get(tag):
                raise LLMJudgeError(Errors.J612.format(where=where, line=repr(list(row.values()))))
            first = first if tokens else where
            tokens.append(row[word])
            tags.append(row[tag].strip())
    if tokens:
        yield first, {"tokens": tokens, "ner_tags": tags}


def _first(names: Dict[str, str], wanted: Sequence[str]) -> Optional[str]:
    return next((names[name] for name in wanted if name in names), None)


def _read_cell(cell: str, column: str) -> Any:
    if not cell.strip():
        return "" if column in TEXT_KEYS else None
    if cell.lstrip()[0] in "[{" and column not in TEXT_KEYS:
        # an array first: Python would put its strings together to one
        for read in (json.loads, _read_array, ast.literal_eval):
            try:
                return read(cell)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return cell


def _read_array(cell: str) -> List[Any]:
    """Read an array as numpy prints it: items with white space between them, and no commas."""
    if _ARRAY.fullmatch(cell.strip()) is None:
        raise ValueError("no array")
    return [ast.literal_eval(item) for item in _ITEM.findall(cell)]
