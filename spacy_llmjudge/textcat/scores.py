"""Accuracy and macro-F1 of labelled documents, with bootstrap intervals, for both kinds of task.

Gold and predictions are matrices of bool, shape (documents, labels): one True in a row of an
exclusive task, any number in the other kind. A document is right where its whole row is; one without an
answer never is, even where no label is right.
"""

from typing import Any, Dict, Iterator, Optional, Tuple

import numpy as np

from ..errors import Errors, LLMJudgeError

_BLOCK_CELLS = 4_000_000
METRICS = ("accuracy", "macro_f1")
# in every cell of a row without an answer
UNANSWERED = -1


def score_matrices(gold: np.ndarray, predicted: np.ndarray) -> Dict[str, float]:
    """Score predictions.

    gold (np.ndarray): Shape (n, C), bool.
    predicted (np.ndarray): Shape (n, C), bool, or int with UNANSWERED.
    RETURNS (Dict[str, float]): `accuracy`, and `macro_f1`: the mean F1 of the labels that occur on
        either side, as scikit-learn has it.

    >>> gold = np.array([[1, 0], [1, 0], [0, 1]], dtype=bool)
    >>> found = score_matrices(gold, gold[[0, 2, 2]])
    >>> round(found["accuracy"], 3), round(found["macro_f1"], 3)
    (0.667, 0.667)
    """
    gold, predicted = _check(gold, predicted)
    counts = _counts(gold, predicted)
    return {
        "accuracy": float((gold == predicted).all(axis=1).mean()),
        "macro_f1": float(_macro_f1(counts.sum(axis=0)[None])[0]),
    }


def bootstrap_scores(
    gold: np.ndarray,
    predicted: np.ndarray,
    against: Optional[np.ndarray] = None,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Dict[str, Dict[str, float]]:
    """Percentile bootstrap intervals over documents, of scores or of differences (paired).

    gold (np.ndarray): Shape (n, C), bool.
    predicted (np.ndarray): Shape (n, C), bool, or int with UNANSWERED.
    against (Optional[np.ndarray]): The predictions of another system, shape (n, C): then the
        intervals are those of what the first one has more.
    n_resamples (int): How many resamples of the documents.
    level (float): The nominal coverage.
    seed (int): The same seed gives the same intervals.
    RETURNS (Dict[str, Dict[str, float]]): For `accuracy` and `macro_f1`: `value`, `low` and `high`.

    >>> gold = np.eye(2, dtype=bool)[np.arange(40) % 2]
    >>> bootstrap_scores(gold, gold, gold)["accuracy"]
    {'value': 0.0, 'low': 0.0, 'high': 0.0}
    """
    gold, predicted = _check(gold, predicted)
    systems = [predicted] if against is None else [predicted, _check(gold, against)[1]]
    found = score_matrices(gold, predicted)
    values = dict(found)
    if against is not None:
        other = score_matrices(gold, against)
        values = {name: found[name] - other[name] for name in METRICS}
    drawn: Dict[str, Any] = {name: [] for name in METRICS}
    n = len(gold)
    right = [(gold == s).all(axis=1).astype(float) for s in systems]
    counts = [_counts(gold, s) for s in systems]
    for draw in _draws(n, gold.shape[1], n_resamples, seed):
        accuracy = [draw @ r / n for r in right]
        f1 = [_macro_f1((draw @ c.reshape(n, -1)).reshape(-1, *c.shape[1:])) for c in counts]
        for name, pair in (("accuracy", accuracy), ("macro_f1", f1)):
            drawn[name].append(pair[0] if against is None else pair[0] - pair[1])
    result = {}
    for name in METRICS:
        low, high = np.quantile(np.concatenate(drawn[name]), [(1 - level) / 2, (1 + level) / 2])
        result[name] = {"value": values[name], "low": float(low), "high": float(high)}
    return result


def _counts(gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """True positives, false positives and false negatives, shape (n, 3, C)."""
    said = predicted == 1
    return np.stack([gold & said, ~gold & said, gold & ~said], axis=1).astype(float)


def _macro_f1(totals: np.ndarray) -> np.ndarray:
    """From counts of shape (m, 3, C) to macro-F1 of shape (m,)."""
    tp, fp, fn = totals[:, 0], totals[:, 1], totals[:, 2]
    seen = (tp + fp + fn) > 0
    f1 = np.where(seen, 2 * tp / np.maximum(2 * tp + fp + fn, 1e-12), 0.0)
    return f1.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)


def _draws(n: int, n_labels: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(seed)
    size = max(1, _BLOCK_CELLS // max(1, n, 3 * n_labels))
    for start in range(0, n_resamples, size):
        yield rng.multinomial(n, np.full(n, 1 / n), size=min(size, n_resamples - start)).astype(
            float
        )


def _check(gold: np.ndarray, predicted: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    gold, predicted = np.asarray(gold, dtype=bool), np.asarray(predicted, dtype="int8")
    if gold.shape != predicted.shape or gold.ndim != 2 or not len(gold):
        raise LLMJudgeError(Errors.J915.format(gold=gold.shape, predicted=predicted.shape))
    return gold, predicted
