"""How sure F1 and a difference of two are: bootstrap and randomisation over documents.

All functions take the counts of documents, shape (documents, 3) or (documents, labels, 3): true
positives, false positives and false negatives (`scores.count_matches`). The document is the unit that
is drawn, because the entities of one document are not independent. `averages` says how F1 is averaged
over labels: "micro", or "macro" over the labels that occur. The share of documents that are right is
the micro F1 of counts that are (1, 0, 0) or (0, 1, 1) (`count_documents`).
"""

import math
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

import numpy

from ..errors import Errors, LLMJudgeError

# Rounding must not make a resample that ties with what was observed count as less extreme.
_TIE = 1e-12
_BLOCK_CELLS = 4_000_000


def micro_f1(totals: numpy.ndarray) -> numpy.ndarray:
    """Compute F1 from counts; 0 where there is nothing to find and nothing was found.

    totals (numpy.ndarray): Shape (..., 3): true positives, false positives, false negatives.
    RETURNS (numpy.ndarray): Shape (...), 0 to 1.

    >>> float(micro_f1(numpy.array([3, 1, 2])))
    0.6666666666666666
    """
    totals = numpy.asarray(totals, dtype=float)
    found = 2 * totals[..., 0] + totals[..., 1] + totals[..., 2]
    return 2 * totals[..., 0] / numpy.maximum(found, 1.0)


def macro_f1(totals: numpy.ndarray) -> numpy.ndarray:
    """Compute the mean F1 of the labels that occur.

    totals (numpy.ndarray): Shape (..., labels, 3): true positives, false positives, false negatives.
    RETURNS (numpy.ndarray): Shape (...), 0 to 1.

    >>> float(macro_f1(numpy.array([[1, 0, 0], [0, 1, 0], [0, 0, 0]])))
    0.5
    """
    totals = numpy.asarray(totals, dtype=float)
    seen = totals.sum(axis=-1) > 0
    return micro_f1(totals).sum(axis=-1) / numpy.maximum(seen.sum(axis=-1), 1)


def average_f1(totals: numpy.ndarray, averages: str) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): From counts, shape (..., labels, 3), to F1 of shape (...)."""
    if averages == "macro":
        return macro_f1(totals)
    return micro_f1(numpy.asarray(totals).sum(axis=-2))


def count_documents(right: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): Counts, shape (documents, 3), whose micro F1 is the share of True."""
    wrong = ~numpy.asarray(right, dtype=bool)
    return numpy.stack([~wrong, wrong, wrong], axis=1).astype(numpy.int64)


