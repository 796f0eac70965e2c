"""Any denoiser on labels of documents: those that exclude each other as they are, others one by one."""

import warnings
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Hashable, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import Errors, LLMJudgeError, Warnings
from ..numeric import safe_logit
from .arrays import MISSING, Denoised
from .confident import prune_labels
from .plain import keep_labels, learn_gold, learn_noisy
from .prior import correct_prior
from .sidyp import refine_sidyp
from .stacking import stack
from .uu import refine_uu

# the labels of a document; None where nobody knows them
Choice = Optional[Tuple[str, ...]]
# what a binary denoiser cannot do without: labels of both kinds, gold of both, a judge that is of use
_CANNOT_CARRY = ("J502", "J505", "J506", "J507", "J511", "J512")


@dataclass(frozen=True)
class Refined:
    """What a denoiser made of the labels of documents.

    chosen (np.ndarray): Shape (n, C), bool: its labels.
    known (np.ndarray): Shape (n,), bool: False where it has no label for a document.
    probabilities (np.ndarray): P(label | document), shape (n, C).
    predict (Callable[[np.ndarray], np.ndarray]): From features of other documents, shape (m, d), to
        P(label | document), shape (m, C).
    report (Dict[str, Any]): What was estimated and decided on the way, as JSON.
    """

    chosen: np.ndarray
    known: np.ndarray
    probabilities: np.ndarray
    predict: Callable[[np.ndarray], np.ndarray]
    report: Dict[str, Any] = field(default_factory=dict)


def _without_gold(method: Callable[..., Denoised]) -> Callable[..., Denoised]:
    return lambda features, labels, gold, *, scores=None, **settings: method(
        features, labels, **settings
    )


def _sidyp(features: Any, labels: Sequence[Any], **settings: Any) -> Denoised:
    found = refine_sidyp(features, labels, **settings)
    # the label of each document after each stage; as long as the pool
    found.report.pop("stages", None)
    return found


def _without_scores(method: Callable[..., Denoised]) -> Callable[..., Denoised]:
    return lambda *args, scores=None, **settings: method(*args, **settings)


METHODS: Dict[str, Callable[..., Denoised]] = {
    "none": lambda features, labels, gold, **settings: keep_labels(features, labels),
    "gold": lambda features, labels, gold, *, allow_missing=True, scores=None, **settings: (
        learn_gold(features, labels, gold, **settings)
    ),
    "noisy": _without_gold(learn_noisy),
    "confident_learning": _without_gold(prune_labels),
    "prior_correction": _without_scores(correct_prior),
    "stacking": stack,
    "uu": _without_scores(refine_uu),
    "sidyp": _without_gold(_sidyp),
}
WITH_GOLD = ("gold", "prior_correction", "stacking", "uu")


def refine_labels(
    method: str,
    features: np.ndarray,
    noisy: Sequence[Choice],
    gold: Sequence[Choice],
    *,
    labels: Sequence[str],
    exclusive: bool,
    scores: Optional[np.ndarray] = None,
    groups: Optional[Sequence[Any]] = None,
    allow_missing: bool = False,
    seed: int = 0,
) -> Refined:
    """Refine the labels of documents.

    method (str): One of METHODS.
    features (np.ndarray): Shape (n, d). They must not hold the LLM's labels.
    noisy (Sequence[Choice]): The LLM's labels, shape (n,). None: it gave no usable answer.
    gold (Sequence[Choice]): Gold of a random sample, shape (n,), None for the rest.
    labels (Sequence[str]): The labels there are, C of them.
    exclusive (bool): A document has exactly one of them. Any number is refined label by label.
    scores (Optional[np.ndarray]): More evidence for "stacking", shape (n, k).
    groups (Optional[Sequence[Any]]): What must share a fold, such as the text, shape (n,).
    allow_missing (bool): Whether the gold may lack labels that the LLM gives. Otherwise they are an error.
    seed (int): For folds, weights and batches.
    RETURNS (Refined): In the order of the labels.
    RAISES (LLMJudgeError): On labels or gold that cannot carry the method.
    """
    if method not in METHODS:
        raise LLMJudgeError(Errors.J916.format(method=method, known=", ".join(METHODS)))
    if method in WITH_GOLD:
        _check_gold(noisy, gold, labels, allow_missing)
    settings: Dict[str, Any] = {"scores": scores, "groups": groups, "seed": seed}
    if method in WITH_GOLD:
        settings["allow_missing"] = True
    with warnings.catch_warnings():
        if method in WITH_GOLD:
            # checked above, for all labels at once
            warnings.filterwarnings("ignore", message=r"\[JW501\]")
        refine = _refine_exclusive if exclusive else _refine_each
        return refine(method, features, noisy, gold, labels, settings)


def _check_gold(
    noisy: Sequence[Choice], gold: Sequence[Choice], labels: Sequence[str], allow_missing: bool
) -> None:
    said = {x for choice in noisy for x in choice or ()}
    seen = {x for choice in gold for x in choice or ()}
    lacking = [label for label in labels if label in said - seen]
    if lacking and allow_missing:
        warnings.warn(Warnings.JW501.format(labels=", ".join(lacking)), stacklevel=3)
    elif lacking:
        n = sum(choice is not None for choice in gold)
        raise LLMJudgeError(Errors.J917.format(n=n, labels=", ".join(lacking)))


