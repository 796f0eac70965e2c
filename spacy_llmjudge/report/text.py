"""Text of data, made safe to look at: what a terminal or a browser would obey is made visible instead."""

import re
import unicodedata
from typing import List, Sequence, Tuple

# the longest label, name of a file or quoted span
SHORT = 120
REPLACEMENT = "\ufffd"
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
# what turns the direction of text around, on this line and on those after it
_DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Take out escape sequences, and put a replacement character for every other character that controls
    something.

    text (str): Text of data.
    RETURNS (str): The text, without control characters but for white space.

    EXAMPLE:
        >>> clean("a\\x1b[31mred\\x1b[0m \\u202eb\\x00")
        'ared \ufffdb\ufffd'
    """
    text = _DIRECTION.sub(REPLACEMENT, _ANSI.sub("", text))
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or _is_shown(c) else REPLACEMENT for c in text)


def _is_shown(character: str) -> bool:
    # Cc, Cs and Cn: control characters, halves of surrogates, code points that are no characters
    return unicodedata.category(character) not in ("Cc", "Cs", "Cn")


def shorten(text: str, length: int = SHORT) -> str:
    """RETURNS (str): Text on one line, cleaned, of at most so many characters."""
    # what is cut off need not be cleaned
    cleaned = " ".join(clean(text[: 4 * length]).split())
    if len(cleaned) > length:
        return f"{cleaned[: length - 1]}\u2026"
    return cleaned if len(text) <= 4 * length else f"{cleaned}\u2026"


def find_window(
    length: int, spans: Sequence[Tuple[int, int]], most: int, around: int = 100
) -> Tuple[int, int]:
    """Choose the part of a text that is shown.

    length (int): Characters of the text.
    spans (Sequence[Tuple[int, int]]): Start and end of what should be in it, in characters.
    most (int): Characters that are shown at most.
    around (int): Characters before the first span.
    RETURNS (Tuple[int, int]): Start and end of the part.

    EXAMPLE:
        >>> find_window(50, [(40, 45)], 100), find_window(5000, [(4000, 4005)], 1000)
        ((0, 50), (3900, 4900))
    """
    if length <= most:
        return 0, length
    first = min((start for start, _ in spans), default=0)
    start = max(0, min(first - around, length - most))
    return start, start + most


def cut_at_spans(
    window: Tuple[int, int], spans: Sequence[Tuple[int, int]]
) -> List[Tuple[int, int]]:
    """Cut a part of a text wherever a span begins or ends, so that spans may overlap.

    EXAMPLE:
        >>> cut_at_spans((0, 10), [(2, 6), (4, 8)])
        [(0, 2), (2, 4), (4, 6), (6, 8), (8, 10)]
    """
    start, end = window
    edges = {edge for span in spans for edge in span if start < edge < end}
    ordered = sorted({start, end, *edges})
    return list(zip(ordered, ordered[1:]))
