"""One probability from two: the student's confidence and the judge's support.

    p = sigmoid(b_source + d_label + w_student logit(confidence) + w_judge logit(support)
                + w_likelihood (logit(likelihood) - its mean))

fitted on held-out candidates by maximum likelihood with a Gaussian prior around (0, 0, .5, .5, 0), the
equal pool of both, and weights that are never negative. The last term is there where the judge's model
gave log-probabilities of what it listed. Where a panel of k models judged, each has a weight of its own, around
.5 / k: logit(support) is then their weighted mean. The intercept takes away a judge's
yes-bias, which no temperature can.
"""

from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from ..candidates import CANDIDATE_CUT, RATE_AGREED, RATE_REFUSED, VERDICTS
from ..numeric import log_loss, logit, safe_logit, sigmoid
from .table import CORRECT, CandidateTable

FLOOR = CANDIDATE_CUT  # what only the judge saw lies there
CEILING = 0.98
LEAST_SUPPORT = 0.005
# Precisions of the prior: how many quarters of an observation each parameter is worth.
PRECISION_INTERCEPT = 0.5
PRECISION_WEIGHT = 2.0
PRECISION_LABEL = 4.0
MIN_FIT = 30
MIN_CLASS = 5
MIN_VERDICT = 20
DECIMALS = 6


@dataclass(frozen=True)
class Fusion:
    """A fitted fusion.

    mode (str): "fitted", or where there was too little evidence "judge", "student" or "equal".
    n (int): How many held-out candidates it was fitted on.
    n_correct (int): How many of them are right.
    intercept (float): For the student's own candidates.
    intercept_proposed (float): For those that only the judge saw.
    weight_student (float): Of the logit of the student's confidence.
    weight_judge (float): Of the logit of the judge's support.
    offsets (Dict[str, float]): By label, around the common intercept.
    rates (Dict[str, float]): Support by verdict, where the judge named no number.
    weight_likelihood (float): Of the logit of the likelihood of what the judge listed.
    mean_likelihood (float): That logit on the average, which stands where there is none.
    shares (Dict[str, float]): By model of a panel, its share of `weight_judge`; empty for equal ones.
    rates_by_model (Dict[str, Dict[str, float]]): `rates` of each model of a panel.
    """

    mode: str = "equal"
    n: int = 0
    n_correct: int = 0
    intercept: float = 0.0
    intercept_proposed: float = 0.0
    weight_student: float = 0.5
    weight_judge: float = 0.5
    offsets: Dict[str, float] = field(default_factory=dict)
    rates: Dict[str, float] = field(default_factory=dict)
    weight_likelihood: float = 0.0
    mean_likelihood: float = 0.0
    shares: Dict[str, float] = field(default_factory=dict)
    rates_by_model: Dict[str, Dict[str, float]] = field(default_factory=dict)

    def support(self, table: CandidateTable) -> np.ndarray:
        """RETURNS (np.ndarray): (n,) the judge's support with its gaps filled by the rate of the
        verdict; nan where no judge answered. Of a panel the mean of the log-odds, by share."""
        if table.opinions is None:
            return _fill(table, self.rates)
        shares = np.array([self.shares.get(model, 0.0) for model in table.models])
        if not shares.any():
            shares = np.ones(len(shares))
        return sigmoid(self.odds(table) @ shares / shares.sum())

    def odds(self, table: CandidateTable) -> np.ndarray:
        """RETURNS (np.ndarray): (n, k) the logit of the support of each model of a panel; of one that does not count,
        the mean of the others, so that it changes nothing between them."""
        said = [
            _fill(table.member(model), self.rates_by_model.get(model, {})) for model in table.models
        ]
        odds = logit(np.column_stack(said))
        counts = ~np.isnan(odds)
        mean = np.nan_to_num(odds).sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
        # What another judge answered alone.
        mean = np.where(counts.any(axis=1), mean, logit(_fill(table, self.rates)))
        return np.where(counts, odds, mean[:, None])

    def surplus(self, table: CandidateTable) -> np.ndarray:
        """RETURNS (np.ndarray): (n,) by how much the logit of the likelihood is above its mean; 0 where
        there is none."""
        if table.likelihood is None:
            return np.zeros(len(table))
        return np.nan_to_num(
            safe_logit(table.likelihood, LEAST_SUPPORT) - self.mean_likelihood, nan=0.0
        )

    def predict(self, table: CandidateTable) -> np.ndarray:
        """Fuse.

        table (CandidateTable): n candidates.
        RETURNS (np.ndarray): (n,) probabilities, rounded so that no platform's last digit can change
            a selection. Where no judge answered, the student's confidence.
        """
        student, support = clip_student(table), self.support(table)
        judged = ~np.isnan(support)
        support = np.where(judged, support, 0.5)
        if self.mode == "judge":
            fused = support
        elif self.mode == "student":
            fused = student
        else:
            offsets = np.array([self.offsets.get(name, 0.0) for name in table.labels])
            linear = np.where(table.proposed, self.intercept_proposed, self.intercept)
            if len(table):
                linear = linear + offsets[table.label]
            linear = linear + self.weight_student * logit(student)
            linear = linear + self.weight_likelihood * self.surplus(table)
            fused = sigmoid(linear + self.weight_judge * logit(support))
        return np.round(np.where(judged, fused, student), DECIMALS)

    def to_dict(self) -> Dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "Fusion":
        return cls(**data)


