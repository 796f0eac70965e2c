"""Several opinions on one candidate become one verdict and one support."""

from collections import Counter
from dataclasses import dataclass
from typing import Dict, Optional, Sequence, Tuple

from .verdicts import clip_support

# In doubt the verdict that accepts least.
OPTIONS = ("not_entity", "wrong_boundary", "wrong_label", "correct")


@dataclass(frozen=True)
class Opinion:
    """What one reply says about one candidate.

    verdict (str): One of OPTIONS.
    masses (Optional[Dict[str, float]]): The probability of each option, from log-probabilities.
    coverage (Optional[float]): What the options had together before they were renormalised.
    chance (Optional[float]): The stated probability that the candidate is correct, 0 to 1.
    correction (Optional[str]): What it should be: a label, or words of the text.
    """

    verdict: str
    masses: Optional[Dict[str, float]] = None
    coverage: Optional[float] = None
    chance: Optional[float] = None
    correction: Optional[str] = None


@dataclass(frozen=True)
class Judgement:
    """What is made of all opinions on a candidate.

    verdict (str): One of OPTIONS.
    support (Optional[float]): The probability that the candidate is correct; None for a bare verdict.
    correction (Optional[str]): What it should be, for a wrong label or boundary.
    correction_support (Optional[float]): The probability of the option that asks for this correction.
    """

    verdict: str
    support: Optional[float] = None
    correction: Optional[str] = None
    correction_support: Optional[float] = None


def combine(opinions: Sequence[Opinion]) -> Judgement:
    """Combine the opinions on one candidate.

    Support is the option's probability, the mean over all opinions that have log-probabilities; else
    the share of votes, (right + .5) / (n + 1), of two or more; else the stated probability; else None.

    opinions (Sequence[Opinion]): At least one.
    RETURNS (Judgement): The same for every order of the opinions.

    EXAMPLE:
        >>> combine([Opinion("correct"), Opinion("correct"), Opinion("wrong_label")]).support
        0.625
        >>> combine([Opinion("correct", chance=0.9)])
        Judgement(verdict='correct', support=0.9, correction=None, correction_support=None)
    """
    shares = _find_shares(opinions)
    if shares is None:
        verdict, chance = opinions[0].verdict, opinions[0].chance
        support = chance if _is_possible(verdict, chance) else None
    else:
        verdict = max(OPTIONS, key=lambda option: (shares[option], -OPTIONS.index(option)))
        support = shares["correct"]
    corrections = Counter(o.correction for o in opinions if o.verdict == verdict and o.correction)
    best = min(corrections, key=lambda words: (-corrections[words], words), default=None)
    return Judgement(
        verdict,
        None if support is None else clip_support(support),
        best,
        clip_support(shares[verdict]) if best is not None and shares is not None else None,
    )


def _find_shares(opinions: Sequence[Opinion]) -> Optional[Dict[str, float]]:
    weighed = [o.masses for o in opinions if o.masses is not None]
    if weighed:
        return {name: round(_mean([m[name] for m in weighed]), 6) for name in OPTIONS}
    if len(opinions) < 2:
        return None
    votes = Counter(opinion.verdict for opinion in opinions)
    return {name: (votes[name] + 0.5) / (len(opinions) + 1) for name in OPTIONS}


def _mean(values: Sequence[float]) -> float:
    # Sorted, as sums of the same numbers in another order differ in their last digits.
    return sum(sorted(values)) / len(values)


def _is_possible(verdict: str, chance: Optional[float]) -> bool:
    """Whether a stated probability can go with a verdict; models that cannot have misread what it is
    the probability of, such as those that reject a candidate with 95 for being sure."""
    if chance is None:
        return False
    return chance >= 1 / len(OPTIONS) if verdict == "correct" else chance <= 0.5


def count_doubts(opinions: Sequence[Opinion]) -> Tuple[int, int]:
    """RETURNS (Tuple[int, int]): How many had log-probabilities that did not cover the options, and
    how many stated a probability that cannot go with their verdict."""
    uncovered = sum(o.coverage is not None and o.masses is None for o in opinions)
    impossible = sum(
        o.chance is not None and not _is_possible(o.verdict, o.chance) for o in opinions
    )
    return uncovered, impossible
