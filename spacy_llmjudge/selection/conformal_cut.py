"""The conformal cut: the share of wrong above it is at most q on average. Arrays in, numbers out.

Held-out candidates have a score and are right or wrong; pool candidates have a score only. Higher
scores are surer. No score may come from a fit on the same held-out candidates.
"""

import math
from typing import Optional

import numpy as np

from ..numeric import counts_above


def conformal_cut(pool: np.ndarray, wrong: np.ndarray, n: int, q: float) -> Optional[float]:
    """The lowest cut whose expected share of wrong among what passes is at most q.

    Conformal selection (Jin and Candes 2023, Algorithm 1 with the p-values of a binary outcome) in its
    form as a cut: the lowest pool score u with
    `m (1 + #{wrong >= u}) <= q (n + 1) #{pool >= u}`. The share is at most q on average over draws
    of held-out and pool candidates that are exchangeable.

    pool (np.ndarray): (m,) scores of the pool candidates.
    wrong (np.ndarray): Scores of the held-out candidates that are wrong.
    n (int): How many held-out candidates there are, right and wrong.
    q (float): The share, over 0 and under 1.
    RETURNS (Optional[float]): The cut, or None where no cut will do.

    EXAMPLE:
        >>> pool = np.array([.9, .8, .7, .3])
        >>> conformal_cut(pool, np.array([.4, .2]), n=18, q=.1)
        0.7
        >>> conformal_cut(pool, np.array([.4, .2]), n=5, q=.1) is None
        True
    """
    cuts = np.unique(pool)
    bound = len(pool) * (1 + counts_above(wrong, cuts))
    # A relative margin, so that 3 * .1 * 10 counts as 3.
    allowed = q * (n + 1) * counts_above(pool, cuts) * (1 + 1e-12)
    passing = cuts[bound <= allowed]
    return float(passing[0]) if len(passing) else None


def conformal_needed(pool: np.ndarray, wrong: np.ndarray, n: int, q: float) -> Optional[int]:
    """How many held-out candidates conformal selection would need, were the rest as those seen.

    With the share F of the pool and the share r of the held-out candidates that are wrong and over a
    cut, n' candidates suffice where `1 + n' r <= q F (n' + 1)`; the best cut is taken.

    pool (np.ndarray): (m,) scores of the pool candidates.
    wrong (np.ndarray): Scores of the held-out candidates that are wrong.
    n (int): How many held-out candidates there are.
    q (float): The share.
    RETURNS (Optional[int]): The number, or None where no number would do.

    EXAMPLE:
        >>> conformal_needed(np.array([.9, .8, .7, .3]), np.array([.4, .2]), n=5, q=.1)
        13
    """
    if len(pool) == 0:
        return None
    cuts = np.unique(pool)
    share = counts_above(pool, cuts) / len(pool)
    rate = counts_above(wrong, cuts) / max(n, 1)
    gain = q * share - rate
    if not (gain > 0).any():
        return None
    needed = (1 - q * share[gain > 0]) / gain[gain > 0]
    return int(math.ceil(needed.min() - 1e-9))
