"""The certificate holds: at the planned look, after every answer, with clusters, and with people who answer the rest."""

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, logsumexp

from spacy_llmjudge import certificate
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.selection import certificate as module
from spacy_llmjudge.selection.certificate import (
    count_needed,
    e_values,
    most_wrong,
    most_wrong_planned,
    pac_cut,
)

SILVERS = 2000
# what 2,000 silvers allow a rate of 5 %
MOST = 0.05 + 3 * np.sqrt(0.05 * 0.95 / SILVERS)


def binomial(n, k):
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def summed_e_value(spans, n_wrong, n, wrong):
    """The same from its definition: likelihoods of all smaller numbers, one by one."""
    weights = [
        binomial(j, wrong) + binomial(spans - j, n - wrong)
        for j in range(wrong, min(n_wrong, spans - (n - wrong) + 1))
    ]
    if not weights:
        return 0.0
    likelihood = binomial(n_wrong, wrong) + binomial(spans - n_wrong, n - wrong)
    return float(np.exp(logsumexp(weights) - np.log(n_wrong) - likelihood))


def draw_paths(rng, is_wrong, n):
    """Wrong ones among the first 1 to n spans of a random order, for each silver (a row)."""
    order = np.argsort(rng.random(is_wrong.shape), axis=1)[:, :n]
    return np.cumsum(np.take_along_axis(is_wrong, order, axis=1), axis=1)


def independent_errors(rng, spans, share):
    return rng.random((SILVERS, spans)) < share


def clustered_errors(rng, spans, share):
    """Documents of 1 to 12 spans that are all right or all wrong."""
    is_wrong = np.zeros((SILVERS, spans), dtype=bool)
    for row in is_wrong:
        edges = np.cumsum(rng.integers(1, 13, size=spans))
        document = np.searchsorted(edges, np.arange(spans), side="right")
        row[:] = (rng.random(spans) < share)[document]
    return is_wrong


def bound_of(paths, spans, looks):
    """The bound of every path after some of its looks, from a table of all counts that occur."""
    most = int(paths.max())
    table = most_wrong(spans, looks[:, None], np.minimum(np.arange(most + 1), looks[:, None]))
    return np.stack([table[i][paths[:, n - 1]] for i, n in enumerate(looks)], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.05, 0.3])
@pytest.mark.parametrize("errors", [independent_errors, clustered_errors])
def test_the_bound_holds_when_looked_at_after_every_answer(errors, share):
    rng = np.random.default_rng(11)
    is_wrong = errors(rng, 300, share)
    paths = draw_paths(rng, is_wrong, 150)
    bounds = bound_of(paths, 300, np.arange(1, 151))
    missed = (bounds < is_wrong.sum(axis=1)[:, None]).any(axis=1).mean()
    assert missed <= MOST
    # it does say something
    assert (bounds[:, -1] / 300).mean() < share + 0.1


@pytest.mark.parametrize("errors", [independent_errors, clustered_errors])
def test_the_planned_bound_holds_at_the_plan_and_is_no_larger_than_it_must(errors):
    rng = np.random.default_rng(12)
    is_wrong = errors(rng, 300, 0.1)
    wrong = draw_paths(rng, is_wrong, 60)[:, -1]
    table = np.array([most_wrong_planned(300, 60, k) for k in range(wrong.max() + 1)])
    missed = (table[wrong] < is_wrong.sum(axis=1)).mean()
    assert 0.01 < missed <= MOST


def test_the_planned_bound_would_not_hold_after_every_answer():
    """Why there are two: the smallest of many planned bounds is too low far more often than 5 %."""
    rng = np.random.default_rng(13)
    is_wrong = independent_errors(rng, 300, 0.3)
    paths = draw_paths(rng, is_wrong, 60)
    missed = np.zeros(SILVERS, dtype=bool)
    for n in range(5, 61, 5):
        wrong = paths[:, n - 1]
        table = np.array([most_wrong_planned(300, n, k) for k in range(wrong.max() + 1)])
        missed |= table[wrong] < is_wrong.sum(axis=1)
    assert missed.mean() > MOST


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.data())
def test_the_e_value_is_what_its_definition_says(spans, data):
    n = data.draw(st.integers(0, spans))
    wrong = data.draw(st.integers(0, n))
    n_wrong = data.draw(st.integers(wrong, spans - (n - wrong)))
    expected = summed_e_value(spans, n_wrong, n, wrong)
    assert float(e_values(spans, n_wrong, n, wrong)) == pytest.approx(expected, rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.data())
