"""Baselines that every denoiser is held against: the labels as they are, regressions on them, and on gold alone."""

from typing import Any, List, Optional, Sequence

import numpy as np

from .arrays import MISSING, Denoised, Label, check_width, decode, prepare, take
from .linear import Predict, balance_weights, fit_linear, make_folds
from .tuning import PENALTIES, choose_penalty, deal_gold, held_out_loss, predict_held_out


def keep_labels(features: Any, labels: Sequence[Optional[Label]]) -> Denoised:
    """The baseline "none": the labels as they are, and a classifier that is trained on them.

    features (array-like): Shape (n, d).
    labels (Sequence[Optional[Label]]): Noisy labels, shape (n,). None: there is none, and none is made up.
    RETURNS (Denoised): Its probabilities are 1 for the label, and those of the classifier where
        there is none.

    >>> keep_labels(np.eye(3), ["a", "b", None]).labels
    ['a', 'b', None]
    """
    matrix, codes, _, classes = prepare(features, labels)
    model = fit_linear(matrix, codes, len(classes), 1.0)
    probabilities = model(matrix)
    seen = codes != MISSING
    probabilities[seen] = np.eye(len(classes))[codes[seen]]
    kept: List[Optional[Label]] = [classes[k] if k != MISSING else None for k in codes]
    return Denoised(kept, probabilities, classes, model, {"method": "none"})


def learn_noisy(
    features: Any,
    labels: Sequence[Optional[Label]],
    *,
    balanced: bool = True,
    regularisation: Optional[float] = None,
    groups: Optional[Sequence[Any]] = None,
    n_folds: int = 5,
    seed: int = 0,
) -> Denoised:
    """Learn from the noisy labels as they are, each class with the same weight, and relabel out of fold.

    An LLM that prefers some labels hands its preference on to a classifier; equal weights take it away
    again, without any gold. This is what a method that needs no gold has to beat.

    features (array-like): Shape (n, d).
    labels (Sequence[Optional[Label]]): Noisy labels, shape (n,). None: the LLM gave none.
    balanced (bool): Whether each class has the same weight; else each item has.
    regularisation (Optional[float]): The inverse strength of the penalty (scikit-learn's C). None: the one
        with the least loss on noisy labels that were held out (see `held_out_loss`).
    groups (Optional[Sequence[Any]]): What must share a fold, such as the document, shape (n,).
    n_folds (int): How many folds.
    seed (int): For the folds.
    RETURNS (Denoised): Labels, probabilities and `predict`; the report names the penalty.
    RAISES (LLMJudgeError): On features or labels that cannot carry it.

    >>> x = np.repeat([[-1.0, 0.2], [1.0, -0.2]], 20, axis=0)
    >>> noisy = ["a"] * 14 + ["b"] * 6 + ["b"] * 20
    >>> learn_noisy(x, noisy).labels == ["a"] * 20 + ["b"] * 20
    True
    """
    matrix, codes, _, classes = prepare(features, labels)
    n = len(classes)
    folds = make_folds(codes, n_folds, seed, groups)
    penalty, inside = choose_penalty(matrix, codes, n, folds, balanced, regularisation)
    weights = balance_weights(codes, n) if balanced else None
    model = fit_linear(matrix, codes, n, penalty, weights)
    report = {"method": "noisy", "regularisation": penalty}
    return describe(inside, classes, model, matrix.shape[1], report)


def learn_gold(
    features: Any,
    labels: Sequence[Optional[Label]],
    gold: Sequence[Optional[Label]],
    *,
    regularisation: Optional[float] = None,
    groups: Optional[Sequence[Any]] = None,
    n_folds: int = 5,
    seed: int = 0,
) -> Denoised:
    """The baseline "gold": a classifier that is trained on the gold alone and never hears of the LLM.

    features (array-like): Shape (n, d).
    labels (Sequence[Optional[Label]]): Noisy labels, shape (n,); only their classes are used.
    gold (Sequence[Optional[Label]]): Gold, shape (n,), None for the rest.
    regularisation (Optional[float]): The inverse strength of the penalty. None: chosen on the gold by
        cross-validation; for the items with gold it is the first of PENALTIES.
    groups (Optional[Sequence[Any]]): What must share a fold, shape (n,).
    n_folds (int): How many folds.
    seed (int): For the folds.
    RETURNS (Denoised): Items with gold get the label of a classifier that has not seen it.
    RAISES (LLMJudgeError): On features or gold that cannot carry it.

    >>> learn_gold(np.eye(4)[[0, 0, 1, 1]], ["a"] * 4, ["a", "a", "b", None], n_folds=2).labels[3]
    'b'
    """
    matrix, _, truth, classes = prepare(features, labels, gold, allow_missing=True, with_gold=True)
    n, seen = len(classes), np.flatnonzero(truth != MISSING)
    y, rows = truth[seen], matrix[seen]
    penalties = PENALTIES if regularisation is None else (regularisation,)
    deals = deal_gold(y, n_folds, seed, take(groups, seen))
    best, held = 0, None
    if len(deals):
        every = predict_held_out(rows, y, n, penalties, deals)
        losses = [held_out_loss(p, np.tile(y, len(deals))) for p in every]
        best = int(np.argmin(losses))
        # the gold of an item has no say in its own label: not by the penalty either
        held = every[0][: len(seen)]
    model = fit_linear(rows, y, n, penalties[best], balance_weights(y, n))
    probabilities = model(matrix)
    if held is not None:
        probabilities[seen] = held
    report = {"method": "gold", "gold": len(seen), "regularisation": penalties[best]}
    return describe(probabilities, classes, model, matrix.shape[1], report)


def describe(
    probabilities: np.ndarray, classes: Sequence[Label], model: Predict, width: int, report: Any
) -> Denoised:
    """RETURNS (Denoised): The likeliest labels, and a `predict` that checks its features."""

    def predict(new: Any) -> np.ndarray:
        return model(check_width(new, width))

    best = decode(probabilities.argmax(axis=1), classes)
    return Denoised(best, probabilities, tuple(classes), predict, report)
