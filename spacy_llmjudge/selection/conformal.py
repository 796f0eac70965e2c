"""Conformal selection: the expected share of wrong candidates among the accepted ones is at most q."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..errors import Errors, LLMJudgeError
from .conformal_cut import conformal_cut, conformal_needed
from .label_shift import benjamini_hochberg, label_shift_weights, weighted_p_values
from .promise import EXPECTED, EXPECTED_BY_LABEL, Rule, conformal_level
from .selector import FLOOR, Q, Selection, Selector, check_share
from .statements import (
    describe,
    explain,
    make_promise,
    nothing_over,
    observe,
    percent,
    refuse,
    state,
)
from .table import CandidateTable


@dataclass(frozen=True)
class Conformal(Selector):
    """See `make_conformal`."""

    q: float = Q
    weighted: bool = False
    floor: float = FLOOR
    per_label: bool = False

    name: ClassVar[str] = "llmjudge.Conformal.v1"

    def select(self, pool: CandidateTable, evidence: CandidateTable) -> Selection:
        return select_conformal(pool, evidence, self.q, self.floor, self.weighted, self.per_label)


def make_conformal(
    q: float = Q,
    weighted: bool = False,
    floor: float = FLOOR,
    per_label: bool = False,
) -> Selector:
    """Keep the expected share of wrong among the accepted candidates at q or under it.

    q (float): The share.
    weighted (bool): Weigh held-out candidates so that their labels are as frequent as in the pool. For
        evidence that was balanced by label; approximate. Labels that it lacks stay undecided.
    floor (float): Candidates with a lower probability are never accepted.
    per_label (bool): Keep the share within each label, with a cut for each. Labels so rare that fewer
        than 2 / q held-out candidates are expected of them have one cut together. Nothing is promised
        for all labels together, and where q is small rare labels may get nothing.
    RETURNS (Selector): Promises the share on average over draws of evidence and pool.
    """
    check_share("q", q)
    check_share("floor", floor)
    if weighted and per_label:
        raise LLMJudgeError(Errors.J517)
    return Conformal(q, weighted, floor, per_label)


class Outcome(NamedTuple):
    """What a rule makes of the candidates over the floor.

    accepted (np.ndarray): (m,) True for the pool candidates that are accepted.
    cuts (np.ndarray): (n_labels,) the least accepted score of a label; infinite where there is none.
    cut (Optional[float]): The cut, where there is one for all labels.
    attained (Optional[float]): The level, the highest one where each label has its own.
    rule (Optional[Rule]): The counts behind this level, where a sentence can name them.
    of (str): The labels that they are about, where each label has its own.
    """

    accepted: np.ndarray
    cuts: np.ndarray
    cut: Optional[float] = None
    attained: Optional[float] = None
    rule: Optional[Rule] = None
    of: str = ""


def select_conformal(
    pool: CandidateTable,
    evidence: CandidateTable,
    q: float,
    floor: float,
    weighted: bool = False,
    per_label: bool = False,
) -> Selection:
    """Accept what keeps the expected share of wrong at q, and say so.

    pool (CandidateTable): m candidates with `probability`.
    evidence (CandidateTable): n candidates with `probability` and `correct`.
    q, floor, weighted, per_label: See `make_conformal`.
    RETURNS (Selection): Its promise is "expected", "expected by label", or None where nothing can be
        promised.
    """
    rows = np.flatnonzero(pool.probability >= floor)
    pool_over, evidence_over = pool.take(rows), evidence.take(evidence.probability >= floor)
    choose = _by_label if per_label else _weigh if weighted else _cut
    found = choose(pool_over, evidence_over, q)
    accepted = np.zeros(len(pool), dtype=bool)
    accepted[rows[found.accepted]] = True
    passing = evidence.probability >= np.maximum(found.cuts[evidence.label], floor)
    kind = EXPECTED_BY_LABEL if per_label else EXPECTED
    promise = make_promise(kind, pool, evidence, found.cut, passing)
    promise.update(
        {"q": q, "weighted": weighted, "per_label": per_label, "attained": found.attained}
    )
    if found.attained is None:
        statement, needed = _refuse(pool_over, evidence_over, q, floor, per_label)
        promise.update({"kind": None, "needed": needed})
        return Selection(accepted, None, statement, promise)
    promise["floor_decides"] = bool(found.accepted.all())
    if found.rule is not None:
        promise["rule"] = found.rule
    rule = (
        f"{describe(accepted, found.cut)} with q = {q:g}. "
        f"{_explain(found, pool.labels, q, floor)} {observe(promise)}"
    )
    claim = _claim(pool.unit, q, weighted, per_label)
    return state(evidence, accepted, passing, claim, rule, promise)


def _claim(unit: str, q: float, weighted: bool, per_label: bool) -> str:
    where, also = "The", ""
    if per_label:
        where, also = "Within each label the", "; for all labels together nothing is promised"
    about = "approximately " if weighted else ""
    return (
        f"{where} share of wrong {unit} among the accepted ones is {about}at most {q:g} on average over "
        f"draws of the held-out documents{also}"
    )


def _explain(found: Outcome, labels: Sequence[str], q: float, floor: float) -> str:
    if found.rule is None:
        return f"The weighted level is {percent(found.attained or 0.0)}, where {percent(q)} are allowed."
    level = explain(found.rule, q, floor, bool(found.accepted.all()))
    if not found.of:
        return level
    starved = [name for name, cut in zip(labels, found.cuts) if np.isinf(cut)]
    nothing = f" Nothing is accepted of {', '.join(starved)}." if starved else ""
    return f"The highest level is that of {found.of}. {level}{nothing}"


def _cut(pool: CandidateTable, evidence: CandidateTable, q: float) -> Outcome:
    wrong = evidence.probability[~evidence.correct]
    cut = conformal_cut(pool.probability, wrong, len(evidence), q)
    if cut is None:
        return Outcome(np.zeros(len(pool), dtype=bool), np.full(len(pool.labels), np.inf))
    accepted = pool.probability >= cut
    rule: Rule = {
        "wrong": int((wrong >= cut).sum()),
        "held_out": len(evidence),
        "accepted": int(accepted.sum()),
        "candidates": len(pool),
    }
    return Outcome(accepted, np.full(len(pool.labels), cut), cut, conformal_level(rule), rule)


def _weigh(pool: CandidateTable, evidence: CandidateTable, q: float) -> Outcome:
    ratio = label_shift_weights(pool.label, evidence.label, len(pool.labels))
    known = np.isin(pool.label, evidence.label)
    p_values = weighted_p_values(
        pool.probability[known],
        ratio[pool.label[known]],
        evidence.probability,
        ~evidence.correct,
        ratio[evidence.label],
    )
    chosen = benjamini_hochberg(p_values, q)
    accepted, cuts = np.zeros(len(pool), dtype=bool), np.full(len(pool.labels), np.inf)
    accepted[known] = chosen
    np.minimum.at(cuts, pool.label[accepted], pool.probability[accepted])
    level = float(p_values[chosen].max() * len(p_values) / chosen.sum()) if chosen.any() else None
    return Outcome(accepted, cuts, attained=level)


def _by_label(pool: CandidateTable, evidence: CandidateTable, q: float) -> Outcome:
    groups = _groups(pool, evidence, q)
    accepted, cuts = np.zeros(len(pool), dtype=bool), np.full(len(groups), np.inf)
    highest = Outcome(accepted, cuts)
    for group in np.unique(groups):
        inside = groups == group
        rows = inside[pool.label]
        found = _cut(pool.take(rows), evidence.take(inside[evidence.label]), q)
        accepted[rows] = found.accepted
        cuts[inside] = found.cuts[inside]
        if (found.attained or 0.0) > (highest.attained or 0.0):
            names = ", ".join(name for name, own in zip(pool.labels, inside) if own)
            pooled = " (rare labels, which have one cut together)" if inside.sum() > 1 else ""
            highest = found._replace(of=names + pooled)
    return highest._replace(accepted=accepted, cuts=cuts, cut=None)


def _groups(pool: CandidateTable, evidence: CandidateTable, q: float) -> np.ndarray:
    """Put labels together that are too rare for a cut of their own: with fewer than 2 / q - 1 held-out
    candidates a cut could not afford a single wrong one.

    What is rare is read from held-out and pool candidates together, so that the two stay exchangeable.

    RETURNS (np.ndarray): (n_labels,) the number of each label's group: its own, or -1 for a rare one.
    """
    n_labels = len(pool.labels)
    both = np.bincount(np.append(pool.label, evidence.label), minlength=n_labels)
    expected = len(evidence) * both / max(both.sum(), 1)
    return np.where(expected + 1 < 2 / q, -1, np.arange(n_labels))


def _refuse(
    pool: CandidateTable, evidence: CandidateTable, q: float, floor: float, per_label: bool
) -> Tuple[str, Optional[int]]:
    if len(pool) == 0:
        return nothing_over(floor), None
    n, errors = len(evidence), f"{int((~evidence.correct).sum())} of them wrong"
    aim, groups = f"q = {q:g}", np.zeros(len(pool.labels), dtype="int64")
    if per_label:
        aim, groups = f"{aim} within a label", _groups(pool, evidence, q)
    found = []
    for group in np.unique(groups):
        inside = evidence.take(groups[evidence.label] == group)
        scores = pool.probability[groups[pool.label] == group]
        wrong = inside.probability[~inside.correct]
        needed = conformal_needed(scores, wrong, len(inside), q)
        if needed is not None:
            # of all labels, so that this one gets its share
            found.append(-(-needed * n // len(inside)) if len(inside) else needed)
    return refuse(n, errors, aim, "candidates", min(found, default=None))
