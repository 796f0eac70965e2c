"""Put the spans of a record on the tokens of its document, or say why they do not fit.

Offsets count characters (code points) from 0, and end after the last one of the span.
"""

from collections import Counter
from typing import Iterable, List, NamedTuple, Optional, Set, Tuple

from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError
from .record import Mention, Record
from .rows import range_error
from .settings import ReadSettings
from .utf16 import from_utf16, says_its_text, trim

Key = Tuple[int, int, str]


class Placed(NamedTuple):
    """keys (List[Key]): Spans in tokens, in the order in which they are listed, each once.
    missing (Set[int]): Tokens of which nothing is known.
    """

    keys: List[Key]
    missing: Set[int]


def place(record: Record, doc: Doc, settings: ReadSettings, counts: Counter) -> Placed:
    """Put the spans of a record on tokens.

    White space at the edges of a span is taken off: nothing is lost by it, and no model can learn it.

    record (Record): Has mentions.
    doc (Doc): The tokens of its text.
    settings (ReadSettings): Says what happens to a span that does not fall on tokens.
    counts (Counter): Gets the number of spans that were dropped, as `misaligned`, and that were `trimmed`.
    RETURNS (Placed): The spans.
    """
    keys: List[Key] = []
    missing = _tokens_of(record.unknown, doc)
    dropped: Set[int] = set()
    for mention in record.mentions or ():
        key = _place(mention, doc, record.where, counts, settings.misaligned == "drop")
        if key is None:
            counts["misaligned"] += 1
            dropped |= _tokens_of([(mention.start, mention.end)], doc)
        elif key not in keys:
            keys.append(key)
    covered = {i for start, end, _ in keys for i in range(start, end)}
    return Placed(keys, missing | (dropped - covered))


def _place(
    mention: Mention, doc: Doc, where: str, counts: Counter, may_drop: bool
) -> Optional[Key]:
    """The mention in tokens; None where it does not fit and may be dropped."""
    text = doc.text
    if not 0 <= mention.start < mention.end <= len(text):
        if may_drop:
            return None
        offsets = (mention.start, mention.end, mention.label)
        raise range_error(where, *offsets, len(text), "characters", _unit_hint(mention, doc))
    if not says_its_text(mention, text):
        if may_drop:
            return None
        raise LLMJudgeError(_other_text_message(mention, doc, where))
    start, end = trim(mention, text)
    span = doc.char_span(start, end, label=mention.label) if start < end else None
    if span is not None:
        counts["trimmed"] += (start, end) != (mention.start, mention.end)
        return span.start, span.end, mention.label.strip()
    if may_drop:
        return None
    raise LLMJudgeError(_misaligned_message(mention, doc, where))


def _tokens_of(stretches: Iterable[Tuple[int, int]], doc: Doc) -> Set[int]:
    length = len(doc.text)
    inside = ((max(0, start), min(end, length)) for start, end in stretches)
    spans = (
        doc.char_span(start, end, alignment_mode="expand") for start, end in inside if start < end
    )
    return {i for span in spans if span is not None for i in range(span.start, span.end)}


def _misaligned_message(mention: Mention, doc: Doc, where: str) -> str:
    touched = doc.char_span(mention.start, mention.end, alignment_mode="expand")
    first, last = (touched.start, touched.end) if touched else (0, len(doc))
    around = [token.text for token in doc[max(0, first - 2) : last + 2]][:12]
    return Errors.J607.format(
        where=where,
        start=mention.start,
        end=mention.end,
        label=mention.label,
        text=repr(doc.text[mention.start : mention.end][:60]),
        tokens=around,
        hint=_unit_hint(mention, doc),
    )


def _other_text_message(mention: Mention, doc: Doc, where: str) -> str:
    return Errors.J638.format(
        where=where,
        start=mention.start,
        end=mention.end,
        label=mention.label,
        stated=repr((mention.text or "")[:60]),
        found=repr(doc.text[mention.start : mention.end][:60]),
        hint=_unit_hint(mention, doc),
    )


def _unit_hint(mention: Mention, doc: Doc) -> str:
    """Say so where the offsets fit when they are counted in another unit than characters."""
    readings = (
        ("UTF-16 units", from_utf16(mention, doc.text), "; read the file with --offsets utf-16."),
        ("UTF-8 bytes", _from_utf8(mention, doc.text), ": convert them to characters."),
    )
    for name, reading, advice in readings:
        if reading is None or reading == mention or not says_its_text(reading, doc.text):
            continue
        start, end = trim(reading, doc.text)
        if start < end and doc.char_span(start, end) is not None:
            return f" They fit as {name}{advice}"
    return ""


def _from_utf8(mention: Mention, text: str) -> Optional[Mention]:
    data = text.encode("utf8")
    if not 0 <= mention.start < mention.end <= len(data):
        return None
    start, end = (len(data[:i].decode("utf8", "ignore")) for i in (mention.start, mention.end))
    return Mention(start, end, mention.label, mention.text) if start < end else None
