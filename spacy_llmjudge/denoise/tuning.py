"""Settings are chosen on labels that a model has not seen: one rule for every method that has any.

The loss is the mean of the log-loss over items and of that over classes, so that neither common nor rare
classes decide alone, at the sharpness of the probabilities that suits them best: a penalty that only
makes a model less sure of itself is neither better nor worse for it.
"""

from typing import Any, List, Optional, Sequence, Tuple

import numpy as np

from .arrays import MISSING
from .linear import balance_weights, make_folds, out_of_fold_path

LEAST = 1e-4
SHARPNESS = (0.5, 1.0, 2.0, 4.0, 8.0)
# How often gold is dealt to folds anew: one deal of few items is a matter of luck.
REPEATS = 2
# Noisy labels need a stronger penalty than gold: a model that can learn them by heart repeats them.
NOISY_PENALTIES = (0.1, 0.3, 1.0)
PENALTIES = (1.0, 10.0)


def held_out_loss(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """How far probabilities are from labels that they were not learned from.

    probabilities (np.ndarray): P(class | item), shape (n, C).
    codes (np.ndarray): The class of each item, shape (n,), MISSING where there is none.
    RETURNS (float): In nats.

    >>> held_out_loss(np.array([[0.6, 0.4], [0.4, 0.6]]), np.array([0, 1])) < 0.1
    True
    """
    seen = codes != MISSING
    truth, p = codes[seen], np.maximum(probabilities[seen], LEAST)
    weights = (1 + balance_weights(truth, p.shape[1])) / 2
    losses = []
    for sharpness in SHARPNESS:
        sharper = p**sharpness
        right = sharper[np.arange(len(truth)), truth] / sharper.sum(axis=1)
        losses.append(float(np.mean(-weights * np.log(np.maximum(right, LEAST)))))
    return min(losses)


def choose_penalty(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    folds: np.ndarray,
    balanced: bool = True,
    regularisation: Optional[float] = None,
) -> Tuple[float, np.ndarray]:
    """The penalty with the least loss on noisy labels that were held out.

    features (np.ndarray): Shape (n, d).
    codes (np.ndarray): Noisy labels, shape (n,), MISSING where there is none.
    n_classes (int): C.
    folds (np.ndarray): The fold of each item, shape (n,).
    balanced (bool): Whether each class has the same weight; else each item has.
    regularisation (Optional[float]): The inverse strength of the penalty, if it is not to be chosen.
    RETURNS (Tuple[float, np.ndarray]): The penalty, and the probabilities of each item from a model that has
        not seen it, shape (n, C).
    """
    penalties = NOISY_PENALTIES if regularisation is None else (regularisation,)
    inside = out_of_fold_path(features, codes, n_classes, penalties, folds, balanced)
    best = int(np.argmin([held_out_loss(p, codes) for p in inside]))
    return penalties[best], inside[best]


def deal_gold(
    truth: np.ndarray, n_folds: int, seed: int, groups: Optional[Sequence[Any]] = None
) -> List[np.ndarray]:
    """RETURNS (List[np.ndarray]): A few ways to deal items to folds, each of shape (n,); none where all share a
    group, so that nothing can be held out."""
    if len(set(range(len(truth)) if groups is None else groups)) < 2:
        return []
    return [make_folds(truth, n_folds, seed + 1000 * i, groups) for i in range(REPEATS)]


def predict_held_out(
    features: np.ndarray,
    truth: np.ndarray,
    n_classes: int,
    penalties: Sequence[float],
    deals: Sequence[np.ndarray],
) -> np.ndarray:
    """What regressions with class-balanced weights say of gold that they have not seen.

    features (np.ndarray): Of the items with gold, shape (n, d).
    truth (np.ndarray): Their gold, shape (n,).
    n_classes (int): C.
    penalties (Sequence[float]): See `fit_path`.
    deals (Sequence[np.ndarray]): See `deal_gold`.
    RETURNS (np.ndarray): Shape (len(penalties), len(deals) * n, C).
    """
    found = [
        out_of_fold_path(features, truth, n_classes, penalties, folds, balanced=True)
        for folds in deals
    ]
    return np.concatenate(found, axis=1)
