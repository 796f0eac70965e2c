"""How often drift is said where there is none, and whether it is seen where there is some."""

import doctest

import numpy as np
import pytest

from spacy_llmjudge.evaluation import drift as module
from spacy_llmjudge.evaluation.drift import Watched, find_drift


def draw(rng, n, doubt=0.0, rate=1.5, first=0.6):
    """Documents with a Poisson number of spans, whose confidence hangs together within a document."""
    n_spans = rng.poisson(rate, n)
    counts = np.zeros((n, 2), int)
    weak, lowest = np.zeros(n, int), np.ones(n)
    for i, k in enumerate(n_spans):
        ease = rng.normal(1.5 - doubt, 1.0)
        p = 1 / (1 + np.exp(-(ease + rng.normal(0, 0.5, k))))
        counts[i, 0] = rng.binomial(k, first)
        counts[i, 1] = k - counts[i, 0]
        weak[i], lowest[i] = (p < 0.5).sum(), p.min(initial=1.0)
    return Watched(counts, weak, lowest)


@pytest.mark.slow
@pytest.mark.parametrize("n_old, n_new", [(60, 40), (30, 200)])
def test_false_alarms_are_as_rare_as_alpha_says(n_old, n_new):
    alpha, n = 0.1, 400
    rng = np.random.default_rng(0)
    alarms = [
        find_drift(draw(rng, n_old), draw(rng, n_new), alpha, 99, seed).found for seed in range(n)
    ]
    assert np.mean(alarms) <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / n)


@pytest.mark.parametrize(
    "name, change", [("weak", {"doubt": 2.0}), ("spans", {"rate": 4.0}), ("labels", {"first": 0.1})]
)
def test_drift_is_seen_and_named(name, change):
    rng = np.random.default_rng(1)
    drift = find_drift(draw(rng, 80), draw(rng, 80, **change))
    assert drift.found
    assert min(drift.figures, key=lambda one: drift.figures[one].p_value) == name


def test_the_same_documents_are_no_drift_and_the_order_does_not_matter():
    rng = np.random.default_rng(2)
    one = draw(rng, 50)
    turned = Watched(one.counts[::-1], one.weak[::-1], one.lowest[::-1])
    drift = find_drift(one, turned, n_permutations=99)
    assert not drift.found and drift.p_value == 1.0
    assert all(figure.distance < 1e-9 for figure in drift.figures.values())


def test_documents_without_spans_are_documents():
    empty = Watched(np.zeros((20, 0), int), np.zeros(20, int), np.ones(20))
    assert find_drift(empty, empty, n_permutations=99).p_value == 1.0


def test_the_example_is_right():
    assert doctest.testmod(module) == (0, 3)
