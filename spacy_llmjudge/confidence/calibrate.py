"""From posteriors to confidence: a temperature inside of the pass, then a calibrator, on held-out gold.

Everything is also fitted without each fold of documents, so that evidence can be scored by
parameters that never saw it.
"""

import copy
from dataclasses import dataclass, field, replace
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import Errors, LLMJudgeError
from ..numeric import fold_of
from .adapters import Gold
from .calibrators import calibrator_from_dict, make_platt
from .posterior import SpanKey, SpanPosteriors
from .reliability import reliability

# A wrong temperature costs little, an absurd one a lot: log T has a normal prior with this spread.
PRIOR_SPREAD = 1.0
TEMPERATURES = np.exp(np.linspace(np.log(0.5), np.log(8.0), 25))
# A correct span with less counts as much as this: what the model has missed for good shall not
# drive the temperature.
MISSED = 1e-3
_FIT_CUT = 1e-4


@dataclass
class Evidence:
    """One held-out document, scored.

    text (str): Its text, which decides its fold.
    scores (Any): What the adapter scored, free of any temperature.
    predicted (List[Tuple[int, int, str]]): What the component predicted.
    forced (List[Tuple[int, int, str]]): Entities that were set by somebody else.
    gold (Gold): What is right.
    """

    text: str
    scores: Any
    predicted: List[SpanKey]
    forced: List[SpanKey]
    gold: Gold


