import doctest

import numpy as np
import pytest
from selection_helpers import draw_scores

from spacy_llmjudge.selection import certified_cut as module
from spacy_llmjudge.selection.certified_cut import (
    certified_cut,
    certified_needed,
    certified_sample,
    certified_sequence,
    clopper_pearson_upper,
)


def test_examples_in_the_docstrings():
    result = doctest.testmod(module)
    assert result.attempted >= 6 and result.failed == 0


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


def test_an_empty_pool_has_no_certified_cut():
    assert certified_cut(np.zeros(0), np.ones(50), np.zeros(50, bool), 0.1, 0.1) is None


def test_choosing_the_cut_by_the_observed_share_breaks_the_certificate():
    """The simulation can fail: the rule that everybody would write first does."""
    rng, q, delta, failures = np.random.default_rng(1), 0.1, 0.1, 0
    for _ in range(400):
        held_out, wrong, pool, pool_wrong = draw_scores(rng, 150, 4000)
        observed = {c: wrong[held_out >= c].mean() for c in held_out}
        passing = [c for c, share in observed.items() if share <= q]
        failures += bool(passing) and pool_wrong[pool >= min(passing)].mean() > q
    assert failures / 400 > delta + 3 * np.sqrt(delta * (1 - delta) / 400)


def test_certificate_fails_as_seldom_as_it_says():
    rng, q, delta, failures, empty = np.random.default_rng(2), 0.1, 0.1, 0, 0
    for _ in range(400):
        held_out, wrong, pool, pool_wrong = draw_scores(rng, 150, 4000)
        cut = certified_cut(pool, held_out, wrong, q, delta, n_cuts=50)
        empty += cut is None
        failures += cut is not None and pool_wrong[pool >= cut].mean() > q
    assert failures / 400 <= delta + 3 * np.sqrt(delta * (1 - delta) / 400)
    assert empty < 300


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
