"""What counts as the same text, and leaving out what is empty, repeated or in another set already.

`remove_duplicates` takes texts of the labelled set out of dev and test, and texts of test out of dev;
`leave_out`, with the texts of all three, takes them out of the pool.
"""

import unicodedata
from collections import Counter
from typing import Any, Container, Dict, Iterable, Iterator, List, Mapping, Optional, Set


class _Table(Dict[int, Optional[int]]):
    """For `str.translate`: takes out separators, controls and formats, and punctuation, which is what
    differs between two spellings of one text."""

    def __missing__(self, code: int) -> Optional[int]:
        left_out = unicodedata.category(chr(code))[0] in "ZCP"
        self[code] = None if left_out else code
        return self[code]


_TABLE = _Table()


def normalise(text: str) -> str:
    """Reduce a text to what makes it another one: letters, digits and symbols.

    Case, white space, punctuation, invisible characters and Unicode's spelling do not count. White space
    cannot: a column file does not say what stands between its tokens.

    text (str): The text.
    RETURNS (str): The same for all texts that count as one; empty for an empty text only.

    >>> normalise(" My  ROSES.") == normalise("my roses")
    True
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return folded.translate(_TABLE) or "".join(folded.split())


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


def remove_duplicates(docs: Dict[str, List[Any]], dropped: Mapping[str, Counter]) -> List[str]:
    """Remove texts of the labelled set from dev and test, and texts of the test set from dev: in the end
    the student learns from dev as well.

    docs (Dict[str, List[Any]]): Documents by set: "labelled", and "dev" and "test" where they are
        there. These two change.
    dropped (Mapping[str, Counter]): By set, gets how many were left out.
    RETURNS (List[str]): The sets that have no documents left.
    """
    known = texts_of(docs["labelled"])
    empty: List[str] = []
    for split in ("test", "dev"):
        if split in docs:
            docs[split] = list(leave_out(docs[split], known, dropped[split]))
            known |= texts_of(docs[split])
            if not docs[split]:
                empty.append(split)
    return empty
