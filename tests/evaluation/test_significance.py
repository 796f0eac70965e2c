import doctest

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.evaluation import significance
from spacy_llmjudge.evaluation.significance import (
    approximate_randomization,
    bootstrap_f1,
    compare,
    count_documents,
    document_error,
    interval_over_seeds,
    micro_f1,
    paired_bootstrap,
)

COUNTS = st.integers(1, 12).flatmap(
    lambda n: arrays(numpy.int64, (n, 3), elements=st.integers(0, 4))
)


def draw_counts(rng, n_docs, found=0.7, wrong=0.2, n_gold=3):
    """Documents with three gold entities each, found or not, and some that are wrong."""
    right = rng.binomial(n_gold, found, size=n_docs)
    return numpy.stack([right, rng.binomial(n_gold, wrong, size=n_docs), n_gold - right], axis=1)


def test_f1_is_that_of_precision_and_recall():
    tp, fp, fn = 6, 2, 4
    p, r = tp / (tp + fp), tp / (tp + fn)
    assert micro_f1(numpy.array([tp, fp, fn])) == pytest.approx(2 * p * r / (p + r))
    assert micro_f1(numpy.zeros((4, 3))).tolist() == [0.0] * 4


@settings(max_examples=50, deadline=None)
@given(counts=COUNTS, seed=st.integers(0, 3))
def test_interval_holds_f1_and_is_reproducible(counts, seed):
    found = bootstrap_f1(counts, n_resamples=200, seed=seed)
    assert 0 <= found["f_low"] <= found["f_high"] <= 1
    assert found["f"] == pytest.approx(float(micro_f1(counts.sum(axis=0))))
    assert found == bootstrap_f1(counts, n_resamples=200, seed=seed)


def test_interval_narrows_with_more_documents():
    rng = numpy.random.default_rng(0)
    small, large = (bootstrap_f1(draw_counts(rng, n)) for n in (50, 5000))
    assert (large["f_high"] - large["f_low"]) * 5 < small["f_high"] - small["f_low"]


def test_interval_covers_the_truth_at_about_the_nominal_rate():
    rng = numpy.random.default_rng(1)
    truth = micro_f1(numpy.array([3 * 0.7, 3 * 0.2, 3 * 0.3]))
    covered = 0
    for seed in range(300):
        found = bootstrap_f1(draw_counts(rng, 80), n_resamples=300, seed=seed)
        covered += found["f_low"] <= truth <= found["f_high"]
    assert 0.91 <= covered / 300 <= 0.985


@pytest.mark.parametrize("level,low,high", [(0.5, 0.40, 0.60), (0.8, 0.72, 0.87)])
def test_level_is_the_nominal_rate(level, low, high):
    rng = numpy.random.default_rng(2)
    truth = micro_f1(numpy.array([3 * 0.7, 3 * 0.2, 3 * 0.3]))
    covered = 0
    for seed in range(300):
        found = bootstrap_f1(draw_counts(rng, 80), n_resamples=300, level=level, seed=seed)
        covered += found["f_low"] <= truth <= found["f_high"]
    assert low <= covered / 300 <= high


@settings(max_examples=30, deadline=None)
@given(counts=COUNTS)
def test_a_system_does_not_differ_from_itself(counts):
    found = compare(counts, counts, n_resamples=100)
    assert found["difference"] == found["low"] == found["high"] == 0.0
    assert found["p_bootstrap"] == found["p_randomization"] == 1.0
    assert found["documents"] == len(counts)


@settings(max_examples=50, deadline=None)
@given(counts=COUNTS, data=st.data())
def test_exchanging_the_systems_turns_the_sign(counts, data):
    gold = counts[:, 0] + counts[:, 2]
    right = numpy.array([data.draw(st.integers(0, int(n))) for n in gold])
    other = numpy.stack([right, counts[:, 1], gold - right], axis=1)
    one, two = (
        paired_bootstrap(*pair, n_resamples=200) for pair in ((counts, other), (other, counts))
    )
    assert one["difference"] == pytest.approx(-two["difference"])
    assert one["low"] == pytest.approx(-two["high"]) and one["high"] == pytest.approx(-two["low"])
    assert one["p_value"] == pytest.approx(two["p_value"])
    assert 0 < one["p_value"] <= 1
    swapped = [
        approximate_randomization(*pair, n_resamples=200)
        for pair in ((counts, other), (other, counts))
    ]
    assert swapped[0]["p_value"] == pytest.approx(swapped[1]["p_value"])


def test_a_clear_difference_is_found_by_both():
    rng = numpy.random.default_rng(3)
    better, worse = draw_counts(rng, 200, 0.8), draw_counts(rng, 200, 0.5)
    found = compare(better, worse)
    assert found["low"] > 0 and found["p_bootstrap"] < 0.01 and found["p_randomization"] < 0.01


def test_pairing_finds_what_two_intervals_do_not():
    rng = numpy.random.default_rng(4)
    worse = draw_counts(rng, 100)
    better = worse.copy()
    gained = numpy.flatnonzero(worse[:, 2])[:12]
    better[gained] += numpy.array([1, 0, -1])
    assert bootstrap_f1(better)["f_low"] < bootstrap_f1(worse)["f_high"]
    assert paired_bootstrap(better, worse)["low"] > 0


