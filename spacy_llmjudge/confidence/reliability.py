"""How honest probabilities are: calibration error, Brier score, log-loss, AUROC, and the bins behind.

Expected calibration error with bins of equal mass: Nguyen and O'Connor, 2015, "Posterior
calibration and exploratory analysis for natural language processing models", EMNLP, section 3.
"""

from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np

from ..numeric import calibration_error, log_loss

# Log-loss treats a probability of 0 or 1 as if it were this close to it.
EPSILON = 1e-6


def reliability(
    probability: Sequence[float],
    correct: Sequence[bool],
    n_bins: int = 10,
    documents: Optional[np.ndarray] = None,
) -> Dict[str, Any]:
    """Compare stated probabilities with what came true.

    probability (Sequence[float]): Shape (n,), 0 to 1.
    correct (Sequence[bool]): Shape (n,), whether each was right.
    n_bins (int): Bins of about equal mass; equal probabilities share a bin, so that the order of
        the input does not matter.
    documents (Optional[np.ndarray]): Shape (n,), the document of each, for an interval of `ece`.
    RETURNS (Dict[str, Any]): `n`, `ece` (0 to 1), `brier` (0 to 1), `auroc` (0 to 1, None where
        all or none are correct), `log_loss` (nats), and `bins`, a list of `count`, `probability`
        (mean) and `correct` (share); with documents `ece_low` and `ece_high`, its 95 % interval.
        Without data all scores are None.

    >>> r = reliability([0.9, 0.9, 0.1, 0.1], [True, True, False, True], n_bins=2)
    >>> round(r["ece"], 3), round(r["brier"], 3), round(r["auroc"], 3)
    (0.25, 0.21, 0.833)
    """
    p = np.asarray(probability, dtype=np.float64)
    y = np.asarray(correct, dtype=np.float64)
    if not len(p):
        empty = {"ece": None, "brier": None, "auroc": None, "log_loss": None}
        return {"n": 0, **empty, "bins": []}
    bins = _bins(p, y, n_bins)
    interval = {}
    if documents is not None:
        low, high = ece_interval(p, y, documents, n_bins)
        interval = {"ece_low": low, "ece_high": high}
    return {
        "n": len(p),
        "ece": calibration_error(p, y, n_bins),
        **interval,
        "brier": float(np.mean((p - y) ** 2)),
        "auroc": auroc(p, y),
        "log_loss": log_loss(p, y, EPSILON),
        "bins": bins,
    }


def ece_interval(
    probability: np.ndarray,
    correct: np.ndarray,
    documents: np.ndarray,
    n_bins: int = 10,
    n_resamples: int = 400,
) -> Tuple[float, float]:
    """Compute the 95 % basic bootstrap interval of the calibration error over documents (Davison and
    Hinkley 1997, section 5.2). Noise makes the error of a resample larger than what it was drawn from, as
    it makes the observed one larger than the true one; this interval turns the two around.

    probability (np.ndarray): Shape (n,).
    correct (np.ndarray): Shape (n,).
    documents (np.ndarray): Shape (n,), the document of each.
    n_bins (int): As in `reliability`.
    n_resamples (int): How many resamples of the documents.
    RETURNS (Tuple[float, float]): Low and high, 0 to 1.

    >>> p, documents = np.full(200, 0.9), np.arange(200)
    >>> low, high = ece_interval(p, np.arange(200) % 2, documents)
    >>> low < 0.4 < high
    True
    """
    _, document = np.unique(documents, return_inverse=True)
    order = np.argsort(document, kind="stable")
    starts = np.searchsorted(document[order], np.arange(document.max() + 2))
    rng, errors = np.random.default_rng(0), []
    for _ in range(n_resamples):
        drawn = rng.integers(0, len(starts) - 1, size=len(starts) - 1)
        sizes = starts[drawn + 1] - starts[drawn]
        place = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = order[np.repeat(starts[drawn], sizes) + place]
        errors.append(calibration_error(probability[rows], correct[rows], n_bins))
    low, high = np.quantile(errors, [0.025, 0.975])
    twice = 2 * calibration_error(probability, correct, n_bins)
    return float(max(twice - high, 0.0)), float(min(max(twice - low, 0.0), 1.0))


def auroc(scores: np.ndarray, correct: np.ndarray) -> Optional[float]:
    """The probability that a correct item scores higher than a wrong one; ties count half.

    scores (np.ndarray): Shape (n,).
    correct (np.ndarray): Shape (n,), 0 or 1.
    RETURNS (Optional[float]): 0 to 1, or None where all or none are correct.

    >>> auroc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0, 0, 1, 1]))
    0.875
    """
    scores = np.asarray(scores, dtype=np.float64)
    correct = np.asarray(correct, dtype=bool)
    wrong = np.sort(scores[~correct])
    right = scores[correct]
    if not len(wrong) or not len(right):
        return None
    below = np.searchsorted(wrong, right, side="left").sum()
    not_above = np.searchsorted(wrong, right, side="right").sum()
    return float((below + not_above) / 2 / (len(wrong) * len(right)))


def _bins(p: np.ndarray, y: np.ndarray, n_bins: int) -> list:
    rank = np.searchsorted(np.sort(p), p, side="left")
    index = rank * n_bins // len(p)
    return [
        {
            "count": int((index == b).sum()),
            "probability": float(p[index == b].mean()),
            "correct": float(y[index == b].mean()),
        }
        for b in np.unique(index)
    ]
