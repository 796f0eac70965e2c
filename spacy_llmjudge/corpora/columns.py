"""Read CoNLL-like columns: a token and its tag on a line, an empty line between sentences.

Which column holds the tags, and what separates columns, is found out by looking at the file. Tags
may be IOB1, IOB2, BIOES, BILUO or BMES; `-` is a token without annotation.
"""

import re
import warnings
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from ..errors import Errors, LLMJudgeError, Warnings
from .rows import read_lines

LINES_TO_LOOK_AT = 2000
_TAG = re.compile(r"O|-|[BIMELSU]-\S.*")
_DOCUMENT_START = "-DOCSTART-"


class Layout(NamedTuple):
    """separator (Optional[str]): A tab, or None for any white space.
    tags_first (bool): Whether the tag stands in the first column, and the token in the second; else
        the token is first and the tag last.
    """

    separator: Optional[str]
    tags_first: bool


def read_columns(path: Path, vocab: Vocab, counts: Counter) -> Iterator[Doc]:
    """Read a column file, a document for every sentence.

    An I tag that continues nothing starts an entity: it is repaired, counted, and warned about once.

    path (Path): The file.
    vocab (Vocab): The vocabulary of the documents.
    counts (Counter): Gets the number of repaired tags under `repaired_tags`.
    YIELDS (Doc): The documents, with one space between any two tokens.
    """
    layout = find_layout(path)
    repaired = 0
    for rows in _read_sentences(path, layout):
        tokens, tags = zip(*rows)
        ents, missing, n_repaired = decode_tags(tags)
        repaired += n_repaired
        doc = make_doc_from_words(vocab, tokens)
        doc.set_ents(
            [Span(doc, start, end, label=label) for start, end, label in ents],
            missing=[Span(doc, i, i + 1) for i in missing],
            default="outside",
        )
        yield doc
    counts["repaired_tags"] += repaired
    if repaired:
        warnings.warn(Warnings.JW600.format(path=path, n=repaired), stacklevel=2)


def find_layout(path: Path) -> Layout:
    """Find out the separator, and whether the tag is in the first or the last column.

    path (Path): The file; its first lines are looked at.
    RETURNS (Layout): The layout; where both columns could be tags, the last one is.
    """
    layout, n_lines = _guess_layout(path)
    if layout is None:
        raise LLMJudgeError(Errors.J611.format(path=path, n=n_lines))
    return layout


def has_columns(path: Path) -> bool:
    """RETURNS (bool): Whether a file holds columns with tags, and not plain text."""
    return _guess_layout(path)[0] is not None


def _guess_layout(path: Path) -> Tuple[Optional[Layout], int]:
    sample = [
        line
        for _, line in islice(read_lines(path), LINES_TO_LOOK_AT)
        if line.strip() and not line.startswith("#") and _DOCUMENT_START not in line
    ]
    separator = "\t" if sample and all("\t" in line for line in sample) else None
    rows = [_split(line, separator) for line in sample]
    first = sum(_is_tag(row[0]) for row in rows)
    last = sum(len(row) > 1 and _is_tag(row[-1]) for row in rows)
    if 2 * max(first, last) < len(rows) or not rows:
        return None, len(rows)
    return Layout(separator, first > last), len(rows)


def decode_tags(
    tags: Sequence[str],
) -> Tuple[List[Tuple[int, int, str]], List[int], int]:
    """Turn the tags of a sentence into entities, whatever the scheme.

    tags (Sequence[str]): The tags.
    RETURNS (Tuple): The entities as (start, end, label), the positions without annotation, and how
        many tags continued nothing and were read as the start of an entity.

    >>> decode_tags(["B-PER", "I-PER", "O", "I-LOC", "S-ORG"])
    ([(0, 2, 'PER'), (3, 4, 'LOC'), (4, 5, 'ORG')], [], 1)
    """
    ents: List[Tuple[int, int, str]] = []
    missing: List[int] = []
    repaired = 0
    opened: Optional[Tuple[int, str]] = None
    for i, tag in enumerate([*tags, "O"]):
        prefix, label = tag[0], tag[2:]
        continues = opened is not None and prefix in "IMEL" and label == opened[1]
        if opened is not None and not continues:
            ents.append((opened[0], i, opened[1]))
            opened = None
        if tag == "-":
            missing.append(i)
        elif tag != "O" and not continues:
            opened = (i, label)
            repaired += prefix in "IMEL"
        if opened is not None and prefix in "ELSU":
            ents.append((opened[0], i + 1, opened[1]))
            opened = None
    return ents, missing, repaired


def make_doc_from_words(vocab: Vocab, words: Sequence[str]) -> Doc:
    """RETURNS (Doc): The words with one space between any two."""
    spaces = [True] * (len(words) - 1) + [False] if words else []
    return Doc(vocab, words=list(words), spaces=spaces)


def _read_sentences(path: Path, layout: Layout) -> Iterator[List[Tuple[str, str]]]:
    rows: List[Tuple[str, str]] = []
    for where, line in read_lines(path):
        columns = _split(line, layout.separator)
        if not line.strip() or _DOCUMENT_START in columns:
            if rows:
                yield rows
            rows = []
            continue
        tag = columns[0] if layout.tags_first else columns[-1]
        if not rows and line.startswith("#") and not _is_tag(tag):
            continue
        token = columns[1 if layout.tags_first else 0] if len(columns) > 1 else ""
        if not token:
            raise LLMJudgeError(Errors.J612.format(where=where, line=repr(line[:60])))
        if not _is_tag(tag):
            raise LLMJudgeError(Errors.J613.format(where=where, tag=repr(tag[:60])))
        rows.append((token, tag))
    if rows:
        yield rows


def _split(line: str, separator: Optional[str]) -> List[str]:
    return [column.strip() for column in line.split(separator)]


def _is_tag(text: str) -> bool:
    return _TAG.fullmatch(text) is not None
