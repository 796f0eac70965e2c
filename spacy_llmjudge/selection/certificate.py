"""The certificate of a silver: how many of its spans are wrong at most, from random ones that people answered.

A silver is N fixed spans, and K of them are wrong. Spans are drawn one after the other, without replacement,
each as likely as any other. Nothing else is random, so nothing is asked of the errors: whether they come in
clusters by document, which selector accepted them, or whether the pool resembles any held-out gold.

After n answers of which k are "wrong", each K is tested with an e-value: what the answers are worth to somebody
who bets that fewer than K are wrong, with equal stakes on 0 to K - 1,

    E(K) = mean over j < K of P(answers | j wrong) / P(answers | K wrong).

Under K it is a martingale that begins at 1, so that it ever reaches 1 / alpha with a probability of at most alpha
(Ville's inequality). The bound is the largest K that is not rejected. It holds after every answer, and whenever one
stops; the idea is that of Waudby-Smith and Ramdas 2020, "Confidence sequences for sampling without replacement".
The mean is a hypergeometric tail in closed form.

Who fixes n before the first answer, and stops there, may use the exact hypergeometric bound instead.
"""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Sequence

import numpy as np

from ..errors import Errors, LLMJudgeError
from ..storage import read_json_if_there, sha256_file, write_json

# in the folder of metrics of a round
CERTIFICATE = "certificate.json"

ALPHA = 0.05


class Certificate(NamedTuple):
    """What answers about random spans of a silver say about all of them.

    spans (int): All spans of the silver.
    answered (int): Random ones that people answered, and of these
    wrong (int): ... the wrong ones.
    alpha (float): The probability with which a bound may fail.
    bound (float): At most this share of the spans is wrong; it holds after every answer.
    planned (Optional[int]): How many answers were planned before the first one.
    bound_planned (Optional[float]): The bound from the first `planned` answers, for those who look at these only;
        None before they are there.
    share (float): The share of wrong spans that one would like to have,
    needed (Optional[int]): ... and how many more right answers in a row bring the bound there; None where even the
        right answer about every other span does not.
    """

    spans: int
    answered: int
    wrong: int
    alpha: float
    bound: float
    planned: Optional[int]
    bound_planned: Optional[float]
    share: float
    needed: Optional[int]

    def describe(self, units: str = "spans") -> str:
        """RETURNS (str): The statement, with the counts behind it."""
        level = f"{100 * (1 - self.alpha):g} %"
        text = (
            f"At most {100 * self.bound:.1f} % of the {self.spans} {units} of this silver are wrong, with {level} "
            f"confidence: people answered {self.answered} random ones, and {self.wrong} of these are wrong. This holds "
            "after every answer, whatever the errors have in common."
        )
        if self.bound_planned is not None:
            text += (
                f" From the {self.planned} answers that were planned, and looking at nothing else: at most "
                f"{100 * self.bound_planned:.1f} %."
            )
        return text


def certificate(
    spans: int,
    is_right: Sequence[bool],
    *,
    planned: Optional[int] = None,
    share: float = 0.1,
    alpha: float = ALPHA,
) -> Certificate:
    """Bound the share of wrong spans of a silver.

    spans (int): How many spans it has.
    is_right (Sequence[bool]): The answers about spans that were drawn at random without replacement, in the order
        of the draw, without gaps: to leave out what is hard to answer makes the rest no random sample.
    planned (Optional[int]): How many answers were planned before the first one.
    share (float): The share of wrong spans that one would like to have.
    alpha (float): The probability with which a bound may fail.
    RETURNS (Certificate): The bounds.

    EXAMPLE:
        >>> found = certificate(1000, [True] * 58 + [False, True], planned=60)
        >>> round(found.bound, 3), round(found.bound_planned, 3), found.needed
        (0.105, 0.074, 3)
    """
    n, wrong = len(is_right), sum(not right for right in is_right)
    wrong_planned = None
    if planned is not None and n >= planned > 0:
        wrong_planned = sum(not right for right in is_right[:planned])
    return _certify_counts(spans, n, wrong, planned, wrong_planned, share, alpha)


