"""The names that people give to the sets of a data set, as names of files and as values of a column."""

import re
from typing import Any, Dict, Optional, Tuple

SPLITS = ("labelled", "dev", "test", "pool")
GOLD = "pool_gold"

# Whoever has one large labelled file calls it train. Messages show the first two of each.
_NAMES: Dict[str, Tuple[str, ...]] = {
    "labelled": ("labelled", "train", "labeled", "training"),
    "dev": ("dev", "valid", "devel", "development", "validation", "val", "testa"),
    "test": ("test", "testb"),
    "pool": ("pool", "unlabelled", "unlabeled", "raw"),
    GOLD: (GOLD,),
}
_SPLIT_OF = {name: split for split, names in _NAMES.items() for name in names}
# how `datasets` names the only file of a set
_ONE_OF_ONE = re.compile(r"(.+)-0+-of-0*1(-[0-9a-f]+)?")


def names_of(split: str) -> Tuple[str, ...]:
    """RETURNS (Tuple[str, ...]): The names that a set may have."""
    return _NAMES[split]


def split_of_value(value: Any) -> Optional[str]:
    """RETURNS (Optional[str]): The set that a value of a column names; None for others."""
    found = _SPLIT_OF.get(str(value).strip().lower())
    return None if found == GOLD else found


def split_of_stem(stem: str) -> Optional[str]:
    """RETURNS (Optional[str]): The set that the name of a file is, without its suffix.

    >>> split_of_stem("train"), split_of_stem("my train")
    ('labelled', None)
    """
    return _SPLIT_OF.get(stem.lower())


def split_in_stem(stem: str) -> Optional[str]:
    """RETURNS (Optional[str]): The set that the name of a file ends in.

    >>> split_in_stem("NER-de-dev"), split_in_stem("train-00000-of-00001")
    ('dev', 'labelled')
    """
    match = _ONE_OF_ONE.fullmatch(stem)
    stem = match.group(1) if match else stem
    return _SPLIT_OF.get(re.split(r"[-_. ]", stem.lower())[-1])
