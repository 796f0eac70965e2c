"""Cuts with a promise, as functions from arrays to arrays.

Held-out candidates have a score and are right or wrong; pool candidates have a score only. Higher
scores are surer. Nothing here may be given scores that were fitted on the same held-out candidates.
"""

import math
from typing import Optional

import numpy as np


def counts_above(scores: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Count the scores that reach every cut.

    scores (np.ndarray): (n,) scores in any order.
    cuts (np.ndarray): (k,) cuts.
    RETURNS (np.ndarray): (k,) counts.

    EXAMPLE:
        >>> counts_above(np.array([.2, .5, .9]), np.array([.5, .95])).tolist()
        [2, 0]
    """
    return len(scores) - np.searchsorted(np.sort(scores), cuts, side="left")


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


def label_shift_weights(pool: np.ndarray, held_out: np.ndarray, n_labels: int) -> np.ndarray:
    """Weights by label that make held-out candidates as frequent as those of the pool.

    The share of a label in the pool over its share among the held-out candidates, where labels that the
    evidence lacks do not count (label shift; Lipton, Wang and Smola 2018).

    pool (np.ndarray): (m,) labels of the pool candidates, numbers from 0.
    held_out (np.ndarray): (n,) labels of the held-out candidates.
    n_labels (int): How many labels there are.
    RETURNS (np.ndarray): (n_labels,) weights; 0 where the evidence lacks the label.

    EXAMPLE:
        >>> label_shift_weights(np.array([0, 0, 0, 1]), np.array([0, 1]), 2).tolist()
        [1.5, 0.5]
    """
    of_held_out = np.bincount(held_out, minlength=n_labels)
    in_pool = np.bincount(pool, minlength=n_labels) * (of_held_out > 0)
    return in_pool / np.maximum(of_held_out, 1) * len(held_out) / max(in_pool.sum(), 1)


def weighted_conformal(
    pool: np.ndarray,
    pool_weights: np.ndarray,
    held_out: np.ndarray,
    wrong: np.ndarray,
    weights: np.ndarray,
    q: float,
) -> np.ndarray:
    """Conformal selection where the pool is a reweighted version of the held-out candidates.

    Weighted p-values `(w_j + sum of w_i over wrong i with s_i >= s_j) / (w_j + sum of w_i)`, then
    Benjamini-Hochberg at q (Jin and Candes 2023, "Model-free selective inference under covariate
    shift"). With weights that are estimated, and without their pruning step, it is approximate.

    pool (np.ndarray): (m,) scores of the pool candidates.
    pool_weights (np.ndarray): (m,) weights, the ratio of the pool's density to the held-out one.
    held_out (np.ndarray): (n,) scores of the held-out candidates.
    wrong (np.ndarray): (n,) True where a held-out candidate is wrong.
    weights (np.ndarray): (n,) weights of the held-out candidates.
    q (float): The share.
    RETURNS (np.ndarray): (m,) True where selected.

    EXAMPLE:
        >>> ones = np.ones(20)
        >>> held_out, wrong = np.linspace(.1, .9, 20), np.arange(20) < 2
        >>> pool = np.array([.9, .8, .7, .1])
        >>> weighted_conformal(pool, np.ones(4), held_out, wrong, ones, q=.1).tolist()
        [True, True, True, False]
    """
    order = np.argsort(held_out[wrong], kind="stable")
    scores = held_out[wrong][order]
    above = np.append(np.cumsum(weights[wrong][order][::-1])[::-1], 0.0)
    heavier = above[np.searchsorted(scores, pool, side="left")]
    p_values = (pool_weights + heavier) / (pool_weights + weights.sum())
    return benjamini_hochberg(p_values, q)


def benjamini_hochberg(p_values: np.ndarray, q: float) -> np.ndarray:
    """The step-up procedure of Benjamini and Hochberg (1995).

    p_values (np.ndarray): (m,) p-values.
    q (float): The false discovery rate.
    RETURNS (np.ndarray): (m,) True where rejected, that is, selected.

    EXAMPLE:
        >>> benjamini_hochberg(np.array([.01, .04, .03, .8]), q=.06).tolist()
        [True, True, True, False]
    """
    m = len(p_values)
    ordered = np.sort(p_values)
    passing = np.flatnonzero(ordered <= q * np.arange(1, m + 1) / max(m, 1) + 1e-12)
    if len(passing) == 0:
        return np.zeros(m, dtype=bool)
    return p_values <= ordered[passing[-1]]


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
