"""Cuts with a certificate, from candidates that come in documents; arrays in, a cut out.

What is tested is whether too many of the accepted candidates are wrong: E[W - q A] >= 0 over documents,
with A accepted candidates of a document, W of them wrong. Candidates of one document may all be wrong
together, and errors may depend on how many there are, so that documents are what is independent.

Pick each document with probability A / B, where no document has more than B, and look at one of its
accepted candidates at random. Each candidate that is accepted anywhere is then as likely to be looked
at as any other, and the number of wrong ones among M that were picked is binomial. An exact binomial test
of level P is a bet that pays 1 / P where it rejects and nothing where it does not; where the share
is too large its payoff has an expectation of at most 1. So has the mean payoff over many draws: an
e-value, which uses all candidates. It reaches 1 / delta with a probability of at most delta.
Where B is 1 nothing is drawn, and this is the exact binomial test itself.

Up to B, the surest candidates of a document are accepted. B and the order of the cuts are chosen from
the pool's scores alone, and cuts are tested in this order until the first that fails
(Angelopoulos et al. 2021, "Learn then test", section 2.3), so that all that pass hold together.
"""

import math
from typing import List, NamedTuple, Optional, Tuple

import numpy as np

N_DRAWS = 1_000
# More documents get fewer draws: the test is exact with any number of them.
MOST_NUMBERS = 20_000_000
N_CUTS = 50
# The first cut is the strictest one that is about as likely to pass as the best.
NEARLY = 0.99
MOST_DOCUMENTS = 20_000


class Candidates(NamedTuple):
    """Candidates in documents.

    document (np.ndarray): (n,) number of the document.
    score (np.ndarray): (n,) the probability of being right.
    rank (np.ndarray): (n,) 1 for the surest candidate of its document, 2 for the next one.
    """

    document: np.ndarray
    score: np.ndarray
    rank: np.ndarray

    @property
    def n_documents(self) -> int:
        return len(np.unique(self.document))


class Plan(NamedTuple):
    """What is tested, and in which order.

    bound (int): At most so many candidates of a document are accepted.
    level (float): The level of the test in a single draw.
    cuts (np.ndarray): (k,) falling cuts.
    """

    bound: int
    level: float
    cuts: np.ndarray


class _Offer(NamedTuple):
    """What a bound would let be accepted of a pool, were its scores true: `accepted` candidates at each of the
    `cuts`, of which a `rate` is wrong; a picked document is looked at with a probability of `share`."""

    bound: int
    cuts: np.ndarray
    accepted: np.ndarray
    rate: np.ndarray
    share: np.ndarray


class Certificate(NamedTuple):
    """What passed.

    cut (float): The least score.
    bound (int): At most so many candidates of a document are accepted.
    value (float): The e-value, 1 / delta or more.
    """

    cut: float
    bound: int
    value: float


def clopper_pearson_upper(errors: int, n: int, delta: float) -> float:
    """The exact upper bound of a binomial share at confidence 1 - delta (Clopper and Pearson 1934).

    errors (int): How many were wrong.
    n (int): Of how many.
    delta (float): The probability with which the bound may fail.
    RETURNS (float): The bound; 1.0 where n is 0 or all were wrong.

    EXAMPLE:
        >>> round(clopper_pearson_upper(0, 22, delta=.1), 4)
        0.0994
    """
    from scipy.special import betaincinv

    if errors >= n:
        return 1.0
    return float(betaincinv(errors + 1, n - errors, 1 - delta))


def rank_candidates(document: np.ndarray, score: np.ndarray) -> Candidates:
    """Number the candidates of each document, the surest first; among equal ones the earlier row.

    document (np.ndarray): (n,) number of the document.
    score (np.ndarray): (n,) the probability of being right.
    RETURNS (Candidates): In the same order.

    EXAMPLE:
        >>> rank_candidates(np.array([7, 7, 3, 7]), np.array([.2, .9, .5, .9])).rank.tolist()
        [3, 1, 1, 2]
    """
    order = np.lexsort((-score, document))
    first = np.ones(len(order), dtype=bool)
    first[1:] = np.diff(document[order]) != 0
    place = np.arange(len(order))
    rank = np.empty(len(order), dtype="int64")
    rank[order] = place - np.maximum.accumulate(np.where(first, place, 0)) + 1
    return Candidates(document, score, rank)


