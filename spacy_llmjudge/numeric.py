"""Arithmetic that several rooms need: log-odds, log-loss, counts above cuts, folds by document."""

import hashlib

import numpy as np

from .errors import Errors, LLMJudgeError

# each fold costs a fit, or a training
MOST_FOLDS = 100


def logit(p: np.ndarray) -> np.ndarray:
    """The log-odds of probabilities; infinite at 0 and 1.

    p (np.ndarray): Probabilities, any shape, 0 to 1.
    RETURNS (np.ndarray): log(p / (1 - p)), the same shape.

    >>> logit(np.array([0.5, 0.9])).round(3).tolist()
    [0.0, 2.197]
    """
    return np.log(p) - np.log1p(-p)


def safe_logit(p: np.ndarray, least: float) -> np.ndarray:
    """The log-odds of probabilities that may be 0 or 1.

    p (np.ndarray): Probabilities, any shape, 0 to 1.
    least (float): What is closer to 0 or 1 than this is taken as this close, above 0 and below .5.
    RETURNS (np.ndarray): Finite log-odds, the same shape.

    >>> safe_logit(np.array([0.0, 0.5, 1.0]), 0.1).round(3).tolist()
    [-2.197, 0.0, 2.197]
    """
    return logit(np.clip(p, least, 1 - least))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """The probabilities of log-odds. It neither overflows nor loses the small tail.

    x (np.ndarray): Log-odds, any shape.
    RETURNS (np.ndarray): 1 / (1 + exp(-x)), the same shape.

    >>> sigmoid(np.array([-1e4, 0.0, 1e4])).tolist()
    [0.0, 0.5, 1.0]
    """
    return np.exp(-np.logaddexp(0.0, -x))


def log_loss(probability: np.ndarray, correct: np.ndarray, least: float) -> float:
    """The mean negative log-likelihood of what came true.

    probability (np.ndarray): Stated probabilities, shape (n,), 0 to 1.
    correct (np.ndarray): Whether each came true, shape (n,).
    least (float): What is closer to 0 or 1 than this is taken as this close, above 0 and below .5.
    RETURNS (float): In nats, 0 or more.

    >>> round(log_loss(np.array([0.5, 1.0]), np.array([True, True]), 1e-6), 3)
    0.347
    """
    p = np.clip(probability, least, 1 - least)
    # Sums of the same numbers in another order differ in their last digits: sort them.
    return float(-np.mean(np.sort(np.log(np.where(correct, p, 1 - p)))))


def calibration_error(probability: np.ndarray, correct: np.ndarray, n_bins: int = 10) -> float:
    """The expected calibration error over bins of equal mass.

    probability (np.ndarray): (n,) probabilities, one or more.
    correct (np.ndarray): (n,) truth.
    n_bins (int): How many bins.
    RETURNS (float): 0 to 1.

    >>> round(calibration_error(np.array([.9, .9]), np.array([True, False])), 3)
    0.4
    """
    # Equal probabilities share a bin, or the order of the rows would decide.
    rank = np.searchsorted(np.sort(probability), probability)
    bins = rank * n_bins // len(probability)
    gaps = np.bincount(bins, weights=probability - correct, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(probability))


def counts_above(scores: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Count the scores that reach every cut.

    scores (np.ndarray): (n,) scores in any order.
    cuts (np.ndarray): (k,) cuts.
    RETURNS (np.ndarray): (k,) counts.

    >>> counts_above(np.array([.2, .5, .9]), np.array([.5, .95])).tolist()
    [2, 0]
    """
    return len(scores) - np.searchsorted(np.sort(scores), cuts, side="left")


def check_folds(n_folds: int) -> None:
    """RAISES (LLMJudgeError): J112 where nothing can be fitted on so many folds."""
    if not 2 <= n_folds <= MOST_FOLDS:
        raise LLMJudgeError(Errors.J112.format(n_folds=n_folds, most=MOST_FOLDS))


def hash_text(text: str) -> int:
    """RETURNS (int): 64 bits of a text. Two of a million texts share them once in 30 million times."""
    data = text.encode("utf8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def fold_of(text: str, n_folds: int) -> int:
    """The fold that a document belongs to, by its text: duplicates share a fold.

    text (str): The text of the document.
    n_folds (int): How many folds.
    RETURNS (int): 0 to n_folds - 1.
    """
    return int(hashlib.sha256(text.encode("utf8")).hexdigest()[:8], 16) % n_folds
