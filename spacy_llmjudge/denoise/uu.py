"""Robust UU refinement: learn from two pools with known positive shares, and relabel.

What a judge accepted and what it rejected are two sets without labels whose positive shares theta+
and theta- a small gold sample gives. A scorer that is fitted on their risk can be better than the
verdicts that it learned from (Asano et al. 2025, arXiv 2502.12565; the risk: Lu et al. 2019, 2020).
"""

import warnings
from functools import partial
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..errors import Errors, LLMJudgeError, Warnings
from ..numeric import sigmoid
from .arrays import (
    MISSING,
    Denoised,
    Label,
    check_counts,
    check_positive,
    check_width,
    decode,
    prepare,
    take,
)
from .linear import make_folds
from .pools import PoolStats, estimate_pools
from .uu_risk import KINDS, Rates, fit_scorers, uu_coefficients


class _Round(NamedTuple):
    """One round: what was known, the scores of the items, a scorer for others, and its slope."""

    stats: List[PoolStats]
    scores: np.ndarray
    score: Callable[[np.ndarray], np.ndarray]
    slope: float
    carried: List[bool]


def refine_uu(
    features: Any,
    labels: Sequence[Optional[Label]],
    gold: Sequence[Optional[Label]],
    *,
    kind: str = "robust_uu",
    rounds: int = 1,
    min_gap: float = 0.1,
    strength: float = 5.0,
    level: float = 0.9,
    gamma: float = -0.001,
    hidden: int = 32,
    epochs: int = 30,
    batch: int = 128,
    learning_rate: float = 3e-3,
    groups: Optional[Sequence[Any]] = None,
    n_folds: int = 5,
    allow_missing: bool = False,
    seed: int = 0,
) -> Denoised:
    """Fit a scorer on the UU risk of the accepted and the rejected pool, and relabel out of fold.

    With two classes (verdicts True and False, say) the second one in the order of names is the
    positive one. With more, each class in turn is accepted where it is the label and rejected where
    it is not, its rates shrink towards those over all classes, and the likeliest class wins.

    The labels are returned even where they are worse on the gold than those that they were learned from,
    as the scorer knows something beside them; a warning says so. The gold gives nothing but the rates: it must be drawn at random, over all or inside the pools.
    Where theta+ - theta- is under `min_gap`, that is an error; where only the lower end of its
    interval is, the verdicts are kept, with a warning. With more classes this goes for the rates over
    all classes; a single class under `min_gap` is learned from its labels as they are, at the gold's
    prior, with a warning.

    features (array-like): Shape (n, d). They must not hold the verdict, nor what decided it.
    labels (Sequence[Optional[Label]]): Verdicts or noisy labels, shape (n,). None: no answer; such
        items take no part and are labelled in the end.
    gold (Sequence[Optional[Label]]): Gold of the sample, shape (n,), None for the rest.
    kind (str): "robust_uu", "uu" or "pn".
    rounds (int): How often to relabel. Half of the gold sets the rates of each further round, and the other
        half judges it: the round is dropped, and the refinement ends, where its class-balanced error is
        larger than that of the round before, where the gold does not carry it, or where that one left a
        pool empty. On features that stay as they are further rounds seldom help.
    min_gap (float): The least theta+ - theta-.
    strength (float): How many items the rates over all classes count for in those of a class.
    level (float): The mass of the interval of theta+ - theta-.
    gamma (float): The slope of the robust correction under 0.
    hidden (int): The width of the scorer's hidden layer.
    epochs (int): How often to go over the data; there are at least 100 batches.
    batch (int): Items in a batch, half from each pool.
    learning_rate (float): The step of Adam.
    groups (Optional[Sequence[Any]]): What must share a fold, such as the document, shape (n,).
    n_folds (int): How many folds; `predict` averages the scorers of all of them.
    allow_missing (bool): Whether there may be classes that no gold item has.
    seed (int): For folds, weights and batches.
    RETURNS (Denoised): Labels, probabilities, `predict`; the report holds the rates by round.
    RAISES (LLMJudgeError): On features, labels or gold that cannot carry it.

    >>> rng = np.random.default_rng(0)
    >>> truth = np.arange(400) % 2 == 0
    >>> x = np.where(truth, 1.0, -1.0)[:, None] + 0.5 * rng.normal(size=(400, 2))
    >>> verdicts = np.where(rng.random(400) < 0.3, ~truth, truth)
    >>> gold = [bool(t) if i < 100 else None for i, t in enumerate(truth)]
    >>> refined = refine_uu(x, verdicts, gold)
    >>> bool(np.mean(verdicts == truth) < 0.75 < 0.95 < np.mean(np.array(refined.labels) == truth))
    True
    """
    if kind not in KINDS:
        raise LLMJudgeError(Errors.J513.format(name="kind", found=kind, expected=KINDS))
    check_counts(rounds=rounds, hidden=hidden, epochs=epochs)
    check_counts(2, batch=batch)
    check_positive(min_gap=min_gap, learning_rate=learning_rate)
    matrix, codes, truth, classes = prepare(features, labels, gold, allow_missing=allow_missing)
    positives = [1] if len(classes) == 2 else list(range(len(classes)))
    folds = make_folds(codes, n_folds, seed, groups)
    weights = _sampling_weights(codes, truth)
    fit = partial(fit_scorers, kind=kind, gamma=gamma, hidden=hidden, epochs=epochs, batch=batch)
    fit = partial(fit, learning_rate=learning_rate, seed=seed)

    def refine(current: np.ndarray, gold_codes: np.ndarray) -> _Round:
        shrink = {"strength": strength, "level": level}
        stats = _estimate_all(current, gold_codes, classes, positives, weights, **shrink)
        n_gold = int((gold_codes != MISSING).sum())
        carried = _check_gaps(stats, classes, positives, min_gap, n_gold)
        return _fit_round(matrix, current, folds, stats, carried, positives, fit)

    done = refine(codes, truth)
    current = _relabel(done, codes)
    known = (truth != MISSING) & (codes != MISSING)
    before, after = (_gold_error(c, truth, known, weights) for c in (codes, current))
    if after > before:
        found = {"before": before, "after": after, "n": int(known.sum())}
        warnings.warn(Warnings.JW504.format(**found), stacklevel=2)
    history = [_describe(done, classes, positives, before, after)]
    # what sets the rates of a further round must not judge it as well
    rating, judging = _split_gold(codes, truth, seed, groups)
    for number in range(2, rounds + 1 if done.carried[0] else 2):
        try:
            found_now = refine(current, np.where(rating, truth, MISSING))
        except LLMJudgeError as error:
            _drop(number, str(error), history)
            break
        if not found_now.carried[0]:
            _drop(number, "the gold does not carry another one", history)
            break
        proposed = _relabel(found_now, current)
        before, after = (_gold_error(c, truth, judging, weights) for c in (current, proposed))
        if after > before:
            why = f"its class-balanced error is {after:.3f} on the gold that judges it, {before:.3f} before"
            _drop(number, why, history)
            break
        done, current = found_now, proposed
        history.append(_describe(done, classes, positives, before, after))
    return _finish(done, matrix, codes, classes, history, kind)


