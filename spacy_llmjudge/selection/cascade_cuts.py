"""What a cheap judge may decide alone: two cuts on its support, with a statement that holds at any sample size.

Arrays in, cuts out. A document is decided by the cheap judge where none of its candidates has a support between
the cuts, and all of them are asked of the strong judge where one has. Let A be what counts in a document that is
decided alone, and W the part of it that is wrong:

- "precision": A are the candidates over the upper cut, W those of them that gold does not have.
- "recall": A are the candidates that gold has, W those of them under the lower cut.
- "accuracy": A are all candidates, W those on the wrong side.

What a cascade sees when it decides are replies, and not what becomes of them in a document. So who decides what is
read from the replies here too (`Replies`), and A and W are counted among the candidates that got a verdict.

The statement: E[W] <= q E[A] over documents, with probability 1 - delta over the draw of the evidence.

Proof. A document with more than B that count goes to the strong judge, so x = (W - q A) / B lies in [-q, 1 - q].
(Where one entry of a reply stands for several places, or a correction is accepted too, A may still pass B: such a
document is scaled to B, and counts as one with B in the statement.)
Look at documents in an order that knows nothing of gold, and bet: K_t = product of (1 - b_i x_i), where the stake
b_i in [0, .75 / (1 - q)] is chosen from the documents before i. Each factor is positive. If E[W] >= q E[A], then
E[x] >= 0, and E[K_t | the past] <= K_(t-1): K is a supermartingale that starts at 1, and by Ville's inequality it
ever reaches 1 / delta with a probability of at most delta. So the test may stop at any document, and none of them
has to be many: with few documents nothing passes. Stakes that follow mean and variance of the documents so far
(Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", section 4) make
it about as strong as a test that knew the variance. The use of such tests for the cuts of a cascade is the idea of
BARGAIN (arXiv 2509.02896); this is our own rule, by documents.

Cuts are tested from those that are likeliest to pass, each next one looser, until the first that fails; all are of level delta (fixed-sequence testing: the first cut for which the statement is false is
passed with a probability of at most delta, and nothing behind it is looked at before). Their order, B, and the
calibration that makes both cuts of one number come from other documents: the unlabelled pool, and a
fifth of the evidence, which is not tested on.
"""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

from ..numeric import safe_logit, sigmoid

TARGETS = ("precision", "recall", "accuracy")
# Closer to 0 or 1 than this no judge states it.
_LEAST = 1e-3
_TINY = 1e-9
_MOST_STAKE = 0.75
_N_CUTS = 20
# Documents that look back: one in so many calibrates.
_CALIBRATES = 5
# Bounds on what counts in a document that are tried.
_BOUNDS = (1, 2, 3, 4, 6, 9, 13, 20, 30)
# So much more evidence than the test needs is asked for where it begins.
_SPARE = 3.0


class Replies(NamedTuple):
    """What a cascade has when it decides: what the replies of a cheap judge name, and not what became of it.

    document (np.ndarray): (m,) number of the document, below d.
    support (np.ndarray): (m,) what the judge gives to what it names, 0 to 1.
    size (np.ndarray): (d,) candidates that get a verdict, at most; -1 where a number or the answer is missing, so
        that the strong judge is asked.
    """

    document: np.ndarray
    support: np.ndarray
    size: np.ndarray


class Supports(NamedTuple):
    """Candidates of documents, as a cheap judge sees them.

    document (np.ndarray): (n,) number of the document.
    support (np.ndarray): (n,) what the judge gives a candidate, 0 to 1; 0 where it does not name it.
    replies (Optional[Replies]): What is decided by, of d documents; None where all candidates are named, and no
        others.
    """

    document: np.ndarray
    support: np.ndarray
    replies: Optional[Replies] = None

    def number(self) -> "Supports":
        """RETURNS (Supports): The same with replies; documents count from 0."""
        if self.replies is not None:
            return self
        _, document = np.unique(self.document, return_inverse=True)
        return Supports(
            document, self.support, Replies(document, self.support, np.bincount(document))
        )


class Cuts(NamedTuple):
    """What a cheap judge decides alone.

    low (float): Up to this support a candidate is rejected.
    high (float): From this support on it is accepted.
    most (int): Documents with more that count are asked about.
    value (float): The evidence for the statement, 1 / delta or more.
    n_documents (int): Documents of the evidence that the test looked at.
    asked (float): The share of the pool's documents that the strong judge is asked about.
    """

    low: float
    high: float
    most: int
    value: float
    n_documents: int
    asked: float