def fit_fusion(table: Optional[CandidateTable]) -> Fusion:
    """Fit the fusion on held-out candidates.

    With fewer than 30 judged candidates, or fewer than 5 right or 5 wrong ones, nothing is fitted:
    the one of judge alone, student alone and their equal pool is taken that has the lowest
    log-loss on them. Without any it is the equal pool.

    table (Optional[CandidateTable]): Candidates with `correct`, of documents that nothing which
        made their scores has seen.
    RETURNS (Fusion): The same for every order of the rows.
    """
    if table is None or not table.judged.any():
        return Fusion()
    table = table.take(table.judged)
    correct = table.correct
    fusion = Fusion(
        n=len(table),
        n_correct=int(correct.sum()),
        rates=_verdict_rates(table),
        mean_likelihood=_mean_likelihood(table),
        rates_by_model={model: _verdict_rates(table.member(model)) for model in table.models},
    )
    if len(table) < MIN_FIT or min(correct.sum(), (~correct).sum()) < MIN_CLASS:
        return _fall_back(table, fusion)
    design, start, precision = _design(table, fusion)
    # Sums of the same numbers in another order differ in their last digits: sort the rows.
    order = np.lexsort(np.column_stack([design, correct]).T)
    n_judges = max(len(table.models), 1)
    n_weights = 1 + n_judges + (table.likelihood is not None)
    fitted = maximise(design[order], correct[order].astype("float64"), start, precision, n_weights)
    weights, rest = np.split(np.round(fitted, DECIMALS), [n_weights])
    student, judges, likelihood = np.split(weights, [1, 1 + n_judges])
    total = round(float(judges.sum()), DECIMALS)
    shares = np.round(judges / total, DECIMALS) if total else judges
    return replace(
        fusion,
        mode="fitted",
        weight_student=float(student[0]),
        weight_judge=total,
        weight_likelihood=float(likelihood.sum()),
        shares=dict(zip(table.models, shares.tolist())),
        intercept=float(rest[0]),
        intercept_proposed=float(rest[1]),
        offsets=dict(zip(table.labels, rest[2:].tolist())),
    )


class Fused(NamedTuple):
    """Both tables, fused.

    fusion (Fusion): Fitted on all held-out candidates.
    pool (np.ndarray): (m,) probabilities by it.
    evidence (np.ndarray): (n,) probabilities, each by a fusion that has not seen the document.
    support (np.ndarray): (n,) the judge's support, its gaps filled by the same fusions.
    """

    fusion: Fusion
    pool: np.ndarray
    evidence: np.ndarray
    support: np.ndarray


def fuse(pool: CandidateTable, evidence: CandidateTable, n_folds: int = 5) -> Fused:
    """Fuse the pool, and the held-out candidates out of fold.

    pool (CandidateTable): m candidates.
    evidence (CandidateTable): n candidates with `correct`.
    n_folds (int): Documents are dealt out by their text, so duplicates share a fold.
    RETURNS (Fused): The probabilities.
    """
    fusion = fit_fusion(evidence)
    return Fused(fusion, fusion.predict(pool), *cross_fit(evidence, n_folds))


def cross_fit(table: CandidateTable, n_folds: int = 5) -> Tuple[np.ndarray, np.ndarray]:
    """Score every fold of held-out candidates with the fusion of the other folds.

    table (CandidateTable): n candidates with `correct`.
    n_folds (int): Documents are dealt out by their text, so duplicates share a fold.
    RETURNS (Tuple[np.ndarray, np.ndarray]): (n,) probabilities, and (n,) the judge's support with its
        gaps filled.
    """
    folds = table.folds(n_folds)
    fused, support = np.zeros(len(table)), np.zeros(len(table))
    for fold in range(n_folds):
        rows = folds == fold
        if rows.any():
            fusion, held_out = fit_fusion(table.take(~rows)), table.take(rows)
            fused[rows], support[rows] = fusion.predict(held_out), fusion.support(held_out)
    return fused, support


def clip_student(table: CandidateTable) -> np.ndarray:
    """RETURNS (np.ndarray): (n,) the student's confidence within (FLOOR, CEILING). What only the
    judge saw lies at the floor; what has no posterior for another reason is even."""
    missing = np.where(table.proposed, FLOOR, 0.5)
    student = np.where(np.isnan(table.student), missing, table.student)
    return np.clip(student, FLOOR, CEILING)


