"""Certified selection: with a probability of 1 - delta the share of wrong is at most q."""

from dataclasses import dataclass
from typing import ClassVar, Optional, Tuple

import numpy as np

from ..numeric import fold_of
from .certified_cut import certified_cut, certified_sample
from .selector import FLOOR, Q, Selection, Selector, check_share
from .statements import count, describe, make_promise, nothing_over, observe, refuse, state
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
        q, delta, floor = self.q, self.delta, self.floor
        scores = pool.probability[pool.probability >= floor]
        sample = evidence.take(evidence.probability >= floor)
        sample = sample.take(one_per_document(sample, self.seed))
        wrong = ~sample.correct
        cut = certified_cut(scores, sample.probability, wrong, q, delta)
        accepted = np.zeros(len(pool), dtype=bool)
        if cut is not None:
            accepted = pool.probability >= cut
        seen = count(sample, cut)
        promise = {**make_promise("probable", seen, pool), "q": q, "delta": delta}
        if cut is None:
            statement, needed = _refuse(scores, sample, q, delta, floor)
            promise.update(kind=None, needed=needed)
            return Selection(accepted, None, statement, promise)
        rule = (
            f"{describe(accepted, cut)} with q = {q:g} and delta = {delta:g}, tested on one random "
            f"candidate a document. {observe(seen)}"
        )
        claim = (
            f"With probability {1 - delta:g} over the draw of the held-out documents the expected share of "
            f"wrong {pool.unit} among the accepted ones is at most {q:g}"
        )
        return state(evidence, accepted, cut, claim, rule, promise)


def make_certified(
    q: float = Q, delta: float = DELTA, floor: float = FLOOR, seed: int = 0
) -> Selector:
    """Keep the share of wrong at q or under it with a probability of 1 - delta.

    Spans of one document are not independent, so one random candidate of every held-out document is
    tested. What is bounded is the expected share for a random candidate of a random document; in a
    small pool the realised one scatters around it.

    q (float): The share.
    delta (float): The probability with which the promise may fail, over draws of the evidence.
    floor (float): Candidates with a lower probability are never accepted.
    seed (int): Picks the candidates.
    RETURNS (Selector): Often accepts nothing where fewer than 50 documents were held out.
    """
    check_share("q", q)
    check_share("delta", delta)
    check_share("floor", floor)
    return Certified(q, delta, floor, seed)


def one_per_document(table: CandidateTable, seed: int) -> np.ndarray:
    """Pick one row of every document at random, by the document's text.

    table (CandidateTable): n rows, ordered by document.
    seed (int): Another seed, another pick.
    RETURNS (np.ndarray): Indices of rows.
    """
    if len(table) == 0:
        return np.zeros(0, dtype="int64")
    starts = np.flatnonzero(np.append(True, np.diff(table.document) != 0))
    sizes = np.diff(np.append(starts, len(table)))
    picks = [
        fold_of(f"{seed}:{table.texts[table.document[start]]}", int(size))
        for start, size in zip(starts, sizes)
    ]
    return starts + np.array(picks)


def _refuse(
    pool: np.ndarray, sample: CandidateTable, q: float, delta: float, floor: float
) -> Tuple[str, Optional[int]]:
    if len(pool) == 0:
        return nothing_over(floor), None
    needed = certified_sample(pool, sample.probability, ~sample.correct, q, delta)
    errors = int((~sample.correct).sum())
    aim = f"q = {q:g} at delta = {delta:g}"
    return refuse(len(sample), errors, aim, "candidates (one a document)", needed)
