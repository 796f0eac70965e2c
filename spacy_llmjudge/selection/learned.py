"""What a denoiser learns from the judge's verdicts, put beside the fused probability, fold by fold.

Every candidate, in the pool and held out, is scored by what has not seen the gold of its fold; folds
are of documents, by their text. For this a denoiser that reads gold is fitted without each pair of
folds (f, g): the weights of fold f come from candidates of every g under the denoiser that saw neither
f nor g, and its own candidates get the mean over g of the same denoisers. Only whether the evidence
carries a denoiser at all is one question to all of it.
"""

import warnings
from itertools import combinations
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from ..denoise.arrays import Denoised
from ..denoise.pools import PoolStats, estimate_pools
from ..errors import Errors, LLMJudgeError, Warnings
from ..numeric import safe_logit, sigmoid
from .fusion import (
    DECIMALS,
    LEAST_SUPPORT,
    MIN_CLASS,
    MIN_FIT,
    PRECISION_INTERCEPT,
    PRECISION_WEIGHT,
    fit_fusion,
    fuse,
    maximise,
)
from .learned_documents import RefineDocuments, learn_documents
from .selector import Scores
from .table import CORRECT, CandidateTable

Bits = List[Optional[bool]]
Denoise = Callable[[np.ndarray, Bits, Bits, List[str]], Denoised]

START = np.array([1.0, 0.0, 0.0])
PRECISION = np.array([PRECISION_WEIGHT, PRECISION_WEIGHT, PRECISION_INTERCEPT])


class Items(NamedTuple):
    """The candidates of the pool, then the held-out ones.

    features (np.ndarray): (n, d).
    verdicts (List[Optional[bool]]): (n,) None where no judge answered.
    gold (List[Optional[bool]]): (n,) None in the pool.
    texts (List[str]): (n,) the document of each.
    folds (np.ndarray): (n,) the fold of the document.
    """

    features: np.ndarray
    verdicts: Bits
    gold: Bits
    texts: List[str]
    folds: np.ndarray


def score_denoised(
    name: str,
    denoise: Denoise,
    pool: CandidateTable,
    evidence: CandidateTable,
    n_folds: int = 5,
    reads_gold: bool = True,
    check: Optional[Callable[[CandidateTable], None]] = None,
    refine: Optional[RefineDocuments] = None,
) -> Scores:
    """Score both tables with what a denoiser learned from the verdicts. Where it cannot learn, both
    get the fused probability, with a warning that says why.

    name (str): For messages.
    denoise (Callable): From features, verdicts, gold and documents to a Denoised with two classes.
    pool (CandidateTable): m candidates with features.
    evidence (CandidateTable): n candidates with features and `correct`.
    n_folds (int): Folds of documents.
    reads_gold (bool): False: it is fitted once, and on everything.
    check (Optional[Callable]): Raises where the evidence does not carry the denoiser.
    refine (Optional[RefineDocuments]): The denoiser of documents, for labels of documents.
    RETURNS (Scores): Where no judge answered, the student's confidence.
    RAISES (LLMJudgeError): J514 where a table has no features.
    """
    if pool.features is None or evidence.features is None:
        raise LLMJudgeError(Errors.J514.format(name=name))
    try:
        _check_evidence(evidence)
        if check is not None:
            check(evidence)
        items = join_tables(pool, evidence, n_folds)
        if refine is not None and pool.unit == "labels":
            learned = learn_documents(refine, pool, evidence, n_folds, reads_gold)
        else:
            learned = learn(denoise, items, n_folds, reads_gold)
        scores, weights = combine(pool, evidence, items, learned, n_folds)
        report = {
            "fallback": None,
            "weights": weights,
            "fits": len(_pairs(n_folds)) if reads_gold else 1,
        }
        pools = estimate_verdicts(evidence).to_dict()
        report["pools"] = {key: value for key, value in pools.items() if key != "by_label"}
        return Scores(scores[: len(pool)], scores[len(pool) :], report)
    except LLMJudgeError as error:
        warnings.warn(Warnings.JW503.format(name=name, why=error), stacklevel=2)
        fused = fuse(pool, evidence, n_folds)
        return Scores(fused.pool, fused.evidence, {"fallback": str(error)}, fused)


def estimate_verdicts(evidence: CandidateTable) -> PoolStats:
    """RETURNS (PoolStats): The judge's two pools among the held-out candidates, at 90 %."""
    judged = evidence.take(evidence.judged)
    accepted = [bool(v) for v in judged.verdict == CORRECT]
    return estimate_pools(accepted, [bool(c) for c in judged.correct], level=0.9)


