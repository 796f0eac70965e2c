"""Selectors: from scored candidates, in the pool and held out, to those that are accepted.

A selector is a callable `(pool, evidence) -> Selection` on two tables whose overlaps are resolved
and whose `probability` is set, the evidence's out of fold. Optional attributes say what must happen
before: `uses_judge` and `uses_proposals` (True where missing), and, where it ranks by something else
than the fused probability, `score`, a function `(table, evidence) -> (n,)`, or `score_both`, a function
`(pool, evidence, n_folds) -> Scores`. One that learns from what candidates look like has `features`, a
function that fills this column of both tables.

The floor of Conformal and Certified is fixed beforehand and cuts pool and evidence alike, so that what
is promised holds for what lies over it: a span that is more likely wrong than right teaches nothing,
even where a generous q has room for it.
"""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Optional, Tuple

import numpy as np

from ..errors import Errors, LLMJudgeError
from ..numeric import fold_of
from .guarantees import (
    certified_cut,
    certified_sample,
    conformal_cut,
    conformal_needed,
    weighted_conformal,
)
from .table import CandidateTable


@dataclass(frozen=True)
class Selection:
    """What a selector accepts, and what it promises about that.

    accepted (np.ndarray): (m,) True where a pool candidate is accepted.
    cut (Optional[float]): The score from which on they are, where there is one for all.
    statement (str): One sentence for people.
    promise (Dict[str, Any]): The same for programs: `kind` is "expected", "probable" or None.
    documents (Optional[np.ndarray]): (n_documents,) False for those that must not be trained on.
    """

    accepted: np.ndarray
    cut: Optional[float]
    statement: str
    promise: Dict[str, Any] = field(default_factory=dict)
    documents: Optional[np.ndarray] = None


@dataclass(frozen=True)
class Scores:
    """What a selector ranks by that learns from the pool as well.

    pool (np.ndarray): (m,) probabilities.
    evidence (np.ndarray): (n,) the same, none of them from anything that has seen the truth of its
        document.
    report (Dict[str, Any]): What was learned, for the report.
    """

    pool: np.ndarray
    evidence: np.ndarray
    report: Dict[str, Any]


@dataclass(frozen=True)
class Selector:
    """A selector with its settings.

    name (str): Its registered name.
    select (Callable): From the two tables to a Selection.
    settings (Dict[str, Any]): For the report.
    uses_judge (bool): False: verdicts and proposals are hidden from it.
    uses_proposals (bool): False: only the student's own candidates are shown to it.
    score (Optional[Callable]): From a table and the evidence to the scores that it ranks by.
    score_both (Optional[Callable]): From pool, evidence and the number of folds to both scores.
    features (Optional[Callable]): From the documents and the table of the pool, and those of the
        evidence, to both tables with features.
    """

    name: str
    select: Callable[[CandidateTable, CandidateTable], Selection]
    settings: Dict[str, Any]
    uses_judge: bool = True
    uses_proposals: bool = True
    score: Optional[Callable[[CandidateTable, CandidateTable], np.ndarray]] = None
    score_both: Optional[Callable[[CandidateTable, CandidateTable, int], Scores]] = None
    features: Optional[Callable[..., Tuple[CandidateTable, CandidateTable]]] = None

    def __call__(self, pool: CandidateTable, evidence: CandidateTable) -> Selection:
        return self.select(pool, evidence)


def make_threshold(cut: float = 0.9) -> Selector:
    """Classic self-training: one cut on the student's own confidence. It asks no judge.

    cut (float): The least confidence.
    RETURNS (Selector): Promises nothing.
    """
    check_share("cut", cut)

    def select(pool: CandidateTable, evidence: CandidateTable) -> Selection:
        accepted = pool.probability >= cut
        seen = count(evidence, cut)
        statement = (
            f"No promise, because the cut was set by hand: the rule accepts {describe(accepted, cut)}. "
            f"{observe(seen)}"
        )
        return Selection(accepted, cut, statement, make_promise(None, seen, pool))

    return Selector(
        name="llmjudge.Threshold.v1",
        select=select,
        settings={"cut": cut},
        uses_judge=False,
        uses_proposals=False,
        score=lambda table, evidence: np.nan_to_num(table.student, nan=0.0),
    )


def make_conformal(q: float = 0.1, weighted: bool = False, floor: float = 0.5) -> Selector:
    """Keep the expected share of wrong among the accepted candidates at q or under it.

    q (float): The share.
    weighted (bool): Weigh held-out candidates so that their labels are as frequent as in the pool. For
        evidence that was balanced by label; approximate. Labels that it lacks stay undecided.
    floor (float): Candidates with a lower probability are never accepted.
    RETURNS (Selector): Promises the share on average over draws of evidence and pool.
    """
    check_share("q", q)
    check_share("floor", floor)

    def select(pool: CandidateTable, evidence: CandidateTable) -> Selection:
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
            statement, needed = _refuse_conformal(pool_over, evidence_over, q, floor)
            promise.update(kind=None, needed=needed)
            return Selection(accepted, None, statement, promise)
        rule = f"{describe(accepted, cut)} with q = {q:g}. {observe(seen)}"
        about = "approximately " if weighted else ""
        claim = (
            f"The share of wrong spans among the accepted ones is {about}at most {q:g} on average over draws "
            f"of the held-out documents"
        )
        return state(evidence, accepted, cut, claim, rule, promise)

    return Selector(
        name="llmjudge.Conformal.v1",
        select=select,
        settings={"q": q, "weighted": weighted, "floor": floor},
    )


