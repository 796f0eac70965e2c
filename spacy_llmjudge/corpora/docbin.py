"""Records of the documents in a `.spacy` file: their entities, the spans of a group, or their labels."""

from pathlib import Path
from typing import Iterator, List, Optional, Tuple

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..storage import read_docs
from ..targets.base import Target
from ..targets.spans import Spans, annotated_groups, spans_key_of
from .lines import printable
from .record import Choice, Mention, Record

THRESHOLD = 0.5


def read_docbin(path: Path, vocab: Vocab, target: Optional[Target] = None) -> Iterator[Record]:
    """Read the documents of a `.spacy` file.

    path (Path): The file.
    vocab (Vocab): The vocabulary that they share.
    target (Optional[Target]): Where it is the spans of a group, these are the mentions, else entities. Of
        a document that has only the other kind, those are.
    YIELDS (Record): The documents, with their own tokens.
    """
    wanted = target.spans_key if isinstance(target, Spans) else None
    has_wanted: Optional[bool] = None
    for number, doc in enumerate(read_docs(path, vocab), start=1):
        if wanted is not None and wanted not in doc.spans and annotated_groups(doc):
            if has_wanted is None:
                has_wanted = any(wanted in one.spans for one in read_docs(path, Vocab()))
            if has_wanted:
                # the file has the group, so that another one is no other name of it
                doc.spans.clear()
        yield read_doc(doc, f"{printable(path)}, document {number}", target)


def read_doc(doc: Doc, where: str, target: Optional[Target] = None) -> Record:
    """RETURNS (Record): The tokens of a document, and what it says; see `read_docbin`."""
    mentions, unknown = _read_spans(doc, target)
    return Record(
        where,
        doc.text,
        tuple(token.text for token in doc),
        tuple(bool(token.whitespace_) for token in doc),
        mentions=mentions,
        unknown=unknown,
        choice=_read_choice(doc),
    )


Stretches = Tuple[Tuple[int, int], ...]


def _read_spans(
    doc: Doc, target: Optional[Target]
) -> Tuple[Optional[Tuple[Mention, ...]], Stretches]:
    has_ents = doc.has_annotation("ENT_IOB")
    wanted = target.spans_key if isinstance(target, Spans) else None
    key = wanted if wanted in doc.spans or has_ents else spans_key_of(doc)
    if key is not None and key in doc.spans and (wanted is not None or not has_ents):
        return _mentions(list(doc.spans[key])), ()
    if not has_ents:
        return None, ()
    unknown = tuple((t.idx, t.idx + len(t)) for t in doc if t.ent_iob == 0)
    return _mentions(list(doc.ents)), unknown


def _mentions(spans: List) -> Tuple[Mention, ...]:
    return tuple(Mention(span.start_char, span.end_char, span.label_) for span in spans)


def _read_choice(doc: Doc) -> Optional[Choice]:
    if not doc.cats:
        return None
    chosen = tuple(label for label, value in doc.cats.items() if value >= THRESHOLD)
    refused = tuple(label for label, value in doc.cats.items() if value < THRESHOLD)
    return Choice(chosen, refused, "scores")
