"""How many documents of the silver are empty: as many as there naturally are."""

from typing import List, Sequence

from spacy.tokens import Doc

from ..targets.base import Target
from ..targets.ents import Ents
from .certified_cut import clopper_pearson_upper


def natural_rate(silver: Sequence[Doc], gold: Sequence[Doc], target: Target = Ents()) -> List[Doc]:
    """Thin out documents without annotation until they are as frequent as they naturally are.

    Documents with entities have more in doubt and are left out more often; without this the rest
    would teach that there is nothing to find.

    silver (Sequence[Doc]): Training documents; of those without annotation the first ones stay.
    gold (Sequence[Doc]): Gold documents, drawn at random; where there are none nothing changes.
    target (Target): What is labelled.
    RETURNS (List[Doc]): In the same order.
    """
    if not gold:
        return list(silver)
    # The upper limit of what so few gold documents allow, lest chance throws documents away.
    n_empty = sum(not target.keys(doc) for doc in gold)
    rate = clopper_pearson_upper(n_empty, len(gold), 0.05)
    empty = [target.is_empty(doc) for doc in silver]
    room = len(silver) if rate == 1 else round(empty.count(False) * rate / (1 - rate))
    kept = []
    for doc, is_empty in zip(silver, empty):
        if not is_empty:
            kept.append(doc)
        elif room > 0:
            kept.append(doc)
            room -= 1
    return kept
