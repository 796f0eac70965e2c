"""Logistic regression over noisy labels, inside and outside of the folds that it was fitted on."""

from typing import Any, Callable, Optional, Sequence

import numpy as np

from ..errors import Errors, LLMJudgeError
from .arrays import MISSING, check_counts, check_positive


def make_folds(
    codes: np.ndarray, n_folds: int, seed: int, groups: Optional[Sequence[Any]] = None
) -> np.ndarray:
    """Deal items to folds, so that each class, or each group as a whole, is spread over them.

    codes (np.ndarray): The class of each item, shape (n,).
    n_folds (int): How many folds.
    seed (int): For the order.
    groups (Optional[Sequence[Any]]): What must share a fold, shape (n,).
    RETURNS (np.ndarray): The fold of each item, shape (n,), 0 to n_folds - 1.
    RAISES (LLMJudgeError): J516 where there are not as many groups as items, J513 on fewer than 2 folds.

    >>> sorted(make_folds(np.array([0, 0, 1, 1]), 2, seed=0).tolist())
    [0, 0, 1, 1]
    """
    check_counts(2, n_folds=n_folds)
    if groups is not None and len(groups) != len(codes):
        raise LLMJudgeError(Errors.J516.format(found=len(groups), n=len(codes)))
    rng = np.random.default_rng(seed)
    folds = np.empty(len(codes), dtype="int64")
    if groups is None:
        order = rng.permutation(len(codes))
        order = order[np.argsort(codes[order], kind="stable")]
        folds[order] = np.arange(len(codes)) % n_folds
        return folds
    _, index = np.unique(np.array([str(g) for g in groups]), return_inverse=True)
    dealt = rng.permutation(index.max() + 1) % n_folds
    folds[:] = dealt[index]
    return folds


def fit_scale(features: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Centre features and give them a mean squared length of 1; directions keep their variance.

    features (np.ndarray): Shape (n, d).
    RETURNS (Callable): From features, shape (m, d), to the same shape.
    """
    mean = features.mean(axis=0)
    length = np.sqrt(((features - mean) ** 2).sum(axis=1).mean())
    scale = 1.0 / max(float(length), 1e-8)
    return lambda new: ((new - mean) * scale).astype("float32")


def fit_linear(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    regularisation: float,
    weights: Optional[np.ndarray] = None,
) -> Callable[[np.ndarray], np.ndarray]:
    """Fit multinomial logistic regression; items without a label take no part.

    features (np.ndarray): Shape (n, d).
    codes (np.ndarray): The class of each item, shape (n,), MISSING where there is none.
    n_classes (int): C.
    regularisation (float): The inverse strength of the penalty.
    weights (Optional[np.ndarray]): A weight for each item, shape (n,).
    RETURNS (Callable): From features, shape (m, d), to probabilities, shape (m, C). A class that no
        item has gets 0.
    RAISES (LLMJudgeError): J513 where the penalty is none.
    """
    from sklearn.linear_model import LogisticRegression

    check_positive(regularisation=regularisation)
    seen = codes != MISSING
    scale = fit_scale(features[seen])
    present = np.unique(codes[seen])
    if len(present) == 1:
        model = None
    else:
        model = LogisticRegression(C=regularisation, max_iter=1000)
        used = None if weights is None else weights[seen]
        model.fit(scale(features[seen]).astype("float64"), codes[seen], used)

    def predict(new: np.ndarray) -> np.ndarray:
        out = np.zeros((len(new), n_classes))
        if model is None:
            out[:, present] = 1.0
        else:
            out[:, present] = model.predict_proba(scale(new).astype("float64"))
        return out

    return predict


def out_of_fold(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    regularisation: float,
    groups: Optional[Sequence[Any]],
    n_folds: int,
    seed: int,
) -> np.ndarray:
    """The probabilities of each item from a model that has not seen it.

    RETURNS (np.ndarray): Shape (n, C).
    RAISES (LLMJudgeError): J506 where a fold holds all items with a label.
    """
    folds = make_folds(codes, n_folds, seed, groups)
    out = np.zeros((len(codes), n_classes))
    for fold in range(n_folds):
        held = folds == fold
        if held.any():
            if not (codes[~held] != MISSING).any():
                raise LLMJudgeError(Errors.J506.format(pool="training part of a", n=len(codes)))
            model = fit_linear(features[~held], codes[~held], n_classes, regularisation)
            out[held] = model(features[held])
    return out