def find_cuts(
    pool: Supports,
    evidence: Supports,
    right: np.ndarray,
    *,
    q: float,
    delta: float,
    target: str = "precision",
    seed: int = 0,
) -> Optional[Cuts]:
    """Find the loosest cuts for which the statement passes.

    pool (Supports): Documents that will be judged; their gold is not known.
    evidence (Supports): Documents that were drawn as those of the pool were.
    right (np.ndarray): (n,) whether gold has the candidates of the evidence.
    q (float): The share of wrong that is allowed, between 0 and 1.
    delta (float): The probability with which the statement may fail.
    target (str): One of TARGETS.
    seed (int): Draws the documents that calibrate, and the order of the others.
    RETURNS (Optional[Cuts]): None where nothing passes: then everything is to be asked.

    EXAMPLE:
        >>> pool = Supports(np.arange(400), np.tile([.02, .4, .6, .98], 100))
        >>> right = np.tile([False, True, False, True], 100)
        >>> cuts = find_cuts(pool, pool, right, q=.1, delta=.1, target="accuracy")
        >>> cuts.low < .4, cuts.high > .6, cuts.asked
        (True, True, 0.5)
        >>> few = Supports(pool.document[:40], pool.support[:40])
        >>> find_cuts(pool, few, right[:40], q=.1, delta=.1, target="accuracy") is None
        True
    """
    if not len(pool.support) or not len(evidence.support):
        return None
    pool, evidence = pool.number(), evidence.number()
    assert evidence.replies is not None
    order = np.random.default_rng(seed).permutation(len(evidence.replies.size))
    n_first = len(order) // _CALIBRATES
    first = np.isin(evidence.document, order[:n_first])
    line = _calibrate(evidence.support[first], right[first])
    if line is None:
        return None
    best = None
    for rule in _order_rules(pool, line, len(order) - n_first, q, delta, target):
        value, n_documents = _test(evidence, right, order[n_first:], rule, q, delta, target)
        if value < 1 / delta:
            break
        asked = float(1 - rule.decides(pool, target).mean())
        best = Cuts(*rule, value, n_documents, asked)
    return best


def _calibrate(support: np.ndarray, right: np.ndarray) -> Optional[Tuple[float, float]]:
    """Slope and intercept from the log-odds of support to those of being right; None where it tells nothing."""
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(right)) < 2:
        return None
    odds = safe_logit(support, _LEAST)[:, None]
    fitted = LogisticRegression(C=1.0).fit(odds, right)
    slope = float(fitted.coef_[0, 0])
    return (slope, float(fitted.intercept_[0])) if slope > 1e-3 else None


def _chance(support: np.ndarray, line: Tuple[float, float]) -> np.ndarray:
    return sigmoid(line[0] * safe_logit(support, _LEAST) + line[1])


class Rule(NamedTuple):
    """Cuts and the bound on what counts in a document, before they are tested."""

    low: float
    high: float
    most: int

    def decides(self, rows: Supports, target: str) -> np.ndarray:
        """(d,) whether the cheap judge decides each document alone, as `judge.cascade.decides` says it."""
        replies = rows.number().replies
        assert replies is not None
        document, support, size = replies
        is_open = (support > self.low) & (support < self.high)
        is_closed = np.bincount(document, weights=is_open, minlength=len(size)) == 0
        counted = size
        if target == "precision":
            counted = np.bincount(document, weights=support >= self.high, minlength=len(size))
        return (size >= 0) & is_closed & (counted <= self.most)

    def add_up(
        self, rows: Supports, right: np.ndarray, target: str
    ) -> Tuple[np.ndarray, np.ndarray]:
        """(d,) what counts in each document, and how much of it is wrong; with chances instead of gold, what is
        to be expected."""
        rows = rows.number()
        assert rows.replies is not None
        accepted, rejected = rows.support >= self.high, rows.support <= self.low
        if target == "precision":
            counted, wrong = accepted.astype("float64"), accepted * (1 - right)
        elif target == "recall":
            counted, wrong = right, rejected * right
        else:
            counted, wrong = np.ones(len(right)), np.where(accepted, 1 - right, right)
        n = len(rows.replies.size)
        return (
            np.bincount(rows.document, weights=counted, minlength=n),
            np.bincount(rows.document, weights=wrong, minlength=n),
        )


def _order_rules(
    pool: Supports, line: Tuple[float, float], n: int, q: float, delta: float, target: str
) -> List[Rule]:
    """What is tested, from the one that is likeliest to pass; by the pool and the calibration alone."""
    assert pool.replies is not None
    if not len(pool.replies.support):
        return []
    chance, named = (_chance(rows.support, line) for rows in (pool, pool.replies))
    doubt = _largest(pool.replies.document, np.minimum(named, 1 - named))
    levels = np.unique(np.quantile(doubt, np.linspace(0.02, 1.0, _N_CUTS)))
    enough = _SPARE * math.log(1 / delta)
    rules, strengths = [], []
    for level in levels[levels < 0.5].tolist():
        options = [Rule(*_place(level, line), most) for most in _BOUNDS]
        found = [_strength(pool, option, chance, n, q, target) for option in options]
        # A larger bound decides more, and tells less of each document.
        able = [i for i, strength in enumerate(found) if strength >= enough]
        chosen = able[-1] if able else int(np.argmax(found))
        rules.append(options[chosen])
        strengths.append(found[chosen])
    return rules[int(np.argmax(strengths)) :] if rules else []


