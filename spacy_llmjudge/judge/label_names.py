"""Labels as replies spell them: exactly, or else in another case, with other spaces, hyphens or underscores."""

import re
from typing import Iterable, Optional

from .folding import fold_words

_JOINTS = re.compile(r"[\s_-]+")


def fold_label(name: str) -> str:
    """RETURNS (str): A label without regard to case, spaces, hyphens and underscores."""
    return _JOINTS.sub("", fold_words(name))


def find_label(name: str, labels: Iterable[str]) -> Optional[str]:
    """Find which label a reply means.

    name (str): What the reply says.
    labels (Iterable[str]): The labels that there are.
    RETURNS (Optional[str]): The label of this very name; else the only one that is spelled alike; None
        where there is none, or more than one.

    EXAMPLE:
        >>> find_label("full name", ["FULL_NAME", "ORG"]), find_label("per", ["Per", "PER"])
        ('FULL_NAME', None)
    """
    known = list(labels)
    name = name.strip()
    if name in known:
        return name
    folded = fold_label(name)
    alike = [label for label in known if folded and fold_label(label) == folded]
    return alike[0] if len(alike) == 1 else None
