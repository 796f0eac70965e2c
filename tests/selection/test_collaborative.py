import numpy as np
import pytest
from selection_helpers import draw_world, make_table

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.numeric import calibration_error
from spacy_llmjudge.selection.collaborative import (
    fit_combination,
    make_collaborative,
    smooth_by_base_rate,
    smooth_by_temperature,
)

NOTHING_HELD_OUT = make_table([], [], [])


def test_score_is_the_weighted_mean_of_both():
    selector = make_collaborative(weight=0.25, smoothing="none")
    table = make_table([0.4], [0.8])
    assert selector.score(table, NOTHING_HELD_OUT).pool[0] == pytest.approx(0.5)


def test_weight_follows_the_accuracies():
    correct = np.arange(100) % 2 == 0
    support = np.where(correct, 0.9, 0.1)
    confidence = np.where(np.arange(100) < 50, support, 1 - support)
    evidence = make_table(confidence, support, correct)
    fitted = fit_combination(evidence, smooth_by_base_rate)
    assert fitted.weight == pytest.approx(1 / 1.5)


def test_what_the_student_did_not_predict_is_never_kept():
    table = make_table([0.98, 0.98], [0.99, 0.99], predicted=[True, False])
    score = make_collaborative(0.9).score(table, NOTHING_HELD_OUT).pool
    assert score[0] > 0.9 and score[1] == 0.0


def test_without_a_judge_the_student_stands_alone():
    table = make_table([0.7], None, verdict="abstained")
    score = make_collaborative(smoothing="none").score(table, NOTHING_HELD_OUT).pool
    assert score[0] == pytest.approx(0.7)


def test_temperature_lowers_the_calibration_error():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.9, size=2000)
    correct = rng.random(2000) < p
    overconfident = 1 / (1 + ((1 - p) / p) ** 3)
    smoothed = smooth_by_temperature(overconfident, correct)(overconfident)
    assert calibration_error(smoothed, correct) < 0.5 * calibration_error(overconfident, correct)


def test_base_rate_smoothing_moves_towards_the_base_rate():
    correct = np.arange(100) < 30
    smoothed = smooth_by_base_rate(np.full(100, 0.9), correct)
    assert smoothed(np.array([0.9]))[0] == pytest.approx(0.4 * 0.9 + 0.6 * 0.3)


def sentence_table():
    return make_table(
        [0.98, 0.98, 0.98, 0.3, 0.98],
        [0.99, 0.99, 0.99, 0.2, 0.99],
        document=[0, 0, 1, 1, 2],
        start=[0, 1, 0, 1, 0],
        predicted=[True, True, True, True, False],
    )


def test_sentence_unit_uses_a_document_where_all_pass_or_not_at_all():
    selector = make_collaborative(0.9, unit="sentence", smoothing="none")
    table = sentence_table()
    table = table.replace(probability=selector.score(table, NOTHING_HELD_OUT).pool)
    selection = selector(table, NOTHING_HELD_OUT.replace(probability=np.zeros(0)))
    assert selection.documents.tolist() == [True, False, True]
    assert selection.accepted.tolist() == [True, True, False, False, False]


def test_span_unit_keeps_the_good_half_of_a_document():
    selector = make_collaborative(0.9, unit="span", smoothing="none")
    table = sentence_table()
    table = table.replace(probability=selector.score(table, NOTHING_HELD_OUT).pool)
    selection = selector(table, NOTHING_HELD_OUT.replace(probability=np.zeros(0)))
    assert selection.documents is None
    assert selection.accepted.tolist() == [True, True, True, False, False]
    assert selection.statement.startswith("No promise")


@pytest.mark.parametrize("smoothing", ["temperature", "base_rate", "none"])
def test_all_smoothings_give_probabilities(smoothing):
    world = draw_world(np.random.default_rng(0), 100)
    score = make_collaborative(smoothing=smoothing).score(world, world).pool
    assert ((score >= 0) & (score <= 1)).all() and len(np.unique(score)) > 50


@pytest.mark.parametrize("setting", [{"smoothing": "magic"}, {"unit": "token"}])
def test_unknown_choices_are_refused(setting):
    with pytest.raises(LLMJudgeError, match=r"J404.*Choose one of"):
        make_collaborative(**setting)
