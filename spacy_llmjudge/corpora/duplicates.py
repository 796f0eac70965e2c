"""What counts as the same text, and leaving out what is empty, repeated or in another set already.

`remove_duplicates` takes texts of the labelled set out of dev and test, and texts of test out of dev;
`leave_out`, with the texts of all three, takes them out of the pool.
"""

import re
import unicodedata
from collections import Counter
from typing import Any, Container, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set

import numpy as np

from ..numeric import hash_text
from .spacing import is_blank


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
    RETURNS (str): The same for all texts that count as one; empty only for a text in which nothing can be seen.

    >>> normalise(" My  ROSES.") == normalise("my roses")
    True
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return folded.translate(_TABLE) or "".join(c for c in folded if not is_blank(c))


def fold_numbers(text: str) -> str:
    """RETURNS (str): A normalised text in which all numbers are the same: that of a template, where it comes from
    one."""
    return re.sub(r"\d+", "0", text)


def choose_distinct(texts: Sequence[str], pool: Iterable[str]) -> List[int]:
    """Choose which held-out texts count as evidence about a pool: each text once, and texts that differ in numbers
    only as often as a random sample of the pool would hold them.

    texts (Sequence[str]): The held-out texts.
    pool (Iterable[str]): Those of the pool, where each stands once.
    RETURNS (List[int]): Positions in `texts`.

    >>> choose_distinct(["Order 1 came", "order 1 came!", "Order 2 came", "Hello"], ["Good morning"])
    [0, 3]
    """
    templates = {fold_numbers(normalise(text)) for text in texts}
    natural: Counter = Counter()
    n_pool = 0
    for text in pool:
        n_pool += 1
        template = fold_numbers(normalise(text))
        if template in templates:
            natural[template] += 1
    share = len(texts) / max(n_pool, 1)
    seen: Set[str] = set()
    alike: Counter = Counter()
    chosen = []
    for i, text in enumerate(map(normalise, texts)):
        template = fold_numbers(text)
        expected = natural[template] * share
        # three standard deviations more than expected is no accident
        if text not in seen and alike[template] < max(1.0, expected + 3 * expected**0.5):
            chosen.append(i)
            alike[template] += 1
        seen.add(text)
    return chosen


def texts_of(items: Iterable[Any]) -> Set[str]:
    """RETURNS (Set[str]): The normalised texts of documents, or of other items with a `text`."""
    return {normalise(item.text) for item in items}


def hash_texts(texts: Iterable[str]) -> np.ndarray:
    """RETURNS (np.ndarray): (n,) hashes of the normalised texts, uint64, each once."""
    hashes = (hash_text(normalise(text)) for text in texts)
    return np.unique(np.fromiter(hashes, dtype="uint64"))


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


def _first_of_each(items: Iterable[Any], dropped: Counter) -> Iterator[Any]:
    """A text that is repeated in dev is no more evidence than one."""
    seen: Set[str] = set()
    for item in items:
        text = normalise(item.text)
        if text in seen:
            dropped["repeated"] += 1
        else:
            seen.add(text)
            yield item


def remove_duplicates(docs: Dict[str, List[Any]], dropped: Mapping[str, Counter]) -> List[str]:
    """Remove texts of the labelled set from dev and test, texts of the test set from dev (in the end the student
    learns from dev as well), and what dev repeats.

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
            if split == "dev":
                docs[split] = list(_first_of_each(docs[split], dropped[split]))
            known |= texts_of(docs[split])
            if not docs[split]:
                empty.append(split)
    return empty
