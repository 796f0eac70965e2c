"""How many documents of the silver are empty: as many as there naturally are."""

from itertools import accumulate
from typing import List, Sequence

from spacy.tokens import Doc

from ..targets.base import Target
from ..targets.ents import Ents
from .certified_cut import clopper_pearson_upper


def natural_rate(empty: Sequence[bool], gold: Sequence[Doc], target: Target = Ents()) -> List[bool]:
    """Thin out documents without annotation until they are as frequent as they naturally are.

    Documents with entities have more in doubt and are left out more often; without this the rest
    would teach that there is nothing to find.

    empty (Sequence[bool]): Whether each training document says that there is nothing to find.
    gold (Sequence[Doc]): Gold documents, drawn at random; where there are none nothing changes.
    target (Target): What is labelled.
    RETURNS (List[bool]): Which ones stay; of those without annotation the first.
    """
    if not gold:
        return [True] * len(empty)
    # The upper limit of what so few gold documents allow, lest chance throws documents away.
    n_empty = sum(not target.keys(doc) for doc in gold)
    rate = clopper_pearson_upper(n_empty, len(gold), 0.05)
    n_filled = len(empty) - sum(empty)
    room = len(empty) if rate == 1 else round(n_filled * rate / (1 - rate))
    before = accumulate(empty, initial=0)
    return [not is_empty or n < room for is_empty, n in zip(empty, before)]
