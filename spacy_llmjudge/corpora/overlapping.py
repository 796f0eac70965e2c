"""Spans of one document that cannot stand together: entities that share tokens, and several labels on
the same tokens where a span has one at most."""

from collections import Counter
from typing import Dict, List, Optional, Sequence, Tuple

from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError
from ..targets.base import Key, Target
from ..targets.ents import Ents
from ..targets.spans import Spans
from .record import Record


def settle_overlaps(
    keys: Sequence[Key], doc: Doc, target: Target, policy: str, where: str, counts: Counter
) -> List[Key]:
    """Keep spans that can stand together.

    keys (Sequence[Key]): Spans in tokens, in the order in which they are listed.
    doc (Doc): Their document, for messages.
    target (Target): Says which can stand together.
    policy (str): "refuse", or keep the "longest" or the "first" of those that cannot.
    where (str): File and line, for messages.
    counts (Counter): Gets the number of spans that were left out, as `overlapping`.
    RETURNS (List[Key]): The spans that are kept.
    """
    order = sorted(keys)
    if policy == "first":
        order = list(keys)
    elif policy == "longest":
        order = sorted(keys, key=lambda key: (key[0] - key[1], key))
    taken: Dict[object, Key] = {}
    kept: List[Key] = []
    for key in order:
        places = _places(key, target)
        other = next((taken[place] for place in places if place in taken), None)
        if other is None:
            taken.update((place, key) for place in places)
            kept.append(key)
        elif policy == "refuse":
            first, second = _describe(other, doc), _describe(key, doc)
            raise LLMJudgeError(Errors.J608.format(where=where, first=first, second=second))
        else:
            counts["overlapping"] += 1
    return kept


def find_overlap(record: Record) -> Optional[Tuple[str, str]]:
    """RETURNS (Optional[Tuple[str, str]]): Two spans of a record that share characters, where there are any."""
    mentions = sorted({(m.start, m.end, m.label.strip()) for m in record.mentions or ()})
    for i, first in enumerate(mentions[:-1]):
        second = mentions[i + 1]
        if second[0] < first[1]:
            found = (f"{record.text[s:e][:60]!r} ({label})" for s, e, label in (first, second))
            return next(found), next(found)
    return None


def _places(key: Key, target: Target) -> Sequence[object]:
    start, end, _ = key
    if isinstance(target, Ents):
        return range(start, end)
    if isinstance(target, Spans) and target.single_label:
        return [(start, end)]
    return []


def _describe(key: Key, doc: Doc) -> str:
    span = doc[key[0] : key[1]]
    return f"{span.start_char}-{span.end_char} {key[2]!r} {span.text[:60]!r}"
