"""Whether new documents are like those of a reference: a permutation test on what a pipeline says about them.

Documents are exchanged, not spans, as spans of one document resemble each other. Where new and reference documents come
from the same source, the test says drift in a share of at most alpha of all runs, whatever their number: the p-value
of the smallest of several p-values is taken over the same permutations (Westfall and Young, Resampling-Based Multiple
Testing, 1993, chapter 2).
"""

from dataclasses import dataclass
from typing import Dict, NamedTuple, Optional, Tuple

import numpy as np


@dataclass(frozen=True)
class Watched:
    """What a pipeline says about documents, one row each.

    counts (np.ndarray): Predicted spans by label, shape (documents, labels), whole numbers.
    weak (np.ndarray): Of them those under the threshold, shape (documents,).
    lowest (np.ndarray): The least confidence of a document's spans, 0 to 1; 1 where it has none. Shape (documents,).
    """

    counts: np.ndarray
    weak: np.ndarray
    lowest: np.ndarray

    def __len__(self) -> int:
        return len(self.weak)


class Figure(NamedTuple):
    """One figure in both sets, and the share of permutations that differ at least as much.

    reference, new (Optional[float]): The figure; None where only the distance is one.
    distance (float): How far they are apart.
    p_value (float): Of this figure alone, over 0, at most 1.
    """

    reference: Optional[float]
    new: Optional[float]
    distance: float
    p_value: float


@dataclass(frozen=True)
class Drift:
    """What the test found.

    figures (Dict[str, Figure]): `weak` (share of spans under the threshold), `spans` (a document), `labels` (total
        variation between the shares of labels) and `lowest` (median of the least confidence of a document; the distance is that of Kolmogorov and Smirnov).
    p_value (float): Of all of them together.
    alpha (float): The share of false alarms that is allowed.
    """

    figures: Dict[str, Figure]
    p_value: float
    alpha: float

    @property
    def found(self) -> bool:
        return self.p_value <= self.alpha


NAMES = ("weak", "spans", "labels", "lowest")


def find_drift(
    reference: Watched, new: Watched, alpha: float = 0.01, n_permutations: int = 999, seed: int = 0
) -> Drift:
    """Compare two sets of documents.

    reference, new (Watched): What the pipeline says about them; the same labels in the same order.
    alpha (float): The share of false alarms that is allowed, over 0 and under 1.
    n_permutations (int): How often the documents are dealt out again. The p-value of all figures together is about
        4 / (n + 1) at least, so that fewer than 4 / alpha cannot find anything.
    seed (int): Of the permutations.
    RETURNS (Drift): The figures and the verdict.

    EXAMPLE:
        >>> sure = Watched(np.ones((40, 1), int), np.zeros(40, int), np.full(40, 0.9))
        >>> find_drift(sure, sure).found
        False
        >>> find_drift(sure, Watched(sure.counts, sure.weak + 1, sure.lowest - 0.6)).found
        True
    """
    both = Watched(
        *(np.concatenate(pair) for pair in zip(vars(reference).values(), vars(new).values()))
    )
    order = np.argsort(both.lowest, kind="stable")
    columns = np.column_stack([both.counts, both.weak])[order].astype(float)
    # where the next value differs: between equal ones there is no step of a distribution
    ends = np.append(np.diff(both.lowest[order]) > 0, True)
    is_new = (order >= len(reference)).astype(float)
    rng = np.random.default_rng(seed)
    distances = np.empty((n_permutations + 1, len(NAMES)))
    for i in range(n_permutations + 1):
        distances[i] = _distances(columns, ends, is_new)
        rng.shuffle(is_new)
    # the share of all deals, the real one included, that are at least as far apart
    p = np.stack([_share_at_least(column) for column in distances.T], axis=1)
    least = p.min(axis=1)
    rows = zip(_figures(reference), _figures(new), distances[0].tolist(), p[0].tolist())
    figures = {name: Figure(*row) for name, row in zip(NAMES, rows)}
    return Drift(figures, float(np.mean(least <= least[0])), alpha)


def _distances(columns: np.ndarray, ends: np.ndarray, is_new: np.ndarray) -> Tuple[float, ...]:
    n_new = is_new.sum()
    n_old = len(is_new) - n_new
    new = is_new @ columns
    old = columns.sum(axis=0) - new
    spans = np.maximum((old[:-1].sum(), new[:-1].sum()), 1.0)
    gap = np.cumsum(is_new / n_new - (1 - is_new) / n_old)
    return (
        abs(old[-1] / spans[0] - new[-1] / spans[1]),
        abs(old[:-1].sum() / n_old - new[:-1].sum() / n_new),
        float(np.abs(old[:-1] / spans[0] - new[:-1] / spans[1]).sum() / 2),
        float(np.abs(gap[ends]).max()),
    )


def _share_at_least(values: np.ndarray) -> np.ndarray:
    # sums of floats in another order are the same distance
    rounded = np.round(values, 12)
    ordered = np.sort(rounded)
    return (len(values) - np.searchsorted(ordered, rounded)) / len(values)


def _figures(watched: Watched) -> Tuple[Optional[float], ...]:
    """In the order of NAMES."""
    n_spans = watched.counts.sum()
    weak, spans = watched.weak.sum() / max(n_spans, 1), n_spans / len(watched)
    return float(weak), float(spans), None, float(np.median(watched.lowest))
