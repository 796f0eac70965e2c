"""Logistic regression over noisy labels, inside and outside of the folds that it was fitted on."""

from typing import Any, Callable, List, Optional, Sequence

import numpy as np

from ..errors import Errors, LLMJudgeError
from .arrays import MISSING, check_counts, check_positive

Predict = Callable[[np.ndarray], np.ndarray]


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


def fit_scale(features: np.ndarray) -> Predict:
    """Centre features and give them a mean squared length of 1; directions keep their variance.

    features (np.ndarray): Shape (n, d).
    RETURNS (Callable): From features, shape (m, d), to the same shape.
    """
    mean = features.mean(axis=0)
    length = np.sqrt(((features - mean) ** 2).sum(axis=1).mean())
    scale = 1.0 / max(float(length), 1e-8)
    return lambda new: ((new - mean) * scale).astype("float32")


def balance_weights(codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Weights with which each class that occurs counts the same.

    codes (np.ndarray): The class of each item, shape (n,), MISSING where there is none.
    n_classes (int): C.
    RETURNS (np.ndarray): Shape (n,), with a mean of 1 over the items that have a class; 0 for the rest.

    >>> balance_weights(np.array([0, 0, 0, 1, -1]), 3).round(2).tolist()
    [0.67, 0.67, 0.67, 2.0, 0.0]
    """
    seen = codes != MISSING
    counts = np.bincount(codes[seen], minlength=n_classes)
    weights = np.zeros(len(codes))
    weights[seen] = seen.sum() / (counts[codes[seen]] * max(1, np.count_nonzero(counts)))
    return weights


def fit_linear(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    regularisation: float,
    weights: Optional[np.ndarray] = None,
) -> Predict:
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
    return fit_path(features, codes, n_classes, [regularisation], weights)[0]


def fit_path(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    penalties: Sequence[float],
    weights: Optional[np.ndarray] = None,
) -> List[Predict]:
    """Fit logistic regression with one penalty after the other, each from where the last one ended.

    Where there are fewer items than features, it is fitted in the space that the items span: the penalty
    keeps the weights inside of it, so the result is the same.

    penalties (Sequence[float]): The inverse strengths of the penalty, in a row from strong to weak.
    RETURNS (List[Callable]): What `fit_linear` returns, for each penalty.
    RAISES (LLMJudgeError): J513 where a penalty is none.
    """
    from sklearn.linear_model import LogisticRegression

    for penalty in penalties:
        check_positive(regularisation=penalty)
    seen = codes != MISSING
    scale = fit_scale(features[seen])
    items = scale(features[seen]).astype("float64")
    present = np.unique(codes[seen])
    if len(present) == 1:
        return [_always(int(present[0]), n_classes)] * len(penalties)
    basis = None
    if len(items) < items.shape[1]:
        basis = np.linalg.svd(items, full_matrices=False)[2].T
        items = items @ basis
    model = LogisticRegression(max_iter=1000, warm_start=True)
    used = None if weights is None else weights[seen]
    found = []
    for penalty in penalties:
        model.set_params(C=penalty).fit(items, codes[seen], used)
        found.append(_predictor(model.coef_, model.intercept_, present, n_classes, scale, basis))
    return found


def _always(code: int, n_classes: int) -> Predict:
    return lambda new: np.tile(np.eye(n_classes)[code], (len(new), 1))


def _predictor(
    coefficients: np.ndarray,
    intercept: np.ndarray,
    present: np.ndarray,
    n_classes: int,
    scale: Predict,
    basis: Optional[np.ndarray],
) -> Predict:
    slopes = coefficients.T if basis is None else basis @ coefficients.T
    offsets = intercept.copy()

    def predict(new: np.ndarray) -> np.ndarray:
        scores = scale(new).astype("float64") @ slopes + offsets
        if scores.shape[1] == 1:
            # scikit-learn keeps the second of two classes alone
            scores = np.hstack([np.zeros_like(scores), scores])
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        out = np.zeros((len(new), n_classes))
        out[:, present] = weights / weights.sum(axis=1, keepdims=True)
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
    balanced: bool = False,
) -> np.ndarray:
    """The probabilities of each item from a model that has not seen it.

    RETURNS (np.ndarray): Shape (n, C).
    RAISES (LLMJudgeError): J506 where a fold holds all items with a label.
    """
    folds = make_folds(codes, n_folds, seed, groups)
    return out_of_fold_path(features, codes, n_classes, [regularisation], folds, balanced)[0]


def out_of_fold_path(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    penalties: Sequence[float],
    folds: np.ndarray,
    balanced: bool = False,
) -> np.ndarray:
    """The probabilities of each item from models that have not seen it, one for each penalty.

    penalties (Sequence[float]): See `fit_path`.
    folds (np.ndarray): The fold of each item, shape (n,).
    balanced (bool): Whether each class has the same weight; else each item has.
    RETURNS (np.ndarray): Shape (len(penalties), n, C).
    RAISES (LLMJudgeError): J506 where a fold holds all items with a label.
    """
    out = np.zeros((len(penalties), len(codes), n_classes))
    for fold in np.unique(folds):
        held = folds == fold
        if not (codes[~held] != MISSING).any():
            raise LLMJudgeError(Errors.J506.format(pool="training part of a", n=len(codes)))
        # of the training part alone: the class of a held-out item must not reach its own model
        weights = balance_weights(codes[~held], n_classes) if balanced else None
        models = fit_path(features[~held], codes[~held], n_classes, penalties, weights)
        out[:, held] = [model(features[held]) for model in models]
    return out