@pytest.mark.parametrize("test", [paired_bootstrap, approximate_randomization])
def test_p_values_are_small_as_often_as_they_say(test):
    rng = numpy.random.default_rng(5)
    p_values = []
    for seed in range(300):
        one, two = draw_counts(rng, 60), draw_counts(rng, 60)
        p_values.append(test(one, two, n_resamples=200, seed=seed)["p_value"])
    assert numpy.mean(numpy.array(p_values) <= 0.5) == pytest.approx(0.5, abs=0.1)
    assert 0.005 <= numpy.mean(numpy.array(p_values) <= 0.05) <= 0.10


def test_randomization_is_that_of_all_assignments():
    one = numpy.array([[3, 0, 0], [2, 1, 1], [3, 1, 0]])
    two = numpy.array([[1, 0, 2], [2, 0, 1], [2, 2, 1]])
    observed = abs(float(micro_f1(one.sum(axis=0)) - micro_f1(two.sum(axis=0))))
    extreme = 0
    for swaps in numpy.ndindex(2, 2, 2):
        mask = numpy.array(swaps, dtype=bool)[:, None]
        a, b = numpy.where(mask, two, one), numpy.where(mask, one, two)
        extreme += abs(micro_f1(a.sum(axis=0)) - micro_f1(b.sum(axis=0))) >= observed - 1e-12
    found = approximate_randomization(one, two, n_resamples=20_000)
    assert found["p_value"] == pytest.approx(extreme / 8, abs=0.015)


def test_blocks_change_nothing_but_memory(monkeypatch):
    rng = numpy.random.default_rng(6)
    one, two = draw_counts(rng, 40), draw_counts(rng, 40, 0.6)
    whole = compare(one, two, n_resamples=500), bootstrap_f1(one, n_resamples=500)
    monkeypatch.setattr(significance, "_BLOCK_CELLS", 7 * 40)
    assert (
        compare(one, two, n_resamples=500),
        bootstrap_f1(one, n_resamples=500),
    ) == whole


@pytest.mark.parametrize("counts", [numpy.zeros((0, 3)), numpy.zeros(3), numpy.zeros((4, 2))])
def test_counts_of_another_shape(counts):
    with pytest.raises(LLMJudgeError, match=r"\[J704\].*\(documents, 3\)"):
        bootstrap_f1(counts)


def test_systems_on_different_gold():
    one, two = numpy.array([[1, 0, 1]]), numpy.array([[1, 0, 2]])
    for other in (two, numpy.array([[1, 0, 1], [0, 0, 0]])):
        with pytest.raises(LLMJudgeError, match=r"\[J705\]"):
            paired_bootstrap(one, other)


def test_examples_in_docstrings():
    result = doctest.testmod(significance)
    assert result.attempted >= 4 and not result.failed


def draw_scores(rng, n_seeds, n_docs, of_seeds=0.05):
    """Which documents are right: some are harder for all seeds, some seeds are better on all documents."""
    hard = rng.normal(size=n_docs)
    ability = rng.normal(scale=of_seeds / 0.2, size=(n_seeds, 1))
    return rng.random((n_seeds, n_docs)) < 1 / (1 + numpy.exp(-(0.5 + 1.5 * hard + ability)))


def test_the_error_over_documents_is_that_of_other_documents():
    rng = numpy.random.default_rng(0)
    hard = 1 / (1 + numpy.exp(-(0.5 + 1.5 * rng.normal(size=(400, 1, 100)))))
    right = rng.random((400, 3, 100)) < hard
    counts = numpy.array([count_documents(row) for row in right[0]])
    expected = right.mean(axis=(1, 2)).std()
    found = [
        document_error(numpy.array([count_documents(row) for row in draw]), n_resamples=200)
        for draw in right[:20]
    ]
    assert numpy.mean(found) == pytest.approx(expected, rel=0.15)
    assert document_error(counts, counts) == 0


def test_an_interval_over_seeds_and_documents_covers_and_one_over_seeds_does_not():
    rng, level, inside = numpy.random.default_rng(1), 0.95, {"both": 0, "seeds": 0, "documents": 0}
    draws, n_seeds, of_seeds, of_documents = 2000, 3, 0.01, 0.02
    for _ in range(draws):
        values = rng.normal(0, of_documents) + rng.normal(0, of_seeds, size=n_seeds)
        for name, error, scores in (
            ("both", of_documents, values),
            ("seeds", 0.0, values),
            ("documents", of_documents, values[:1]),
        ):
            found = interval_over_seeds(scores, error, level)
            inside[name] += found["low"] <= 0 <= found["high"]
    slack = 3 * numpy.sqrt(level * (1 - level) / draws)
    assert level - slack <= inside["both"] / draws <= 0.99
    assert inside["seeds"] / draws < 0.8 and inside["documents"] / draws < level - slack


def test_without_a_part_for_documents_it_is_students_t():
    found = interval_over_seeds([0.1, 0.2, 0.3], 0.0)
    half = 4.302652729911275 * 0.1 / 3**0.5
    assert (found["low"], found["high"]) == pytest.approx((0.2 - half, 0.2 + half))


@pytest.mark.slow
def test_the_whole_way_from_counts_covers():
    """Five seeds on 150 documents, another draw of both each time."""
    rng, draws, inside = numpy.random.default_rng(2), 300, 0
    truth = numpy.mean([draw_scores(rng, 50, 2000).mean() for _ in range(20)])
    for _ in range(draws):
        right = draw_scores(rng, 5, 150)
        counts = numpy.array([count_documents(row) for row in right])
        error = document_error(counts, n_resamples=200)
        found = interval_over_seeds(right.mean(axis=1), error)
        inside += found["low"] <= truth <= found["high"]
    assert inside / draws > 0.95 - 3 * numpy.sqrt(0.95 * 0.05 / draws)
