"""Read annotated or raw documents from files of all formats, one at a time; the suffix says how.

JSON and JSONL in the shapes of several tools, tables, columns, `.spacy` files, and text files with a text a
line. What carries annotation, be it an empty list, becomes a document with annotation; what does not
becomes one without.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, Optional, Tuple

from spacy.language import Language

from ..errors import Errors, LLMJudgeError, Warnings
from ..targets.base import Target
from .class_names import find_class_names
from .columns import read_columns
from .docbin import read_docbin
from .foreign import require_texts
from .layout import has_columns
from .lines import printable, read_lines
from .ontonotes import is_ontonotes, read_ontonotes
from .record import Record
from .rows import Row, read_json_rows, read_rows
from .settings import ReadSettings
from .shapes import brat, read_row
from .shapes.common import RowContext
from .split_names import split_of_value
from .tables import read_parquet, read_table
from .utf16 import UTF16, convert, depends_on_unit, find_unit

_ROW_READERS: Dict[str, Callable[[Path], Iterator[Tuple[str, Row]]]] = {
    ".jsonl": read_rows,
    ".ndjson": read_rows,
    ".json": read_json_rows,
    ".csv": read_table,
    ".tsv": read_table,
    ".parquet": read_parquet,
}
ROW_SUFFIXES = tuple(_ROW_READERS)
COLUMN_SUFFIXES = (
    ".conll",
    ".bio",
    ".iob",
    ".iob2",
    ".bioes",
    ".conllu",
    ".conllup",
    ".gold_conll",
    ".v4_gold_conll",
    # CoNLL-2003 has the name of the set there
    ".train",
    ".testa",
    ".testb",
)
TEXT_SUFFIX = ".txt"
DOCBIN_SUFFIX = ".spacy"
SUFFIXES = (*ROW_SUFFIXES, *COLUMN_SUFFIXES, TEXT_SUFFIX, DOCBIN_SUFFIX)


@dataclass(frozen=True)
class Part:
    """A set of documents: a file, or those rows of one that have the name of the set in a column."""

    path: Path
    column: Optional[str] = None
    split: Optional[str] = None


def read_records(
    part: Part, nlp: Language, settings: ReadSettings, target: Optional[Target] = None
) -> Iterator[Record]:
    """Read what a file says, before it is put on tokens.

    part (Part): The file.
    nlp (Language): Its tokenizer cuts texts; its language says what stands between tokens.
    settings (ReadSettings): How files are read.
    target (Optional[Target]): What is read of documents in a `.spacy` file that carry several things.
    YIELDS (Record): A record for every row and annotator.
    """
    path = part.path
    if path.is_dir() and not is_sharded(path):
        if brat.is_folder(path):
            may_drop = settings.misaligned == "drop"
            return settle_unit(lambda: brat.read_folder(path, may_drop), nlp, settings, path)
        raise LLMJudgeError(Errors.J954.format(path=path))
    if holds_rows(path):
        return settle_unit(lambda: _read_row_records(part, nlp, settings), nlp, settings, path)
    suffix = path.suffix.lower()
    if suffix == DOCBIN_SUFFIX:
        return read_docbin(path, nlp.vocab, target)
    if suffix in (*COLUMN_SUFFIXES, TEXT_SUFFIX) and is_ontonotes(path):
        return read_ontonotes(path, nlp.lang)
    if suffix in COLUMN_SUFFIXES or (suffix in (TEXT_SUFFIX, ".tsv") and has_columns(path)):
        return read_columns(path, nlp.lang)
    if suffix == TEXT_SUFFIX:
        require_texts(path)
        return (Record(where, line.strip()) for where, line in read_lines(path))
    raise LLMJudgeError(Errors.J600.format(path=path, suffixes=", ".join(SUFFIXES)))


def is_sharded(path: Path) -> bool:
    """RETURNS (bool): Whether a path is a folder of shards in the place of a `.spacy` file."""
    return path.suffix.lower() == DOCBIN_SUFFIX and path.is_dir()


def is_set(path: Path) -> bool:
    """RETURNS (bool): Whether a folder is a set of documents: shards, or brat."""
    return is_sharded(path) or brat.is_folder(path)


def holds_rows(path: Path) -> bool:
    """RETURNS (bool): Whether a file has rows with named columns."""
    suffix = path.suffix.lower()
    return suffix in ROW_SUFFIXES and not (suffix == ".tsv" and has_columns(path))


def read_named_rows(part: Part) -> Iterator[Tuple[str, Row]]:
    """Read the rows of a file, or those of one of its sets.

    part (Part): The file.
    YIELDS (Tuple[str, Row]): "file, line 12" and the row.
    """
    for where, row in _ROW_READERS[part.path.suffix.lower()](part.path):
        if part.column is None or split_of_value(row.get(part.column)) == part.split:
            yield where, row


def row_context(path: Path, nlp: Language, settings: ReadSettings) -> RowContext:
    """RETURNS (RowContext): What the rows of a file do not say themselves."""
    return RowContext(nlp, settings, find_class_names(path))


def settle_unit(
    read: Callable[[], Iterator[Record]], nlp: Language, settings: ReadSettings, path: Path
) -> Iterator[Record]:
    """Let the offsets of a file count characters, whatever they count there.

    read (Callable[[], Iterator[Record]]): Gives the records from the start each time.
    nlp (Language): Its tokenizer cuts texts.
    settings (ReadSettings): Says what offsets count, or leaves it to the file.
    path (Path): The file, for the warning where the file says it.
    YIELDS (Record): The records.
    """
    unit = None if settings.offsets == "auto" else settings.offsets
    for record in read():
        if unit is None and depends_on_unit(record):
            found = find_unit(read(), nlp)
            unit = found.name
            if unit == UTF16:
                warnings.warn(Warnings.JW612.format(path=path, n=found.n_decisive), stacklevel=2)
            elif found.n_open and not found.n_decisive:
                warnings.warn(Warnings.JW613.format(path=path, n=found.n_open), stacklevel=2)
        yield convert(record) if unit == UTF16 else record


def warn_of_repairs(path: Path, n: int) -> None:
    """Warn where tags were repaired."""
    if n:
        warnings.warn(Warnings.JW600.format(path=printable(path), n=n), stacklevel=3)


def _read_row_records(part: Part, nlp: Language, settings: ReadSettings) -> Iterator[Record]:
    context = row_context(part.path, nlp, settings)
    for where, row in read_named_rows(part):
        yield from read_row(row, where, context)
