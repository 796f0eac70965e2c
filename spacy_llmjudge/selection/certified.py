"""Certified selection: with a probability of 1 - delta the share of wrong is at most q."""

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

import numpy as np

from .certified_cut import Candidates, Certificate, certified_cut, documents_needed, rank_candidates
from .promise import PROBABLE, Promise
from .selector import FLOOR, Q, Selection, Selector, check_share
from .statements import describe, make_promise, nothing_over, percent, refuse, state
from .table import CandidateTable

DELTA = 0.1


@dataclass(frozen=True)
class Certified(Selector):
    """See `make_certified`."""

    q: float = Q
    delta: float = DELTA
    floor: float = FLOOR
    seed: int = 0

    name: ClassVar[str] = "llmjudge.Certified.v1"

    def select(self, pool: CandidateTable, evidence: CandidateTable) -> Selection:
        over, ranked = _rank(pool, self.floor, evidence.alone)
        over_evidence, held_out = _rank(evidence, self.floor, evidence.alone)
        wrong = ~evidence.correct[over_evidence]
        found = certified_cut(ranked, held_out, wrong, self.q, self.delta, self.seed)
        accepted, passing = np.zeros(len(pool), dtype=bool), np.zeros(len(evidence), dtype=bool)
        if found is not None:
            accepted[over] = _passes(ranked, found)
            passing[over_evidence] = _passes(held_out, found)
        cut = None if found is None else found.cut
        promise = make_promise(PROBABLE, pool, evidence, cut, passing)
        promise.update({"q": self.q, "delta": self.delta, "documents": held_out.n_documents})
        if found is None:
            statement, needed = self._refuse(ranked, held_out, wrong, evidence.alone)
            promise.update({"kind": None, "needed": needed})
            return Selection(accepted, None, statement, promise)
        promise.update(
            {
                "bound": found.bound,
                "value": found.value,
                "attained": promise["errors_over_cut"] / promise["n_over_cut"],
                "floor_decides": bool(accepted[over].all()),
            }
        )
        claim = (
            f"With probability {1 - self.delta:g} over the draw of the held-out documents the expected "
            f"share of wrong {pool.unit} among the accepted ones is at most {self.q:g}"
        )
        rule = _explain(accepted, promise, evidence.alone)
        return state(evidence, accepted, passing, claim, rule, promise)

    def _refuse(
        self,
        pool: Candidates,
        held_out: Candidates,
        wrong: np.ndarray,
        alone: bool,
    ) -> Tuple[str, Optional[int]]:
        if not len(pool.score):
            return nothing_over(self.floor), None
        needed = documents_needed(pool, held_out, wrong, self.q, self.delta)
        found = f"with {len(wrong)} candidates, {int(wrong.sum())} of them wrong"
        drawn = "candidates" if alone else "documents"
        aim = f"q = {self.q:g} at delta = {self.delta:g}"
        return refuse(held_out.n_documents, found, aim, drawn, needed)


def make_certified(
    q: float = Q, delta: float = DELTA, floor: float = FLOOR, seed: int = 0
) -> Selector:
    """Keep the share of wrong at q or under it with a probability of 1 - delta.

    What is bounded is the expected share in text like the pool's, all labels together; in a small pool
    the realised one scatters around it. Candidates of a document may be alike, and errors may depend on
    how many it has; see `certified_cut` for the test. With little evidence only the surest one or two
    candidates of a document may be accepted, the statement says how many.

    q (float): The share.
    delta (float): The probability with which the promise may fail, over draws of the evidence.
    floor (float): Candidates with a lower probability are never accepted.
    seed (int): For the draws of the test; the promise holds with each.
    RETURNS (Selector): Often accepts nothing where fewer than 50 documents were held out.
    """
    check_share("q", q)
    check_share("delta", delta)
    check_share("floor", floor)
    return Certified(q, delta, floor, seed)


def _rank(table: CandidateTable, floor: float, alone: bool) -> Tuple[np.ndarray, Candidates]:
    """RETURNS (Tuple[np.ndarray, Candidates]): Rows over the floor, ordered by start, end and label, which
    decides between equals, and these candidates, ranked within what was drawn."""
    rows = np.flatnonzero(table.probability >= floor)
    keys = (table.label, table.end, table.start)
    rows = rows[np.lexsort([key[rows] for key in keys])]
    drawn = np.arange(len(rows)) if alone else table.document[rows]
    return rows, rank_candidates(drawn, table.probability[rows])


def _passes(candidates: Candidates, found: Certificate) -> np.ndarray:
    return (candidates.score >= found.cut) & (candidates.rank <= found.bound)


def _explain(accepted: np.ndarray, promise: Promise, alone: bool) -> str:
    bound = "" if alone else f", at most {promise['bound']} of a document,"
    drawn = "candidates" if alone else f"candidates of {promise['documents']} documents"
    decides = "; the floor decides, not q" if promise["floor_decides"] else ""
    return (
        f"{describe(accepted, promise['cut'])}{bound} with q = {promise['q']:g} and delta = "
        f"{promise['delta']:g}. Held out: {promise['n']} {drawn}, {promise['errors']} of them wrong. Of these "
        f"{promise['n_over_cut']} would be accepted, {promise['errors_over_cut']} of them wrong "
        f"({percent(promise['attained'] or 0.0)}, where {percent(promise['q'] or 0.0)} are allowed{decides}). "
        f"The evidence against a larger share is {promise['value']:.3g} to 1; {1 / promise['delta']:.3g} to 1 "
        f"is needed."
    )
