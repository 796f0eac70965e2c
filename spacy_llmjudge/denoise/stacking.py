"""Stacking: a few gold labels decide how much to trust the noisy ones."""

from itertools import product
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

import numpy as np

from .arrays import (
    MISSING,
    Denoised,
    Label,
    check_features,
    check_positive,
    check_width,
    decode,
    prepare,
    take,
)
from .linear import (
    Predict,
    balance_weights,
    fit_linear,
    fit_path,
    fit_scale,
    make_folds,
    out_of_fold_path,
)
from .tuning import NOISY_PENALTIES, PENALTIES, deal_gold, held_out_loss, predict_held_out

# How large the noisy label itself stands beside features of length 1; 0 leaves it out.
VERDICTS = (0.0, 1.0, 3.0)
WEIGHTS = (0.25, 0.5, 0.75, 1.0)


class Settings(NamedTuple):
    """What the gold decides.

    noisy (float): The inverse strength of the penalty on the noisy labels.
    regularisation (float): The same on the gold.
    weight (float): How much the regression on the gold counts beside that on the noisy labels, 0 to 1.
    verdict (float): One of VERDICTS.
    """

    noisy: float
    regularisation: float
    weight: float
    verdict: float


# Where nothing can be held out, and for the labels of items that have gold.
DEFAULT = Settings(0.3, 3.0, 0.5, 1.0)


class Evidence(NamedTuple):
    """What is known of the items.

    features (np.ndarray): Shape (n, d), of length 1.
    inside (np.ndarray): What a regression on the noisy labels says that has not seen the item, for each of
        NOISY_PENALTIES, shape (P, n, C).
    models (List[Callable]): The same for new items, length P.
    known (np.ndarray): The noisy label and the scores, shape (n, C + k).
    trust (float): How large the probabilities stand beside the features.
    """

    features: np.ndarray
    inside: np.ndarray
    models: List[Predict]
    known: np.ndarray
    trust: float

    def alone(self, settings: Settings) -> np.ndarray:
        """RETURNS (np.ndarray): What the noisy labels say without the gold, shape (n, C)."""
        return self.inside[NOISY_PENALTIES.index(settings.noisy)]

    def columns(self, settings: Settings) -> np.ndarray:
        """RETURNS (np.ndarray): What the regression on the gold sees of the items."""
        parts = [self.features, self.trust * self.alone(settings)]
        if settings.verdict:
            parts.append(settings.verdict * self.known)
        return np.hstack(parts)


def stack(
    features: Any,
    labels: Sequence[Optional[Label]],
    gold: Sequence[Optional[Label]],
    *,
    scores: Optional[Any] = None,
    regularisation: Optional[float] = None,
    trust: float = 2.0,
    groups: Optional[Sequence[Any]] = None,
    n_folds: int = 5,
    allow_missing: bool = False,
    seed: int = 0,
) -> Denoised:
    """Put a classifier of the gold and one of the noisy labels together; in both, each class counts the same.

    The mean of two regressions: (a) on the noisy labels, out of fold, and (b) on the gold, which sees the
    features and `trust` times the probabilities of (a) (Wolpert 1992). For items that have a noisy label
    (b) may also see this label, and the scores. Both penalties, the weight of (b), and how much the label
    itself counts are those with the least loss on gold that was held out. An item that has gold gets its
    label from fixed settings and a regression that has not seen its gold.

    features (array-like): Shape (n, d).
    labels (Sequence[Optional[Label]]): Noisy labels, shape (n,). None: the LLM gave none.
    gold (Sequence[Optional[Label]]): Gold of a random sample, shape (n,), None for the rest.
    scores (Optional[array-like]): More evidence on the items, shape (n, k), such as the judge's
        support and the student's confidence.
    regularisation (Optional[float]): The inverse strength of the penalty (scikit-learn's C) on the gold.
        None: chosen on the gold.
    trust (float): How large the noisy model's probabilities stand beside features of length 1.
    groups (Optional[Sequence[Any]]): What must share a fold, such as the document, shape (n,).
    n_folds (int): How many folds.
    allow_missing (bool): Whether there may be classes that no gold item has; only (a) speaks for them.
        Otherwise they are an error.
    seed (int): For the folds.
    RETURNS (Denoised): Labels, probabilities and `predict`; the report names the settings. The
        probabilities are those of a world where each class is as frequent as every other.
    RAISES (LLMJudgeError): On features, labels or gold that cannot carry it.

    >>> x = np.repeat([[-1.0, 0.2], [1.0, -0.2]], 20, axis=0)
    >>> noisy = ["a"] * 16 + ["b"] * 4 + ["b"] * 20
    >>> gold = [None] * 10 + ["a"] * 10 + [None] * 10 + ["b"] * 10
    >>> stack(x, noisy, gold).labels == ["a"] * 20 + ["b"] * 20
    True
    """
    check_positive(trust=trust)
    matrix, codes, truth, classes = prepare(features, labels, gold, allow_missing=allow_missing)
    n, seen = len(classes), np.flatnonzero(truth != MISSING)
    known = [np.eye(n + 1)[codes][:, :n]]
    if scores is not None:
        known.append(fit_scale_columns(check_features(scores, len(codes))))
    scale, balance = fit_scale(matrix), balance_weights(codes, n)
    folds = make_folds(codes, n_folds, seed, groups)
    inside = out_of_fold_path(matrix, codes, n, NOISY_PENALTIES, folds, balanced=True)
    models = fit_path(matrix, codes, n, NOISY_PENALTIES, balance)
    evidence = Evidence(scale(matrix), inside, models, np.hstack(known), trust)
    deals = deal_gold(truth[seen], n_folds, seed, take(groups, seen))
    penalties = PENALTIES if regularisation is None else (regularisation,)
    default = DEFAULT if regularisation is None else DEFAULT._replace(regularisation=regularisation)
    losses = measure_settings(evidence, truth, penalties, deals) or {default: 0.0}
    chosen = min(losses, key=losses.__getitem__)
    # new items have no noisy label
    blind = [settings for settings in losses if not settings.verdict] or [
        default._replace(verdict=0.0)
    ]
    outer = min(blind, key=lambda settings: losses.get(settings, 0.0))
    probabilities = mix(
        _fit_gold(evidence, truth, chosen)(evidence.columns(chosen)), evidence, chosen
    )
    if deals:
        held = _hold_out(evidence, truth, default, deals[0])
        probabilities[seen] = mix(held, evidence, default, seen)
    model = _fit_gold(evidence, truth, outer)

    def predict(new: Any) -> np.ndarray:
        rows = check_width(new, matrix.shape[1])
        alone = models[NOISY_PENALTIES.index(outer.noisy)](rows)
        own = model(np.hstack([scale(rows), trust * alone]))
        return outer.weight * own + (1 - outer.weight) * alone

    report = {"method": "stacking", "gold": len(seen), "classes": n}
    report.update(settings=chosen._asdict(), settings_of_new=outer._asdict())
    best = decode(probabilities.argmax(axis=1), classes)
    return Denoised(best, probabilities, classes, predict, report)


