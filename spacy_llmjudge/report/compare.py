"""How what was said differs from gold: the kinds of error, and which label was taken for which."""

from collections import Counter, defaultdict
from typing import Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from ..targets.base import Key

KINDS = ("missed", "spurious", "boundary", "label", "right")
# in a table of confusions: no span at all, and one of the same label with other boundaries
NOTHING = "nothing"
OTHER_BOUNDARY = "other boundary"


class Difference(NamedTuple):
    """What gold says and what was said, of one span.

    kind (str): One of KINDS.
    gold (Optional[Key]): None where it is spurious.
    said (Optional[Key]): None where it was missed.
    """

    kind: str
    gold: Optional[Key]
    said: Optional[Key]


def find_differences(gold: Iterable[Key], said: Iterable[Key]) -> List[Difference]:
    """Pair what was said with gold: the same span and label is right, the same span with another label is an
    error of the label, an overlapping span of the same label one of the boundary. What is left over is
    spurious or missed.

    gold (Iterable[Key]): The gold of a document.
    said (Iterable[Key]): What was said about it.
    RETURNS (List[Difference]): By their place in the text; every key is in exactly one.

    EXAMPLE:
        >>> [d.kind for d in find_differences([(0, 2, "A"), (5, 6, "A")], [(0, 1, "A"), (5, 6, "B")])]
        ['boundary', 'label']
    """
    wanted, found = set(gold), set(said)
    pairs = [Difference("right", key, key) for key in wanted & found]
    wanted, found = wanted - found, found - wanted
    pairs += _pair("label", wanted, found, lambda g, s: g[:2] == s[:2])
    pairs += _pair("boundary", wanted, found, _overlap_with_label)
    pairs += [Difference("missed", key, None) for key in wanted]
    pairs += [Difference("spurious", None, key) for key in found]
    return sorted(pairs, key=lambda pair: pair.gold or pair.said or ())


def _overlap_with_label(gold: Key, said: Key) -> bool:
    return gold[2] == said[2] and gold[0] < said[1] and said[0] < gold[1]


def _pair(kind: str, gold: Set[Key], said: Set[Key], fits) -> List[Difference]:
    """Pair keys that fit, and take them out of both sets."""
    pairs = []
    for wanted in sorted(gold):
        partner = next((key for key in sorted(said) if fits(wanted, key)), None)
        if partner is not None:
            pairs.append(Difference(kind, wanted, partner))
            gold.discard(wanted)
            said.discard(partner)
    return pairs


class Confusions(NamedTuple):
    """A table of counts.

    rows (List[str]): What should have been said.
    columns (List[str]): What was said.
    counts (List[List[int]]): By row and column.
    """

    rows: List[str]
    columns: List[str]
    counts: List[List[int]]


def count_confusions(pairs: Iterable[Tuple[str, str]]) -> Confusions:
    """Count which label was taken for which.

    pairs (Iterable[Tuple[str, str]]): What should have been said and what was.
    RETURNS (Confusions): Labels in their order, NOTHING and OTHER_BOUNDARY last.
    """
    counts: Dict[str, Counter] = defaultdict(Counter)
    for wanted, said in pairs:
        counts[wanted][said] += 1
    last = (OTHER_BOUNDARY, NOTHING)

    def ordered(names: Iterable[str]) -> List[str]:
        return sorted(set(names), key=lambda name: (name in last, name == NOTHING, name))

    rows = ordered(counts)
    columns = ordered(name for row in counts.values() for name in row)
    return Confusions(rows, columns, [[counts[row][name] for name in columns] for row in rows])


def confusion_of(difference: Difference) -> Tuple[str, str]:
    """RETURNS (Tuple[str, str]): The row and the column of `count_confusions` that it counts in."""
    gold = NOTHING if difference.gold is None else difference.gold[2]
    if difference.kind == "boundary":
        return gold, OTHER_BOUNDARY
    return gold, NOTHING if difference.said is None else difference.said[2]
