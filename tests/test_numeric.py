"""Log-odds there and back, log-loss as scikit-learn has it, and folds by text."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss as reference

from spacy_llmjudge import numeric

NUMBERS = st.floats(-700, 700)


def test_examples_in_docstrings_run():
    found = doctest.testmod(numeric)
    assert found.attempted and not found.failed


@given(st.floats(1e-9, 1 - 1e-9))
def test_log_odds_and_probabilities_are_inverse(p):
    assert numeric.sigmoid(numeric.logit(np.array([p])))[0] == pytest.approx(p, rel=1e-9)


@given(NUMBERS, NUMBERS)
def test_sigmoid_is_monotone_and_keeps_the_small_tail(a, b):
    low, high = numeric.sigmoid(np.array(sorted([a, b])))
    assert 0 < low <= high <= 1


def test_log_odds_of_0_and_1_are_finite_where_asked_for():
    found = numeric.safe_logit(np.array([0.0, 0.004, 0.5, 1.0]), 0.01)
    assert found.tolist() == pytest.approx([-np.log(99), -np.log(99), 0.0, np.log(99)])


def test_log_loss_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    p, correct = rng.random(200), rng.random(200) < 0.5
    p[:2] = 0.0, 1.0
    expected = reference(correct, np.clip(p, 0.005, 0.995), labels=[False, True])
    assert numeric.log_loss(p, correct, 0.005) == pytest.approx(expected)


def test_duplicates_share_a_fold():
    folds = [numeric.fold_of(f"text {i}", 5) for i in range(200)]
    assert set(folds) == {0, 1, 2, 3, 4}
    assert numeric.fold_of("text 3", 5) == folds[3]


def test_folds_stay_what_they_were():
    """Evidence that was cross-fitted by an earlier version is still read by its folds."""
    assert [numeric.fold_of(text, 5) for text in ("", "a", "mañana", "soil")] == [0, 0, 2, 3]
