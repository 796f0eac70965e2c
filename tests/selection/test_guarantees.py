import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.selection import guarantees
from spacy_llmjudge.selection.guarantees import (
    benjamini_hochberg,
    certified_cut,
    certified_needed,
    certified_sample,
    certified_sequence,
    clopper_pearson_upper,
    conformal_cut,
    conformal_needed,
    weighted_conformal,
)

scores = st.lists(st.integers(0, 10).map(lambda i: i / 10), min_size=0, max_size=30)


def test_examples_in_the_docstrings():
    result = doctest.testmod(guarantees)
    assert result.attempted > 10 and result.failed == 0


@settings(max_examples=200, deadline=None)
@given(scores.filter(len), scores, st.integers(0, 40), st.sampled_from([0.05, 0.1, 0.3]))
def test_conformal_cut_is_benjamini_hochberg_on_conformal_p_values(pool, wrong, right, q):
    pool, wrong = np.array(pool), np.array(wrong)
    n = len(wrong) + right
    p_values = np.array([(1 + (wrong >= s).sum()) / (n + 1) for s in pool])
    cut = conformal_cut(pool, wrong, n, q)
    by_cut = pool >= cut if cut is not None else np.zeros(len(pool), bool)
    assert by_cut.tolist() == benjamini_hochberg(p_values, q).tolist()


@settings(max_examples=100, deadline=None)
@given(scores.filter(len), scores, st.integers(0, 40), st.sampled_from([0.1, 0.3]))
def test_equal_weights_change_nothing(pool, wrong, right, q):
    pool = np.array(pool)
    held_out = np.array(wrong + [1.0] * right)
    is_wrong = np.arange(len(held_out)) < len(wrong)
    cut = conformal_cut(pool, np.array(wrong), len(held_out), q)
    plain = pool >= cut if cut is not None else np.zeros(len(pool), bool)
    weighted = weighted_conformal(
        pool, np.ones(len(pool)), held_out, is_wrong, np.ones(len(held_out)), q
    )
    assert weighted.tolist() == plain.tolist()


def test_conformal_needs_evidence():
    pool = np.linspace(0.5, 1, 1000)
    assert conformal_cut(pool, np.zeros(0), 8, 0.1) is None
    assert conformal_cut(pool, np.zeros(0), 9, 0.1) == 0.5
    assert conformal_needed(pool, np.zeros(0), 0, 0.1) == 9


def test_what_is_needed_is_enough():
    rng = np.random.default_rng(0)
    pool = rng.random(500)
    wrong = np.array([0.3, 0.6])
    needed = conformal_needed(pool, wrong, 40, 0.1)
    grown = np.repeat(wrong, 10)
    assert conformal_cut(pool, wrong, 40, 0.1) is None or needed <= 40
    assert conformal_cut(pool, grown, 400, 0.1) is not None and needed <= 400


def test_no_number_helps_where_the_surest_are_wrong():
    assert conformal_needed(np.array([0.9, 0.5]), np.array([0.99] * 5), 10, 0.1) is None


def test_empty_pools():
    assert conformal_cut(np.zeros(0), np.array([0.5]), 10, 0.1) is None
    assert certified_cut(np.zeros(0), np.ones(50), np.zeros(50, bool), 0.1, 0.1) is None
    assert len(benjamini_hochberg(np.zeros(0), 0.1)) == 0


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
    assert [certified_needed(q, delta, errors) for errors in range(4)] == expected


def test_clopper_pearson_against_the_binomial_distribution():
    from scipy.stats import binom

    for errors, n, delta in [(0, 10, 0.1), (3, 50, 0.05), (20, 100, 0.2)]:
        bound = clopper_pearson_upper(errors, n, delta)
        assert binom.cdf(errors, n, bound) == pytest.approx(delta)
    assert clopper_pearson_upper(0, 0, 0.1) == 1.0 == clopper_pearson_upper(5, 5, 0.1)


def test_certificate_stops_at_the_first_failure():
    pool = np.linspace(0, 1, 101)
    held_out = np.linspace(0, 1, 400)
    # wrong only in a band: what lies under the band would pass again, but is never reached
    wrong = (held_out > 0.65) & (held_out < 0.7)
    assert clopper_pearson_upper(int(wrong.sum()), 400, 0.1) < 0.1
    cut = certified_cut(pool, held_out, wrong, 0.1, 0.1)
    assert 0.65 < cut < 0.7


def test_certificate_is_refused_with_too_few():
    ones, right = np.ones(21), np.zeros(21, bool)
    assert certified_cut(np.ones(100), ones, right, 0.1, 0.1) is None
    assert certified_sample(np.ones(100), ones, right, 0.1, 0.1) == 22
    assert certified_cut(np.ones(100), np.ones(22), np.zeros(22, bool), 0.1, 0.1) == 1.0


def test_certificate_needs_no_number_where_all_are_wrong():
    assert certified_sample(np.ones(9), np.ones(30), np.ones(30, bool), 0.1, 0.1) is None