def test_the_e_value_is_fair_at_every_answer(spans, data):
    """Under the tested number, what comes after the next answer is on average what there is before it."""
    n_wrong = data.draw(st.integers(1, spans))
    n = data.draw(st.integers(0, spans - 1))
    wrong = data.draw(st.integers(max(0, n - (spans - n_wrong)), min(n, n_wrong)))
    p = (n_wrong - wrong) / (spans - n)
    after = 0.0
    for chance, more in ((p, 1), (1 - p, 0)):
        if chance > 0:
            after += chance * float(e_values(spans, n_wrong, n + 1, wrong + more))
    # the bets on less than what is seen are lost, so that it may fall
    assert after <= float(e_values(spans, n_wrong, n, wrong)) * (1 + 1e-6) + 1e-9


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 60), st.data())
def test_the_bound_is_the_largest_number_that_is_not_rejected(spans, data):
    n = data.draw(st.integers(0, spans))
    wrong = data.draw(st.integers(0, n))
    tested = np.arange(wrong, spans - (n - wrong) + 1)
    kept = tested[e_values(spans, tested, n, wrong) < 20]
    assert int(most_wrong(spans, n, wrong)) == kept.max()


def test_a_whole_silver_that_was_answered_is_known():
    found = certificate(20, [True] * 15 + [False] * 5, planned=20)
    assert found.bound == found.bound_planned == 0.25
    assert "At most 25.0 % of the 20 entities" in found.describe("entities")


def test_nothing_answered_says_nothing():
    found = certificate(500, [], planned=60)
    assert found.bound == 1.0 and found.bound_planned is None
    assert found.needed == count_needed(500, 0, 0, 0.1) > 20
    assert certificate(0, []).bound == 0.0


def test_what_is_needed_is_enough_and_one_less_is_not():
    needed = count_needed(2000, 40, 2, 0.1)
    assert most_wrong(2000, 40 + needed, 2) <= 200 < most_wrong(2000, 40 + needed - 1, 2)
    assert count_needed(100, 50, 20, 0.1) is None


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 80), st.data())
def test_what_is_needed_is_what_the_bound_says(spans, data):
    n = data.draw(st.integers(0, spans))
    wrong = data.draw(st.integers(0, n))
    allowed = data.draw(st.integers(0, spans))
    needed = count_needed(spans, n, wrong, allowed / spans)
    enough = [m for m in range(spans - n + 1) if most_wrong(spans, n + m, wrong) <= allowed]
    assert needed == (enough[0] if enough else None)


def test_the_planned_bound_is_about_the_planned_answers_only():
    answers = [True] * 60 + [False] * 40
    assert (
        certificate(1000, answers, planned=60).bound_planned
        == most_wrong_planned(1000, 60, 0) / 1000
    )


def test_counts_that_cannot_be_are_an_error():
    with pytest.raises(LLMJudgeError, match="J930"):
        certificate(3, [True] * 4)


@pytest.mark.slow
def test_after_people_answered_what_is_unsure_few_are_wrong():
    """The second form, over silvers whose probabilities are dishonest in a direction."""
    rng = np.random.default_rng(14)
    spans, n, epsilon, failed, asked = 400, 120, 0.08, 0, []
    for _ in range(SILVERS):
        probability = rng.random(spans)
        is_wrong = rng.random(spans) > 0.55 + 0.45 * probability
        sample = rng.permutation(spans)[:n]
        cut = pac_cut(spans, n, probability[sample][is_wrong[sample]].tolist(), epsilon)
        left = is_wrong & (probability > cut)
        failed += left.sum() > epsilon * spans
        asked.append((probability <= cut).mean())
    assert failed / SILVERS <= MOST
    # it asks about less than everything, and about more than nothing
    assert 0.2 < np.mean(asked) < 0.95


def test_the_examples_in_the_docstrings():
    assert doctest.testmod(module).failed == 0