def make_certified(
    q: float = 0.1, delta: float = 0.1, floor: float = 0.5, seed: int = 0
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

    def select(pool: CandidateTable, evidence: CandidateTable) -> Selection:
        scores = pool.probability[pool.probability >= floor]
        sample = evidence.take(evidence.probability >= floor)
        sample = sample.take(one_per_document(sample, seed))
        wrong = ~sample.correct
        cut = certified_cut(scores, sample.probability, wrong, q, delta)
        accepted = np.zeros(len(pool), dtype=bool)
        if cut is not None:
            accepted = pool.probability >= cut
        seen = count(sample, cut)
        promise = {**make_promise("probable", seen, pool), "q": q, "delta": delta}
        if cut is None:
            statement, needed = _refuse_certified(scores, sample, q, delta, floor)
            promise.update(kind=None, needed=needed)
            return Selection(accepted, None, statement, promise)
        rule = (
            f"{describe(accepted, cut)} with q = {q:g} and delta = {delta:g}, tested on one random "
            f"candidate a document. {observe(seen)}"
        )
        claim = (
            f"With probability {1 - delta:g} over the draw of the held-out documents the expected share of "
            f"wrong spans among the accepted ones is at most {q:g}"
        )
        return state(evidence, accepted, cut, claim, rule, promise)

    return Selector(
        name="llmjudge.Certified.v1",
        select=select,
        settings={"q": q, "delta": delta, "floor": floor, "seed": seed},
    )


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
    n_labels = len(pool.labels)
    held_out = np.bincount(evidence.label, minlength=n_labels)
    in_pool = np.bincount(pool.label, minlength=n_labels) * (held_out > 0)
    ratio = in_pool / np.maximum(held_out, 1) * len(evidence) / max(in_pool.sum(), 1)
    known = np.isin(pool.label, np.flatnonzero(held_out))
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


def _refuse_conformal(
    pool: CandidateTable, evidence: CandidateTable, q: float, floor: float
) -> Tuple[str, Optional[int]]:
    if len(pool) == 0:
        return _nothing_over(floor), None
    wrong = evidence.probability[~evidence.correct]
    n = len(evidence)
    needed = conformal_needed(pool.probability, wrong, n, q)
    return _refuse(n, len(wrong), f"q = {q:g}", "candidates", needed)


def _refuse_certified(
    pool: np.ndarray, sample: CandidateTable, q: float, delta: float, floor: float
) -> Tuple[str, Optional[int]]:
    if len(pool) == 0:
        return _nothing_over(floor), None
    needed = certified_sample(pool, sample.probability, ~sample.correct, q, delta)
    errors = int((~sample.correct).sum())
    aim = f"q = {q:g} at delta = {delta:g}"
    return _refuse(len(sample), errors, aim, "candidates (one a document)", needed)


def _nothing_over(floor: float) -> str:
    return (
        f"Nothing is accepted: the pool has no candidate with a probability of {floor:g} or more."
    )


def _refuse(
    n: int, errors: int, aim: str, unit: str, needed: Optional[int]
) -> Tuple[str, Optional[int]]:
    if needed is not None and needed > n:
        return (
            f"Nothing is accepted: {aim} is not attainable with {n} held-out {unit}, {errors} of them wrong; "
            f"about {needed} would be needed. Label more held-out documents, or allow a larger q.",
            needed,
        )
    return (
        f"Nothing is accepted: of {n} held-out {unit}, {errors} are wrong, and too many of these are among the "
        f"surest for {aim}; more of them would not help. Allow a larger q, or use a better judge.",
        None,
    )


def state(
    evidence: CandidateTable,
    accepted: np.ndarray,
    cut: Optional[float],
    claim: str,
    rule: str,
    promise: Dict[str, Any],
) -> Selection:
    """Put claim and rule into one sentence; where the evidence has a caveat the claim is not made."""
    if not evidence.caveat:
        statement = f"{claim}, if these and the pool are random samples of the same text: {rule}"
    else:
        promise = {**promise, "kind": None}
        statement = f"No promise, because {evidence.caveat}: the rule accepts {rule}"
    return Selection(accepted, cut, statement, promise)


def count(evidence: CandidateTable, cut: Optional[float]) -> Dict[str, Any]:
    """What the held-out candidates look like, all of them and over the cut."""
    seen = {"n": len(evidence), "errors": int((~evidence.correct).sum()), "cut": cut}
    if cut is not None:
        passing = evidence.probability >= cut
        seen["n_over_cut"] = int(passing.sum())
        seen["errors_over_cut"] = int((~evidence.correct[passing]).sum())
    return seen


def make_promise(kind: Optional[str], seen: Dict[str, Any], pool: CandidateTable) -> Dict[str, Any]:
    """The promise for programs: its kind, the size of the pool and what was held out."""
    return {"kind": kind, "pool": len(pool), **seen}


def describe(accepted: np.ndarray, cut: Optional[float]) -> str:
    over = f" over the cut {cut:.3f}" if cut is not None else ""
    return f"{int(accepted.sum())} of {len(accepted)} candidates{over}"


def observe(seen: Dict[str, Any]) -> str:
    """What was held out, in words."""
    if seen["n"] == 0:
        return "Nothing was held out to check it against."
    held_out = f"Held out: {seen['n']} candidates, {seen['errors']} of them wrong"
    if seen["cut"] is None:
        return f"{held_out}."
    return (
        f"{held_out}; {seen['n_over_cut']} over the cut, {seen['errors_over_cut']} of them wrong."
    )


def check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise LLMJudgeError(Errors.J403.format(name=name, value=value))