def join_tables(pool: CandidateTable, evidence: CandidateTable, n_folds: int) -> Items:
    """RETURNS (Items): What a denoiser may see of both."""
    tables = (pool, evidence)
    return Items(
        features=np.concatenate([table.features for table in tables]),
        verdicts=[
            bool(v == CORRECT) if j else None for t in tables for v, j in zip(t.verdict, t.judged)
        ],
        gold=[*[None] * len(pool), *map(bool, evidence.correct)],
        texts=[table.texts[i] for table in tables for i in table.document],
        folds=np.concatenate([table.folds(n_folds) for table in tables]),
    )


def learn(denoise: Denoise, items: Items, n_folds: int, reads_gold: bool) -> np.ndarray:
    """What a denoiser makes of every candidate without the gold of its fold, nor that of another one.

    denoise (Callable): See `score_denoised`.
    items (Items): n candidates.
    n_folds (int): K.
    reads_gold (bool): See `score_denoised`.
    RETURNS (np.ndarray): (K, n) logits; row g holds, for a candidate of fold f, what a denoiser says that
        has seen nothing of f and g; nan where f = g.
    """
    logits = np.full((n_folds, len(items.folds)), np.nan)
    if not reads_gold:
        done = _run(denoise, items, np.ones(len(items.folds), dtype=bool))
        logits[:] = _logits(done.probabilities)
        return logits
    for f, g in _pairs(n_folds):
        outside = (items.folds != f) & (items.folds != g)
        fitted: Optional[Denoised] = None
        for held, other in ((f, g), (g, f)):
            rows = items.folds == held
            if rows.any():
                fitted = fitted or _run(denoise, items, outside)
                logits[other, rows] = _logits(fitted.predict(items.features[rows]))
    return logits


def combine(
    pool: CandidateTable,
    evidence: CandidateTable,
    items: Items,
    learned: np.ndarray,
    n_folds: int,
) -> Tuple[np.ndarray, Dict[str, float]]:
    """Put what was learned beside the fused probability, fold by fold.

    pool (CandidateTable): m candidates.
    evidence (CandidateTable): n candidates with `correct`.
    items (Items): Both.
    learned (np.ndarray): (K, m + n) of `learn`.
    n_folds (int): K.
    RETURNS (Tuple[np.ndarray, Dict[str, float]]): (m + n,) probabilities, and the mean weights.
    """
    m, folds = len(pool), items.folds
    held_out = folds[m:]
    judged = np.concatenate([pool.judged, evidence.judged])
    out, found = np.zeros(len(folds)), []
    for f in range(n_folds):
        rows = folds == f
        if not rows.any():
            continue
        seen = evidence.judged & (held_out != f)
        fused = np.zeros(len(evidence))
        for g in range(n_folds):
            inside = held_out == g
            if g != f and inside.any():
                fusion = fit_fusion(evidence.take(~inside & (held_out != f)))
                fused[inside] = fusion.predict(evidence.take(inside))
        design = _design(fused[seen], learned[f, m:][seen])
        weights = maximise(design, evidence.correct[seen].astype("float64"), START, PRECISION)
        found.append(weights)
        fusion = fit_fusion(evidence.take(held_out != f))
        own = np.concatenate(
            [fusion.predict(pool.take(rows[:m])), fusion.predict(evidence.take(rows[m:]))]
        )
        others = np.arange(n_folds) != f
        both = sigmoid(_design(own, learned[others][:, rows].mean(axis=0)) @ weights)
        out[rows] = np.where(judged[rows], both, own)
    names = ("fused", "learned", "intercept")
    means = np.mean(found, axis=0).round(DECIMALS).tolist()
    return np.round(out, DECIMALS), dict(zip(names, means))


def _design(fused: np.ndarray, learned: np.ndarray) -> np.ndarray:
    return np.column_stack([safe_logit(fused, LEAST_SUPPORT), learned, np.ones(len(fused))])


def _run(denoise: Denoise, items: Items, rows: np.ndarray) -> Denoised:
    """Fit on some rows. What the denoiser warned of is an error here, where it kept the verdicts."""
    index = np.flatnonzero(rows)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = denoise(
            items.features[index],
            [items.verdicts[i] for i in index],
            [items.gold[i] for i in index],
            [items.texts[i] for i in index],
        )
    if not done.report.get("carried", True):
        raise LLMJudgeError(str(next(w.message for w in caught if "JW500" in str(w.message))))
    return done


def _logits(probabilities: np.ndarray) -> np.ndarray:
    """RETURNS (np.ndarray): (n,) of the second class, which is True."""
    return safe_logit(probabilities[:, 1], LEAST_SUPPORT)


def _pairs(n_folds: int) -> List[Tuple[int, int]]:
    return list(combinations(range(n_folds), 2))


def _check_evidence(evidence: CandidateTable) -> None:
    right = evidence.correct[evidence.judged]
    n, n_right = len(right), int(right.sum())
    if n < MIN_FIT or min(n_right, n - n_right) < MIN_CLASS:
        found = {"n": n, "right": n_right, "least": MIN_FIT, "least_class": MIN_CLASS}
        raise LLMJudgeError(Errors.J515.format(**found))
