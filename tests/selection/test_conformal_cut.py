import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection_helpers import draw_scores

from spacy_llmjudge.selection import conformal_cut as module
from spacy_llmjudge.selection.conformal_cut import conformal_cut, conformal_needed
from spacy_llmjudge.selection.label_shift import benjamini_hochberg

scores = st.lists(st.integers(0, 10).map(lambda i: i / 10), min_size=0, max_size=30)


def test_examples_in_the_docstrings():
    result = doctest.testmod(module)
    assert result.attempted >= 4 and result.failed == 0


@settings(max_examples=200, deadline=None)
@given(scores.filter(len), scores, st.integers(0, 40), st.sampled_from([0.05, 0.1, 0.3]))
def test_conformal_cut_is_benjamini_hochberg_on_conformal_p_values(pool, wrong, right, q):
    pool, wrong = np.array(pool), np.array(wrong)
    n = len(wrong) + right
    p_values = np.array([(1 + (wrong >= s).sum()) / (n + 1) for s in pool])
    cut = conformal_cut(pool, wrong, n, q)
    by_cut = pool >= cut if cut is not None else np.zeros(len(pool), bool)
    assert by_cut.tolist() == benjamini_hochberg(p_values, q).tolist()


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


def test_an_empty_pool_has_no_conformal_cut():
    assert conformal_cut(np.zeros(0), np.array([0.5]), 10, 0.1) is None


@pytest.mark.parametrize("n", [50, 100, 300])
def test_conformal_keeps_the_mean_share(n):
    rng, q, shares = np.random.default_rng(n), 0.1, []
    for _ in range(400):
        held_out, wrong, pool, pool_wrong = draw_scores(rng, n, 1000)
        cut = conformal_cut(pool, held_out[wrong], n, q)
        shares.append(0.0 if cut is None else pool_wrong[pool >= cut].mean())
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) <= q + 3 * error
    # it is not merely cautious: the promise is nearly used up
    assert np.mean(shares) >= q / 3