@dataclass
class Calibration:
    """Fitted parameters, how they were fitted, and how good they are.

    temperature (float): Divides the scores inside of the pass.
    calibrator (Any): From posterior to confidence.
    folds (List[Dict[str, Any]]): For each fold a temperature and a calibrator that were fitted
        without the documents of this fold (`numeric.fold_of`).
    n_spans (int): Held-out candidates that gold could judge.
    reliability (Dict[str, Any]): `candidates` and `entities`, each with `before` (the raw
        posterior) and `after` (the confidence), out of fold.
    labels (List[str]): The labels of the component that was calibrated.
    """

    temperature: float
    calibrator: Any
    folds: List[Dict[str, Any]]
    n_spans: int = 0
    reliability: Dict[str, Any] = field(default_factory=dict)
    labels: List[str] = field(default_factory=list)

    def parameters(self, fold: Optional[int] = None) -> Tuple[float, Any]:
        """RETURNS (Tuple[float, Any]): The temperature and calibrator of a fold, or of all."""
        if fold is None:
            return self.temperature, self.calibrator
        return self.folds[fold]["temperature"], self.folds[fold]["calibrator"]

    def fold_of(self, text: str) -> int:
        """RETURNS (int): The fold that a document belongs to."""
        return fold_of(text, len(self.folds))

    def to_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): Ready for JSON."""
        return {
            "temperature": self.temperature,
            "calibrator": self.calibrator.to_dict(),
            "folds": [{**part, "calibrator": part["calibrator"].to_dict()} for part in self.folds],
            "n_spans": self.n_spans,
            "reliability": self.reliability,
            "labels": self.labels,
        }

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "Calibration":
        """Read what `to_dict` wrote.

        RAISES (LLMJudgeError): J111 where something is missing.
        """
        try:
            folds = [
                {**part, "calibrator": calibrator_from_dict(part["calibrator"])}
                for part in data["folds"]
            ]
            return cls(
                temperature=float(data["temperature"]),
                calibrator=calibrator_from_dict(data["calibrator"]),
                folds=folds,
                n_spans=int(data["n_spans"]),
                reliability=data["reliability"],
                labels=list(data["labels"]),
            )
        except LLMJudgeError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise LLMJudgeError(Errors.J111.format(error=error)) from error


def fit_calibration(
    component: Any,
    examples: Iterable[Any],
    *,
    calibrator: Optional[Any] = None,
    n_folds: int = 5,
) -> Calibration:
    """Fit temperature and calibrator on held-out gold, on all of it and without each fold.

    component (CalibratedConfidence): The component; its pipeline annotates the examples.
    examples (Iterable[Example]): Held-out gold, unseen in training. Documents with the same text
        share a fold. Without any, the parameters stay at the identity.
    calibrator (Optional[Any]): A calibrator to fit; Platt by default. It keeps the ranking of the
        posteriors, while isotonic maps make ties. A choice by the evidence would have to be made
        again in each fold, or the folds would no longer be blind.
    n_folds (int): How many folds.
    RETURNS (Calibration): All that was fitted.
    """
    adapter, evidence = component.collect_evidence(examples)
    return fit_evidence(
        adapter,
        evidence,
        labels=adapter.component.labels,
        cut=component.candidate_cut,
        calibrator=calibrator,
        n_folds=n_folds,
    )


def fit_crossfit(
    parts: Sequence[Tuple[Any, Iterable[Any]]],
    *,
    calibrator: Optional[Any] = None,
    n_folds: int = 5,
) -> Calibration:
    """Fit on the labelled set itself, each document scored by a student that has not seen it.

    parts (Sequence[Tuple[CalibratedConfidence, Iterable[Example]]]): The component of each student,
        and the documents that this student was not trained on.
    calibrator (Optional[Any]): As in `fit_calibration`.
    n_folds (int): As in `fit_calibration`.
    RETURNS (Calibration): For the student that was trained on all of them, as far as that one is like
        these: nothing about it was measured.
    """
    found = [component.collect_evidence(examples) for component, examples in parts]
    adapter = _ManyAdapters([adapter for adapter, _ in found])
    evidence = [
        replace(one, scores=(number, one.scores))
        for number, (_, documents) in enumerate(found)
        for one in documents
    ]
    return fit_evidence(
        adapter,
        evidence,
        labels={label for one, _ in found for label in one.component.labels},
        cut=parts[0][0].candidate_cut,
        calibrator=calibrator,
        n_folds=n_folds,
    )


def fit_evidence(
    adapter: Any,
    evidence: Sequence[Evidence],
    *,
    labels: Iterable[str],
    cut: float,
    calibrator: Optional[Any] = None,
    n_folds: int = 5,
) -> Calibration:
    """Fit temperature and calibrator on documents that are scored already.

    adapter (Any): The adapter that scored them.
    evidence (Sequence[Evidence]): Held-out documents.
    labels (Iterable[str]): The labels of what scored them.
    cut (float): The least posterior of a candidate.
    calibrator (Optional[Any]): As in `fit_calibration`.
    n_folds (int): As in `fit_calibration`.
    RETURNS (Calibration): All that was fitted.
    """
    if n_folds < 2:
        raise LLMJudgeError(Errors.J112.format(n_folds=n_folds))
    fold = np.array([fold_of(e.text, n_folds) for e in evidence], dtype=int)
    losses = temperature_losses(adapter, evidence)
    temperatures = [
        pick_temperature(losses[fold != k]) if adapter.has_temperature else 1.0
        for k in range(n_folds + 1)
    ]
    plain = _posteriors(adapter, evidence, 1.0)
    tables = [_candidates(adapter, evidence, plain, t, cut) for t in temperatures]
    # The last one is fitted on everything: no document is in fold n_folds.
    fitted = _fit_folds(calibrator or make_platt(), tables, fold)
    folds = [{"temperature": temperatures[k], "calibrator": fitted[k]} for k in range(n_folds)]
    return Calibration(
        temperature=temperatures[-1],
        calibrator=fitted[-1],
        folds=folds,
        n_spans=len(tables[-1]["doc"]),
        reliability=_reliability(tables, fitted, fold, n_folds),
        labels=sorted(labels),
    )


def temperature_losses(adapter: Any, evidence: Sequence[Evidence]) -> np.ndarray:
    """The log-loss of all spans of each document, at each temperature of the grid.

    adapter (Any): The adapter that scored the evidence.
    evidence (Sequence[Evidence]): Held-out documents.
    RETURNS (np.ndarray): Shape (n_docs, n_temperatures), in nats. One table serves all folds.
    """
    losses = np.zeros((len(evidence), len(TEMPERATURES)))
    if not adapter.has_temperature:
        return losses
    for column, temperature in enumerate(TEMPERATURES):
        results = _posteriors(adapter, evidence, temperature)
        for row, (held_out, result) in enumerate(zip(evidence, results)):
            losses[row, column] = _document_loss(held_out, result)
    return losses


def pick_temperature(losses: np.ndarray) -> float:
    """The best temperature of the grid, moved to the top of the parabola through its neighbours.

    losses (np.ndarray): Shape (n_docs, n_temperatures).
    RETURNS (float): The temperature.
    """
    logs = np.log(TEMPERATURES)
    total = losses.sum(axis=0) + 0.5 * (logs / PRIOR_SPREAD) ** 2
    best = int(total.argmin())
    if best in (0, len(total) - 1):
        return float(TEMPERATURES[best])
    left, middle, right = total[best - 1 : best + 2]
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend > 0 else 0.0
    return float(np.exp(logs[best] + shift * (logs[1] - logs[0])))


class _ManyAdapters:
    """Adapters of several components as one: each score comes with the number of its adapter."""

    def __init__(self, adapters: Sequence[Any]) -> None:
        self._adapters = adapters
        self.has_temperature = all(adapter.has_temperature for adapter in adapters)

    def posteriors(
        self,
        scores: Sequence[Tuple[int, Any]],
        *,
        temperature: float,
        cut: float,
        forced: Sequence[Sequence[SpanKey]],
    ) -> List[SpanPosteriors]:
        results: List[Any] = [None] * len(scores)
        for number, adapter in enumerate(self._adapters):
            rows = [i for i, (owner, _) in enumerate(scores) if owner == number]
            found = adapter.posteriors(
                [scores[i][1] for i in rows],
                temperature=temperature,
                cut=cut,
                forced=[forced[i] for i in rows],
            )
            for i, result in zip(rows, found):
                results[i] = result
        return results


def _posteriors(
    adapter: Any, evidence: Sequence[Evidence], temperature: float
) -> List[SpanPosteriors]:
    return adapter.posteriors(
        [e.scores for e in evidence],
        temperature=temperature,
        cut=_FIT_CUT,
        forced=[e.forced for e in evidence],
    )


def _document_loss(held_out: Evidence, result: SpanPosteriors) -> float:
    wrong = [
        p
        for key, p in result.spans.items()
        if key not in held_out.gold.spans and held_out.gold.is_known(key)
    ]
    taken = set(held_out.forced)
    right = [result.spans.get(key, 0.0) for key in held_out.gold.spans if key not in taken]
    missed = -np.log(np.maximum(right, MISSED)).sum() if right else 0.0
    return float(missed - np.log1p(-np.minimum(wrong, 1 - 1e-6)).sum())


def _candidates(
    adapter: Any,
    evidence: Sequence[Evidence],
    plain: Sequence[SpanPosteriors],
    temperature: float,
    cut: float,
) -> Dict[str, np.ndarray]:
    """All candidates that gold can judge, as parallel arrays; `raw` is the posterior at T = 1."""
    tempered = _posteriors(adapter, evidence, temperature)
    rows = []
    for d, (held_out, after, before) in enumerate(zip(evidence, tempered, plain)):
        predicted = set(held_out.predicted)
        keys = {key for key, p in after.spans.items() if p >= cut} | predicted
        for key in sorted(keys):
            correct = held_out.gold.is_correct(key)
            if correct is not None:
                p, raw = after.spans.get(key, 0.0), before.spans.get(key, 0.0)
                rows.append((d, p, raw, correct, key in predicted))
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return {
        "doc": table[:, 0].astype(int),
        "posterior": table[:, 1],
        "raw": table[:, 2],
        "correct": table[:, 3] == 1,
        "predicted": table[:, 4] == 1,
    }


def _fit_folds(calibrator: Any, tables: List[Dict[str, np.ndarray]], fold: np.ndarray) -> List[Any]:
    fitted = []
    for k, table in enumerate(tables):
        seen = fold[table["doc"]] != k
        part = copy.deepcopy(calibrator)
        fitted.append(part.fit(table["posterior"][seen], table["correct"][seen]))
    return fitted


def _reliability(
    tables: List[Dict[str, np.ndarray]],
    calibrators: List[Any],
    fold: np.ndarray,
    n_folds: int,
) -> Dict[str, Any]:
    """Each document scored by the parameters that were fitted without its fold."""
    columns: Dict[str, List[np.ndarray]] = {
        name: [] for name in ("before", "after", "correct", "predicted")
    }
    for k in range(n_folds):
        held_out = fold[tables[k]["doc"]] == k
        table = {name: values[held_out] for name, values in tables[k].items()}
        columns["before"].append(table["raw"])
        columns["after"].append(np.asarray(calibrators[k](table["posterior"])))
        columns["correct"].append(table["correct"])
        columns["predicted"].append(table["predicted"])
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    everything = np.ones(len(joined["correct"]), dtype=bool)
    return {
        name: {
            when: reliability(joined[when][rows], joined["correct"][rows])
            for when in ("before", "after")
        }
        for name, rows in (
            ("candidates", everything),
            ("entities", joined["predicted"]),
        )
    }