def most_errors(n: np.ndarray, q: float, level: float) -> np.ndarray:
    """The most wrong ones of n with which an exact binomial test still rejects a share of q.

    n (np.ndarray): Numbers of candidates.
    q (float): The share.
    level (float): The level of the test.
    RETURNS (np.ndarray): Numbers of errors; -1 where n is too small.

    EXAMPLE:
        >>> most_errors(np.array([0, 21, 22, 37, 38]), q=.1, level=.1).tolist()
        [-1, -1, 0, 0, 1]
    """
    from scipy.special import bdtr, ndtri

    n = np.asarray(n, dtype="int64")
    z = ndtri(level)
    # a guess that is one or two off (Cornish and Fisher 1938), and then its neighbours
    guess = n * q + z * np.sqrt(n * q * (1 - q)) + (z * z - 1) * (1 - 2 * q) / 6 - 0.5
    found = np.clip(np.floor(guess), -1, n)

    def rejects(errors: np.ndarray) -> np.ndarray:
        return (errors < 0) | (bdtr(np.maximum(errors, 0), n, q) <= level)

    while (higher := rejects(found + 1)).any():
        found = found + higher
    while (lower := ~rejects(found)).any():
        found = found - lower
    return found.astype("int64")


def e_value(
    accepted: np.ndarray, wrong: np.ndarray, bound: int, q: float, level: float, seed: int = 0
) -> float:
    """The evidence against "a share of q or more of the accepted candidates are wrong".

    accepted (np.ndarray): (n,) accepted candidates of each document, `bound` at most.
    wrong (np.ndarray): (n,) how many of them are wrong.
    bound (int): More than zero.
    q (float): The share.
    level (float): The level of the binomial test in a single draw.
    seed (int): For the draws.
    RETURNS (float): Its expectation is at most 1 where the share is q or more, whatever the seed.

    EXAMPLE:
        >>> round(e_value(np.ones(22), np.zeros(22), 1, q=.1, level=.1), 2)
        10.15
    """
    from scipy.special import bdtr

    # in an order that the order of the documents cannot change
    order = np.lexsort((wrong, accepted))
    accepted, wrong = accepted[order], wrong[order]
    n_draws = int(np.clip(MOST_NUMBERS // max(len(accepted), 1), 1, N_DRAWS))
    draws = np.random.default_rng(seed).random((1 if bound == 1 else n_draws, len(accepted)))
    picked = (draws < accepted / bound).sum(axis=1)
    errors = (draws < wrong / bound).sum(axis=1)
    allowed = most_errors(picked, q, level)
    passing = errors <= allowed
    payoff = np.zeros(len(draws))
    payoff[passing] = 1 / bdtr(allowed[passing].astype("float64"), picked[passing], q)
    return float(payoff.mean())


def make_plan(pool: Candidates, n: int, q: float, delta: float) -> Optional[Plan]:
    """Choose what to test, from the pool alone: were its scores true, which bound would let most be
    accepted with n documents, and from which cut on would the test be likely to pass?

    pool (Candidates): m candidates.
    n (int): How many held-out documents there are.
    q (float): The share.
    delta (float): The probability with which the certificate may fail.
    RETURNS (Optional[Plan]): None where n documents without an error would not suffice.

    EXAMPLE:
        >>> pool = rank_candidates(np.arange(100), np.linspace(.505, 1, 100))
        >>> plan = make_plan(pool, 50, q=.2, delta=.1)
        >>> plan.bound, plan.level, plan.cuts[[0, -1]].round(3).tolist()
        (1, 0.1, [0.825, 0.505])
        >>> make_plan(pool, 10, q=.2, delta=.1) is None
        True
    """
    return _choose_plan(_list_offers(pool), n, q, delta)


def _list_offers(pool: Candidates) -> List[_Offer]:
    """RETURNS (List[_Offer]): For every bound that is tried."""
    if not len(pool.score):
        return []
    order = np.argsort(-pool.score, kind="stable")
    score, rank = pool.score[order], pool.rank[order]
    places = np.ceil(np.linspace(1, len(score), min(N_CUTS, len(score)))).astype("int64")
    cuts = np.unique(score[places - 1])[::-1]
    over = np.searchsorted(-score, -cuts, side="right")
    n_documents, offers = pool.n_documents, []
    for bound in bounds(int(rank.max())):
        counted = rank <= bound
        accepted = np.cumsum(counted)[over - 1]
        wrong = np.cumsum(counted * (1 - score))[over - 1]
        rate = np.clip(wrong / accepted, 0.0, 1.0)
        offers.append(_Offer(bound, cuts, accepted, rate, accepted / (n_documents * bound)))
    return offers


def _choose_plan(offers: List[_Offer], n: int, q: float, delta: float) -> Optional[Plan]:
    """See `make_plan`."""
    from scipy.special import bdtr

    best, worth = None, 0.0
    for bound, cuts, accepted, rate, share in offers:
        level = delta if bound == 1 else delta / 2
        # Two standard deviations less, or chance would often leave too few.
        picked = np.maximum(n * share - 2 * np.sqrt(n * share * (1 - share)), 0)
        picked = np.floor(picked + 1e-9).astype("int64")
        errors = most_errors(picked, q, level)
        chance = np.zeros(len(cuts))
        able = errors >= 0
        chance[able] = bdtr(errors[able].astype("float64"), picked[able], rate[able])
        if (chance * accepted).max() > worth:
            worth = float((chance * accepted).max())
            first = int(np.argmax(chance >= NEARLY * chance.max()))
            best = Plan(bound, level, cuts[first:])
    return best


def bounds(most: int) -> List[int]:
    """RETURNS (List[int]): The bounds that are tried: 1, 2, 3, 4, then about half as many again each time.

    EXAMPLE:
        >>> bounds(20)
        [1, 2, 3, 4, 6, 9, 13, 19, 20]
    """
    found = [1]
    while found[-1] < most:
        found.append(min(most, max(found[-1] + 1, found[-1] * 3 // 2)))
    return found


def certified_cut(
    pool: Candidates,
    held_out: Candidates,
    wrong: np.ndarray,
    q: float,
    delta: float,
    seed: int = 0,
) -> Optional[Certificate]:
    """The lowest cut over which at most a share q is wrong with probability 1 - delta.

    pool (Candidates): m candidates.
    held_out (Candidates): n candidates of documents that were drawn as those of the pool were.
    wrong (np.ndarray): (n,) True where wrong.
    q (float): The share, in all that would be accepted, not in a small pool, which scatters around it.
    delta (float): The probability with which the certificate may fail, over draws of the held-out documents.
    seed (int): For the draws; the certificate holds with each.
    RETURNS (Optional[Certificate]): None where already the first cut fails.

    EXAMPLE:
        >>> pool = rank_candidates(np.arange(300) // 3, np.tile([.95, .96, .97], 100))
        >>> certified_cut(pool, pool, np.zeros(300, dtype=bool), q=.1, delta=.1)[:2]
        (0.95, 3)
    """
    plan = make_plan(pool, held_out.n_documents, q, delta)
    best = None
    if plan is None:
        return None
    for cut in plan.cuts.tolist():
        accepted, errors = count_by_document(held_out, wrong, cut, plan.bound)
        if errors.sum() >= q * accepted.sum():
            break
        value = e_value(accepted, errors, plan.bound, q, plan.level, seed)
        if value < 1 / delta:
            break
        best = Certificate(cut, plan.bound, value)
    return best


def count_by_document(
    held_out: Candidates, wrong: np.ndarray, cut: float, bound: int
) -> Tuple[np.ndarray, np.ndarray]:
    """RETURNS (Tuple[np.ndarray, np.ndarray]): Accepted candidates of each document with any, and the wrong
    ones of them."""
    rows = (held_out.score >= cut) & (held_out.rank <= bound)
    _, number = np.unique(held_out.document[rows], return_inverse=True)
    return np.bincount(number), np.bincount(number, weights=wrong[rows])


def documents_needed(
    pool: Candidates, held_out: Candidates, wrong: np.ndarray, q: float, delta: float
) -> Optional[int]:
    """How many held-out documents a certificate would need, were the rest as those seen.

    pool (Candidates): m candidates.
    held_out (Candidates): n candidates.
    wrong (np.ndarray): (n,) True where wrong.
    q (float): The share.
    delta (float): The probability with which the certificate may fail.
    RETURNS (Optional[int]): About the number, more than there are; None where no number would do.

    EXAMPLE:
        >>> pool = rank_candidates(np.arange(300) // 3, np.tile([.95, .96, .97], 100))
        >>> seen = Candidates(*(column[:30] for column in pool))
        >>> documents_needed(pool, seen, np.zeros(30, dtype=bool), q=.1, delta=.1)
        22
    """
    seen, offers = held_out.n_documents, _list_offers(pool)

    def suffices(n: int) -> bool:
        plan = _choose_plan(offers, n, q, delta)
        if plan is None or not seen:
            return plan is not None
        accepted, errors = count_by_document(held_out, wrong, plan.cuts[0], plan.bound)
        share = errors.sum() / max(accepted.sum(), 1)
        picked = int(n * accepted.sum() / (seen * plan.bound))
        return math.ceil(picked * share - 1e-9) <= most_errors(np.array(picked), q, plan.level)

    low, n = seen, MOST_DOCUMENTS
    if low >= n or not suffices(n):
        return None
    while n - low > 1 + n // 50:
        middle = max(math.isqrt(max(low, 1) * n), low + 1)
        low, n = (low, middle) if suffices(middle) else (middle, n)
    return n
