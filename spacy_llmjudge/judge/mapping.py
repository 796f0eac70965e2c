"""From the words of a reply to spans of the document: in order, on word edges, on token edges."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc

from .replies import Mention
from .windows import Window


@dataclass(frozen=True)
class Reading:
    """A span that a reply lists.

    start (int): The first token of the document.
    end (int): The token after the last one.
    label (str): The label.
    confidence (Optional[float]): Stated probability, 0 to 1.
    """

    start: int
    end: int
    label: str
    confidence: Optional[float]

    @property
    def key(self) -> Tuple[int, int, str]:
        return (self.start, self.end, self.label)


def map_mentions(
    doc: Doc,
    window: Window,
    mentions: Sequence[Mention],
    dropped: Counter,
    taken: Sequence[Reading] = (),
) -> List[Reading]:
    """Map the mentions of a reply to spans, each to the next place where its words stand.

    A mention is looked for after the one before it, then from the beginning; its words must start and
    end with whole words (never `sand` in `sandpit`) and on token edges. What cannot be placed is
    dropped and counted as `not_in_text`, `off_tokens` or `repeated`.

    doc (Doc): The document.
    window (Window): What the prompt showed.
    mentions (Sequence[Mention]): In the order of the reply.
    dropped (Counter): Counts what could not be placed.
    taken (Sequence[Reading]): Spans that are listed already and are not listed again.
    RETURNS (List[Reading]): Spans that the window owns, in the order of the reply.
    """
    text = window.span(doc).text
    used: Set[Tuple[int, int, str]] = {reading.key for reading in taken}
    readings = []
    cursor = 0
    for mention in mentions:
        places = find_places(text, mention)
        spans = [(place, to_tokens(doc, window, place)) for place in places]
        aligned = [(place, tokens) for place, tokens in spans if tokens is not None]
        free = [
            (place, tokens) for place, tokens in aligned if (*tokens, mention.label) not in used
        ]
        if not free:
            reason = "not_in_text" if not places else "off_tokens" if not aligned else "repeated"
            dropped[reason] += 1
            continue
        place, tokens = next(((p, t) for p, t in free if p[0] >= cursor), free[0])
        cursor = place[1]
        used.add((*tokens, mention.label))
        if window.owns(tokens[0]):
            readings.append(Reading(*tokens, mention.label, mention.confidence))
    return readings


def find_places(text: str, mention: Mention) -> List[Tuple[int, int]]:
    """Find where the words of a mention stand, as characters, on word edges.

    White space may differ; upper and lower case only where nothing matches exactly. A start that the
    reply names, and where these very words stand, is the only place.
    """
    start = mention.start
    if start is not None and start >= 0 and text.startswith(mention.text, start):
        return [(start, start + len(mention.text))]
    words = r"\s+".join(re.escape(word) for word in mention.text.split())
    pattern = rf"(?<!\w){words}(?!\w)"
    matches = list(re.finditer(pattern, text)) or list(re.finditer(pattern, text, re.I))
    return [match.span() for match in matches]


def to_tokens(doc: Doc, window: Window, place: Tuple[int, int]) -> Optional[Tuple[int, int]]:
    """RETURNS (Optional[Tuple[int, int]]): The tokens of a place in the text of a window, start and
    end, or None where it does not fall on their edges."""
    offset = doc[window.start].idx
    span = doc.char_span(offset + place[0], offset + place[1], alignment_mode="strict")
    return None if span is None else (span.start, span.end)
