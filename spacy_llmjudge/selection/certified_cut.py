"""The certified cut: with probability 1 - delta the share of wrong above it is at most q.

Held-out candidates have a score and are right or wrong; pool candidates have a score only. Higher
scores are surer. No score may come from a fit on the same held-out candidates.
"""

import math
from typing import Optional

import numpy as np

from ..numeric import counts_above


def clopper_pearson_upper(errors: int, n: int, delta: float) -> float:
    """The exact upper bound of a binomial share at confidence 1 - delta (Clopper and Pearson 1934).

    errors (int): How many were wrong.
    n (int): Of how many.
    delta (float): The probability with which the bound may fail.
    RETURNS (float): The bound; 1.0 where n is 0 or all were wrong.

    EXAMPLE:
        >>> round(clopper_pearson_upper(0, 22, delta=.1), 4)
        0.0994
    """
    from scipy.special import betaincinv

    if errors >= n:
        return 1.0
    return float(betaincinv(errors + 1, n - errors, 1 - delta))


def certified_needed(q: float, delta: float, errors: int = 0) -> int:
    """The least n for which `errors` wrong ones still give an upper bound of at most q.

    q (float): The share.
    delta (float): The probability with which the bound may fail.
    errors (int): How many are wrong.
    RETURNS (int): The number.

    EXAMPLE:
        >>> [certified_needed(.1, .1, errors) for errors in range(3)]
        [22, 38, 52]
    """
    n = max(errors + 1, int(math.log(delta) / math.log(1 - q)))
    while clopper_pearson_upper(errors, n, delta) > q:
        n += 1
    return n


def certified_sample(
    pool: np.ndarray,
    held_out: np.ndarray,
    wrong: np.ndarray,
    q: float,
    delta: float,
    largest: int = 100_000,
) -> Optional[int]:
    """How many independent held-out candidates a certificate would need, were the rest as those seen.

    pool (np.ndarray): (m,) scores of the pool candidates.
    held_out (np.ndarray): (n,) scores of independent held-out candidates.
    wrong (np.ndarray): (n,) True where wrong.
    q (float): The share.
    delta (float): The probability with which the promise may fail.
    largest (int): Numbers over this count as none.
    RETURNS (Optional[int]): The number, or None where no number would do.

    EXAMPLE:
        >>> certified_sample(np.ones(9), np.ones(10), np.arange(10) < 0, q=.1, delta=.1)
        22
    """
    n = certified_needed(q, delta)
    cuts = np.unique(np.quantile(pool, np.linspace(0, 0.95, 20)))
    share = counts_above(pool, cuts) / len(pool)
    passing = counts_above(held_out, cuts)
    rate = counts_above(held_out[wrong], cuts) / np.maximum(passing, 1)
    hopeful = (rate < q) & ((passing > 0) | (len(held_out) == 0))
    while n <= largest and hopeful.any():
        over = np.floor(n * share[hopeful]).astype("int64")
        errors = np.ceil(over * rate[hopeful] - 1e-9).astype("int64")
        bounds = [clopper_pearson_upper(e, k, delta) for e, k in zip(errors, over)]
        if min(bounds) <= q:
            return n
        n = n + 1 + n // 50
    return None


def certified_sequence(
    pool: np.ndarray, n: int, q: float, delta: float, n_cuts: int = 200
) -> np.ndarray:
    """The cuts that a certificate tests, from strict to loose.

    They are quantiles of the pool. The first one is where the held-out candidates are expected to be
    somewhat more than would suffice without an error. No outcome has a say in it.

    pool (np.ndarray): (m,) scores of the pool candidates.
    n (int): How many held-out candidates there are.
    q (float): The share.
    delta (float): The probability with which the promise may fail.
    n_cuts (int): How many quantiles.
    RETURNS (np.ndarray): Falling cuts.

    EXAMPLE:
        >>> certified_sequence(np.linspace(.1, 1, 10), n=45, q=.1, delta=.1).round(1).tolist()
        [0.4, 0.3, 0.2, 0.1]
    """
    if len(pool) == 0 or n == 0:
        return np.zeros(0)
    fewest = certified_needed(q, delta)
    # Two standard deviations more, or chance would often leave too few over the first cut.
    start = min((fewest + 2 * math.sqrt(fewest)) / n, 1.0) * len(pool)
    ranks = np.ceil(np.linspace(1, len(pool), min(n_cuts, len(pool)))).astype("int64")
    cuts = np.sort(pool)[::-1][ranks - 1]
    return np.unique(cuts[ranks >= start])[::-1]


def certified_cut(
    pool: np.ndarray,
    held_out: np.ndarray,
    wrong: np.ndarray,
    q: float,
    delta: float,
    n_cuts: int = 200,
) -> Optional[float]:
    """The lowest cut whose share of wrong is at most q with probability 1 - delta.

    Fixed-sequence testing (Angelopoulos et al. 2021, "Learn then test") with Clopper-Pearson bounds:
    the cuts of `certified_sequence`, each tested at level delta, until the first that fails.

    pool (np.ndarray): (m,) scores of the pool candidates.
    held_out (np.ndarray): (n,) scores of independent held-out candidates.
    wrong (np.ndarray): (n,) True where wrong.
    q (float): The share.
    delta (float): The probability with which the promise may fail, over draws of the held-out ones.
    n_cuts (int): How many cuts at most.
    RETURNS (Optional[float]): The cut, or None where already the first one fails.

    EXAMPLE:
        >>> held_out = np.linspace(.5, 1, 100)
        >>> round(certified_cut(held_out, held_out, held_out < .7, q=.1, delta=.1), 3)
        0.692
    """
    cut = None
    for candidate in certified_sequence(pool, len(held_out), q, delta, n_cuts):
        passing = held_out >= candidate
        errors, n = int(wrong[passing].sum()), int(passing.sum())
        if clopper_pearson_upper(errors, n, delta) > q:
            break
        cut = float(candidate)
    return cut
