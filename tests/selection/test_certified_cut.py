import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from selection_helpers import draw_scores

from spacy_llmjudge.selection import certified_cut as module
from spacy_llmjudge.selection.certified_cut import (
    bounds,
    certified_cut,
    clopper_pearson_upper,
    count_by_document,
    documents_needed,
    e_value,
    make_plan,
    most_errors,
    rank_candidates,
)


def alone(scores):
    """Every candidate in a document of its own."""
    return rank_candidates(np.arange(len(scores)), np.asarray(scores, dtype=float))


def failures_allowed(delta, draws):
    return delta + 3 * np.sqrt(delta * (1 - delta) / draws)


def test_examples_in_the_docstrings():
    result = doctest.testmod(module)
    assert result.attempted >= 10 and result.failed == 0


@pytest.mark.parametrize(
    "q, delta, expected",
    [
        (0.15, 0.1, [15, 25, 34, 43]),
        (0.1, 0.1, [22, 38, 52, 65]),
        (0.05, 0.1, [45, 77, 105, 132]),
        (0.1, 0.05, [29, 46, 61, 76]),
    ],
)
def test_numbers_needed_for_a_certificate(q, delta, expected):
    allowed = most_errors(np.arange(200), q, delta)
    assert [int(np.argmax(allowed >= errors)) for errors in range(4)] == expected


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 500), st.floats(0.01, 0.6), st.floats(0.001, 0.4))
def test_most_errors_is_exact(n, q, level):
    found = int(most_errors(np.array(n), q, level))
    assert found == -1 or binom.cdf(found, n, q) <= level * (1 + 1e-9)
    assert binom.cdf(found + 1, n, q) > level * (1 - 1e-9)


def test_clopper_pearson_against_the_binomial_distribution():
    for errors, n, delta in [(0, 10, 0.1), (3, 50, 0.05), (20, 100, 0.2)]:
        bound = clopper_pearson_upper(errors, n, delta)
        assert binom.cdf(errors, n, bound) == pytest.approx(delta)
    assert clopper_pearson_upper(0, 0, 0.1) == 1.0 == clopper_pearson_upper(5, 5, 0.1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=40), st.randoms())
def test_ranks_count_from_the_surest_of_a_document(rows, random):
    document = np.array([d for d, _ in rows], dtype="int64")
    score = np.array([s / 10 for _, s in rows])
    ranks = rank_candidates(document, score).rank
    for one in set(document.tolist()):
        inside = document == one
        assert sorted(ranks[inside]) == list(range(1, inside.sum() + 1))
        assert (np.diff(score[inside][np.argsort(ranks[inside])]) <= 0).all()