def _place(level: float, line: Tuple[float, float]) -> Tuple[float, float]:
    """The supports whose calibrated chances are a level, and 1 less it."""
    odds = float(safe_logit(np.array([level]), _LEAST)[0])
    low, high = (sigmoid(np.array([(x - line[1]) / line[0]])) for x in (odds, -odds))
    # The support that gave the level is inside, whatever its last bits became on the way.
    return float(low[0]) + _TINY, float(high[0]) - _TINY


def _largest(document: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(d,) the largest value of each document."""
    _, number = np.unique(document, return_inverse=True)
    largest = np.zeros(number.max() + 1)
    np.maximum.at(largest, number, values)
    return largest


def _strength(
    pool: Supports, rule: Rule, chance: np.ndarray, n: int, q: float, target: str
) -> float:
    """About how much log-wealth n documents would bring, were the calibrated chances true."""
    decided = rule.decides(pool, target)
    counted, wrong = (part[decided] for part in rule.add_up(pool, chance, target))
    scale = np.maximum(counted, rule.most)
    counted, wrong = counted / scale, wrong / scale
    mean = float((wrong - q * counted).mean()) if decided.any() else 0.0
    if mean >= 0:
        return 0.0
    square = float(((wrong - q * counted) ** 2 + wrong / rule.most).mean())
    stake = min(-mean / (square + mean**2), _MOST_STAKE / (1 - q))
    return n * float(decided.mean()) * (-stake * mean - stake**2 * square / 2)


def _test(
    evidence: Supports,
    right: np.ndarray,
    order: np.ndarray,
    rule: Rule,
    q: float,
    delta: float,
    target: str,
) -> Tuple[float, int]:
    """Test a rule on documents, in an order.

    RETURNS (Tuple[float, int]): The most that the bets made, at 1 / delta at the latest, and after how
    many documents that were decided alone."""
    counted, wrong = rule.add_up(evidence, right.astype("float64"), target)
    rows = order[rule.decides(evidence, target)[order] & (counted[order] > 0)]
    scale = np.maximum(counted[rows], rule.most)
    return bet((wrong[rows] - q * counted[rows]) / scale, q, 1 / delta)


def bet(x: np.ndarray, q: float, enough: float) -> Tuple[float, int]:
    """Bet against "the mean is 0 or more".

    x (np.ndarray): (n,) -q to 1 - q, in the order in which they come.
    q (float): Above 0, below 1.
    enough (float): Where the bets end.
    RETURNS (Tuple[float, int]): The largest capital, of 1 at the beginning, and after how many bets.

    EXAMPLE:
        >>> value, n = bet(np.full(100, -0.1), q=.1, enough=10)
        >>> value >= 10, n
        (True, 29)
        >>> bet(np.array([.9, -.1] * 50), q=.1, enough=10)[0] < 2
        True
    """
    capital = best = 1.0
    # Before anything is seen: a share of q / 2, with its variance.
    total, square, n, after = -q / 2, q * (1 - q) / 2, 1, 0
    for i, value in enumerate(x.tolist(), 1):
        mean = total / n
        variance = max(square / n - mean**2, 1e-6)
        stake = min(max(-mean / (variance + mean**2), 0.0), _MOST_STAKE / (1 - q))
        capital *= 1 - stake * value
        if capital > best:
            best, after = capital, i
        if capital >= enough:
            break
        total, square, n = total + value, square + value**2, n + 1
    return best, after


def describe_cuts(cuts: Optional[Cuts], q: float, delta: float, target: str) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): What the cascade reads: the cuts, and the statement in words."""
    words = {
        "precision": "of what the cheap judge accepts alone",
        "recall": "of what is right in documents that the cheap judge decides alone",
        "accuracy": "of the verdicts that the cheap judge gives alone",
    }[target]
    settings: Dict[str, Any] = {"target": target, "q": q, "delta": delta}
    if cuts is None:
        return {**settings, "low": None, "high": None, "most": 0, "asked": 1.0}
    wrong = "missed" if target == "recall" else "wrong"
    statement = (
        f"With probability {1 - delta:g} over the draw of the evidence, at most {q:.1%} {words} is {wrong}; tested on"
        f" {cuts.n_documents} documents. It holds where these were drawn as the pool was."
    )
    return {**settings, **cuts._asdict(), "statement": statement}
