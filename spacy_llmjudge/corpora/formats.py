"""Read annotated or raw documents from JSONL, column and `.spacy` files, one at a time.

A row that carries annotation, be it an empty list, becomes a document with entities set; a row
without becomes a document whose entities are unset.
"""

from collections import Counter
from pathlib import Path
from typing import Iterator, Optional

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import get_words_and_spaces

from ..candidates import copy_tokens
from ..errors import Errors, LLMJudgeError
from ..storage import PathLike, read_docs, require_file
from .columns import has_columns, make_doc_from_words, read_columns
from .offsets import annotate
from .rows import Row, read_lines, read_rows, read_words, require_string

COLUMN_SUFFIXES = (".conll", ".bio", ".iob", ".txt")
SUFFIXES = (".jsonl", *COLUMN_SUFFIXES, ".spacy")
MISALIGNED = ("error", "drop")
_ENTITY_ATTRS = ["ENT_IOB", "ENT_TYPE"]


def read_examples(
    path: PathLike,
    nlp: Language,
    *,
    misaligned: str = "error",
    counts: Optional[Counter] = None,
) -> Iterator[Doc]:
    """Read the documents of a file; the suffix says how.

    path (PathLike): `.jsonl` (`text` with `spans`, `entities` or `ents` in characters, or `tokens`
        with `ents` in tokens), `.conll`, `.bio`, `.iob` or `.txt` (columns), `.txt` without tags (a text a
        line, nothing annotated), or `.spacy`.
    nlp (Language): Its tokenizer cuts rows that have a text only.
    misaligned (str): What happens to a span that does not fall on tokens: "error", or "drop", which
        leaves its tokens missing.
    counts (Optional[Counter]): Gets how many spans were dropped (`misaligned`), tags repaired
        (`repaired_tags`), and rows rejected or ignored by their annotator (`not_accepted`).
    YIELDS (Doc): One for every row, so that row n is document n.
    """
    if misaligned not in MISALIGNED:
        known = " or ".join(MISALIGNED)
        raise LLMJudgeError(Errors.J614.format(found=repr(misaligned), known=known))
    path = require_file(path, "Check the name of the file.")
    counts = Counter() if counts is None else counts
    if path.suffix == ".jsonl":
        return _read_jsonl(path, nlp, misaligned, counts)
    if path.suffix == ".txt" and not has_columns(path):
        return (nlp.make_doc(line.strip()) for _, line in read_lines(path))
    if path.suffix in COLUMN_SUFFIXES:
        return read_columns(path, nlp.vocab, counts)
    if path.suffix == ".spacy":
        return (plain_copy(doc) for doc in read_docs(path, nlp.vocab))
    raise LLMJudgeError(Errors.J600.format(path=path, suffixes=", ".join(SUFFIXES)))


def plain_copy(doc: Doc, entities: bool = True) -> Doc:
    """Copy words, spaces and, where they are set and wanted, the entities; nothing else.

    doc (Doc): The document.
    entities (bool): False leaves the entities of the copy unset.
    RETURNS (Doc): A new document over the same vocabulary.
    """
    copy = copy_tokens(doc)
    if entities and doc.has_annotation("ENT_IOB"):
        copy.from_array(_ENTITY_ATTRS, doc.to_array(_ENTITY_ATTRS))
    return copy


def _read_jsonl(path: Path, nlp: Language, misaligned: str, counts: Counter) -> Iterator[Doc]:
    for where, row in read_rows(path):
        doc = _make_doc(nlp, row, where)
        if row.get("answer", "accept") == "accept":
            annotate(doc, row, where, misaligned=misaligned, counts=counts)
        else:
            counts["not_accepted"] += 1
        yield doc


def _make_doc(nlp: Language, row: Row, where: str) -> Doc:
    words = read_words(row, where)
    if row.get("text") is None:
        if words is None:
            keys = ", ".join(sorted(row)) or "none"
            raise LLMJudgeError(Errors.J604.format(where=where, keys=keys))
        return make_doc_from_words(nlp.vocab, words)
    text = require_string(row["text"], "text", where)
    if len(text) > nlp.max_length:
        lengths = {"length": len(text), "limit": nlp.max_length}
        raise LLMJudgeError(Errors.J609.format(where=where, **lengths))
    if words is None:
        return nlp.make_doc(text)
    try:
        words, spaces = get_words_and_spaces(words, text)
    except ValueError as error:
        raise LLMJudgeError(Errors.J610.format(where=where)) from error
    return Doc(nlp.vocab, words=words, spaces=spaces)
