"""Decide on candidates: fuse, resolve overlaps, accept. Arrays in, decisions out."""

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

import numpy as np

from ..candidates import DECISIONS, VERDICTS
from ..targets.base import Target
from ..targets.ents import Ents
from ..targets.policy import REJECTION_CUT
from .caveats import join_reasons, too_few_unjudged
from .fusion import Fusion, fuse
from .selector import Scores, Selection, Selector
from .table import CandidateTable

ACCEPTED, REJECTED, UNDECIDED = range(len(DECISIONS))
# held-out candidates of documents without an answer that carry a statement about others of this kind
MIN_UNJUDGED = 30
REFUSED = [VERDICTS.index(v) for v in ("wrong_label", "wrong_boundary", "not_entity")]


@dataclass(frozen=True)
class Decisions:
    """What became of every candidate.

    probability (np.ndarray): (m,) fused probability of the pool candidates.
    decision (np.ndarray): (m,) index into DECISIONS.
    selections (Dict[str, Selection]): The selector's own accounts: "all", or "judged" and "unjudged".
    fusion (Fusion): What the pool was fused with.
    evidence_probability (np.ndarray): (n,) of the held-out candidates, out of fold.
    evidence_support (np.ndarray): (n,) the judge's support of these, its gaps filled out of fold.
    evidence_chosen (np.ndarray): (n,) True where a held-out candidate survived its overlaps.
    pool_chosen (np.ndarray): (m,) the same in the pool.
    parts (Dict[str, np.ndarray]): (m,) by the same names, True for the pool candidates of a part.
    compared (Dict[str, Tuple[CandidateTable, CandidateTable]]): Of each part, what the selector chose from
        and the evidence that it chose by.
    learned (Optional[Dict[str, Any]]): What the selector learned from the verdicts, where it does.
    """

    probability: np.ndarray
    decision: np.ndarray
    selections: Dict[str, Selection]
    fusion: Fusion
    evidence_probability: np.ndarray
    evidence_support: np.ndarray
    evidence_chosen: np.ndarray
    pool_chosen: np.ndarray
    parts: Dict[str, np.ndarray]
    compared: Dict[str, Tuple[CandidateTable, CandidateTable]]
    learned: Optional[Dict[str, Any]] = None

    @property
    def main(self) -> str:
        """The part of the pool that the report is about: the judged one, where there is one."""
        return next(iter(self.selections))


def decide(
    pool: CandidateTable,
    evidence: CandidateTable,
    selector: Selector,
    n_folds: int = 5,
    truth: Optional[np.ndarray] = None,
    target: Target = Ents(),
    scores: Optional[Scores] = None,
) -> Decisions:
    """Decide on every candidate of the pool. Held-out candidates pass through the same steps, and
    their probabilities come from fusions that have not seen their document.

    Documents that the judge did not answer for are selected apart: their evidence are held-out documents
    that it left unanswered as well. Where these are too few, the others stand in with the judge hidden,
    and nothing is promised: what a judge leaves unanswered may be what is hard.

    pool (CandidateTable): m candidates.
    evidence (CandidateTable): n candidates with `correct`; it may be empty.
    selector (Selector): A selector.
    n_folds (int): For the cross-fitted fusion.
    truth (Optional[np.ndarray]): (m,) what a person said about pool candidates that were drawn at
        random: 1 right, 0 wrong, nan not asked. It then is the selector's evidence, instead of the
        held-out candidates, and these candidates are decided by it.
    target (Target): Says which candidates compete.
    scores (Optional[Scores]): What `selector.score` gives for these tables, where that is known.
    RETURNS (Decisions): For the rows of `pool`, in their order.
    """
    labels = sorted({*pool.labels, *evidence.labels})
    pool, evidence = pool.relabel(labels), evidence.relabel(labels)
    scores = scores or selector.score(pool, evidence, n_folds)
    fused = scores.fused or fuse(pool, evidence, n_folds)
    pool = pool.replace(probability=scores.pool)
    evidence = evidence.replace(probability=scores.evidence)
    pool_chosen, evidence_chosen = target.choose(pool.columns), target.choose(evidence.columns)
    decision = np.full(len(pool), UNDECIDED)
    refused = np.isin(pool.verdict, REFUSED) & (scores.pool <= REJECTION_CUT)
    decision[refused] = REJECTED
    selections, compared = {}, {}
    asked = np.zeros(len(pool), dtype=bool) if truth is None else ~np.isnan(truth)
    parts = _parts(pool, evidence)
    for name, rows in parts.items():
        if truth is not None:
            audited = pool_chosen & rows & asked
            held_out = pool.take(audited).replace(correct=truth[audited] == 1, alone=True)
        elif name == "unjudged":
            held_out = _unjudged_evidence(pool, rows, evidence, evidence_chosen, selector, target)
        else:
            held_out = evidence.take(evidence_chosen)
            if name == "judged":
                held_out = held_out.take(held_out.answered)
        part = np.flatnonzero(pool_chosen & rows & ~asked)
        compared[name] = (pool.take(part), held_out)
        selections[name] = selector.select(*compared[name])
        decision[part[selections[name].accepted]] = ACCEPTED
    if truth is not None:
        decision[pool_chosen & (truth == 1)] = ACCEPTED
    return Decisions(
        probability=scores.pool,
        decision=decision,
        selections=selections,
        fusion=fused.fusion,
        evidence_probability=scores.evidence,
        evidence_support=fused.support,
        evidence_chosen=evidence_chosen,
        pool_chosen=pool_chosen,
        parts=parts,
        compared=compared,
        learned=scores.report,
    )


def _parts(pool: CandidateTable, evidence: CandidateTable) -> Dict[str, np.ndarray]:
    if not evidence.judged.any():
        return {"all": np.ones(len(pool), dtype=bool)}
    answered = pool.answered
    parts = {"judged": answered, "unjudged": ~answered}
    return {k: v for k, v in parts.items() if v.any()} or {"judged": answered}


def _unjudged_evidence(
    pool: CandidateTable,
    rows: np.ndarray,
    evidence: CandidateTable,
    chosen: np.ndarray,
    selector: Selector,
    target: Target,
) -> CandidateTable:
    """Held-out candidates that are alike to those of the pool without an answer: the judge was asked about
    neither and answered for neither, or was asked about both. What it was not asked about is not what it
    would not answer, so that a pool with both kinds has none."""
    asked = np.unique(pool.asked[rows])
    alike = evidence.take(chosen & ~evidence.answered & np.isin(evidence.asked, asked))
    if len(alike) >= MIN_UNJUDGED and len(asked) == 1:
        return alike
    n = len(alike) if len(asked) == 1 else 0
    hidden = evidence.hide_judge()
    hidden = hidden.replace(probability=selector.score_unjudged(hidden, evidence))
    hidden = hidden.take(target.choose(hidden.columns))
    return hidden.replace(caveat=join_reasons(evidence.caveat, too_few_unjudged(n)))