# a law of documents: (accepted, wrong, weight); in each the share of wrong spans is q exactly
LAWS = {
    "one each": (0.2, [(1, 0, 0.8), (1, 1, 0.2)]),
    "all together": (0.2, [(3, 0, 0.8), (3, 3, 0.2)]),
    "the long ones are wrong": (0.25, [(1, 0, 0.75), (6, 2, 0.25 * 0.75), (6, 6, 0.25 * 0.25)]),
    "the short ones are wrong": (0.2, [(1, 1, 0.4), (4, 0, 0.4), (0, 0, 0.2)]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAWS)
def test_the_value_rarely_gets_large_where_the_share_is_q(name):
    """With any law of documents: what counts is the share of spans, not that of documents."""
    q, law = LAWS[name]
    accepted, wrong, weight = (np.array(column, dtype=float) for column in zip(*law))
    weight /= weight.sum()
    q = (weight * wrong).sum() / (weight * accepted).sum()
    bound, delta, draws = int(accepted.max()), 0.1, 200
    level = delta if bound == 1 else delta / 2
    rng, values = np.random.default_rng(0), []
    for _ in range(draws):
        drawn = rng.choice(len(law), size=100, p=weight)
        values.append(e_value(accepted[drawn], wrong[drawn], bound, q, level))
    values = np.array(values)
    assert (values >= 1 / delta).mean() <= failures_allowed(delta, draws)
    assert values.mean() <= 1 + 3 * values.std() / np.sqrt(draws)
    # it is no constant: with half of the errors it would have become large
    assert e_value(accepted[drawn], wrong[drawn] * 0, bound, q, level) >= 1 / delta


def test_the_pick_weighs_documents_by_their_candidates():
    """The test that was built first, one random candidate a document, fails here."""
    rng, q, delta, draws = np.random.default_rng(0), 0.15, 0.1, 150
    failures = {"one a document": 0, "by spans": 0}
    for _ in range(draws):
        long = rng.random(200) < 0.25
        accepted = np.where(long, 6, 1)
        wrong = rng.binomial(accepted, np.where(long, 0.23, 0.02))
        one = (rng.random(200) < wrong / accepted).sum()
        failures["one a document"] += clopper_pearson_upper(int(one), 200, delta) <= q
        failures["by spans"] += e_value(accepted, wrong, 6, q, delta / 2) >= 1 / delta
    true_share = (0.25 * 6 * 0.23 + 0.75 * 0.02) / (0.25 * 6 + 0.75)
    assert true_share > q
    assert failures["one a document"] / draws > 0.5
    assert failures["by spans"] / draws <= delta


def test_counts_by_document():
    found = rank_candidates(np.array([4, 4, 4, 9, 9]), np.array([0.9, 0.8, 0.7, 0.6, 0.2]))
    wrong = np.array([False, True, True, True, True])
    accepted, errors = count_by_document(found, wrong, 0.5, 2)
    assert accepted.tolist() == [2, 1] and errors.tolist() == [1, 1]


def test_the_order_of_documents_changes_no_value():
    accepted, wrong = np.array([1, 3, 2, 3] * 9), np.array([0, 1, 0, 0] * 9)
    back = slice(None, None, -1)
    assert e_value(accepted, wrong, 3, 0.2, 0.05) == e_value(
        accepted[back], wrong[back], 3, 0.2, 0.05
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 300), st.integers(1, 400), st.floats(0.05, 0.4))
def test_a_plan_starts_where_it_can_pass(m, n, q):
    rng = np.random.default_rng(m)
    pool = rank_candidates(rng.integers(0, 1 + m // 3, size=m), rng.random(m))
    plan = make_plan(pool, n, q, 0.1)
    if plan is not None:
        assert (np.diff(plan.cuts) < 0).all() and plan.cuts[-1] == pool.score.min()
        assert plan.bound in bounds(int(pool.rank.max()))
        assert plan.level == (0.1 if plan.bound == 1 else 0.05)


def test_certificate_stops_at_the_first_failure():
    pool, held_out = alone(np.linspace(0, 1, 101)), alone(np.linspace(0, 1, 400))
    # wrong only in a band: what lies under the band would pass again, but is never reached
    wrong = (held_out.score > 0.65) & (held_out.score < 0.7)
    assert e_value(np.ones(400), wrong, 1, 0.1, 0.1) >= 10
    assert 0.65 < certified_cut(pool, held_out, wrong, 0.1, 0.1).cut < 0.7


def test_certificate_is_refused_with_too_few():
    pool, right = alone(np.ones(100)), np.zeros(21, bool)
    assert certified_cut(pool, alone(np.ones(21)), right, 0.1, 0.1) is None
    assert documents_needed(pool, alone(np.ones(21)), right, 0.1, 0.1) == 22
    assert certified_cut(pool, alone(np.ones(22)), np.zeros(22, bool), 0.1, 0.1).cut == 1.0


def test_certificate_needs_no_number_where_all_are_wrong():
    found = documents_needed(alone(np.ones(9)), alone(np.ones(30)), np.ones(30, bool), 0.1, 0.1)
    assert found is None


def test_an_empty_pool_has_no_certified_cut():
    assert certified_cut(alone([]), alone(np.ones(50)), np.zeros(50, bool), 0.1, 0.1) is None


def test_many_spans_of_few_documents_are_one_piece_of_evidence_each():
    """Twenty documents with ten right spans each are no two hundred independent ones."""
    document = np.repeat(np.arange(20), 10)
    held_out = rank_candidates(document, np.full(200, 0.9))
    assert certified_cut(held_out, held_out, np.zeros(200, bool), 0.1, 0.1) is None


def test_choosing_the_cut_by_the_observed_share_breaks_the_certificate():
    """The simulation can fail: the rule that everybody would write first does."""
    rng, q, delta, failures = np.random.default_rng(1), 0.1, 0.1, 0
    for _ in range(400):
        held_out, wrong, pool, pool_wrong = draw_scores(rng, 150, 4000)
        observed = {c: wrong[held_out >= c].mean() for c in held_out}
        passing = [c for c, share in observed.items() if share <= q]
        failures += bool(passing) and pool_wrong[pool >= min(passing)].mean() > q
    assert failures / 400 > failures_allowed(delta, 400)


def test_certificate_fails_as_seldom_as_it_says():
    rng, q, delta, failures, empty = np.random.default_rng(2), 0.1, 0.1, 0, 0
    for _ in range(200):
        held_out, wrong, pool, pool_wrong = draw_scores(rng, 150, 4000)
        found = certified_cut(alone(pool), alone(held_out), wrong, q, delta)
        empty += found is None
        failures += found is not None and pool_wrong[pool >= found.cut].mean() > q
    assert failures / 200 <= failures_allowed(delta, 200)
    assert empty < 150


@pytest.mark.filterwarnings("ignore")
def test_certificate_agrees_with_mapie():
    risk_control = pytest.importorskip("mapie.risk_control")
    rng, agree = np.random.default_rng(5), []
    for q, delta in [(0.1, 0.1), (0.2, 0.05), (0.25, 0.1)] * 4:
        held_out, wrong, pool, _ = draw_scores(rng, 300, 2000)
        controller = risk_control.BinaryClassificationController(
            predict_function=lambda x: np.column_stack([1 - x[:, 0], x[:, 0]]),
            risk="precision",
            target_level=1 - q,
            confidence_level=1 - delta,
            best_predict_param_choice="recall",
            list_predict_params=make_plan(alone(pool), 300, q, delta).cuts,
            fwer_method="fixed_sequence",
        )
        controller.calibrate(held_out[:, None], (~wrong).astype(int))
        theirs = min(controller.valid_predict_params, default=2.0)
        found = certified_cut(alone(pool), alone(held_out), wrong, q, delta)
        ours = 2.0 if found is None else found.cut
        # MAPIE multiplies a share by n and rounds up, so that it sometimes counts one error more.
        assert ours <= theirs
        agree.append(ours == theirs)
    assert sum(agree) >= 9