def _refine_exclusive(
    method: str,
    features: np.ndarray,
    noisy: Sequence[Choice],
    gold: Sequence[Choice],
    labels: Sequence[str],
    settings: Dict[str, Any],
) -> Refined:
    def single(choices: Sequence[Choice]) -> List[Optional[str]]:
        return [choice[0] if choice else None for choice in choices]

    found = METHODS[method](features, single(noisy), single(gold), **settings)
    order = [found.classes.index(x) if x in found.classes else MISSING for x in labels]

    def arrange(columns: np.ndarray) -> np.ndarray:
        """From the denoiser's classes to the labels; one that never occurred gets 0."""
        out = np.zeros((len(columns), len(order)))
        for k, column in enumerate(order):
            if column != MISSING:
                out[:, k] = columns[:, column]
        return out

    chosen = np.array([[x == label for label in labels] for x in found.labels], dtype=bool)
    return Refined(
        chosen.reshape(len(found.labels), len(labels)),
        np.array([x is not None for x in found.labels]),
        arrange(found.probabilities),
        lambda new: arrange(found.predict(new)),
        found.report,
    )


def _refine_each(
    method: str,
    features: np.ndarray,
    noisy: Sequence[Choice],
    gold: Sequence[Choice],
    labels: Sequence[str],
    settings: Dict[str, Any],
) -> Refined:
    """One binary problem a label. One that the LLM gives to all or none is learned from gold, and one whose
    evidence carries nothing keeps the LLM's verdicts."""
    columns: List[Tuple[Denoised, np.ndarray]] = []
    report: Dict[str, Any] = {"method": method, "by_label": {}}
    for k, label in enumerate(labels):
        verdicts = [None if choice is None else label in choice for choice in noisy]
        truth = [None if choice is None else label in choice for choice in gold]
        options = dict(settings)
        if method in WITH_GOLD and method != "gold":
            # a label that all of the gold has carries nothing, and one that none has was allowed before
            options["allow_missing"] = True not in truth
        if options["scores"] is not None and options["scores"].shape[1] % len(labels) == 0:
            options["scores"] = options["scores"][:, k :: len(labels)]
        try:
            found = METHODS[method](features, verdicts, truth, **options)
        except LLMJudgeError as error:
            if error.code not in _CANNOT_CARRY:
                raise
            if method in WITH_GOLD and error.code == "J502" and len({*truth} - {None}) == 2:
                warnings.warn(Warnings.JW902.format(label=label), stacklevel=3)
                found = METHODS["gold"](features, verdicts, truth, **settings)
            else:
                warnings.warn(Warnings.JW900.format(label=label, error=error), stacklevel=3)
                found = _keep_verdicts(verdicts, str(error))
        columns.append((found, np.array([x is True for x in found.labels])))
        report["by_label"][label] = found.report
    missing = (
        np.array([choice is None for choice in noisy])
        if method == "none"
        else np.zeros(len(noisy), bool)
    )

    def positive(found: Denoised, probabilities: np.ndarray) -> np.ndarray:
        return (
            probabilities[:, found.classes.index(True)]
            if True in found.classes
            else np.zeros(len(probabilities))
        )

    def predict(new: np.ndarray) -> np.ndarray:
        return np.stack([positive(found, found.predict(new)) for found, _ in columns], axis=1)

    return Refined(
        np.stack([chosen for _, chosen in columns], axis=1),
        ~missing,
        np.stack([positive(found, found.probabilities) for found, _ in columns], axis=1),
        predict,
        report,
    )


def _keep_verdicts(verdicts: Sequence[Optional[bool]], why: str) -> Denoised:
    share = float(np.mean([x is True for x in verdicts]))
    p = np.array([share if x is None else float(x) for x in verdicts])

    def predict(new: np.ndarray) -> np.ndarray:
        return np.tile([1 - share, share], (len(new), 1))

    labels: List[Hashable] = [bool(x) for x in verdicts]
    return Denoised(labels, np.stack([1 - p, p], axis=1), (False, True), predict, {"kept": why})


def make_scores(support: Optional[np.ndarray], cats: Optional[np.ndarray]) -> Optional[np.ndarray]:
    """Put what is known beside labels and features into columns for "stacking".

    support (Optional[np.ndarray]): How sure the LLM was of the labels it gave, shape (n, C), NaN
        where it did not say or did not give the label.
    cats (Optional[np.ndarray]): `doc.cats` of students that have not seen the document, shape (n, C).
    RETURNS (Optional[np.ndarray]): Log-odds, shape (n, C) or (n, 2 C), column by label in both
        halves; None where nothing is known.

    >>> make_scores(np.array([[0.9, np.nan]]), None).round(1).tolist()
    [[2.2, 0.0]]
    """
    parts = []
    if support is not None and np.isfinite(support).any():
        parts.append(np.nan_to_num(_log_odds(support), nan=0.0))
    if cats is not None:
        parts.append(_log_odds(cats))
    return np.hstack(parts) if parts else None


def _log_odds(p: np.ndarray) -> np.ndarray:
    return safe_logit(p, 0.01)
