"""What a selection promises and counted, for programs: plain data that goes into the report as it is."""

from typing import Optional, TypedDict

EXPECTED = "expected"
EXPECTED_BY_LABEL = "expected by label"
PROBABLE = "probable"


class Rule(TypedDict):
    """What a rule counted among the candidates over its floor.

    wrong (int): Held-out candidates over the cut that are wrong.
    held_out (int): All held-out candidates; those over the cut only, for a certificate.
    accepted (int): Pool candidates that are accepted.
    candidates (int): All pool candidates.
    """

    wrong: int
    held_out: int
    accepted: int
    candidates: int


class Promise(TypedDict, total=False):
    """A promise, with the numbers behind it.

    kind (Optional[str]): EXPECTED, EXPECTED_BY_LABEL, PROBABLE, or None where nothing is promised.
    q (Optional[float]): The share of wrong that was asked for.
    delta (float): The probability with which the promise may fail.
    attained (Optional[float]): The level that the rule arrived at, q or less.
    rule (Rule): The counts that it arrived there with.
    floor_decides (bool): Everything over the floor is accepted, so that a larger q would change nothing.
    n (int): Held-out candidates, and of these
    errors (int): ... the wrong ones,
    n_over_cut (int): ... those over the cut,
    errors_over_cut (int): ... and the wrong ones over the cut.
    documents (int): Held-out documents that the rule is about, where documents are what counts.
    cut (Optional[float]): The cut.
    bound (int): At most so many candidates of a document are accepted.
    value (float): The e-value of a certificate.
    pool (int): Pool candidates.
    weighted (bool): Held-out candidates were weighted by label.
    per_label (bool): Each label has a cut of its own.
    needed (Optional[int]): How much evidence it would take; None where more would not help.
    """

    kind: Optional[str]
    q: Optional[float]
    delta: float
    attained: Optional[float]
    rule: Rule
    floor_decides: bool
    n: int
    errors: int
    n_over_cut: int
    errors_over_cut: int
    documents: int
    cut: Optional[float]
    bound: int
    value: float
    pool: int
    weighted: bool
    per_label: bool
    needed: Optional[int]


class LabelCounts(TypedDict, total=False):
    """Candidates of one label.

    pool (int): Of the pool, without those that lost to others.
    accepted (int): The accepted ones of these.
    held_out (int): Held out.
    held_out_over_cut (int): The held-out ones that would be accepted.
    wrong_over_cut (int): The wrong ones of these.
    """

    pool: int
    accepted: int
    held_out: int
    held_out_over_cut: int
    wrong_over_cut: int


def conformal_level(rule: Rule) -> float:
    """RETURNS (float): The least q with which conformal selection accepts what it accepted.

    EXAMPLE:
        >>> round(conformal_level({"wrong": 15, "held_out": 209, "accepted": 9, "candidates": 9}), 4)
        0.0762
    """
    estimated = (rule["wrong"] + 1) / (rule["held_out"] + 1)
    return estimated * rule["candidates"] / rule["accepted"]
