"""One text that was annotated several times becomes one document, and contradictions become known.

Twice the same text is no more evidence than once; and where two people disagree, somebody should look.
"""

import warnings
from collections import Counter
from typing import Dict, List, Optional, Sequence, Tuple

from spacy.tokens import Doc, Span

from ..errors import Warnings
from ..targets.base import Target
from .duplicates import normalise
from .lines import printable

EXAMPLES = 3


def merge_repeated(
    docs: Sequence[Doc],
    target: Target,
    dropped: Counter,
    source: object,
    *,
    keep_equal: bool = False,
) -> List[Doc]:
    """Keep one document of every text.

    What only one of them knows is taken from it (answers to binary questions add up). Where they contradict
    each other, the first one is kept, with a warning that shows examples.

    docs (Sequence[Doc]): Annotated documents.
    target (Target): What is annotated.
    dropped (Counter): Gets how many were left out, as "duplicates".
    source (object): Where they come from, for the warning.
    keep_equal (bool): Leave out those only that contradict an earlier one.
    RETURNS (List[Doc]): The documents that are kept, in their order.
    """
    positions: Dict[str, int] = {}
    kept: List[Doc] = []
    contradictions: List[Tuple[Doc, Doc]] = []
    for doc in docs:
        i = positions.setdefault(normalise(doc.text), len(kept))
        if i == len(kept):
            kept.append(doc)
            continue
        both = _merge(kept[i], doc, target)
        if both is not None and keep_equal:
            kept.append(doc)
            continue
        dropped["duplicates"] += 1
        if both is None:
            contradictions.append((kept[i], doc))
        else:
            kept[i] = both
    if contradictions:
        _warn(contradictions, target, source)
    return kept


def _merge(first: Doc, second: Doc, target: Target) -> Optional[Doc]:
    """What two documents of a text say together; None where they contradict each other."""
    if first.text != second.text or len(first) != len(second):
        return first if _said(first, target) == _said(second, target) else None
    ours, theirs = target.keys(first), target.keys(second)
    if any(key not in theirs and target.knows(second, key) for key in ours):
        return None
    added = [key for key in theirs if key not in ours]
    if any(target.knows(first, key) for key in added):
        return None
    if target.name == "cats":
        first.cats = {**first.cats, **second.cats}
    elif target.name == "ents":
        return _merge_entities(first, second, [*ours, *added], target)
    return first


def _merge_entities(
    first: Doc, second: Doc, keys: List[Tuple[int, int, str]], target: Target
) -> Optional[Doc]:
    taken = [i for start, end, _ in keys for i in range(start, end)]
    if len(set(taken)) < len(taken):
        return None
    merged = target.copy(first)
    target.annotate(merged, keys)
    unknown = [
        Span(merged, i, i + 1)
        for i in range(len(first))
        if first[i].ent_iob == second[i].ent_iob == 0 and i not in taken
    ]
    merged.set_ents(list(merged.ents), missing=unknown, default="outside")
    return merged


def _said(doc: Doc, target: Target) -> List[Tuple[str, str]]:
    """What a document says, whatever its tokens are."""
    return sorted((normalise(doc[s:e].text), label) for s, e, label in target.keys(doc))


def _warn(pairs: Sequence[Tuple[Doc, Doc]], target: Target, source: object) -> None:
    shown = "; ".join(_show(first, second, target) for first, second in pairs[:EXAMPLES])
    found = {"path": source, "n": len(pairs), "examples": shown}
    warnings.warn(Warnings.JW611.format(**found), stacklevel=3)


def _show(first: Doc, second: Doc, target: Target) -> str:
    said = (
        ", ".join(f"{doc[s:e].text[:40]!r} {label}" for s, e, label in target.keys(doc))
        or "nothing"
        for doc in (first, second)
    )
    if target.name == "cats":
        said = (", ".join(key[2] for key in target.keys(doc)) or "none" for doc in (first, second))
    return printable(f"{first.text[:60]!r}: {next(said)} / {next(said)}")
