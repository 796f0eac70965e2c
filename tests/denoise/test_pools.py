import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.denoise.arrays import encode
from spacy_llmjudge.denoise.pools import estimate_pools, estimate_rate, sample_pools
from spacy_llmjudge.denoise.prior import correct_prior, estimate_confusion, reweight
from spacy_llmjudge.errors import LLMJudgeError


def make_verdicts(n=20000, prior=0.3, tpr=0.8, fpr=0.2, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < prior
    accepted = np.where(truth, rng.random(n) < tpr, rng.random(n) < fpr)
    return accepted, truth


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 60))
def test_a_rate_lies_inside_its_interval_and_the_unit(positives, negatives):
    rate = estimate_rate(positives, positives + negatives)
    assert 0 <= rate.low < rate.value < rate.high <= 1


def test_gold_of_both_pools_recovers_the_rates_of_the_pools():
    accepted, truth = make_verdicts()
    chosen = sample_pools(accepted, 4000, seed=1)
    gold = [None] * len(truth)
    for i in chosen:
        gold[i] = bool(truth[i])
    stats = estimate_pools(accepted, gold)
    assert abs(stats.theta_pos.value - truth[accepted].mean()) < 0.02
    assert abs(stats.theta_neg.value - truth[~accepted].mean()) < 0.02
    assert abs(stats.prior.value - truth.mean()) < 0.02
    assert stats.gap.low < stats.gap.value < stats.gap.high


def test_gold_balanced_over_classes_is_biased():
    accepted, truth = make_verdicts()
    balanced = np.concatenate([np.flatnonzero(truth)[:2000], np.flatnonzero(~truth)[:2000]])
    gold = [None] * len(truth)
    for i in balanced:
        gold[i] = bool(truth[i])
    stats = estimate_pools(accepted, gold)
    assert stats.theta_pos.value > truth[accepted].mean() + 0.1


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    hits = []
    for seed in range(100):
        accepted, truth = make_verdicts(n=2000, seed=seed)
        gold = [None] * len(truth)
        for i in sample_pools(accepted, 60, seed=seed):
            gold[i] = bool(truth[i])
        stats = estimate_pools(accepted, gold, level=0.9)
        gap = truth[accepted].mean() - truth[~accepted].mean()
        hits.append(stats.gap.low <= gap <= stats.gap.high)
    assert 0.82 <= np.mean(hits) <= 0.97


def test_labels_with_little_gold_shrink_towards_all():
    accepted = [True] * 50 + [False] * 50
    gold = [True] * 48 + [False] * 2 + [False] * 50
    labels = (["common"] * 48 + ["rare"] * 2) * 2
    stats = estimate_pools(accepted, gold, labels, strength=10)
    rare, everything = stats.by_label["rare"].theta_pos, stats.theta_pos
    assert rare.value == pytest.approx(10 * everything.value / 12)
    assert rare.high - rare.low > everything.high - everything.low


def test_weights_undo_an_uneven_draw_inside_a_pool():
    truth = np.array([True] * 500 + [False] * 500)
    accepted = [True] * 1000 + [False] * 2
    looked = np.r_[0:100, 500:900]
    gold = [None] * 1000 + [True, False]
    for i in looked:
        gold[i] = bool(truth[i])
    weights = np.array([5.0] * 500 + [1.25] * 500 + [1.0] * 2)
    assert estimate_pools(accepted, gold).theta_pos.value < 0.25
    assert estimate_pools(accepted, gold, weights=weights).theta_pos.value == pytest.approx(
        0.5, abs=0.01
    )


@pytest.mark.parametrize(
    "accepted, gold, code",
    [
        ([True, True], [True, None], "J506"),
        ([True, False], [True, None], "J507"),
        ([True, False, True], [True, False], "J504"),
        ([1, -1, 1], [True, False, True], "J503"),
        (["yes", "no"], [True, False], "J508"),
    ],
)
def test_pools_that_say_nothing_are_errors(accepted, gold, code):
    with pytest.raises(LLMJudgeError, match=code):
        estimate_pools(accepted, gold)


def test_the_prior_is_right_for_gold_that_was_drawn_inside_each_label():
    rng = np.random.default_rng(0)
    truth = rng.choice(["a", "b"], 10000, p=[0.8, 0.2])
    noisy = np.where((truth == "a") & (rng.random(10000) < 0.5), "b", truth)
    gold = [None] * 10000
    for label in "ab":
        for i in np.flatnonzero(noisy == label)[:500]:
            gold[i] = str(truth[i])
    classes = ("a", "b")
    table, prior = estimate_confusion(encode(noisy, classes), encode(gold, classes), 2)
    assert prior[0] == pytest.approx(np.mean(truth == "a"), abs=0.02)
    assert table[1, 0] == pytest.approx(np.mean(truth[noisy == "b"] == "a"), abs=0.03)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.05, 1), min_size=3, max_size=3), st.integers(0, 1000))
def test_moving_a_prior_there_and_back_changes_nothing(masses, seed):
    p = np.random.default_rng(seed).dirichlet(np.ones(3), size=4)
    new = np.array(masses) / sum(masses)
    old = np.array([0.2, 0.3, 0.5])
    assert np.allclose(reweight(reweight(p, old, new), new, old), p)


def test_correcting_the_prior_beats_the_noisy_labels_where_a_class_is_under_named():
    rng = np.random.default_rng(0)
    truth = rng.choice(["a", "b"], 2000, p=[0.7, 0.3])
    x = np.where(truth == "a", 0.6, -0.6)[:, None] + rng.normal(size=(2000, 2)) * 0.8
    noisy = np.where((truth == "a") & (rng.random(2000) < 0.6), "b", truth)
    gold = [str(t) if i < 100 else None for i, t in enumerate(truth)]
    done = correct_prior(x, noisy, gold)
    assert np.mean(np.array(done.labels) == truth) > np.mean(noisy == truth) + 0.1
    assert done.probabilities.shape == (2000, 2)
    assert np.allclose(done.probabilities.sum(axis=1), 1)
    assert done.report["prior"]["a"]["low"] < 0.7 < done.report["prior"]["a"]["high"]
    assert done.report["prior"]["a"]["value"] > done.report["noisy_prior"]["a"] + 0.2