@lru_cache(maxsize=1024)
def _certify_counts(
    spans: int,
    n: int,
    wrong: int,
    planned: Optional[int],
    wrong_planned: Optional[int],
    share: float,
    alpha: float,
) -> Certificate:
    at_plan = None
    if planned is not None and wrong_planned is not None:
        at_plan = most_wrong_planned(spans, planned, wrong_planned, alpha) / spans
    return Certificate(
        spans=spans,
        answered=n,
        wrong=wrong,
        alpha=alpha,
        bound=int(most_wrong(spans, n, wrong, alpha)) / spans if spans else 0.0,
        planned=planned,
        bound_planned=at_plan,
        share=share,
        needed=count_needed(spans, n, wrong, share, alpha),
    )


def e_values(spans: Any, n_wrong: Any, n: Any, wrong: Any) -> np.ndarray:
    """How much answers speak against a number of wrong spans, and for a smaller one.

    spans (Any): All spans, N; this and the others are numbers or arrays.
    n_wrong (Any): The number of wrong ones among them that is tested, K.
    n (Any): Spans that were drawn,
    wrong (Any): ... and the wrong ones of these, k.
    RETURNS (np.ndarray): 0 and more; under K its expectation is at most 1, and it passes x with a probability of
        at most 1 / x, however often one looks.
    """
    from scipy.stats import hypergeom

    spans, n_wrong, n, wrong = np.broadcast_arrays(spans, n_wrong, n, wrong)
    # the sum over j < K of C(j, k) C(N - j, n - k) is C(N + 1, n + 1) times a tail
    tail = hypergeom.sf(wrong, spans + 1, n_wrong, n + 1)
    likelihood = hypergeom.pmf(wrong, spans, n_wrong, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (spans + 1) / (n + 1) * tail / (n_wrong * likelihood)
    # nobody can bet on fewer than none, or on fewer than were seen
    found = np.where((n_wrong == 0) | (n_wrong <= wrong), 0.0, found)
    possible = (n_wrong >= wrong) & (n_wrong <= spans - (n - wrong))
    return np.where(possible, found, np.inf)


def most_wrong(spans: Any, n: Any, wrong: Any, alpha: float = ALPHA) -> np.ndarray:
    """RETURNS (np.ndarray): How many spans are wrong at most, of the shape of the arguments (see `e_values`);
    with a probability of at most alpha it is ever too low.

    EXAMPLE:
        >>> int(most_wrong(1000, 100, 0)), int(most_wrong(1000, 100, 5)), int(most_wrong(100, 100, 5))
        (41, 129, 5)
    """
    spans, n, wrong = np.broadcast_arrays(spans, n, wrong)
    if np.any((wrong < 0) | (n < wrong) | (spans < n)):
        raise LLMJudgeError(Errors.J930.format(spans=spans, n=n, wrong=wrong))
    # the number that was seen is never rejected; one more than can be always is
    low, high = wrong.copy(), spans - (n - wrong) + 1
    while np.any(high - low > 1):
        middle = np.maximum((low + high) // 2, low)
        is_rejected = e_values(spans, middle, n, wrong) >= 1 / alpha
        is_open = high - low > 1
        high = np.where(is_open & is_rejected, middle, high)
        low = np.where(is_open & ~is_rejected, middle, low)
    return low


def most_wrong_planned(spans: int, n: int, wrong: int, alpha: float = ALPHA) -> int:
    """RETURNS (int): How many spans are wrong at most, where n was fixed before the first answer: the exact
    hypergeometric bound, which holds for one look.

    EXAMPLE:
        >>> most_wrong_planned(1000, 100, 0), most_wrong_planned(1000, 100, 5)
        (28, 99)
    """
    from scipy.stats import hypergeom

    low, high = wrong, spans - (n - wrong) + 1
    while high - low > 1:
        middle = (low + high) // 2
        if hypergeom.cdf(wrong, spans, middle, n) > alpha:
            low = middle
        else:
            high = middle
    return low


def count_needed(
    spans: int, n: int, wrong: int, share: float, alpha: float = ALPHA
) -> Optional[int]:
    """RETURNS (Optional[int]): How many more right answers in a row bring the bound down to a share; None where
    there are not so many spans."""

    too_many = math.floor(share * spans + 1e-9) + 1
    if wrong >= too_many:
        return None

    def suffices(more: int) -> bool:
        return bool(e_values(spans, too_many, n + more, wrong) >= 1 / alpha)

    if suffices(0):
        return 0
    low, high = 0, spans - n
    if not suffices(high):
        return None
    step = 1
    while step < high and not suffices(step):
        low, step = step, 2 * step
    high = min(high, step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def pac_cut(
    spans: int, n: int, wrong_probabilities: Sequence[float], epsilon: float, alpha: float = ALPHA
) -> float:
    """Choose which spans people have to answer, so that few of all are wrong afterwards.

    People answer everything under the cut, the rest stays as it is. With a probability of 1 - alpha over the
    random sample, at most epsilon of all spans are wrong then. A span that is wrong and at the cut or over it is
    one of a fixed set that grows as the cut falls, so that the bound of this module holds for it, and the first
    cut at which the bound is too large ends the search (Candes, Ilyas and Zrnic 2025, "Probably approximately
    correct labels", arXiv 2506.10908).

    spans (int): All spans.
    n (int): Random ones that people answered.
    wrong_probabilities (Sequence[float]): The probability of being right of those that are wrong, 0 where there
        is none.
    epsilon (float): The share of all spans that may be wrong afterwards.
    alpha (float): The probability with which this may fail.
    RETURNS (float): People answer what has a probability of at most this; -1 where nobody need answer any more,
        infinity where everything must be answered.

    EXAMPLE:
        >>> pac_cut(1000, 200, [0.6, 0.5], 0.05), pac_cut(1000, 200, [0.9, 0.7, 0.6, 0.5, 0.2], 0.05)
        (-1.0, 0.5)
        >>> pac_cut(1000, 20, [], 0.05)
        inf
    """
    falling = sorted(wrong_probabilities, reverse=True)
    bounds = _bounds_up_to(spans, n, len(falling), alpha)
    # as many wrong ones of the sample may be over the cut
    allowed = int((bounds <= epsilon * spans).sum()) - 1
    if allowed < 0:
        return float("inf")
    return falling[allowed] if len(falling) > allowed else -1.0


@lru_cache(maxsize=64)
def _bounds_up_to(spans: int, n: int, wrong: int, alpha: float) -> np.ndarray:
    return most_wrong(spans, n, np.arange(wrong + 1), alpha)


def write_certificate(metrics: Path, found: Certificate, units: str, **more: Any) -> None:
    """Write a certificate beside the report on the selection that it is about.

    metrics (Path): The folder of metrics of a round.
    found (Certificate): The certificate.
    units (str): What was counted.
    more (Any): What else there is to say, as JSON.
    """
    data = {**found._asdict(), "units": units, "statement": found.describe(units), **more}
    write_json(metrics / CERTIFICATE, {**data, "selection": _selection_of(metrics)})


def read_certificate(metrics: Optional[Path]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What `write_certificate` wrote; empty where nothing was answered, or where the
    selection that it is about was made again."""
    found = read_json_if_there(metrics / CERTIFICATE) if metrics is not None else {}
    if metrics is None or not found.get("answered"):
        return {}
    return found if found.get("selection") == _selection_of(metrics) else {}


def _selection_of(metrics: Path) -> Optional[str]:
    path = metrics / "selection.json"
    return sha256_file(path) if path.exists() else None
