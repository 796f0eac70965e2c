"""Calibrators: small monotone maps from a posterior to a confidence, fitted on held-out gold.

Each has `fit(scores, correct)`, is callable, and writes itself as JSON. With little evidence they
stay near the identity: Platt, temperature and isotonic also see a few pseudo-observations that lie
on it, which makes one class or no data at all safe, and keeps 0 and 1 out of reach.
"""

from typing import Any, Dict, Sequence, Tuple, Union

import numpy as np
from catalogue import RegistryError

from ..errors import Errors, LLMJudgeError
from ..numeric import safe_logit, sigmoid
from ..registries import calibrators

EPSILON = 1e-6
PRIOR_SCORES = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
PRIOR_WEIGHT = 8.0


class Platt:
    """sigmoid(slope * logit(p) + intercept), by logistic regression.

    Platt, 1999, "Probabilistic outputs for support vector machines", with slope >= 0.
    """

    type = "llmjudge.Platt.v1"

    def __init__(self, slope: float = 1.0, intercept: float = 0.0) -> None:
        self.slope = slope
        self.intercept = intercept

    def fit(self, scores: Sequence[float], correct: Sequence[bool]) -> "Platt":
        """scores and correct have shape (n,); n may be 0."""
        self.slope, self.intercept = _fit_logistic(scores, correct, intercept=True)
        return self

    def __call__(self, scores: Sequence[float]) -> np.ndarray:
        return _probability(self.slope * _logit(scores) + self.intercept)

    def to_dict(self) -> Dict[str, Any]:
        return {"type": self.type, "slope": self.slope, "intercept": self.intercept}


class Temperature:
    """sigmoid(logit(p) / temperature).

    Guo et al., 2017, "On calibration of modern neural networks", section 4.2, with two classes.
    """

    type = "llmjudge.Temperature.v1"

    def __init__(self, temperature: float = 1.0) -> None:
        self.temperature = temperature

    def fit(self, scores: Sequence[float], correct: Sequence[bool]) -> "Temperature":
        """scores and correct have shape (n,); n may be 0."""
        slope, _ = _fit_logistic(scores, correct, intercept=False)
        self.temperature = 1.0 / min(max(slope, 0.05), 20.0)
        return self

    def __call__(self, scores: Sequence[float]) -> np.ndarray:
        return _probability(_logit(scores) / self.temperature)

    def to_dict(self) -> Dict[str, Any]:
        return {"type": self.type, "temperature": self.temperature}


class Isotonic:
    """The monotone step function that fits best, linear between its corners.

    Zadrozny and Elkan, 2002, "Transforming classifier scores into accurate multiclass probability
    estimates". Values stay within 1 / (n + 2) of 0 and 1.
    """

    type = "llmjudge.Isotonic.v1"

    def __init__(self, x: Sequence[float] = (0.0, 1.0), y: Sequence[float] = (0.0, 1.0)) -> None:
        self.x = [float(value) for value in x]
        self.y = [float(value) for value in y]

    def fit(self, scores: Sequence[float], correct: Sequence[bool]) -> "Isotonic":
        """scores and correct have shape (n,); n may be 0."""
        from sklearn.isotonic import IsotonicRegression

        p, y = _arrays(scores, correct)
        margin = 1.0 / (len(p) + 2)
        weights = np.ones(len(p) + len(PRIOR_SCORES))
        weights[len(p) :] = PRIOR_WEIGHT / len(PRIOR_SCORES)
        model = IsotonicRegression(y_min=margin, y_max=1 - margin)
        model.fit(np.append(p, PRIOR_SCORES), np.append(y, PRIOR_SCORES), weights)
        self.x = model.X_thresholds_.tolist()
        self.y = model.y_thresholds_.tolist()
        return self

    def __call__(self, scores: Sequence[float]) -> np.ndarray:
        return np.interp(np.asarray(scores, dtype=np.float64), self.x, self.y)

    def to_dict(self) -> Dict[str, Any]:
        return {"type": self.type, "x": self.x, "y": self.y}


class VennAbers:
    """Isotonic regression with the item itself added once as wrong (p0) and once as right (p1).

    The probability is p1 / (1 - p0 + p1): Vovk, Petej and Fedorova, 2015, "Large-scale probabilistic
    predictors with and without guarantees of validity". Scores are rounded to three digits, so that
    the evidence has at most 1,001 places. Without evidence it says .5.
    """

    type = "llmjudge.VennAbers.v1"

    def __init__(
        self,
        x: Sequence[float] = (),
        y: Sequence[float] = (),
        weight: Sequence[float] = (),
    ) -> None:
        self.x = np.asarray(x, dtype=np.float64)
        self.y = np.asarray(y, dtype=np.float64)
        self.weight = np.asarray(weight, dtype=np.float64)
        self._known: Dict[float, float] = {}

    def fit(self, scores: Sequence[float], correct: Sequence[bool]) -> "VennAbers":
        """scores and correct have shape (n,); n may be 0."""
        p, y = _arrays(scores, correct)
        self.x, place = np.unique(np.round(p, 3), return_inverse=True)
        self.weight = np.bincount(place, minlength=len(self.x)).astype(np.float64)
        right = np.bincount(place, weights=y, minlength=len(self.x))
        self.y = right / np.maximum(self.weight, 1.0)
        self._known = {}
        return self

    def __call__(self, scores: Sequence[float]) -> np.ndarray:
        rounded = np.round(np.asarray(scores, dtype=np.float64), 3)
        for score in np.unique(rounded).tolist():
            if score not in self._known:
                low, high = self.interval(score)
                self._known[score] = high / (1.0 - low + high)
        return np.array([self._known[score] for score in rounded.tolist()])

    def interval(self, score: float) -> Tuple[float, float]:
        """RETURNS (Tuple[float, float]): p0 and p1 of one score; the truth lies between them."""
        from sklearn.isotonic import isotonic_regression

        place = int(np.searchsorted(self.x, score))
        is_known = place < len(self.x) and self.x[place] == score
        bounds = []
        for label in (0.0, 1.0):
            if is_known:
                y, weight = self.y.copy(), self.weight.copy()
                y[place] = (y[place] * weight[place] + label) / (weight[place] + 1.0)
                weight[place] += 1.0
            else:
                y = np.insert(self.y, place, label)
                weight = np.insert(self.weight, place, 1.0)
            bounds.append(float(isotonic_regression(y, sample_weight=weight)[place]))
        return bounds[0], bounds[1]

    def to_dict(self) -> Dict[str, Any]:
        lists = {"x": self.x, "y": self.y, "weight": self.weight}
        return {"type": self.type, **{k: v.tolist() for k, v in lists.items()}}


