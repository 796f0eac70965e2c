"""Labels that differ in case, spaces, hyphens or underscores only are most likely one label."""

import unicodedata
import warnings
from typing import Dict, List, Mapping

from ..errors import Warnings
from .lines import printable
from .spacing import is_blank


def warn_of_spellings(counts: Mapping[str, int], source: object) -> None:
    """Warn where labels look like spellings of one, with examples.

    counts (Mapping[str, int]): How often each label stands in the data, as it is spelled there.
    source (object): Where they come from.
    """
    groups = find_spellings(counts)
    if groups:
        shown = "; ".join(
            ", ".join(f"{label!r} ({counts[label]})" for label in group) for group in groups
        )
        examples = printable(shown[:400])
        warnings.warn(Warnings.JW616.format(path=source, examples=examples), stacklevel=2)


def find_spellings(labels: Mapping[str, int]) -> List[List[str]]:
    """RETURNS (List[List[str]]): Labels that are spellings of one, the most frequent first, in groups of at
    least two.

    >>> find_spellings({"PER": 5, "Per": 1, "LOC": 2})
    [['PER', 'Per']]
    """
    groups: Dict[str, List[str]] = {}
    for label in sorted(labels, key=lambda label: (-labels[label], label)):
        groups.setdefault(_fold(label), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def _fold(label: str) -> str:
    folded = unicodedata.normalize("NFKC", label).casefold()
    return "".join(c for c in folded if c not in "-_" and not is_blank(c)) or folded