def bootstrap_f1(
    counts: numpy.ndarray,
    *,
    averages: str = "micro",
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Dict[str, float]:
    """Compute the percentile bootstrap interval of F1 (Efron and Tibshirani 1993, ch. 13).

    counts (numpy.ndarray): Shape (documents, 3) or (documents, labels, 3).
    averages (str): "micro" or "macro".
    n_resamples (int): How many resamples of the documents.
    level (float): The nominal coverage.
    seed (int): The same seed gives the same interval.
    RETURNS (Dict[str, float]): `f`, `f_low` and `f_high`, 0 to 1.

    >>> counts = numpy.array([[2, 0, 1], [1, 1, 0], [0, 1, 1], [3, 0, 0]])
    >>> {name: round(value, 3) for name, value in bootstrap_f1(counts).items()}
    {'f': 0.75, 'f_low': 0.364, 'f_high': 0.952}
    """
    counts = _check(counts)
    resampled = numpy.concatenate(
        [
            average_f1(_draw(draw, counts), averages)
            for draw in _draws(len(counts), n_resamples, seed)
        ]
    )
    low, high = numpy.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    f = float(average_f1(counts.sum(axis=0), averages))
    return {"f": f, "f_low": float(low), "f_high": float(high)}


def paired_bootstrap(
    counts_a: numpy.ndarray,
    counts_b: numpy.ndarray,
    *,
    averages: str = "micro",
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Dict[str, float]:
    """Compare two systems on the same documents: the interval of F1(a) - F1(b), and a p value.

    The p value is two-sided, from the differences shifted to the null hypothesis of no difference
    (Efron and Tibshirani 1993, ch. 16): the share of resamples, the observed one among them, that
    lie as far from the observed difference as this lies from 0.

    counts_a (numpy.ndarray): Shape (documents, 3) or (documents, labels, 3).
    counts_b (numpy.ndarray): The same shape, the same documents in the same order.
    averages (str): "micro" or "macro".
    n_resamples (int): How many resamples of the documents.
    level (float): The nominal coverage.
    seed (int): The same seed gives the same result.
    RETURNS (Dict[str, float]): `difference`, `low`, `high` (-1 to 1) and `p_value`.

    >>> a = numpy.array([[2, 0, 0], [1, 0, 1], [2, 1, 0]])
    >>> paired_bootstrap(a, a)
    {'difference': 0.0, 'low': 0.0, 'high': 0.0, 'p_value': 1.0}
    """
    counts_a, counts_b = _check_pair(counts_a, counts_b)
    resampled = numpy.concatenate(
        [
            average_f1(_draw(draw, counts_a), averages)
            - average_f1(_draw(draw, counts_b), averages)
            for draw in _draws(len(counts_a), n_resamples, seed)
        ]
    )
    difference = f_difference(counts_a, counts_b, averages)
    low, high = numpy.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    extreme = numpy.abs(resampled - difference) >= abs(difference) - _TIE
    p_value = (1 + int(extreme.sum())) / (n_resamples + 1)
    return {
        "difference": difference,
        "low": float(low),
        "high": float(high),
        "p_value": p_value,
    }


def approximate_randomization(
    counts_a: numpy.ndarray,
    counts_b: numpy.ndarray,
    *,
    averages: str = "micro",
    n_resamples: int = 2000,
    seed: int = 0,
) -> Dict[str, float]:
    """Test the difference of two micro F1 by swapping the systems' outputs document by document.

    Two-sided and paired (Noreen 1989; Yeh 2000): under the null hypothesis it does not matter which
    of the two systems gave which output for a document.

    counts_a (numpy.ndarray): Shape (documents, 3) or (documents, labels, 3).
    counts_b (numpy.ndarray): The same shape, the same documents in the same order.
    averages (str): "micro" or "macro".
    n_resamples (int): How many random assignments.
    seed (int): The same seed gives the same result.
    RETURNS (Dict[str, float]): `difference` (-1 to 1) and `p_value`.

    >>> a = numpy.array([[3, 0, 0]] * 12)
    >>> b = numpy.array([[2, 1, 1]] * 12)
    >>> approximate_randomization(a, b)["p_value"] < 0.01
    True
    """
    counts_a, counts_b = _check_pair(counts_a, counts_b)
    difference = f_difference(counts_a, counts_b, averages)
    change = counts_b - counts_a
    change = change[change.any(axis=(1, 2))]
    total_a, total_b = counts_a.sum(axis=0), counts_b.sum(axis=0)
    rng = numpy.random.default_rng(seed)
    extreme = 0
    for size in _blocks(len(change), n_resamples):
        swapped = _draw(rng.integers(0, 2, size=(size, len(change))), change)
        differences = average_f1(total_a + swapped, averages) - average_f1(
            total_b - swapped, averages
        )
        extreme += int((numpy.abs(differences) >= abs(difference) - _TIE).sum())
    return {"difference": difference, "p_value": (1 + extreme) / (n_resamples + 1)}


def compare(
    counts_a: numpy.ndarray,
    counts_b: numpy.ndarray,
    *,
    averages: str = "micro",
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Dict[str, Any]:
    """Compare two systems with both tests.

    counts_a (numpy.ndarray): Shape (documents, 3) or (documents, labels, 3).
    counts_b (numpy.ndarray): The same shape, the same documents in the same order.
    averages (str): "micro" or "macro".
    RETURNS (Dict[str, Any]): `difference`, `low`, `high`, `p_bootstrap`, `p_randomization`, and
        `documents`.
    """
    settings: Dict[str, Any] = {"averages": averages, "n_resamples": n_resamples, "seed": seed}
    bootstrap = paired_bootstrap(counts_a, counts_b, level=level, **settings)
    randomization = approximate_randomization(counts_a, counts_b, **settings)
    return {
        "difference": bootstrap["difference"],
        "low": bootstrap["low"],
        "high": bootstrap["high"],
        "p_bootstrap": bootstrap["p_value"],
        "p_randomization": randomization["p_value"],
        "documents": len(counts_a),
    }


def document_error(
    counts_a: numpy.ndarray,
    counts_b: Optional[numpy.ndarray] = None,
    *,
    averages: str = "micro",
    n_resamples: int = 1000,
    seed: int = 0,
) -> float:
    """The standard error of F1, or of a difference of two, over draws of the documents, where several
    seeds were scored on the same documents and their mean is reported.

    counts_a (numpy.ndarray): Shape (seeds, documents, 3) or (seeds, documents, labels, 3).
    counts_b (Optional[numpy.ndarray]): The same of the system that is subtracted.
    averages (str): "micro" or "macro".
    n_resamples (int): How many resamples of the documents.
    seed (int): The same seed gives the same result.
    RETURNS (float): By bootstrap.

    >>> counts = count_documents(numpy.arange(100) % 2 == 0)
    >>> round(document_error(counts[None]), 2)
    0.05
    """
    sides = [[_check(c) for c in side] for side in (counts_a, counts_b) if side is not None]
    resampled = []
    for draw in _draws(len(sides[0][0]), n_resamples, seed):
        means = [
            numpy.mean([average_f1(_draw(draw, c), averages) for c in side], axis=0)
            for side in sides
        ]
        resampled.append(means[0] - means[1] if len(means) > 1 else means[0])
    return float(numpy.concatenate(resampled).std(ddof=1))


def interval_over_seeds(
    values: Sequence[float], error: float, level: float = 0.95
) -> Dict[str, float]:
    """Compute the interval of a mean over seeds that were scored on the same documents:
    `SE^2 = s^2 / S + error^2`, with the standard deviation s over S seeds.

    Student's t over the seeds alone says how other seeds would do on these very documents. The degrees of
    freedom are those of Welch and Satterthwaite (1947): S - 1 for the seeds, and no limit for the documents.

    values (Sequence[float]): A score, or a difference of two, for each seed. With one seed nothing is
        known about others, and the interval is about the documents alone.
    error (float): The standard error over the documents, as of `document_error`.
    level (float): The nominal coverage.
    RETURNS (Dict[str, float]): `mean`, `low` and `high`.

    >>> found = interval_over_seeds([0.08, 0.09, 0.085], error=0.02)
    >>> {name: round(value, 3) for name, value in found.items()}
    {'mean': 0.085, 'low': 0.045, 'high': 0.125}
    """
    from scipy.special import stdtrit

    n, mean = len(values), float(numpy.mean(values))
    of_seeds = float(numpy.var(values, ddof=1)) / n if n > 1 else 0.0
    square = of_seeds + error**2
    freedom = (n - 1) * (square / of_seeds) ** 2 if of_seeds else 1e9
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(square)
    return {"mean": mean, "low": mean - half, "high": mean + half}


def f_difference(
    counts_a: numpy.ndarray, counts_b: numpy.ndarray, averages: str = "micro"
) -> float:
    """RETURNS (float): F1(a) - F1(b) on the same documents, -1 to 1."""
    counts_a, counts_b = _check_pair(counts_a, counts_b)
    first, second = (average_f1(c.sum(axis=0), averages) for c in (counts_a, counts_b))
    return float(first - second)


def _draw(draw: numpy.ndarray, counts: numpy.ndarray) -> numpy.ndarray:
    """The sums of drawn documents, shape (resamples, labels, 3)."""
    summed = draw @ counts.reshape(len(counts), counts.shape[1] * 3)
    return summed.reshape(len(draw), *counts.shape[1:])


def _draws(n_docs: int, n_resamples: int, seed: int) -> Iterator[numpy.ndarray]:
    """How often each document is drawn, shape (resamples in the block, documents)."""
    rng = numpy.random.default_rng(seed)
    shares = numpy.full(n_docs, 1 / n_docs)
    for size in _blocks(n_docs, n_resamples):
        yield rng.multinomial(n_docs, shares, size=size)


def _blocks(n_docs: int, n_resamples: int) -> Iterator[int]:
    """Sizes of blocks of resamples, so that memory stays bounded for any number of documents."""
    size = max(1, _BLOCK_CELLS // max(1, n_docs))
    for start in range(0, n_resamples, size):
        yield min(size, n_resamples - start)


def _check(counts: numpy.ndarray) -> numpy.ndarray:
    """RETURNS (numpy.ndarray): Counts of shape (documents, labels, 3)."""
    counts = numpy.asarray(counts)
    if counts.ndim not in (2, 3) or counts.shape[-1] != 3 or not len(counts):
        raise LLMJudgeError(Errors.J704.format(shape=counts.shape))
    return counts if counts.ndim == 3 else counts[:, None, :]


def _check_pair(
    counts_a: numpy.ndarray, counts_b: numpy.ndarray
) -> Tuple[numpy.ndarray, numpy.ndarray]:
    counts_a, counts_b = _check(counts_a), _check(counts_b)
    gold_a, gold_b = ((c[..., 0] + c[..., 2]).sum(axis=1) for c in (counts_a, counts_b))
    if len(counts_a) != len(counts_b) or (gold_a != gold_b).any():
        raise LLMJudgeError(Errors.J705)
    return counts_a, counts_b
