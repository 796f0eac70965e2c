"""How often people who answered about the same things say the same."""

from itertools import combinations
from typing import List, NamedTuple

from .items import Given


class Agreement(NamedTuple):
    """How often two people say the same.

    first (str): One of them.
    second (str): The other one.
    same (int): About how many items they say the same,
    both (int): ... of those about which both said something.
    """

    first: str
    second: str
    same: int
    both: int


def find_agreement(given: Given) -> List[Agreement]:
    """RETURNS (List[Agreement]): Of each pair of people who answered about the same items."""
    found = []
    for first, second in combinations(people_of(given), 2):
        pairs = [
            (said[first], said[second])
            for said in given.values()
            if first in said and second in said
        ]
        if pairs:
            same = sum(one == other for one, other in pairs)
            found.append(Agreement(first, second, same, len(pairs)))
    return found


def people_of(given: Given) -> List[str]:
    """RETURNS (List[str]): Whose answers there are."""
    return sorted({by for said in given.values() for by in said})
