"""What a selection says of itself: the sentence with its numbers, and the same for programs."""

from typing import Any, Dict, Optional, Tuple

import numpy as np

from .selector import Selection
from .table import CandidateTable


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


def nothing_over(floor: float) -> str:
    return (
        f"Nothing is accepted: the pool has no candidate with a probability of {floor:g} or more."
    )


def refuse(
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


def say_hand_set(accepted: np.ndarray, cut: float, seen: Dict[str, Any]) -> str:
    """RETURNS (str): The sentence where a person set the cut."""
    rule = f"the rule accepts {describe(accepted, cut)}. {observe(seen)}"
    return f"No promise, because the cut was set by hand: {rule}"
