"""Label shift: weights by label, and conformal selection with weighted held-out candidates."""

import numpy as np


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
