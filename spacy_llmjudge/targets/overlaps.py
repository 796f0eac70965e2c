"""At most one candidate a token: weighted interval choice."""

from bisect import bisect_left
from typing import List, Tuple

import numpy as np

from .base import Columns

# A probability of 1 would weigh infinitely much and hide everything that it touches.
MAX_PROBABILITY = 0.9999


def resolve_overlaps(table: Columns) -> np.ndarray:
    """Choose for every document the candidates that do not overlap and weigh most together.

    The weight of a candidate is -log(1 - p), its evidence against being wrong. With weights of p, two
    unsure short spans (.5 and .5) would beat the sure long one (.95) that they are pieces of; here
    they weigh .69 each against 3.0. A candidate that overlaps nothing is always chosen. Among equal
    choices the one that holds the earlier, longer spans wins, then the label that sorts first.

    table (Columns): n candidates.
    RETURNS (np.ndarray): (n,) True where chosen.
    """
    if len(table.document) == 0:
        return np.zeros(0, dtype=bool)
    weight = -np.log1p(-np.clip(table.probability, 0.0, MAX_PROBABILITY))
    order = np.lexsort((table.label, -weight, -table.end, table.start, table.document))
    document, start, end = (column[order] for column in (table.document, table.start, table.end))
    weight = weight[order]
    # Of several labels on the same tokens only the heaviest can be chosen: it comes first.
    first = np.ones(len(order), dtype=bool)
    first[1:] = (document[1:] != document[:-1]) | (start[1:] != start[:-1]) | (end[1:] != end[:-1])
    order, document, start, end, weight = (
        column[first] for column in (order, document, start, end, weight)
    )
    chosen = np.zeros(len(table.document), dtype=bool)
    breaks = np.append(_component_starts(document, start, end), len(order))
    single = np.diff(breaks) == 1
    chosen[order[breaks[:-1][single]]] = True
    starts, ends, weights = start.tolist(), end.tolist(), weight.tolist()
    for low, high in zip(breaks[:-1][~single].tolist(), breaks[1:][~single].tolist()):
        for i in _choose(starts[low:high], ends[low:high], weights[low:high]):
            chosen[order[low + i]] = True
    return chosen


def _component_starts(document: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    # Lay all documents on one line, so that one running maximum finds where nothing reaches over.
    stride = int(end.max()) + 1
    reach = np.maximum.accumulate(document * stride + end)
    begins = document * stride + start
    return np.flatnonzero(np.append(True, begins[1:] >= reach[:-1]))


def _choose(starts: List[int], ends: List[int], weights: List[float]) -> List[int]:
    """Weighted interval scheduling over spans that are sorted by start, from the right to the left:
    best[i] is the most that the spans from i on can weigh."""
    n = len(starts)
    best: List[Tuple[float, bool, int]] = [(0.0, False, n)] * (n + 1)
    for i in range(n - 1, -1, -1):
        after = bisect_left(starts, ends[i], lo=i + 1)
        taken = weights[i] + best[after][0]
        # Sums of the same weights in another order differ in their last digits only.
        if taken >= best[i + 1][0] - 1e-12:
            best[i] = (taken, True, after)
        else:
            best[i] = (best[i + 1][0], False, i + 1)
    picked, i = [], 0
    while i < n:
        _, take, after = best[i]
        if take:
            picked.append(i)
        i = after
    return picked