class NoCalibration:
    """The posterior as it is."""

    type = "llmjudge.None.v1"

    def fit(self, scores: Sequence[float], correct: Sequence[bool]) -> "NoCalibration":
        return self

    def __call__(self, scores: Sequence[float]) -> np.ndarray:
        return np.asarray(scores, dtype=np.float64)

    def to_dict(self) -> Dict[str, Any]:
        return {"type": self.type}


# the names that people type
SHORT_NAMES = {
    "platt": Platt.type,
    "temperature": Temperature.type,
    "isotonic": Isotonic.type,
    "venn_abers": VennAbers.type,
    "none": NoCalibration.type,
}


def make_platt(slope: float = 1.0, intercept: float = 0.0) -> Platt:
    """Two numbers; the default. Keeps the ranking.

    slope, intercept (float): What a fit finds, in log-odds.
    """
    return Platt(slope, intercept)


def make_temperature(temperature: float = 1.0) -> Temperature:
    """One number; keeps .5 where it is.

    temperature (float): What a fit finds.
    """
    return Temperature(temperature)


def make_isotonic(x: Sequence[float] = (0.0, 1.0), y: Sequence[float] = (0.0, 1.0)) -> Isotonic:
    """Any monotone shape; needs some hundred spans.

    x, y (Sequence[float]): What a fit finds: the corners of the curve.
    """
    return Isotonic(x, y)


def make_venn_abers(
    x: Sequence[float] = (), y: Sequence[float] = (), weight: Sequence[float] = ()
) -> VennAbers:
    """Isotonic with a guarantee of validity; cautious where evidence is thin.

    x, y, weight (Sequence[float]): What a fit keeps: posteriors, shares of right ones, and counts.
    """
    return VennAbers(x, y, weight)


def make_none() -> NoCalibration:
    """No calibration beyond the temperature inside of the pass."""
    return NoCalibration()


def calibrator_from_dict(data: Dict[str, Any]) -> Any:
    """Read a calibrator that `to_dict` wrote.

    data (Dict[str, Any]): `type` (its registered name), and its parameters.
    RETURNS (Any): The fitted calibrator.
    RAISES (LLMJudgeError): J110 where the type or its parameters are not known.
    """
    parameters = {key: value for key, value in data.items() if key != "type"}
    try:
        return calibrators().get(data["type"])(**parameters)
    except (KeyError, TypeError, RegistryError) as error:
        known = ", ".join(sorted(calibrators().get_all()))
        raise LLMJudgeError(Errors.J110.format(found=data, known=known)) from error


def _fit_logistic(
    scores: Sequence[float], correct: Sequence[bool], *, intercept: bool
) -> Tuple[float, float]:
    from sklearn.linear_model import LogisticRegression

    p, y = _arrays(scores, correct)
    n, prior = len(p), PRIOR_SCORES
    mass = PRIOR_WEIGHT / len(prior)
    x = _logit(np.concatenate([p, prior, prior]))[:, None]
    labels = np.concatenate([y, np.ones(len(prior)), np.zeros(len(prior))])
    weights = np.concatenate([np.ones(n), mass * prior, mass * (1 - prior)])
    model = LogisticRegression(C=1e6, fit_intercept=intercept, max_iter=1000)
    model.fit(x, labels, sample_weight=weights)
    slope = float(model.coef_[0, 0])
    if slope >= 0.0 or not intercept:
        return slope, float(model.intercept_[0]) if intercept else 0.0
    # Scores that rank upside down say nothing: the base rate is left.
    return 0.0, float(_logit(np.average(labels, weights=weights)))


def _arrays(scores: Sequence[float], correct: Sequence[bool]) -> Tuple[np.ndarray, np.ndarray]:
    p = np.asarray(scores, dtype=np.float64).reshape(-1)
    return p, np.asarray(correct, dtype=np.float64).reshape(-1)


def _logit(p: Union[Sequence[float], np.ndarray]) -> np.ndarray:
    return safe_logit(np.asarray(p, dtype=np.float64), EPSILON)


def _probability(log_odds: np.ndarray) -> np.ndarray:
    return np.clip(sigmoid(log_odds), EPSILON, 1 - EPSILON)
