"""Cuts of a cascade: the promised level holds over draws of the evidence, where a plug-in fails."""

import doctest

import numpy as np
import pytest

from spacy_llmjudge.selection import cascade_cuts
from spacy_llmjudge.selection.cascade_cuts import Rule, Supports, bet, find_cuts


def test_examples():
    assert doctest.testmod(cascade_cuts).failed == 0


def draw(rng, n, hard=False):
    """Documents with one to four candidates. Where it is hard, likely candidates of some documents
    are wrong together far more often than their support says, and no support tells which."""
    size = rng.integers(1, 5, n)
    document = np.repeat(np.arange(n), size)
    support = rng.beta(0.2, 0.2, len(document)).clip(0.01, 0.99)
    right = rng.random(len(document)) < support
    if hard:
        fooled = (rng.random(n) < 0.06)[document]
        right = np.where(fooled & (support > 0.5), rng.random(len(document)) < 0.3, right)
    return Supports(document, support), right


def share(rows, right, low, high, target, most=10**9):
    rule = Rule(low, high, most)
    counted, wrong = rule.add_up(rows, right.astype(float), target)
    kept = rule.decides(rows, target)
    return wrong[kept].sum() / max(counted[kept].sum(), 1)


def plug_in(evidence, right, q, target):
    """The loosest symmetric cuts over which the share in the evidence is q at most."""
    best = None
    for level in np.linspace(0.01, 0.49, 25):
        if share(evidence, right, level, 1 - level, target) <= q:
            best = level, 1 - level
    return best


@pytest.mark.parametrize("target", ["precision", "recall", "accuracy"])
def test_more_evidence_asks_less_and_what_is_decided_alone_is_as_good_as_promised(target):
    rng = np.random.default_rng(3)
    pool, gold = draw(rng, 3000)
    asked = []
    for n in (20, 200, 2000):
        evidence, right = draw(rng, n)
        cuts = find_cuts(pool, evidence, right, q=0.1, delta=0.1, target=target)
        asked.append(1.0 if cuts is None else cuts.asked)
    assert asked[0] == 1.0 and asked[1] > asked[2] and asked[2] < 0.9
    assert share(pool, gold, cuts.low, cuts.high, target, cuts.most) < 0.1
    assert cuts.value >= 10 and cuts.n_documents <= 2000


def test_a_judge_that_knows_nothing_decides_nothing():
    rng = np.random.default_rng(0)
    pool, _ = draw(rng, 500)
    evidence, _ = draw(rng, 500)
    for right in (rng.random(len(evidence.document)) < 0.5, np.zeros(len(evidence.document), bool)):
        assert find_cuts(pool, evidence, right, q=0.1, delta=0.1) is None


def test_the_order_of_the_documents_does_not_matter_to_the_bound_of_the_bets():
    rng = np.random.default_rng(1)
    fair = np.where(rng.random((2000, 200)) < 0.1, 0.9, -0.1)
    reached = [bet(row, 0.1, 20)[0] >= 20 for row in fair]
    # 1 / 20 at most; three standard errors more would be chance
    assert np.mean(reached) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.slow
@pytest.mark.parametrize("target, n", [("precision", 120), ("precision", 500), ("accuracy", 300)])
def test_the_promised_level_holds_over_draws_of_the_evidence_where_a_plug_in_breaks(target, n):
    rng, q, delta, n_draws = np.random.default_rng(11), 0.1, 0.1, 300
    pool, _ = draw(rng, 1500, hard=True)
    world, gold = draw(rng, 60_000, hard=True)
    broken, broken_plug_in, passed = 0, 0, 0
    for seed in range(n_draws):
        evidence, right = draw(rng, n, hard=True)
        cuts = find_cuts(pool, evidence, right, q=q, delta=delta, target=target, seed=seed)
        if cuts is not None:
            passed += 1
            broken += share(world, gold, cuts.low, cuts.high, target, cuts.most) > q
        naive = plug_in(evidence, right, q, target)
        broken_plug_in += naive is not None and share(world, gold, *naive, target) > q
    assert broken / n_draws <= delta
    assert broken_plug_in / n_draws > 2 * delta
    assert n < 300 or passed > 0
