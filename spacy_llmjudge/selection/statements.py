"""What a selection says of itself: the sentence with its numbers, and the same for programs."""

from typing import Dict, Optional, Tuple

import numpy as np

from .promise import LabelCounts, Promise, Rule, conformal_level
from .selector import Selection
from .table import CandidateTable


def state(
    evidence: CandidateTable,
    accepted: np.ndarray,
    passing: np.ndarray,
    claim: str,
    rule: str,
    promise: Promise,
) -> Selection:
    """Put claim and rule into one sentence; where the evidence has a caveat the claim is not made.

    evidence (CandidateTable): n candidates.
    accepted (np.ndarray): (m,) True for the pool candidates that are accepted.
    passing (np.ndarray): (n,) True for the held-out candidates that would be.
    claim (str): What is promised.
    rule (str): What was done, with the numbers.
    promise (Promise): The same for programs.
    RETURNS (Selection): With the counts by label.
    """
    if not evidence.caveat:
        statement = f"{claim}, if these and the pool are random samples of the same text: {rule}"
    else:
        promise = {**promise, "kind": None}
        statement = f"No promise, because {evidence.caveat}: the rule accepts {rule}"
    labels = count_labels(evidence, passing)
    return Selection(accepted, promise["cut"], statement, promise, labels=labels)


def make_promise(
    kind: Optional[str],
    pool: CandidateTable,
    evidence: CandidateTable,
    cut: Optional[float],
    passing: np.ndarray,
) -> Promise:
    """Start a promise with what was held out.

    kind (Optional[str]): EXPECTED, EXPECTED_BY_LABEL, PROBABLE or None.
    pool (CandidateTable): m candidates.
    evidence (CandidateTable): n candidates.
    cut (Optional[float]): The cut, where there is one for all.
    passing (np.ndarray): (n,) True for the held-out candidates that would be accepted.
    RETURNS (Promise): The kind, the cut, and how many candidates there are and are wrong.
    """
    return {
        "kind": kind,
        "pool": len(pool),
        "n": len(evidence),
        "errors": int((~evidence.correct).sum()),
        "cut": cut,
        "n_over_cut": int(passing.sum()),
        "errors_over_cut": int((~evidence.correct[passing]).sum()),
    }


def count_labels(evidence: CandidateTable, passing: np.ndarray) -> Dict[str, LabelCounts]:
    """RETURNS (Dict[str, LabelCounts]): By label, the held-out candidates, those that would be accepted
    (`passing`), and the wrong ones of these."""
    size = len(evidence.labels)
    masks = (np.ones(len(evidence), dtype=bool), passing, passing & ~evidence.correct)
    held_out, over, wrong = (np.bincount(evidence.label[m], minlength=size).tolist() for m in masks)
    return {
        name: {"held_out": held_out[i], "held_out_over_cut": over[i], "wrong_over_cut": wrong[i]}
        for i, name in enumerate(evidence.labels)
    }


def warn_of_labels(labels: Dict[str, LabelCounts], promise: Promise) -> Optional[str]:
    """RETURNS (Optional[str]): A sentence where a label's share of wrong held-out candidates is over q."""
    q = promise.get("q")
    if q is None:
        return None
    over = [
        f"{name} ({percent(row['wrong_over_cut'] / row['held_out_over_cut'])}: {row['wrong_over_cut']} of "
        f"{row['held_out_over_cut']})"
        for name, row in labels.items()
        if row["wrong_over_cut"] > q * row["held_out_over_cut"]
    ]
    if not over:
        return None
    about = "is about all labels together; per_label = true makes one about each"
    if promise.get("per_label"):
        about = "holds on average over draws of the held-out documents, not for each draw"
    return (
        f"Of these labels more than q = {q:g} of the held-out candidates that would be accepted are wrong: "
        f"{', '.join(over)}. What is promised {about}."
    )


def percent(share: float) -> str:
    """RETURNS (str): A share in percent, with three digits.

    EXAMPLE:
        >>> percent(16 / 210), percent(.25)
        ('7.62 %', '25 %')
    """
    return f"{100 * share:.3g} %"


def describe(accepted: np.ndarray, cut: Optional[float]) -> str:
    over = f" over the cut {cut:.3f}" if cut is not None else ""
    return f"{int(accepted.sum())} of {len(accepted)} candidates{over}"


def observe(seen: Promise) -> str:
    """What was held out, in words."""
    if seen["n"] == 0:
        return "Nothing was held out to check it against."
    over = "over the cut" if seen["cut"] is not None else "over their cuts"
    return (
        f"Held out: {seen['n']} candidates, {seen['errors']} of them wrong; {seen['n_over_cut']} {over}, "
        f"{seen['errors_over_cut']} of them wrong."
    )


def explain(rule: Rule, q: float, floor: float, floor_decides: bool) -> str:
    """The counts of conformal selection and the level that they give, as a sum that a reader can check."""
    counted = f"({rule['wrong']} wrong + 1) / ({rule['held_out']} held out + 1)"
    if rule["accepted"] < rule["candidates"]:
        counted += f" / ({rule['accepted']} accepted of {rule['candidates']} pool candidates)"
    decides = f"; the floor of {floor:g} decides, not q" if floor_decides else ""
    return (
        f"Counted over the floor, {counted} = {percent(conformal_level(rule))}, where {percent(q)} "
        f"{'were' if floor_decides else 'are'} allowed{decides}."
    )


def nothing_over(floor: float) -> str:
    return (
        f"Nothing is accepted: the pool has no candidate with a probability of {floor:g} or more."
    )


def refuse(
    n: int, errors: str, aim: str, unit: str, needed: Optional[int]
) -> Tuple[str, Optional[int]]:
    """Say that nothing is accepted, and what would change that.

    n (int): How much was held out.
    errors (str): How much of it is wrong, such as "3 of them wrong".
    aim (str): What was asked for.
    unit (str): What is counted.
    needed (Optional[int]): How much would be needed; None where no number would do.
    RETURNS (Tuple[str, Optional[int]]): The sentence, and the number where it helps.
    """
    if needed is not None and needed > n:
        return (
            f"Nothing is accepted: {aim} is not attainable with {n} held-out {unit}, {errors}; about "
            f"{needed} would be needed. Label more held-out documents, or allow a larger q.",
            needed,
        )
    return (
        f"Nothing is accepted: {aim} is not attainable with {n} held-out {unit}, {errors}: too many of "
        "these are among the surest, and more of them would not help. Allow a larger q, or use a better "
        "judge.",
        None,
    )


def state_hand_set(
    pool: CandidateTable, evidence: CandidateTable, accepted: np.ndarray, cut: float
) -> Selection:
    """RETURNS (Selection): Without a promise, because a person set the cut."""
    passing = evidence.probability >= cut
    promise = make_promise(None, pool, evidence, cut, passing)
    rule = f"{describe(accepted, cut)}. {observe(promise)}"
    return state(
        evidence.replace(caveat="the cut was set by hand"), accepted, passing, "", rule, promise
    )
