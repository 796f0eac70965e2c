"""Put the annotation of a JSONL row on the tokens of its document, or say why it does not fit.

Offsets count characters (code points) or tokens from 0, and end after the last one of the span.
"""

from collections import Counter
from typing import Any, List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc, Span

from ..errors import Errors, LLMJudgeError
from .rows import Row, read_words, require_string, shape_error, show

ANNOTATION_KEYS = ("spans", "entities", "ents")

Offsets = Tuple[int, int, str]


def annotate(doc: Doc, row: Row, where: str, *, misaligned: str, counts: Counter) -> None:
    """Set the entities of a document from a row; without annotation they stay unset.

    doc (Doc): The document, changed in place.
    row (Row): May carry `spans`, `entities` or `ents`.
    where (str): File and line, for messages.
    misaligned (str): "error", or "drop": a span that does not fall on tokens leaves them missing.
    counts (Counter): Gets the number of dropped spans under `misaligned`.
    """
    offsets = _read_offsets(doc, row, where)
    if offsets is None:
        return
    spans: List[Span] = []
    dropped: Set[int] = set()
    for start, end, label in sorted(set(offsets)):
        span = _span_on_tokens(doc, start, end, label)
        if span is not None:
            spans.append(span)
        elif misaligned == "drop":
            touched = doc.char_span(start, end, alignment_mode="expand")
            dropped.update(range(touched.start, touched.end) if touched else ())
            counts["misaligned"] += 1
        else:
            raise LLMJudgeError(_misaligned_message(doc, start, end, label, where))
    for first, second in zip(spans, spans[1:]):
        if second.start < first.end:
            pair = {"first": _describe(first), "second": _describe(second)}
            raise LLMJudgeError(Errors.J608.format(where=where, **pair))
    dropped -= {i for span in spans for i in range(span.start, span.end)}
    missing = [Span(doc, i, i + 1) for i in sorted(dropped)]
    doc.set_ents(spans, missing=missing, default="outside")


def _read_offsets(doc: Doc, row: Row, where: str) -> Optional[List[Offsets]]:
    """The annotation as character offsets, checked against the text; None where there is none."""
    key = next((k for k in ANNOTATION_KEYS if row.get(k) is not None), None)
    if key is None:
        return None
    if not isinstance(row[key], list):
        raise shape_error(key, show(row[key]), where)
    items = [_read_item(item, key, where) for item in row[key]]
    # Dictionaries are Prodigy's and spaCy's JSON, in characters; `ents` as lists are in tokens.
    in_tokens = key == "ents" and not all(isinstance(item, dict) for item in row[key])
    edges: List[Tuple[int, int]] = []
    if in_tokens:
        words = read_words(row, where) or [token.text for token in doc]
        edges = _word_edges(doc.text, words)
    length, unit = (len(edges), "tokens") if in_tokens else (len(doc.text), "characters")
    for start, end, label in items:
        if not 0 <= start < end <= length:
            span = {"start": start, "end": end, "label": label}
            message = Errors.J606.format(where=where, length=length, unit=unit, **span)
            raise LLMJudgeError(message)
    if in_tokens:
        return [(edges[start][0], edges[end - 1][1], label) for start, end, label in items]
    return items


def _read_item(item: Any, key: str, where: str) -> Offsets:
    values = item
    if isinstance(item, dict):
        values = [item.get("start"), item.get("end"), item.get("label")]
    if not isinstance(values, list) or len(values) != 3:
        raise shape_error(key, show(item), where)
    start, end, label = values
    if type(start) is not int or type(end) is not int:
        raise shape_error(key, f"the offsets {show(start)} and {show(end)}", where)
    if not require_string(label, key, where).strip():
        raise shape_error(key, "an empty label", where)
    return start, end, label


def _word_edges(text: str, words: Sequence[str]) -> List[Tuple[int, int]]:
    edges, position = [], 0
    for word in words:
        start = text.find(word, position)
        position = start + len(word)
        edges.append((start, position))
    return edges


def _span_on_tokens(doc: Doc, start: int, end: int, label: str) -> Optional[Span]:
    """The span, unless it cuts a token or has space at an edge, which the `ner` cannot learn."""
    span = doc.char_span(start, end, label=label)
    if span is None or span[0].is_space or span[-1].is_space:
        return None
    return span


def _misaligned_message(doc: Doc, start: int, end: int, label: str, where: str) -> str:
    touched = doc.char_span(start, end, alignment_mode="expand")
    first, last = (touched.start, touched.end) if touched else (0, len(doc))
    around = [token.text for token in doc[max(0, first - 2) : last + 2]][:12]
    return Errors.J607.format(
        where=where,
        start=start,
        end=end,
        label=label,
        text=repr(doc.text[start:end][:60]),
        tokens=around,
        hint=_unit_hint(doc, start, end, label),
    )


def _unit_hint(doc: Doc, start: int, end: int, label: str) -> str:
    """Say so where the offsets fit when they are counted in another unit than characters."""
    units = (("UTF-16 units", "utf-16-le", 2), ("UTF-8 bytes", "utf8", 1))
    for name, encoding, width in units:
        data = doc.text.encode(encoding)
        first, last = (
            len(data[: offset * width].decode(encoding, "ignore")) for offset in (start, end)
        )
        differs = (first, last) != (start, end) and first < last
        if differs and _span_on_tokens(doc, first, last, label) is not None:
            return f" They fit as {name}: convert them to characters."
    return ""


def _describe(span: Span) -> str:
    return f"{span.start_char}-{span.end_char} {span.label_!r} {span.text[:60]!r}"