def _fill(table: CandidateTable, rates: Dict[str, float]) -> np.ndarray:
    """(n,) the support of one judge, its gaps filled by the rates of its verdicts; nan where it did not answer."""
    default = [RATE_AGREED if verdict == "correct" else RATE_REFUSED for verdict in VERDICTS]
    filling = np.array([rates.get(name, rate) for name, rate in zip(VERDICTS, default)])
    filled = np.where(np.isnan(table.support), filling[table.verdict], table.support)
    filled = np.clip(filled, LEAST_SUPPORT, 1 - LEAST_SUPPORT)
    return np.where(table.judged, filled, np.nan)


def _verdict_rates(table: CandidateTable) -> Dict[str, float]:
    """How often a candidate is right whose verdict came without a number. Verdicts against a
    candidate are pooled where there are few of each."""
    bare = table.judged & np.isnan(table.support)
    rates = {}
    for verdict, name in enumerate(VERDICTS):
        if name == "abstained":
            continue
        rows = bare & (table.verdict == verdict)
        if name != "correct" and rows.sum() < MIN_VERDICT:
            rows = bare & (table.verdict != CORRECT)
        if rows.any():
            right = table.correct[rows].sum()
            rates[name] = round(float((right + 0.5) / (rows.sum() + 1)), DECIMALS)
    return rates


def _mean_likelihood(table: CandidateTable) -> float:
    if table.likelihood is None or np.isnan(table.likelihood).all():
        return 0.0
    # sorted, as sums of the same numbers in another order differ in their last digits
    known = np.sort(table.likelihood[~np.isnan(table.likelihood)])
    return round(float(safe_logit(known, LEAST_SUPPORT).mean()), DECIMALS)


def _fall_back(table: CandidateTable, fusion: Fusion) -> Fusion:
    def loss(mode: str) -> float:
        candidate = replace(fusion, mode=mode)
        return round(log_loss(candidate.predict(table), table.correct, LEAST_SUPPORT), DECIMALS)

    mode = min(("equal", "judge", "student"), key=loss)
    return replace(fusion, mode=mode)


def _design(table: CandidateTable, fusion: Fusion) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    weighed = [(logit(clip_student(table)), 0.5)]
    if table.opinions is None:
        weighed.append((logit(fusion.support(table)), 0.5))
    else:
        weighed += [(column, 0.5 / len(table.models)) for column in fusion.odds(table).T]
    if table.likelihood is not None:
        weighed.append((fusion.surplus(table), 0.0))
    columns = [column for column, _ in weighed] + [~table.proposed, table.proposed]
    columns += [table.label == code for code in range(len(table.labels))]
    n_labels = len(table.labels)
    start = np.array([prior for _, prior in weighed] + [0.0] * (2 + n_labels))
    precision = np.array(
        [PRECISION_WEIGHT] * len(weighed) + [PRECISION_INTERCEPT] * 2 + [PRECISION_LABEL] * n_labels
    )
    return np.column_stack(columns).astype("float64"), start, precision


def maximise(
    design: np.ndarray,
    correct: np.ndarray,
    prior: np.ndarray,
    precision: np.ndarray,
    n_weights: int = 2,
) -> np.ndarray:
    """The posterior mode with the first parameters, the weights, not negative. The problem is convex:
    where the free mode is feasible it is the solution, and else the best feasible one of those that
    hold some of them at zero."""
    solutions: List[Tuple[float, np.ndarray]] = []
    for free_weights in product((True, False), repeat=n_weights):
        free = np.array(list(free_weights) + [True] * (len(prior) - n_weights))
        beta = np.where(free, prior, 0.0)
        beta[free] = _newton(design[:, free], correct, prior[free], precision[free], beta[free])
        if (beta[:n_weights] >= 0).all():
            if free.all():
                return beta
            solutions.append((_objective(design, correct, prior, precision, beta), beta))
    return min(solutions, key=lambda solution: solution[0])[1]


def _newton(
    design: np.ndarray,
    correct: np.ndarray,
    prior: np.ndarray,
    precision: np.ndarray,
    beta: np.ndarray,
) -> np.ndarray:
    value = _objective(design, correct, prior, precision, beta)
    for _ in range(100):
        p = sigmoid(design @ beta)
        gradient = design.T @ (p - correct) + precision * (beta - prior)
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-8:
            proposal = beta - size * step
            lower = _objective(design, correct, prior, precision, proposal)
            if lower <= value:
                break
            size /= 2
        else:
            return beta
        beta, value = proposal, lower
        if np.abs(size * step).max() < 1e-10:
            return beta
    return beta


def _objective(
    design: np.ndarray,
    correct: np.ndarray,
    prior: np.ndarray,
    precision: np.ndarray,
    beta: np.ndarray,
) -> float:
    linear = design @ beta
    loss = np.logaddexp(0.0, linear) - correct * linear
    return float(loss.sum() + 0.5 * (precision * (beta - prior) ** 2).sum())