def _relabel(found: _Round, current: np.ndarray) -> np.ndarray:
    """The labels as they are returned: without evidence the verdicts stay."""
    return _choose(found) if found.carried[0] else current


def _gold_error(
    codes: np.ndarray, truth: np.ndarray, known: np.ndarray, weights: np.ndarray
) -> float:
    """The share of wrong labels where there is gold, the mean over the classes that the gold has."""
    errors = []
    for k in np.unique(truth[known]):
        inside = known & (truth == k)
        errors.append(float(np.average(codes[inside] != k, weights=weights[inside])))
    return float(np.mean(errors)) if errors else 0.0


def _split_gold(
    codes: np.ndarray, truth: np.ndarray, seed: int, groups: Optional[Sequence[Any]]
) -> Tuple[np.ndarray, np.ndarray]:
    """Two halves of the gold, each with about the same labels, shape (n,) both."""
    seen = np.flatnonzero((truth != MISSING) & (codes != MISSING))
    strata = codes[seen] * (truth.max() + 1) + truth[seen]
    halves = make_folds(strata, 2, seed, take(groups, seen))
    rating, judging = np.zeros((2, len(codes)), dtype=bool)
    rating[seen[halves == 0]], judging[seen[halves == 1]] = True, True
    return rating, judging


def _sampling_weights(codes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """One over the share of items with gold, by the label that they were drawn by."""
    weights = np.ones(len(codes))
    for code in np.unique(codes):
        inside = codes == code
        weights[inside] = inside.sum() / max(1, (inside & (truth != MISSING)).sum())
    return weights


def _estimate_all(
    codes: np.ndarray,
    truth: np.ndarray,
    classes: Sequence[Label],
    positives: List[int],
    weights: np.ndarray,
    strength: float,
    level: float,
) -> List[PoolStats]:
    """The rates over all, then those of each one-against-the-rest problem."""
    bits = [_bits(codes, k) for k in positives]
    for k, verdicts in zip(positives, bits):
        if len(positives) > 1 and True not in verdicts:
            raise LLMJudgeError(Errors.J506.format(pool=repr(classes[k]), n=len(codes)))
    stats = estimate_pools(
        [bit for verdicts in bits for bit in verdicts],
        [bit for k in positives for bit in _bits(truth, k)],
        [k for k in positives for _ in codes],
        weights=np.tile(weights, len(positives)).tolist(),
        strength=strength,
        level=level,
    )
    if len(positives) == 1:
        return [stats, stats]
    return [stats, *(stats.by_label[k] for k in positives)]


def _bits(codes: np.ndarray, k: int) -> List[Optional[bool]]:
    return [None if c == MISSING else bool(c == k) for c in codes]


def _check_gaps(
    stats: List[PoolStats],
    classes: Sequence[Label],
    positives: List[int],
    min_gap: float,
    n_gold: int,
) -> List[bool]:
    """Which problems the evidence carries, after whether it carries any; warns of the others."""
    if stats[0].gap.value < min_gap:
        pos, neg = stats[0].theta_pos.value, stats[0].theta_neg.value
        raise LLMJudgeError(Errors.J511.format(pos=pos, neg=neg, gap=min_gap, n=n_gold))
    enough = stats[0].gap.low >= min_gap
    carried = [enough] + [enough and stat.gap.value >= min_gap for stat in stats[1:]]
    names = ["the verdicts"] + [repr(classes[k]) for k in positives]
    missing = [(name, s) for name, s, good in zip(names, stats, carried) if not good]
    for name, stat in missing if enough else missing[:1]:
        found = dict(gap=stat.gap.value, low=stat.gap.low, n=n_gold, least=min_gap)
        warnings.warn(Warnings.JW500.format(label=name, **found), stacklevel=3)
    return carried


def _fit_round(
    matrix: np.ndarray,
    codes: np.ndarray,
    folds: np.ndarray,
    stats: List[PoolStats],
    carried: List[bool],
    positives: List[int],
    fit: Callable[..., Callable[[np.ndarray], np.ndarray]],
) -> _Round:
    """Fit a scorer for each problem and fold; score each item with the one that has not seen it."""
    n_folds = int(folds.max()) + 1
    rates = [
        Rates(s.theta_pos.value if good else 1.0, s.theta_neg.value if good else 0.0, s.prior.value)
        for s, good in zip(stats[1:], carried[1:])
    ]
    accepted = np.stack([codes == k for k in positives for _ in range(n_folds)])
    train = np.stack([(folds != f) & (codes != MISSING) for _ in positives for f in range(n_folds)])
    for row, inside in zip(accepted, train):
        if not (row & inside).any() or not (~row & inside).any():
            raise LLMJudgeError(Errors.J506.format(pool="training part of a", n=len(codes)))
    score = fit(matrix, accepted, train, [r for r in rates for _ in range(n_folds)])

    def mean_score(new: np.ndarray) -> np.ndarray:
        return score(new).reshape(len(positives), n_folds, -1).mean(axis=1)

    inside = score(matrix).reshape(len(positives), n_folds, -1)
    outside = inside[:, folds, np.arange(len(codes))]
    pools = [
        (scores[codes == k], scores[(codes != k) & (codes != MISSING)])
        for scores, k in zip(outside, positives)
    ]
    return _Round(stats, outside, mean_score, fit_slope(pools, rates), carried)


def fit_slope(pools: List[Tuple[np.ndarray, np.ndarray]], rates: List[Rates]) -> float:
    """The slope that turns scores into probabilities: the one of the least UU log-loss.

    It is the risk of `uu_risk` with l(z) = log(1 + exp(-z)) at z = slope g, summed over problems; an
    offset would move the decision away from g = 0, which the risk was minimised for. A small ridge
    keeps the slope bounded where the scores tell nothing.

    pools (List[Tuple[np.ndarray, np.ndarray]]): Scores g of the accepted and the rejected, a pair of
        arrays of any length for each problem.
    rates (List[Rates]): theta+, theta- and the prior of each problem.
    RETURNS (float): The slope, in units of 1 / score; P(positive) = sigmoid(slope g).

    >>> slope = fit_slope([(np.array([2.0, 2.0, -2.0]), np.array([-2.0, -2.0, 2.0]))], [Rates(0.9, 0.1, 0.5)])
    >>> 0 < slope < 2
    True
    """
    from scipy.optimize import minimize_scalar

    spread = max(float(np.std(np.concatenate([g for pair in pools for g in pair]))), 1e-6)
    weighed = [(u / spread, v / spread, uu_coefficients(r)) for (u, v), r in zip(pools, rates)]

    def risk(slope: float) -> float:
        total = 0.01 * (slope - 1) ** 2
        for u, v, (a, b, c, d) in weighed:
            total += a * np.logaddexp(0, -slope * u).mean() - c * np.logaddexp(0, -slope * v).mean()
            total += d * np.logaddexp(0, slope * v).mean() - b * np.logaddexp(0, slope * u).mean()
        return float(total)

    return float(minimize_scalar(risk, bounds=(0.05, 8.0), method="bounded").x) / spread


def _probabilities(scores: np.ndarray, slope: float) -> np.ndarray:
    """From scores, shape (problems, n), to P(class | item), shape (n, C)."""
    p = sigmoid(np.clip(slope * scores, -30, 30))
    if len(p) == 1:
        return np.stack([1 - p[0], p[0]], axis=1)
    return (p / p.sum(axis=0)).T


def _choose(found: _Round) -> np.ndarray:
    if len(found.scores) == 1:
        return (found.scores[0] > 0).astype("int64")
    return found.scores.argmax(axis=0)


def _drop(number: int, why: str, history: List[Dict[str, Any]]) -> None:
    warnings.warn(Warnings.JW502.format(round=number, why=why), stacklevel=3)
    history.append({"dropped": why})


def _describe(
    found: _Round, classes: Sequence[Label], positives: List[int], before: float, after: float
) -> Dict[str, Any]:
    rates = {
        str(classes[k]): {**stat.to_dict(), "carried": good}
        for stat, k, good in zip(found.stats[1:], positives, found.carried[1:])
    }
    return {"rates": rates, "gold_error_before": before, "gold_error_after": after}


def _finish(
    done: _Round,
    matrix: np.ndarray,
    codes: np.ndarray,
    classes: Tuple[Label, ...],
    history: List[Dict[str, Any]],
    kind: str,
) -> Denoised:
    probabilities = _probabilities(done.scores, done.slope)
    chosen = _choose(done)
    if not done.carried[0]:
        judged = codes != MISSING
        probabilities[judged] = _of_verdicts(codes, done.stats, len(classes))[judged]
        chosen = np.where(judged, codes, chosen)

    def predict(new: Any) -> np.ndarray:
        return _probabilities(done.score(check_width(new, matrix.shape[1])), done.slope)

    report = {"method": kind, "rounds": history, "carried": done.carried[0]}
    return Denoised(decode(chosen, classes), probabilities, classes, predict, report)


def _of_verdicts(codes: np.ndarray, stats: List[PoolStats], n_classes: int) -> np.ndarray:
    """What the verdict alone says: the positive share of the pool that each item is in."""
    if n_classes == 2:
        p = np.where(codes == 1, stats[1].theta_pos.value, stats[1].theta_neg.value)
        return np.stack([1 - p, p], axis=1)
    right = np.array([stat.theta_pos.value for stat in stats[1:]])[codes]
    out = np.repeat((1 - right)[:, None] / (n_classes - 1), n_classes, axis=1)
    out[np.arange(len(codes)), codes] = right
    return out
