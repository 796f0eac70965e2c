"""Confident learning: drop the labels that a cross-fitted model contradicts, and learn again."""

from typing import Any, Optional, Sequence

import numpy as np

from ..errors import Errors, LLMJudgeError
from .arrays import MISSING, Denoised, Label, check_width, decode, prepare
from .linear import balance_weights, fit_linear, make_folds
from .tuning import choose_penalty


def prune_labels(
    features: Any,
    labels: Sequence[Optional[Label]],
    *,
    balanced: bool = True,
    regularisation: Optional[float] = None,
    groups: Optional[Sequence[Any]] = None,
    n_folds: int = 5,
    seed: int = 0,
) -> Denoised:
    """Find wrong labels by confident learning (Northcutt et al. 2021) and learn without them.

    Needs cleanlab: `pip install spacy_llmjudge[denoise]`. It needs no gold, and trusts that the
    most likely class of a noisy label is that label.

    features (array-like): Shape (n, d).
    labels (Sequence[Optional[Label]]): Noisy labels, shape (n,). None: the LLM gave none.
    balanced (bool): Whether each class has the same weight in its models; else each item has.
    regularisation (Optional[float]): The inverse strength of the penalty (scikit-learn's C). None: see
        `choose_penalty`.
    groups (Optional[Sequence[Any]]): What must share a fold, such as the document, shape (n,).
    n_folds (int): How many folds.
    seed (int): For the folds.
    RETURNS (Denoised): Kept labels stay; items without a label and pruned ones get the label of the
        model that was fitted on the kept ones. The report says how many were pruned.
    RAISES (LLMJudgeError): On features or labels that cannot carry it, or without cleanlab.

    >>> rng = np.random.default_rng(0)
    >>> truth = np.arange(300) % 3
    >>> x = 4 * np.eye(3)[truth] + 0.5 * rng.normal(size=(300, 3))
    >>> noisy = np.where(rng.random(300) < 0.2, (truth + 1) % 3, truth)
    >>> pruned = prune_labels(x, noisy)
    >>> bool(np.mean(noisy == truth) < 0.85 < 0.95 < np.mean(np.array(pruned.labels) == truth))
    True
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise LLMJudgeError(Errors.J510.format(error=error)) from error

    matrix, codes, _, classes = prepare(features, labels)
    n = len(classes)
    folds = make_folds(codes, n_folds, seed, groups)
    penalty, inside = choose_penalty(matrix, codes, n, folds, balanced, regularisation)
    seen = np.flatnonzero(codes != MISSING)
    wrong = find_label_issues(codes[seen], inside[seen], n_jobs=1)
    kept = np.full(len(codes), MISSING)
    kept[seen[~wrong]] = codes[seen[~wrong]]
    weights = balance_weights(kept, n) if balanced else None
    model = fit_linear(matrix, kept, n, penalty, weights)
    probabilities = model(matrix)
    best = np.where(kept == MISSING, probabilities.argmax(axis=1), kept)

    def predict(new: Any) -> np.ndarray:
        return model(check_width(new, matrix.shape[1]))

    report = {
        "method": "confident_learning",
        "regularisation": penalty,
        "pruned": int(wrong.sum()),
        "kept": int((~wrong).sum()),
    }
    return Denoised(decode(best, classes), probabilities, classes, predict, report)
