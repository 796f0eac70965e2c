"""Documents that are longer than a prompt may be: spans are judged in windows that overlap, one owner a token.

For labels of the whole document `tasks/classify.py` shows the first window alone.
"""

from dataclasses import dataclass
from typing import List

from spacy.tokens import Doc, Span


@dataclass(frozen=True)
class Window:
    """A stretch of a document that one prompt shows.

    start (int): The first token that is shown.
    end (int): The token after the last one that is shown.
    owned_start (int): The first token that this window answers for.
    owned_end (int): The token after the last one that it answers for.
    """

    start: int
    end: int
    owned_start: int
    owned_end: int

    def owns(self, token: int) -> bool:
        return self.owned_start <= token < self.owned_end

    def span(self, doc: Doc) -> Span:
        return doc[self.start : self.end]


def make_windows(doc: Doc, size: int) -> List[Window]:
    """Cut a document into windows of at most `size` tokens, at sentence starts where they are known.

    Neighbours overlap by about an eighth; the overlap is owned in halves, so that an entity near a cut
    is judged by a window that shows what stands on both sides of it. A document without a single word
    has no windows.

    doc (Doc): The document.
    size (int): Tokens in a window, at least 8.
    RETURNS (List[Window]): In order; together they own every token once.
    """
    if not any(not token.is_space for token in doc):
        return []
    sent_starts = doc.has_annotation("SENT_START")
    overlap = size // 8
    shown = []
    start = 0
    while True:
        end = min(start + size, len(doc))
        if end == len(doc):
            shown.append((start, end))
            break
        if sent_starts:
            edges = range(end, start + size // 2, -1)
            end = next((i for i in edges if doc[i].is_sent_start), end)
        shown.append((start, end))
        start = end - overlap
    cuts = [0] + [(b[0] + a[1]) // 2 for a, b in zip(shown, shown[1:])] + [len(doc)]
    return [Window(start, end, cuts[i], cuts[i + 1]) for i, (start, end) in enumerate(shown)]