def measure_settings(
    evidence: Evidence, truth: np.ndarray, penalties: Sequence[float], deals: Sequence[np.ndarray]
) -> Dict[Settings, float]:
    """The loss of all settings on gold that was held out.

    evidence (Evidence): What is known of the items.
    truth (np.ndarray): The gold of each item, shape (n,), MISSING where nobody looked.
    penalties (Sequence[float]): Those on the gold to choose among.
    deals (Sequence[np.ndarray]): Ways to deal the gold to folds; without any, nothing is measured.
    RETURNS (Dict[Settings, float]): See `held_out_loss`.
    """
    seen = np.flatnonzero(truth != MISSING)
    expected = np.tile(truth[seen], len(deals))
    rows = np.tile(seen, len(deals))
    n_classes, found = evidence.inside.shape[2], {}
    for noisy, verdict in product(NOISY_PENALTIES, VERDICTS) if deals else ():
        columns = evidence.columns(Settings(noisy, 0.0, 0.0, verdict))[seen]
        held = predict_held_out(columns, truth[seen], n_classes, penalties, deals)
        for (penalty, own), weight in product(zip(penalties, held), WEIGHTS):
            settings = Settings(noisy, penalty, weight, verdict)
            found[settings] = held_out_loss(mix(own, evidence, settings, rows), expected)
    return found


def mix(
    own: np.ndarray, evidence: Evidence, settings: Settings, rows: Any = slice(None)
) -> np.ndarray:
    """RETURNS (np.ndarray): The mean of what gold and noisy labels say of some items, shape (rows, C)."""
    alone = evidence.alone(settings)[rows]
    return settings.weight * own + (1 - settings.weight) * alone


def _fit_gold(evidence: Evidence, truth: np.ndarray, settings: Settings) -> Predict:
    n_classes = evidence.inside.shape[2]
    weights = balance_weights(truth, n_classes)
    columns = evidence.columns(settings)
    return fit_linear(columns, truth, n_classes, settings.regularisation, weights)


def _hold_out(
    evidence: Evidence, truth: np.ndarray, settings: Settings, folds: np.ndarray
) -> np.ndarray:
    """RETURNS (np.ndarray): What the regression on the rest of the gold says of each item with gold."""
    seen = np.flatnonzero(truth != MISSING)
    columns, n_classes = evidence.columns(settings)[seen], evidence.inside.shape[2]
    return predict_held_out(columns, truth[seen], n_classes, [settings.regularisation], [folds])[0]


def fit_scale_columns(scores: np.ndarray) -> np.ndarray:
    """Centre each column and give it variance 1; a column that never changes becomes 0."""
    spread = scores.std(axis=0)
    return (scores - scores.mean(axis=0)) / np.where(spread > 1e-8, spread, 1.0)