def draw(rng, n, m, base=0.75):
    """Scores that are informative but not calibrated."""
    truth = rng.random(n + m) < base
    score = np.round(1 / (1 + np.exp(-(2 * truth - 1 + rng.normal(size=n + m)))), 6)
    return score[:n], ~truth[:n], score[n:], ~truth[n:]


@pytest.mark.parametrize("n", [50, 100, 300])
def test_conformal_keeps_the_mean_share(n):
    rng, q, shares = np.random.default_rng(n), 0.1, []
    for _ in range(400):
        held_out, wrong, pool, pool_wrong = draw(rng, n, 1000)
        cut = conformal_cut(pool, held_out[wrong], n, q)
        shares.append(0.0 if cut is None else pool_wrong[pool >= cut].mean())
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) <= q + 3 * error
    # it is not merely cautious: the promise is nearly used up
    assert np.mean(shares) >= q / 3


def test_choosing_the_cut_by_the_observed_share_breaks_the_certificate():
    """The simulation can fail: the rule that everybody would write first does."""
    rng, q, delta, failures = np.random.default_rng(1), 0.1, 0.1, 0
    for _ in range(400):
        held_out, wrong, pool, pool_wrong = draw(rng, 150, 4000)
        observed = {c: wrong[held_out >= c].mean() for c in held_out}
        passing = [c for c, share in observed.items() if share <= q]
        failures += bool(passing) and pool_wrong[pool >= min(passing)].mean() > q
    assert failures / 400 > delta + 3 * np.sqrt(delta * (1 - delta) / 400)


def test_certificate_fails_as_seldom_as_it_says():
    rng, q, delta, failures, empty = np.random.default_rng(2), 0.1, 0.1, 0, 0
    for _ in range(400):
        held_out, wrong, pool, pool_wrong = draw(rng, 150, 4000)
        cut = certified_cut(pool, held_out, wrong, q, delta, n_cuts=50)
        empty += cut is None
        failures += cut is not None and pool_wrong[pool >= cut].mean() > q
    assert failures / 400 <= delta + 3 * np.sqrt(delta * (1 - delta) / 400)
    assert empty < 300


def test_weights_repair_label_shift():
    rng, q = np.random.default_rng(3), 0.1
    shares = {"plain": [], "weighted": []}
    for _ in range(300):
        hard = {"held_out": rng.random(300) < 0.1, "pool": rng.random(1500) < 0.6}
        score, wrong = {}, {}
        for name, is_hard in hard.items():
            truth = rng.random(len(is_hard)) < np.where(is_hard, 0.5, 0.95)
            score[name] = np.round(0.3 * truth + rng.random(len(is_hard)), 6)
            wrong[name] = ~truth
        weight = {}
        for name, is_hard in hard.items():
            pool_share, held_share = hard["pool"].mean(), hard["held_out"].mean()
            ratio = [(1 - pool_share) / (1 - held_share), pool_share / held_share]
            weight[name] = np.where(is_hard, ratio[1], ratio[0])
        cut = conformal_cut(score["pool"], score["held_out"][wrong["held_out"]], 300, q)
        plain = score["pool"] >= (2 if cut is None else cut)
        weighted = weighted_conformal(
            score["pool"],
            weight["pool"],
            score["held_out"],
            wrong["held_out"],
            weight["held_out"],
            q,
        )
        for name, accepted in (("plain", plain), ("weighted", weighted)):
            share = wrong["pool"][accepted].mean() if accepted.any() else 0.0
            shares[name].append(share)
    error = np.std(shares["weighted"]) / np.sqrt(300)
    assert np.mean(shares["weighted"]) <= q + 3 * error
    assert np.mean(shares["plain"]) > q + 0.02


@pytest.mark.filterwarnings("ignore")
def test_certificate_agrees_with_mapie():
    risk_control = pytest.importorskip("mapie.risk_control")
    rng, agree = np.random.default_rng(5), []
    for q, delta in [(0.1, 0.1), (0.2, 0.05), (0.25, 0.1)] * 4:
        held_out, wrong, pool, _ = draw(rng, 300, 2000)
        controller = risk_control.BinaryClassificationController(
            predict_function=lambda x: np.column_stack([1 - x[:, 0], x[:, 0]]),
            risk="precision",
            target_level=1 - q,
            confidence_level=1 - delta,
            best_predict_param_choice="recall",
            list_predict_params=certified_sequence(pool, 300, q, delta),
            fwer_method="fixed_sequence",
        )
        controller.calibrate(held_out[:, None], (~wrong).astype(int))
        theirs = min(controller.valid_predict_params, default=2.0)
        ours = certified_cut(pool, held_out, wrong, q, delta)
        ours = 2.0 if ours is None else ours
        # MAPIE multiplies a share by n and rounds up, so that it sometimes counts one error more.
        assert ours <= theirs
        agree.append(ours == theirs)
    assert sum(agree) >= 9
