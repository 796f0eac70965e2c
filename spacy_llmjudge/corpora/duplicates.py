"""What counts as the same text, and leaving out what is empty or in another set already."""

import unicodedata
from collections import Counter
from typing import Any, Container, Iterable, Iterator, Set


def normalise(text: str) -> str:
    """RETURNS (str): The text without differences of case, white space and Unicode's spelling.

    >>> normalise(" My  ROSES") == normalise("my roses")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def texts_of(items: Iterable[Any]) -> Set[str]:
    """RETURNS (Set[str]): The normalised texts of documents, or of other items with a `text`."""
    return {normalise(item.text) for item in items}


def leave_out(items: Iterable[Any], known: Container[str], dropped: Counter) -> Iterator[Any]:
    """Leave out empty texts, and those that are in another set.

    items (Iterable[Any]): Documents, or other items with a `text`.
    known (Container[str]): The normalised texts of the other set.
    dropped (Counter): Gets how many were left out, as "empty" and "duplicates".
    YIELDS (Any): The others, in their order.
    """
    for item in items:
        text = normalise(item.text)
        if not text or text in known:
            dropped["duplicates" if text else "empty"] += 1
        else:
            yield item
