"""From the words of a reply to spans of the document: in the order of the reply, on the edges of tokens.

Words are looked for as they are; where they do not stand so, as folded text; where they do not stand so
either, without white space; then all of that again without what may cling to them, such as Markdown's
stars; and last without accents, if all places that are found so are spelled alike. A mention that
cannot be placed is no verdict on anything: what it may have meant is left open.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc

from .data_block import block_text
from .folding import Folded, Place, are_whole_words, find_all, fold, fold_words, is_unseen
from .long_documents import Window
from .replies import Mention

# What to do with the other places of words that a reply lists once: take them for listed, leave them
# open, or take the list at its word.
REPEATS = ("all", "abstain", "listed")
LISTED_ONCE = "listed_once"
# What may cling to a word inside of its token and is no part of a name: "_Acme", "Oslo.".
_CLINGING = frozenset("_'\"`*~.,;:!?()[]{}<>“”„‘’«»‹›…。，、；：！？「」『』（）《》〈〉।،؛؟")

Tokens = Tuple[int, int]


@dataclass(frozen=True)
class Reading:
    """A span that a reply lists.

    start (int): The first token of the document.
    end (int): The token after the last one.
    label (str): The label.
    confidence (Optional[float]): Stated probability, 0 to 1.
    likelihood (Optional[float]): How likely the model found what it wrote.
    """

    start: int
    end: int
    label: str
    confidence: Optional[float]
    likelihood: Optional[float] = None

    @property
    def key(self) -> Tuple[int, int, str]:
        return (self.start, self.end, self.label)


@dataclass(frozen=True)
class Doubt:
    """Tokens of which a reply says something that cannot be used.

    start (int): The first token.
    end (int): The token after the last one.
    reason (str): Why, a short snake_case word.
    """

    start: int
    end: int
    reason: str


@dataclass
class Mapped:
    """What became of the mentions of a reply.

    readings (List[Reading]): Those that stand in the text, in the order of the reply.
    doubts (List[Doubt]): Where those may stand that could not be used.
    lost (Optional[str]): Why another may stand anywhere; None where none is lost.
    """

    readings: List[Reading] = field(default_factory=list)
    doubts: List[Doubt] = field(default_factory=list)
    lost: Optional[str] = None


class Found(NamedTuple):
    """Where the words of a mention stand.

    spans (List[Tokens]): On the edges of tokens: first token, and the one after the last.
    pieces (List[Tokens]): Tokens that hold them among other words, as where the tokenizer does not know
        the language.
    insides (List[Tokens]): Tokens that hold them inside of a longer word.
    """

    spans: List[Tokens]
    pieces: List[Tokens]
    insides: List[Tokens]


class WindowText:
    """The text of a window, in which words are found by the tokens that they fill.

    doc (Doc): The document.
    window (Window): What the prompt showed.
    """

    def __init__(self, doc: Doc, window: Window) -> None:
        span = window.span(doc)
        offset = doc[window.start].idx
        self.text = block_text(doc, window)
        self._starts = {token.idx - offset: token.i for token in span}
        self._ends = {token.idx - offset + len(token): token.i + 1 for token in span}

    @cached_property
    def _folded(self) -> Folded:
        return fold(self.text)

    @cached_property
    def _squeezed(self) -> Folded:
        return fold(self.text, spaces=False)

    @cached_property
    def _bare(self) -> Folded:
        return fold(self.text, spaces=False, marks=False)

    def find(self, mention: Mention) -> Found:
        """Find where the words of a mention stand. A start that the reply names, and where these very
        words stand, is the only place."""
        found = Found([], [], [])
        for places in self._search(mention):
            for place in places:
                span = self._fill(place)
                kind = found.spans
                if span is None:
                    is_word = are_whole_words(self.text, *place)
                    kind, span = found.pieces if is_word else found.insides, self._cover(place)
                if span not in kind:
                    kind.append(span)
            if found.spans:
                break
        return found

    def _search(self, mention: Mention) -> Iterator[List[Place]]:
        words, start = mention.text, mention.start
        if start is not None and start >= 0 and self.text.startswith(words, start):
            yield [(start, start + len(words))]
            return
        stripped = words.strip("".join(_CLINGING))
        for said in dict.fromkeys((words, stripped)):
            yield [(at, at + len(said)) for at in find_all(self.text, said)]
            if said != words and len(said) == 1:
                # an initial, such as "A.", is no word in small letters
                return
            yield self._folded.find(fold_words(said))
            yield self._squeezed.find(fold_words(said, spaces=False))
        places = self._bare.find(fold_words(stripped, spaces=False, marks=False))
        spellings = {
            fold_words(self.text[start:end], spaces=False)
            for start, end in places
            if self._fill((start, end)) is not None
        }
        yield places if len(spellings) <= 1 else []

    def _fill(self, place: Place) -> Optional[Tokens]:
        start = self._move(place[0], -1, self._starts)
        end = self._move(place[1], 1, self._ends)
        return None if start is None or end is None else (start, end)

    def _move(self, position: int, step: int, edges: Dict[int, int]) -> Optional[int]:
        """The token at a place or, over what only clings to a word, beyond it."""
        while position not in edges:
            beyond = position if step > 0 else position - 1
            if not 0 <= beyond < len(self.text):
                return None
            character = self.text[beyond]
            if not (character in _CLINGING or is_unseen(character)):
                return None
            position += step
        return edges[position]

    def _cover(self, place: Place) -> Tokens:
        """All tokens that a place touches."""
        first = max((at for at in self._starts if at <= place[0]), default=min(self._starts))
        last = min((at for at in self._ends if at >= place[1]), default=max(self._ends))
        return self._starts[first], self._ends[last]


def map_mentions(
    text: WindowText,
    mentions: Sequence[Mention],
    dropped: Counter,
    *,
    taken: Sequence[Reading] = (),
    overlapping: bool = False,
    repeats: str = "listed",
) -> Mapped:
    """Map the mentions of a reply to spans, each to the next place where its words stand.

    A mention is looked for after the one before it, then from the beginning. Where spans do not
    overlap, a place that touches no other listed span goes first; where they may, one that is not
    listed under another label. What cannot be placed is counted as `not_in_text`, `off_tokens` or
    `repeated`.

    text (WindowText): What the prompt showed.
    mentions (Sequence[Mention]): In the order of the reply; those without a label are only located.
    dropped (Counter): Counts what could not be placed.
    taken (Sequence[Reading]): Spans that are listed already and are not listed again.
    overlapping (bool): Whether spans may overlap: a mention may then start where the one before it did.
    repeats (str): One of REPEATS.
    RETURNS (Mapped): The spans, and what is left open.
    """
    mapped = Mapped()
    places = [text.find(mention) for mention in mentions]
    used: Set[Tuple[int, int, str]] = {reading.key for reading in taken}
    # What has one place only cannot give way to others.
    occupied = [found.spans[0] for found in places if len(found.spans) == 1]
    cursor = 0
    for mention, found in zip(mentions, places):
        free = [span for span in found.spans if (*span, mention.label) not in used]
        if not mention.label or not found.spans:
            _leave_open(mapped, mention, found, dropped)
            continue
        if not free:
            dropped["repeated"] += 1
            continue
        others = list(occupied)
        if len(found.spans) == 1:
            others.remove(found.spans[0])
        start, end = min(free, key=lambda s: (_clashes(s, others, overlapping), s[0] < cursor, s))
        is_first = not any(cursor <= piece[0] < start for piece in found.pieces)
        if found.pieces and not (is_first and not _clashes((start, end), others, overlapping)):
            # it may well have meant the same words elsewhere, which fill no tokens
            places_left = [(start, end), *found.pieces]
            mapped.doubts += [Doubt(*place, "off_tokens") for place in places_left]
            dropped["off_tokens"] += 1
            continue
        cursor = start if overlapping else end
        used.add((start, end, mention.label))
        occupied.append((start, end))
        mapped.readings.append(_read(mention, (start, end)))
    if repeats != "listed":
        _repeat(mapped, mentions, places, overlapping, repeats == "all")
    return mapped


def _read(mention: Mention, span: Tokens) -> Reading:
    return Reading(*span, mention.label, mention.confidence, mention.likelihood)


def _clashes(span: Tokens, others: Sequence[Tokens], overlapping: bool) -> bool:
    if overlapping:
        return span in others
    return any(touch(span, other) for other in others)


def touch(one: Tokens, other: Tokens) -> bool:
    """RETURNS (bool): Whether two spans share tokens."""
    return one[0] < other[1] and other[0] < one[1]


def _leave_open(mapped: Mapped, mention: Mention, found: Found, dropped: Counter) -> None:
    """Remember where a mention may stand that gives no span."""
    places = found.spans or [*found.pieces, *found.insides]
    reason = "off_tokens" if places else "not_in_text"
    if mention.label:
        dropped[reason] += 1
    else:
        # it was counted when the reply was read
        reason = "unknown_label" if found.spans else reason
    mapped.doubts += [Doubt(start, end, reason) for start, end in places]
    if not places:
        mapped.lost = reason


def _repeat(
    mapped: Mapped,
    mentions: Sequence[Mention],
    places: Sequence[Found],
    overlapping: bool,
    take_all: bool,
) -> None:
    """Settle the other places of words that are listed once, unless they lie in other listed spans."""
    counts = Counter((fold_words(mention.text), mention.label) for mention in mentions)
    listed = {(reading.start, reading.end) for reading in mapped.readings}
    for mention, found in zip(mentions, places):
        if not mention.label or counts[(fold_words(mention.text), mention.label)] > 1:
            continue
        free, pieces = (
            [span for span in spans if not _clashes(span, list(listed), overlapping)]
            for spans in (found.spans, found.pieces)
        )
        if take_all:
            mapped.readings += [_read(mention, span) for span in free]
        else:
            mapped.doubts += [Doubt(*span, LISTED_ONCE) for span in [*free, *pieces]]
