"""Conformal selection: the expected share of wrong candidates among the accepted ones is at most q."""

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

import numpy as np

from .conformal_cut import conformal_cut, conformal_needed
from .label_shift import label_shift_weights, weighted_conformal
from .selector import FLOOR, Q, Selection, Selector, check_share
from .statements import count, describe, make_promise, nothing_over, observe, refuse, state
from .table import CandidateTable


@dataclass(frozen=True)
class Conformal(Selector):
    """See `make_conformal`."""

    q: float = Q
    weighted: bool = False
    floor: float = FLOOR

    name: ClassVar[str] = "llmjudge.Conformal.v1"

    def select(self, pool: CandidateTable, evidence: CandidateTable) -> Selection:
        return select_conformal(pool, evidence, self.q, self.floor, self.weighted)


def make_conformal(q: float = Q, weighted: bool = False, floor: float = FLOOR) -> Selector:
    """Keep the expected share of wrong among the accepted candidates at q or under it.

    q (float): The share.
    weighted (bool): Weigh held-out candidates so that their labels are as frequent as in the pool. For
        evidence that was balanced by label; approximate. Labels that it lacks stay undecided.
    floor (float): Candidates with a lower probability are never accepted.
    RETURNS (Selector): Promises the share on average over draws of evidence and pool.
    """
    check_share("q", q)
    check_share("floor", floor)
    return Conformal(q, weighted, floor)


def select_conformal(
    pool: CandidateTable,
    evidence: CandidateTable,
    q: float,
    floor: float,
    weighted: bool = False,
) -> Selection:
    """Accept what keeps the expected share of wrong at q, and say so.

    pool (CandidateTable): m candidates with `probability`.
    evidence (CandidateTable): n candidates with `probability` and `correct`.
    q, floor, weighted: See `make_conformal`.
    RETURNS (Selection): Its promise is "expected", or None where nothing can be promised.
    """
    rows = np.flatnonzero(pool.probability >= floor)
    pool_over = pool.take(rows)
    evidence_over = evidence.take(evidence.probability >= floor)
    choose = _conformal_weighted if weighted else _conformal_plain
    chosen, cut = choose(pool_over, evidence_over, q)
    accepted = np.zeros(len(pool), dtype=bool)
    accepted[rows[chosen]] = True
    seen = count(evidence, cut)
    promise = {**make_promise("expected", seen, pool), "q": q, "weighted": weighted}
    if not accepted.any():
        statement, needed = _refuse(pool_over, evidence_over, q, floor)
        promise.update(kind=None, needed=needed)
        return Selection(accepted, None, statement, promise)
    rule = f"{describe(accepted, cut)} with q = {q:g}. {observe(seen)}"
    about = "approximately " if weighted else ""
    claim = (
        f"The share of wrong {pool.unit} among the accepted ones is {about}at most {q:g} on average over draws "
        f"of the held-out documents"
    )
    return state(evidence, accepted, cut, claim, rule, promise)


def _conformal_plain(
    pool: CandidateTable, evidence: CandidateTable, q: float
) -> Tuple[np.ndarray, Optional[float]]:
    wrong = evidence.probability[~evidence.correct]
    cut = conformal_cut(pool.probability, wrong, len(evidence), q)
    if cut is None:
        return np.zeros(len(pool), dtype=bool), None
    return pool.probability >= cut, cut


def _conformal_weighted(
    pool: CandidateTable, evidence: CandidateTable, q: float
) -> Tuple[np.ndarray, Optional[float]]:
    ratio = label_shift_weights(pool.label, evidence.label, len(pool.labels))
    known = np.isin(pool.label, evidence.label)
    accepted = np.zeros(len(pool), dtype=bool)
    accepted[known] = weighted_conformal(
        pool.probability[known],
        ratio[pool.label[known]],
        evidence.probability,
        ~evidence.correct,
        ratio[evidence.label],
        q,
    )
    return accepted, None


def _refuse(
    pool: CandidateTable, evidence: CandidateTable, q: float, floor: float
) -> Tuple[str, Optional[int]]:
    if len(pool) == 0:
        return nothing_over(floor), None
    wrong = evidence.probability[~evidence.correct]
    n = len(evidence)
    needed = conformal_needed(pool.probability, wrong, n, q)
    return refuse(n, len(wrong), f"q = {q:g}", "candidates", needed)
