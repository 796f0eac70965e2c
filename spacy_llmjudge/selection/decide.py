"""Decide on candidates: fuse, resolve overlaps, accept. Arrays in, decisions out."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional

import numpy as np

from ..candidates import DECISIONS, VERDICTS
from .fusion import Fusion, cross_fit_fusion, fit_fusion
from .overlaps import resolve_overlaps
from .selectors import Selection
from .silver import REJECTION_CUT
from .table import CandidateTable

ACCEPTED, REJECTED, UNDECIDED = range(len(DECISIONS))
REFUSED = [VERDICTS.index(v) for v in ("wrong_label", "wrong_boundary", "not_entity")]


@dataclass(frozen=True)
class Decisions:
    """What became of every candidate.

    probability (np.ndarray): (m,) fused probability of the pool candidates.
    decision (np.ndarray): (m,) index into DECISIONS.
    selections (Dict[str, Selection]): The selector's own accounts: "all", or "judged" and "unjudged".
    fusion (Fusion): What the pool was fused with.
    evidence_probability (np.ndarray): (n,) of the held-out candidates, out of fold.
    evidence_chosen (np.ndarray): (n,) True where a held-out candidate survived its overlaps.
    pool_chosen (np.ndarray): (m,) the same in the pool.
    parts (Dict[str, np.ndarray]): (m,) by the same names, True for the pool candidates of a part.
    learned (Optional[Dict[str, Any]]): What the selector learned from the verdicts, where it does.
    """

    probability: np.ndarray
    decision: np.ndarray
    selections: Dict[str, Selection]
    fusion: Fusion
    evidence_probability: np.ndarray
    evidence_chosen: np.ndarray
    pool_chosen: np.ndarray
    parts: Dict[str, np.ndarray]
    learned: Optional[Dict[str, Any]] = None

    @property
    def main(self) -> str:
        """The part of the pool that the report is about: the judged one, where there is one."""
        return next(iter(self.selections))


def decide(
    pool: CandidateTable,
    evidence: CandidateTable,
    selector: Callable[[CandidateTable, CandidateTable], Selection],
    n_folds: int = 5,
    truth: Optional[np.ndarray] = None,
) -> Decisions:
    """Decide on every candidate of the pool. Held-out candidates pass through the same steps, and
    their probabilities come from fusions that have not seen their document.

    Documents that the judge did not answer for are selected apart, with evidence from which the
    judge is hidden: a candidate that only the student vouches for is not like one that was judged.

    pool (CandidateTable): m candidates.
    evidence (CandidateTable): n candidates with `correct`; it may be empty.
    selector (Callable): A selector.
    n_folds (int): For the cross-fitted fusion.
    truth (Optional[np.ndarray]): (m,) what a person said about pool candidates that were drawn at
        random: 1 right, 0 wrong, nan not asked. It then is the selector's evidence, instead of the
        held-out candidates, and these candidates are decided by it.
    RETURNS (Decisions): For the rows of `pool`, in their order.
    """
    labels = sorted({*pool.labels, *evidence.labels})
    pool, evidence = pool.relabel(labels), evidence.relabel(labels)
    fusion = fit_fusion(evidence)
    score = getattr(selector, "score", None)

    def scored(table: CandidateTable, is_held_out: bool) -> CandidateTable:
        if score is not None:
            return table.replace(probability=score(table, evidence))
        fit = cross_fit_fusion(table, n_folds) if is_held_out else fusion.predict(table)
        return table.replace(probability=fit)

    learned, score_both = None, getattr(selector, "score_both", None)
    if score_both is not None:
        both = score_both(pool, evidence, n_folds)
        pool, evidence = (
            pool.replace(probability=both.pool),
            evidence.replace(probability=both.evidence),
        )
        learned = both.report
    else:
        pool, evidence = scored(pool, False), scored(evidence, True)
    pool_chosen, evidence_chosen = resolve_overlaps(pool), resolve_overlaps(evidence)
    decision = np.full(len(pool), UNDECIDED)
    refused = np.isin(pool.verdict, REFUSED) & (pool.probability <= REJECTION_CUT)
    decision[refused] = REJECTED
    selections = {}
    asked = np.zeros(len(pool), dtype=bool) if truth is None else ~np.isnan(truth)
    parts = _parts(pool, evidence)
    for name, rows in parts.items():
        if truth is not None:
            audited = pool_chosen & rows & asked
            held_out = pool.take(audited)
            held_out = held_out.replace(correct=truth[audited] == 1)
        elif name == "unjudged":
            held_out = scored(evidence.hide_judge(), True)
            held_out = held_out.take(resolve_overlaps(held_out))
        else:
            held_out = evidence.take(evidence_chosen)
            if name == "judged":
                held_out = held_out.take(held_out.answered)
        part = np.flatnonzero(pool_chosen & rows & ~asked)
        selections[name] = selector(pool.take(part), held_out)
        decision[part[selections[name].accepted]] = ACCEPTED
    if truth is not None:
        decision[pool_chosen & (truth == 1)] = ACCEPTED
    return Decisions(
        probability=pool.probability,
        decision=decision,
        selections=selections,
        fusion=fusion,
        evidence_probability=evidence.probability,
        evidence_chosen=evidence_chosen,
        pool_chosen=pool_chosen,
        parts=parts,
        learned=learned,
    )


def _parts(pool: CandidateTable, evidence: CandidateTable) -> Dict[str, np.ndarray]:
    if not evidence.judged.any():
        return {"all": np.ones(len(pool), dtype=bool)}
    answered = pool.answered
    parts = {"judged": answered, "unjudged": ~answered}
    return {k: v for k, v in parts.items() if v.any()} or {"judged": answered}
