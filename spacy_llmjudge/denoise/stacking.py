"""Stacking: a few gold labels decide how much to trust the noisy ones."""

from typing import Any, Optional, Sequence

import numpy as np

from .arrays import (
    MISSING,
    Denoised,
    Label,
    check_features,
    check_positive,
    check_width,
    decode,
    prepare,
)
from .linear import fit_linear, fit_scale, make_folds, out_of_fold

# Noisy labels need a stronger penalty than gold: a model that can learn them by heart repeats them.
NOISY_REGULARISATION = 1.0


def stack(
    features: Any,
    labels: Sequence[Optional[Label]],
    gold: Sequence[Optional[Label]],
    *,
    scores: Optional[Any] = None,
    regularisation: float = 10.0,
    trust: float = 2.0,
    groups: Optional[Sequence[Any]] = None,
    n_folds: int = 5,
    allow_missing: bool = False,
    seed: int = 0,
) -> Denoised:
    """Fit a classifier on the gold sample that sees what a model of the noisy labels thinks.

    Its inputs are the features and `trust` times the probabilities of a classifier that was fitted
    on the noisy labels, out of fold (Wolpert 1992). Items that have a noisy label are relabelled by
    a second one that also sees this label, and the scores; their own gold is never used for their
    own label.

    features (array-like): Shape (n, d).
    labels (Sequence[Optional[Label]]): Noisy labels, shape (n,). None: the LLM gave none.
    gold (Sequence[Optional[Label]]): Gold of a random sample, shape (n,), None for the rest.
    scores (Optional[array-like]): More evidence on the items, shape (n, k), such as the judge's
        support and the student's confidence.
    regularisation (float): The inverse strength of the penalty (scikit-learn's C) on the gold.
    trust (float): How large the noisy model's probabilities stand beside features of length 1.
    groups (Optional[Sequence[Any]]): What must share a fold, such as the document, shape (n,).
    n_folds (int): How many folds.
    allow_missing (bool): Whether there may be classes that no gold item has; they are never
        predicted. Otherwise they are an error.
    seed (int): For the folds.
    RETURNS (Denoised): Labels, probabilities and `predict`.
    RAISES (LLMJudgeError): On features, labels or gold that cannot carry it.

    >>> x = np.repeat([[-1.0, 0.2], [1.0, -0.2]], 20, axis=0)
    >>> noisy = ["a"] * 16 + ["b"] * 4 + ["b"] * 20
    >>> gold = ["a"] * 10 + [None] * 20 + ["b"] * 10
    >>> stack(x, noisy, gold).labels == ["a"] * 20 + ["b"] * 20
    True
    """
    check_positive(trust=trust)
    matrix, codes, truth, classes = prepare(features, labels, gold, allow_missing=allow_missing)
    n = len(classes)
    inside = out_of_fold(matrix, codes, n, NOISY_REGULARISATION, groups, n_folds, seed)
    noisy_model = fit_linear(matrix, codes, n, NOISY_REGULARISATION)
    scale = fit_scale(matrix)
    basis = np.hstack([scale(matrix), trust * inside])
    verdict = np.zeros((len(codes), n))
    verdict[np.arange(len(codes))[codes != MISSING], codes[codes != MISSING]] = 1.0
    known = [basis, verdict]
    if scores is not None:
        known.append(fit_scale_columns(check_features(scores, len(codes))))
    evidence = np.hstack(known)
    relabel = fit_linear(evidence, truth, n, regularisation)
    probabilities = relabel(evidence)
    seen = np.flatnonzero(truth != MISSING)
    folds = make_folds(truth[seen], n_folds, seed, _take(groups, seen))
    for fold in range(n_folds):
        held, rest = seen[folds == fold], seen[folds != fold]
        if len(held) and len(rest):
            model = fit_linear(evidence[rest], truth[rest], n, regularisation)
            probabilities[held] = model(evidence[held])
    outer = fit_linear(basis, truth, n, regularisation)

    def predict(new: Any) -> np.ndarray:
        rows = check_width(new, matrix.shape[1])
        return outer(np.hstack([scale(rows), trust * noisy_model(rows)]))

    report = {"method": "stacking", "gold": len(seen), "classes": len(classes)}
    best = decode(probabilities.argmax(axis=1), classes)
    return Denoised(best, probabilities, classes, predict, report)


def fit_scale_columns(scores: np.ndarray) -> np.ndarray:
    """Centre each column and give it variance 1; a column that never changes becomes 0."""
    spread = scores.std(axis=0)
    return (scores - scores.mean(axis=0)) / np.where(spread > 1e-8, spread, 1.0)


def _take(groups: Optional[Sequence[Any]], index: np.ndarray) -> Optional[Sequence[Any]]:
    return None if groups is None else [groups[i] for i in index]
