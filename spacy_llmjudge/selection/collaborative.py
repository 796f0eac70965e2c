"""Collaborative selection: the filter of LLM-judged self-training, as we read its summary.

    s = w p~ + (1 - w) c~

with the judge's support p and the student's confidence c, both smoothed with the help of held-out
candidates, and the weight w from the accuracies of the two. It only filters what the student
predicted, and it promises nothing.
"""

from dataclasses import dataclass, replace
from typing import Callable, ClassVar, Dict, Optional, Tuple

import numpy as np

from ..errors import Errors, LLMJudgeError
from ..numeric import calibration_error, logit, safe_logit, sigmoid
from .fusion import LEAST_SUPPORT, clip_student, fit_fusion
from .selector import Scores, Selection, Selector, check_share
from .statements import state_hand_set
from .table import CandidateTable

Smoothing = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Collaborative(Selector):
    """See `make_collaborative`."""

    tau: float = 0.9
    smoothing: str = "temperature"
    unit: str = "span"
    weight: Optional[float] = None

    name: ClassVar[str] = "llmjudge.Collaborative.v1"
    uses_proposals: ClassVar[bool] = False

    def score(self, pool: CandidateTable, evidence: CandidateTable, n_folds: int = 5) -> Scores:
        combine = fit_combination(evidence, SMOOTHINGS[self.smoothing], self.weight)
        return Scores(_of_predicted(combine, pool), _of_predicted(combine, evidence))

    def score_unjudged(self, hidden: CandidateTable, evidence: CandidateTable) -> np.ndarray:
        return _of_predicted(
            fit_combination(evidence, SMOOTHINGS[self.smoothing], self.weight), hidden
        )

    def select(self, pool: CandidateTable, evidence: CandidateTable) -> Selection:
        accepted = pool.probability >= self.tau
        documents = None
        if self.unit == "sentence":
            failing = pool.document[pool.predicted & ~accepted]
            documents = ~np.isin(np.arange(len(pool.texts)), failing)
            accepted = accepted & documents[pool.document]
        selection = state_hand_set(pool, evidence, accepted, self.tau)
        return replace(selection, documents=documents)


def _of_predicted(combine: "Combination", table: CandidateTable) -> np.ndarray:
    return np.where(table.predicted, np.round(combine(table), 6), 0.0)


def make_collaborative(
    tau: float = 0.9,
    smoothing: str = "temperature",
    unit: str = "span",
    weight: Optional[float] = None,
) -> Selector:
    """Keep the student's predictions on which student and judge together are sure.

    tau (float): The least combined score.
    smoothing (str): "temperature": the temperature that minimises the calibration error of a source;
        "base_rate": each source is shrunk to its base rate by its calibration error; "none".
    unit (str): "span": each on its own; "sentence": a document is used where all pass, or not at all.
    weight (Optional[float]): Of the judge; None: by the accuracies of the two.
    RETURNS (Selector): Promises nothing.
    """
    check_share("tau", tau)
    if weight is not None:
        check_share("weight", weight)
    _check_choice("smoothing", smoothing, sorted(SMOOTHINGS))
    _check_choice("unit", unit, ["sentence", "span"])
    return Collaborative(tau, smoothing, unit, weight)


@dataclass(frozen=True)
class Combination:
    """The combined score of two smoothed sources. Where no judge answered it is the student's."""

    student: Smoothing
    judge: Smoothing
    weight: float
    support: Callable[[CandidateTable], np.ndarray]

    def __call__(self, table: CandidateTable) -> np.ndarray:
        confidence = self.student(clip_student(table))
        support = self.support(table)
        judged = ~np.isnan(support)
        support = self.judge(np.where(judged, support, 0.5))
        combined = self.weight * support + (1 - self.weight) * confidence
        return np.where(judged, combined, confidence)


def fit_combination(
    evidence: CandidateTable,
    smooth: Callable[[np.ndarray, np.ndarray], Smoothing],
    weight: Optional[float] = None,
) -> Combination:
    """Fit both smoothings and the weight on held-out predictions.

    evidence (CandidateTable): Candidates with `correct`; those that were predicted count.
    smooth (Callable): From scores and truth to a smoothing.
    weight (Optional[float]): The weight of the judge, where it is set.
    RETURNS (Combination): Unsmoothed and even where nothing was held out.
    """
    support = fit_fusion(evidence).support
    predicted = evidence.take(evidence.predicted)
    judged = predicted.take(predicted.judged)
    student: Smoothing = _identity
    judge: Smoothing = _identity
    if len(predicted):
        student = smooth(clip_student(predicted), predicted.correct)
    if len(judged):
        judge = smooth(support(judged), judged.correct)
    if weight is None and len(judged):
        agrees = [
            (smoothed >= 0.5) == judged.correct
            for smoothed in (student(clip_student(judged)), judge(support(judged)))
        ]
        weight = float(agrees[1].sum() / max(agrees[0].sum() + agrees[1].sum(), 1))
    return Combination(student, judge, 0.5 if weight is None else weight, support)


def smooth_by_temperature(probability: np.ndarray, correct: np.ndarray) -> Smoothing:
    """RETURNS (Smoothing): The temperature of a fixed grid with the least calibration error."""
    temperatures = np.round(np.geomspace(0.25, 4, 33), 6).tolist()

    def error(temperature: float) -> Tuple[float, float]:
        scaled = sigmoid(logit(probability) / temperature)
        found = round(calibration_error(scaled, correct), 9)
        return (found, abs(np.log(temperature)))

    best = min(temperatures, key=error)
    return lambda p: sigmoid(safe_logit(p, LEAST_SUPPORT) / best)


def smooth_by_base_rate(probability: np.ndarray, correct: np.ndarray) -> Smoothing:
    """RETURNS (Smoothing): Shrinks to the share of correct by the calibration error."""
    error, rate = calibration_error(probability, correct), float(correct.mean())
    return lambda p: (1 - error) * p + error * rate


def _smooth_nothing(probability: np.ndarray, correct: np.ndarray) -> Smoothing:
    return _identity


def _identity(p: np.ndarray) -> np.ndarray:
    return p


SMOOTHINGS: Dict[str, Callable[[np.ndarray, np.ndarray], Smoothing]] = {
    "temperature": smooth_by_temperature,
    "base_rate": smooth_by_base_rate,
    "none": _smooth_nothing,
}


def _check_choice(name: str, value: str, choices: list) -> None:
    if value not in choices:
        raise LLMJudgeError(Errors.J404.format(name=name, value=value, choices=choices))
