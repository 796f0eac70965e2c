"""How good a judge's verdicts are: the share of positives in its two pools.

A judge splits candidates into an accepted and a rejected pool. Three numbers describe the split:
theta+ (the positive share of the accepted pool), theta- (that of the rejected pool) and the prior.
They are estimated from gold that was drawn at random inside each pool. Gold that was balanced over
the true classes gives other numbers: TPR / (TPR + FPR) is not theta+ unless half of all is positive.
"""

from dataclasses import asdict, dataclass, field
from math import sqrt
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import Errors, LLMJudgeError
from .arrays import MISSING, Label, check_counts, clean_labels


@dataclass(frozen=True)
class Rate:
    """A share with its interval. `n` (float): The gold items behind it, without shrinkage."""

    value: float
    low: float
    high: float
    n: float


@dataclass(frozen=True)
class PoolStats:
    """What is known about an accepted and a rejected pool.

    theta_pos (Rate): The share of positives among the accepted.
    theta_neg (Rate): The share of positives among the rejected.
    prior (Rate): The share of positives among all.
    gap (Rate): theta_pos - theta_neg; what can be learned from the pools is proportional to it.
    accepted (float): The share of accepted items.
    by_label (Dict[Label, PoolStats]): The same by label, shrunk towards the numbers over all.
    """

    theta_pos: Rate
    theta_neg: Rate
    prior: Rate
    gap: Rate
    accepted: float
    by_label: Dict[Label, "PoolStats"] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        data = asdict(self)
        data["by_label"] = {str(k): v.to_dict() for k, v in self.by_label.items()}
        return data


def estimate_rate(
    positives: float, n: float, *, centre: float = 0.5, strength: float = 1.0, level: float = 0.95
) -> Rate:
    """Estimate a share from a sample, with a Beta prior.

    positives (float): Positive items in the sample, 0 to n.
    n (float): The size of the sample.
    centre (float): The mean of the prior, 0 to 1.
    strength (float): The prior's weight in items; 1 at centre .5 is Jeffreys' prior.
    level (float): The mass of the interval, equal tails.
    RETURNS (Rate): The posterior mean and interval.

    >>> rate = estimate_rate(9, 10)
    >>> round(rate.value, 3), round(rate.low, 3), round(rate.high, 3)
    (0.864, 0.619, 0.989)
    """
    from scipy.stats import beta

    a = positives + strength * centre
    b = n - positives + strength * (1 - centre)
    low, high = beta.ppf([(1 - level) / 2, (1 + level) / 2], max(a, 1e-9), max(b, 1e-9))
    return Rate(float(a / (a + b)), float(low), float(high), float(n))


def _combine(pos: Rate, neg: Rate, w_pos: float, w_neg: float) -> Rate:
    """An interval for w_pos * pos + w_neg * neg of two independent rates.

    Zou and Donner (2008): the limits of the parts are combined as if they were standard errors.
    """
    parts = [(w_pos, pos), (w_neg, neg)]
    value = sum(w * rate.value for w, rate in parts)
    down = [w * (r.value - r.low) if w > 0 else w * (r.value - r.high) for w, r in parts]
    up = [w * (r.high - r.value) if w > 0 else w * (r.low - r.value) for w, r in parts]
    low, high = value - sqrt(sum(x * x for x in down)), value + sqrt(sum(x * x for x in up))
    return Rate(value, low, high, pos.n + neg.n)


def _estimate(
    accepted: np.ndarray,
    gold: np.ndarray,
    weights: np.ndarray,
    level: float,
    centres: Tuple[float, float] = (0.5, 0.5),
    strength: float = 1.0,
) -> PoolStats:
    rates = []
    for verdict, centre in zip((1, 0), centres):
        inside = (accepted == verdict) & (gold != MISSING)
        w = weights[inside]
        n = float(w.sum() ** 2 / (w**2).sum()) if inside.any() else 0.0
        share = float((w * gold[inside]).sum() / w.sum()) if inside.any() else 0.0
        rates.append(estimate_rate(share * n, n, centre=centre, strength=strength, level=level))
    judged = accepted != MISSING
    share = float((accepted == 1).sum() / max(1, judged.sum()))
    prior = _combine(rates[0], rates[1], share, 1 - share)
    return PoolStats(rates[0], rates[1], prior, _combine(rates[0], rates[1], 1.0, -1.0), share)


