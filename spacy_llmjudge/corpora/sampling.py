"""Few-shot samples of a labelled corpus. "K shots" has two meanings, which give very different sets.
A mention is whatever the target counts: an entity, a span, or a label of a document.

K sentences a label (the MetaST splits) hold several times as many mentions as K mentions a label
(EntLM, StructShot), so that figures from one do not compare with figures from the other.
"""

import random
from collections import Counter
from typing import Dict, Iterable, List, Sequence

from spacy.tokens import Doc

from ..targets.base import Target
from ..targets.ents import Ents


def sample_sentences_per_label(
    docs: Sequence[Doc], k: int, seed: int = 0, target: Target = Ents()
) -> List[int]:
    """Draw K documents for each label, all different: K times as many documents as labels.

    Documents are drawn in K turns, one for each label in every turn, rare labels first. So the
    sample for K is part of the one for K + 1, and a label with fewer documents gives all it has.

    docs (Sequence[Doc]): The documents; those without a label are never drawn.
    k (int): How many documents for each label.
    seed (int): The same seed draws the same documents.
    target (Target): What is annotated.
    RETURNS (List[int]): Positions in `docs`, ascending.
    """
    queues = _shuffled_positions(docs, seed, target)
    drawn: Dict[int, None] = {}
    for _ in range(k):
        for queue in queues.values():
            position = next((i for i in queue if i not in drawn), None)
            if position is not None:
                drawn[position] = None
    return sorted(drawn)


def sample_mentions_per_label(
    docs: Sequence[Doc], k: int, seed: int = 0, target: Target = Ents()
) -> List[int]:
    """Draw documents until every label has K mentions, then drop the documents that are not needed.

    Greedy: labels from rare to frequent; a document counts for all labels that it mentions, so that
    frequent labels may end over K. Without any one document of the result, a label falls below K.
    As in Yang and Katiyar (2020), with the pruning of Hou et al. (2020).

    docs (Sequence[Doc]): The documents; those without a label are never drawn.
    k (int): How many mentions of each label; a label with fewer gives all it has.
    seed (int): The same seed draws the same documents.
    target (Target): What is annotated.
    RETURNS (List[int]): Positions in `docs`, ascending.
    """
    mentions = [count_labels([doc], target) for doc in docs]
    total = sum(mentions, Counter())
    have: Counter = Counter()
    drawn: Dict[int, None] = {}
    for label, queue in _shuffled_positions(docs, seed, target).items():
        for position in queue:
            if have[label] >= k:
                break
            if position not in drawn:
                drawn[position] = None
                have += mentions[position]
    for position in list(drawn):
        counts = mentions[position]
        if all(have[label] - n >= min(k, total[label]) for label, n in counts.items()):
            del drawn[position]
            have -= counts
    return sorted(drawn)


def count_labels(docs: Iterable[Doc], target: Target = Ents()) -> Counter:
    """RETURNS (Counter): How many mentions have each label."""
    return Counter(label for doc in docs for _, _, label in target.keys(doc))


def _shuffled_positions(docs: Sequence[Doc], seed: int, target: Target) -> Dict[str, List[int]]:
    """For each label, rare ones first, the documents that mention it, in an order of its own."""
    positions: Dict[str, List[int]] = {}
    for i, doc in enumerate(docs):
        for label in {label for _, _, label in target.keys(doc)}:
            positions.setdefault(label, []).append(i)
    ordered = sorted(positions, key=lambda label: (len(positions[label]), label))
    for label in ordered:
        random.Random(f"{seed} {label}").shuffle(positions[label])
    return {label: positions[label] for label in ordered}
