"""The prior of the classes, from gold, and labels that are moved to it.

An LLM that likes some labels too much gives a classifier the wrong prior. Where the LLM prefers a
few labels and the classes can be told apart, putting the prior right is most of what can be had.
"""

from dataclasses import asdict, replace
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

from .arrays import (
    MISSING,
    Denoised,
    Label,
    check_width,
    decode,
    prepare,
)
from .linear import fit_linear, out_of_fold
from .pools import Rate, estimate_rate


def estimate_confusion(
    codes: np.ndarray, gold: np.ndarray, n_classes: int, strength: float = 2.0
) -> Tuple[np.ndarray, np.ndarray]:
    """Estimate P(gold | label) and the prior of the classes from gold drawn at random.

    The gold may be drawn at random over all, or at random inside each label: the estimate weights
    each label by its share. Rows with little gold shrink towards the prior, and the prior has half
    an item of each class.

    codes (np.ndarray): Noisy labels, shape (n,), MISSING where there is none.
    gold (np.ndarray): Gold labels, shape (n,), MISSING where nobody looked.
    n_classes (int): C.
    strength (float): How many items the prior counts for in each row.
    RETURNS (Tuple[np.ndarray, np.ndarray]): P(gold | label), shape (C, C), a row for each noisy label; the
        prior of the gold classes, shape (C,).

    >>> table, prior = estimate_confusion(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2)
    >>> prior.round(2).tolist()
    [0.3, 0.7]
    """
    seen = (gold != MISSING) & (codes != MISSING)
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (codes[seen], gold[seen]), 1.0)
    labelled = codes[codes != MISSING]
    shares = np.bincount(labelled, minlength=n_classes) / max(1, len(labelled))
    drawn = counts.sum(axis=1)
    weight = np.where(drawn > 0, shares / np.maximum(drawn, 1), 0.0)
    mass = (counts * weight[:, None]).sum(axis=0)
    smooth = 0.5 * n_classes / (drawn.sum() + 0.5 * n_classes)
    prior = (1 - smooth) * mass / max(mass.sum(), 1e-12) + smooth / n_classes
    table = (counts + strength * prior) / (drawn + strength)[:, None]
    return table, prior


def rates_of(
    prior: np.ndarray, n_gold: int, classes: Sequence[Label], level: float = 0.95
) -> Dict[Label, Rate]:
    """Beta intervals around a prior, as if each gold item had been one draw from it."""
    mass = n_gold + 0.5 * len(classes)
    return {
        label: replace(
            estimate_rate(0, 0, centre=float(p), strength=mass, level=level), n=float(n_gold)
        )
        for label, p in zip(classes, prior)
    }


def reweight(probabilities: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Move posteriors from one prior of the classes to another (Saerens et al. 2002).

    probabilities (np.ndarray): P(class | item) under the old prior, shape (n, C).
    old (np.ndarray): The prior that they were learned under, shape (C,).
    new (np.ndarray): The prior to move to, shape (C,).
    RETURNS (np.ndarray): Shape (n, C), rows sum to 1.

    >>> reweight(np.array([[0.5, 0.5]]), np.array([0.5, 0.5]), np.array([0.2, 0.8])).round(2).tolist()
    [[0.2, 0.8]]
    """
    ratio = np.asarray(new) / np.maximum(np.asarray(old), 1e-12)
    moved = probabilities * ratio
    return moved / np.maximum(moved.sum(axis=1, keepdims=True), 1e-12)


def correct_prior(
    features: Any,
    labels: Sequence[Optional[Label]],
    gold: Sequence[Optional[Label]],
    *,
    regularisation: float = 1.0,
    groups: Optional[Sequence[Any]] = None,
    n_folds: int = 5,
    allow_missing: bool = False,
    seed: int = 0,
) -> Denoised:
    """Learn a classifier from noisy labels and move it to the prior of the gold.

    Items get the probabilities of a model that has not seen them (`n_folds` models); new items get
    those of a model that has seen all. Both are logistic regression, times prior(gold) / prior(noisy).

    features (array-like): Shape (n, d).
    labels (Sequence[Optional[Label]]): Noisy labels, shape (n,). None: the LLM gave none.
    gold (Sequence[Optional[Label]]): Gold of a random sample, shape (n,), None for the rest.
    regularisation (float): The inverse strength of the penalty (scikit-learn's C).
    groups (Optional[Sequence[Any]]): What must share a fold, such as the document, shape (n,).
    n_folds (int): How many folds.
    allow_missing (bool): Whether classes that no gold item has get a small prior. Otherwise they
        are an error.
    seed (int): For the folds.
    RETURNS (Denoised): Labels, probabilities, `predict`; the report holds both priors.
    RAISES (LLMJudgeError): On features, labels or gold that cannot carry it.

    >>> x = np.repeat([[-1.0, 0.2], [1.0, -0.2]], 20, axis=0)
    >>> noisy = ["a"] * 16 + ["b"] * 4 + ["b"] * 20
    >>> gold = ["a"] * 20 + [None] * 15 + ["b"] * 5
    >>> correct_prior(x, noisy, gold).labels == ["a"] * 20 + ["b"] * 20
    True
    """
    matrix, codes, truth, classes = prepare(features, labels, gold, allow_missing=allow_missing)
    n = len(classes)
    _, prior = estimate_confusion(codes, truth, n)
    noisy_prior = np.bincount(codes[codes != MISSING], minlength=n) + 0.5
    noisy_prior = noisy_prior / noisy_prior.sum()
    inside = out_of_fold(matrix, codes, n, regularisation, groups, n_folds, seed)
    model = fit_linear(matrix, codes, n, regularisation)
    probabilities = reweight(inside, noisy_prior, prior)

    def predict(new: Any) -> np.ndarray:
        return reweight(model(check_width(new, matrix.shape[1])), noisy_prior, prior)

    n_gold = int((truth != MISSING).sum())
    rates = rates_of(prior, n_gold, classes)
    report = {
        "method": "prior_correction",
        "gold": n_gold,
        "prior": {str(label): asdict(rate) for label, rate in rates.items()},
        "noisy_prior": dict(zip(map(str, classes), noisy_prior.round(4).tolist())),
    }
    best = decode(probabilities.argmax(axis=1), classes)
    return Denoised(best, probabilities, classes, predict, report)