def estimate_pools(
    accepted: Sequence[Optional[bool]],
    gold: Sequence[Optional[bool]],
    labels: Optional[Sequence[Label]] = None,
    *,
    weights: Optional[Sequence[float]] = None,
    strength: float = 10.0,
    level: float = 0.95,
) -> PoolStats:
    """Estimate theta+, theta- and the prior from gold that was drawn at random in both pools.

    theta+ = (k1 + .5) / (n1 + 1), theta- = (k0 + .5) / (n0 + 1), prior = w theta+ + (1 - w) theta-
    with w the share of accepted items. By label, (k + m theta) / (n + m) with m the strength.

    accepted (Sequence[Optional[bool]]): The judge's verdicts, shape (n,). None: it abstained.
    gold (Sequence[Optional[bool]]): Whether the item is right, shape (n,). None: nobody looked.
    labels (Optional[Sequence[Label]]): A label for each item, shape (n,), to estimate by label too.
    weights (Optional[Sequence[float]]): One over the share of items that were looked at, shape (n,),
        where that share differs inside a pool.
    strength (float): How many items the numbers over all count for in those of a label.
    level (float): The mass of the intervals.
    RETURNS (PoolStats): The estimates with intervals.
    RAISES (LLMJudgeError): Where a pool is empty or holds no gold.

    >>> accepted = [True] * 10 + [False] * 10
    >>> gold = [True] * 9 + [False] + [True] * 2 + [False] * 8
    >>> stats = estimate_pools(accepted, gold)
    >>> [round(r.value, 3) for r in (stats.theta_pos, stats.theta_neg, stats.prior, stats.gap)]
    [0.864, 0.227, 0.545, 0.636]
    """
    verdicts = _as_bits(accepted, "verdicts")
    truth = _as_bits(gold, "gold")
    if len(truth) != len(verdicts):
        raise LLMJudgeError(Errors.J504.format(n_gold=len(truth), n=len(verdicts)))
    weight = np.ones(len(verdicts)) if weights is None else np.asarray(weights, dtype=float)
    if weight.shape != verdicts.shape or not ((weight > 0) & np.isfinite(weight)).all():
        expected = f"a number over 0 for each of {len(verdicts)} items"
        raise LLMJudgeError(
            Errors.J513.format(
                name="weights", found=f"of shape {weight.shape}, or holds others", expected=expected
            )
        )
    if labels is not None and len(labels) != len(verdicts):
        expected = f"one for each of {len(verdicts)} items"
        raise LLMJudgeError(
            Errors.J513.format(name="labels", found=f"of length {len(labels)}", expected=expected)
        )
    for verdict, name in ((1, "accepted"), (0, "rejected")):
        if not (verdicts == verdict).any():
            raise LLMJudgeError(Errors.J506.format(pool=name, n=len(verdicts)))
        if not ((verdicts == verdict) & (truth != MISSING)).any():
            raise LLMJudgeError(Errors.J507.format(pool=name))
    stats = _estimate(verdicts, truth, weight, level)
    if labels is None:
        return stats
    centres = (stats.theta_pos.value, stats.theta_neg.value)
    names = np.array([str(label) for label in labels])
    by_label = {
        label: _estimate(
            np.where(names == str(label), verdicts, MISSING),
            truth,
            weight,
            level,
            centres,
            strength,
        )
        for label in sorted(set(labels), key=str)
    }
    return PoolStats(
        stats.theta_pos, stats.theta_neg, stats.prior, stats.gap, stats.accepted, by_label
    )


def sample_pools(accepted: Sequence[Optional[bool]], n: int, seed: int = 0) -> List[int]:
    """Choose the items to label by hand: half from each pool, at random inside the pool.

    accepted (Sequence[Optional[bool]]): The judge's verdicts, shape (N,).
    n (int): How many items; a pool that is too small gives all that it has.
    seed (int): For the draw.
    RETURNS (List[int]): The items, in their order.

    >>> sample_pools([True, False, True, False, None], 4, seed=0)
    [0, 1, 2, 3]
    """
    check_counts(0, n=n)
    verdicts = _as_bits(accepted, "verdicts")
    rng = np.random.default_rng(seed)
    chosen: List[int] = []
    for verdict, size in ((1, n - n // 2), (0, n // 2)):
        pool = np.flatnonzero(verdicts == verdict)
        chosen.extend(rng.choice(pool, min(size, len(pool)), replace=False).tolist())
    return sorted(chosen)


def _as_bits(values: Sequence[Optional[bool]], what: str) -> np.ndarray:
    cleaned = clean_labels(values, what)
    wrong = [v for v in cleaned if v is not None and v not in (True, False)]
    if wrong:
        raise LLMJudgeError(Errors.J508.format(what=what, found=repr(wrong[0])))
    return np.array([MISSING if v is None else int(bool(v)) for v in cleaned], dtype="int64")
