import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection_helpers import draw_world, make_table

from spacy_llmjudge.numeric import log_loss, sigmoid
from spacy_llmjudge.selection.fusion import (
    FLOOR,
    LEAST_SUPPORT,
    Fusion,
    cross_fit,
    fit_fusion,
)


def world(seed=0, n_docs=200, **kwargs):
    return draw_world(np.random.default_rng(seed), n_docs, **kwargs)


def test_without_evidence_it_is_the_equal_pool():
    fusion = fit_fusion(None)
    assert fusion.mode == "equal" and fusion.n == 0
    p = fusion.predict(make_table([0.8, 0.2], [0.8, 0.8]))
    assert p.tolist() == pytest.approx([0.8, 0.5])


def test_fused_is_better_than_each_source_alone():
    evidence, test = world(0), world(1)
    p = fit_fusion(evidence).predict(test)
    fused = log_loss(p, test.correct, LEAST_SUPPORT)
    assert fused < log_loss(test.confidence, test.correct, LEAST_SUPPORT) - 0.02
    assert fused < log_loss(test.support, test.correct, LEAST_SUPPORT) - 0.02


def test_intercept_takes_away_a_yes_bias():
    rng = np.random.default_rng(0)
    correct = rng.random(400) < 0.4
    support = np.where(correct, 0.95, 0.9)
    table = make_table(np.where(correct, 0.6, 0.4), support, correct)
    p = fit_fusion(table).predict(table)
    assert abs(p.mean() - correct.mean()) < 0.02


def test_weights_are_never_negative():
    rng = np.random.default_rng(0)
    correct = rng.random(300) < 0.5
    table = make_table(np.where(correct, 0.2, 0.8), np.where(correct, 0.9, 0.1), correct)
    fusion = fit_fusion(table)
    assert fusion.mode == "fitted" and fusion.weight_student == 0.0
    assert fusion.weight_judge > 0.5


def listed_world(seed, carries):
    """A judge that says 90 of all that it lists, whose tokens know better, or not."""
    rng = np.random.default_rng(seed)
    correct = rng.random(400) < 0.6
    likelihood = sigmoid(rng.normal(np.where(correct & carries, 3.0, 1.0), 1.0))
    likelihood[rng.random(400) < 0.2] = np.nan
    table = make_table(rng.uniform(0.3, 0.7, 400), np.full(400, 0.9), correct)
    return table.replace(likelihood=likelihood)


def test_the_likelihood_of_what_is_listed_counts_where_it_carries():
    evidence, test = listed_world(0, True), listed_world(1, True)
    fusion = fit_fusion(evidence)
    assert fusion.mode == "fitted" and fusion.weight_likelihood > 0.5
    with_it = log_loss(fusion.predict(test), test.correct, LEAST_SUPPORT)
    without = fit_fusion(evidence.replace(likelihood=None))
    assert without.weight_likelihood == 0.0
    assert with_it < log_loss(without.predict(test), test.correct, LEAST_SUPPORT) - 0.1


def test_a_likelihood_of_0_or_1_is_a_number_as_any_other():
    evidence = listed_world(0, True)
    likelihood = evidence.likelihood.copy()
    likelihood[:2] = 0.0, 1.0
    fusion = fit_fusion(evidence.replace(likelihood=likelihood))
    assert np.isfinite(fusion.mean_likelihood) and fusion.weight_likelihood > 0.5
    assert np.isfinite(fusion.predict(evidence.replace(likelihood=likelihood))).all()


def test_a_likelihood_that_carries_nothing_is_not_heeded():
    assert fit_fusion(listed_world(0, False)).weight_likelihood < 0.25


def test_what_has_no_likelihood_stands_where_they_are_on_the_average():
    evidence = listed_world(0, True)
    fusion = fit_fusion(evidence)
    mean = np.nanmean(np.log(evidence.likelihood / (1 - evidence.likelihood)))
    one = make_table([0.5], [0.9])
    average = one.replace(likelihood=np.array([1 / (1 + np.exp(-mean))]))
    assert fusion.predict(one) == pytest.approx(fusion.predict(average), abs=1e-4)
    known = Fusion.from_dict(json.loads(json.dumps(fusion.to_dict())))
    assert (known.predict(evidence) == fusion.predict(evidence)).all()


def test_proposals_have_an_intercept_of_their_own():
    rng = np.random.default_rng(0)
    proposed = rng.random(600) < 0.5
    correct = rng.random(600) < np.where(proposed, 0.9, 0.3)
    confidence = np.where(proposed, np.nan, 0.5)
    table = make_table(confidence, np.full(600, 0.6), correct, proposed=proposed)
    p = fit_fusion(table).predict(table)
    assert abs(p[proposed].mean() - 0.9) < 0.05
    assert abs(p[~proposed].mean() - 0.3) < 0.05


def test_label_offsets_are_shrunk_to_the_common_one():
    rng = np.random.default_rng(0)
    label = (np.arange(500) < 5).astype(int)
    correct = np.where(label == 1, False, rng.random(500) < 0.8)
    table = make_table(
        np.full(500, 0.7), np.full(500, 0.7), correct, label=label, labels=("A", "B")
    )
    p = fit_fusion(table).predict(table)
    assert 0.1 < p[label == 1].mean() < p[label == 0].mean() - 0.1


def test_labels_that_the_evidence_lacks_have_no_offset():
    fusion = fit_fusion(world())
    table = make_table([0.7], [0.7], label=[0], labels=("NEW",))
    common = Fusion(**{**fusion.to_dict(), "offsets": {}})
    assert fusion.predict(table) == common.predict(table)


def test_unlisted_candidates_get_their_held_out_rate():
    support = np.where(np.arange(100) < 60, 0.9, np.nan)
    correct = np.arange(100) < 64
    verdict = ["correct"] * 60 + ["not_entity"] * 40
    table = make_table(np.full(100, 0.3), support, correct, verdict=verdict)
    fusion = fit_fusion(table)
    assert fusion.rates["not_entity"] == pytest.approx(4.5 / 41, abs=1e-6)
    assert fusion.support(table)[-1] == pytest.approx(4.5 / 41, abs=1e-6)


def test_rates_are_by_verdict_where_there_are_enough():
    verdict = ["not_entity"] * 30 + ["wrong_label"] * 30 + ["wrong_boundary"] * 3
    correct = [False] * 30 + [True] * 15 + [False] * 15 + [True] * 3
    fusion = fit_fusion(make_table(np.full(63, 0.3), None, correct, verdict=verdict))
    assert fusion.rates["not_entity"] == pytest.approx(0.5 / 31, abs=1e-6)
    assert fusion.rates["wrong_label"] == pytest.approx(15.5 / 31, abs=1e-6)
    assert fusion.rates["wrong_boundary"] == pytest.approx(18.5 / 64, abs=1e-6)
    assert "correct" not in fusion.rates


def test_bare_correct_verdicts_are_not_pooled_with_the_others():
    verdict = ["correct"] * 10 + ["not_entity"] * 10
    fusion = fit_fusion(
        make_table(np.full(20, 0.3), None, [True] * 10 + [False] * 10, verdict=verdict)
    )
    assert fusion.rates["correct"] == pytest.approx(10.5 / 11, abs=1e-6)
    assert fusion.rates["not_entity"] == pytest.approx(0.5 / 11, abs=1e-6)


@pytest.mark.parametrize("verdict", ["abstained", None])
def test_without_an_answer_it_is_the_student_alone(verdict):
    table = make_table([0.3, 0.9], None, verdict=verdict)
    for fusion in (Fusion(), fit_fusion(world())):
        assert fusion.predict(table).tolist() == [0.3, 0.9]


def test_posterior_stands_in_for_a_missing_confidence():
    table = make_table([np.nan], [0.5]).replace(posterior=np.array([0.8]))
    assert Fusion().predict(table) > 0.6


def test_low_confidence_is_floored_at_the_candidate_cut():
    low = make_table([1e-9], [0.5])
    assert Fusion().predict(low) == Fusion().predict(make_table([FLOOR], [0.5]))


def test_entities_without_a_posterior_are_the_judge_s_business():
    table = make_table([np.nan], [0.9])
    assert Fusion().predict(table)[0] == pytest.approx(0.75)


@pytest.mark.parametrize(
    "confidence, support, expected",
    [
        ([0.9, 0.1], [0.5, 0.5], "student"),
        ([0.5, 0.5], [0.9, 0.1], "judge"),
        ([0.95, 0.05], [0.95, 0.05], "equal"),
    ],
)
def test_with_little_evidence_the_best_simple_rule_is_taken(confidence, support, expected):
    table = make_table(confidence * 5, support * 5, [True, False] * 5)
    fusion = fit_fusion(table)
    assert fusion.mode == expected and fusion.n == 10 and fusion.n_correct == 5


def test_one_class_of_evidence_is_not_fitted():
    table = make_table(np.full(100, 0.8), np.full(100, 0.9), np.ones(100, bool))
    assert fit_fusion(table).mode != "fitted"
    assert np.isfinite(fit_fusion(table).predict(table)).all()


def test_out_of_fold_means_that_the_own_document_has_no_say():
    table = world(n_docs=60)
    before = cross_fit(table)[0]
    lied = table.correct.copy()
    lied[table.document == 7] = ~lied[table.document == 7]
    after = cross_fit(table.replace(correct=lied))[0]
    own_fold = table.folds(5) == table.folds(5)[table.document == 7][0]
    assert np.array_equal(before[own_fold], after[own_fold])
    assert not np.array_equal(before[~own_fold], after[~own_fold])


def test_duplicates_share_a_fold():
    table = world(n_docs=40)
    table = table.replace(texts=tuple("same" for _ in table.texts))
    nothing = fit_fusion(table.take(np.zeros(len(table), dtype=bool)))
    assert nothing.n == 0
    assert np.array_equal(cross_fit(table)[0], nothing.predict(table))


def test_out_of_fold_support_has_no_gaps_where_the_judge_answered():
    table = world(n_docs=60)
    table = table.replace(support=np.where(np.arange(len(table)) % 3, table.support, np.nan))
    assert not np.isnan(cross_fit(table)[1]).any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 5), st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(seed, random):
    table = world(seed, n_docs=40)
    order = list(range(len(table)))
    random.shuffle(order)
    assert fit_fusion(table.take(np.array(order))) == fit_fusion(table)


def test_json_round_trip():
    fusion = fit_fusion(world())
    assert Fusion.from_dict(json.loads(json.dumps(fusion.to_dict()))) == fusion


def test_fit_is_the_optimum_of_scipy():
    from scipy.optimize import minimize

    from spacy_llmjudge.selection.fusion import _design, _objective

    table = world(3, n_docs=50)
    fusion = fit_fusion(table)
    design, prior, precision = _design(table, fusion)
    y = table.correct.astype(float)
    best = minimize(
        lambda beta: _objective(design, y, prior, precision, beta),
        prior,
        bounds=[(0, None)] * 2 + [(None, None)] * (len(prior) - 2),
        method="L-BFGS-B",
    )
    ours = [fusion.weight_student, fusion.weight_judge, fusion.intercept]
    assert ours == pytest.approx(best.x[:3], abs=1e-3)


def panel_world(seed, n=400, n_models=2):
    """A panel whose first model knows, whose second guesses, and whose others, if any, are always wrong."""
    rng = np.random.default_rng(seed)
    correct = rng.random(n) < 0.5
    means = [np.where(correct, 2.0, -2.0), np.zeros(n)]
    means += [np.where(correct, -1.0, 1.0)] * (n_models - 2)
    supports = np.column_stack([sigmoid(rng.normal(mean, 1.5)) for mean in means])
    supports = np.clip(supports, 0.01, 0.99)
    opinions = np.stack([np.where(supports > 0.5, 0.0, 3.0), supports], axis=2)
    table = make_table(rng.uniform(0.3, 0.7, n), supports.mean(axis=1), correct)
    names = ("able", "blind", "contrary")[:n_models]
    return table.replace(models=names, opinions=opinions)


def test_a_panel_without_evidence_is_the_equal_pool_of_its_models():
    table = panel_world(0)
    odds = np.log(table.opinions[:, :, 1] / (1 - table.opinions[:, :, 1]))
    assert Fusion().support(table) == pytest.approx(sigmoid(odds.mean(axis=1)))


def test_each_model_of_a_panel_counts_as_much_as_the_evidence_says():
    fusion, test = fit_fusion(panel_world(0)), panel_world(1)
    assert fusion.mode == "fitted" and fusion.shares["able"] > 0.8
    assert sum(fusion.shares.values()) == pytest.approx(1.0)
    weighed = log_loss(fusion.support(test), test.correct, LEAST_SUPPORT)
    assert weighed < log_loss(Fusion().support(test), test.correct, LEAST_SUPPORT) - 0.1
    fused = log_loss(fusion.predict(test), test.correct, LEAST_SUPPORT)
    best_single = fit_fusion(panel_world(0).member("able")).predict(test.member("able"))
    assert fused < log_loss(best_single, test.correct, LEAST_SUPPORT) + 0.01
    known = Fusion.from_dict(json.loads(json.dumps(fusion.to_dict())))
    assert (known.predict(test) == fusion.predict(test)).all()


def test_a_model_that_is_always_wrong_has_no_weight():
    assert fit_fusion(panel_world(0, n_models=3)).shares["contrary"] == 0.0


def test_a_model_that_did_not_answer_changes_nothing_between_the_others():
    table = panel_world(0, n_models=3)
    gone = table.opinions.copy()
    gone[:, 2] = -1.0, np.nan
    without = table.replace(opinions=gone)
    two = table.replace(opinions=table.opinions[:, :2], models=table.models[:2])
    assert Fusion().support(without) == pytest.approx(Fusion().support(two))


def test_bare_verdicts_of_each_model_have_the_rate_of_that_model():
    rng = np.random.default_rng(0)
    correct = rng.random(400) < 0.5
    opinions = np.full((400, 2, 2), np.nan)
    opinions[:, 0, 0] = np.where(correct, 0, 3)
    opinions[:, 1, 0] = np.where(rng.random(400) < 0.5, 0, 3)
    table = make_table(np.full(400, 0.5), correct=correct)
    fusion = fit_fusion(table.replace(models=("able", "blind"), opinions=opinions))
    assert fusion.rates_by_model["able"]["not_entity"] < 0.01
    assert 0.4 < fusion.rates_by_model["blind"]["not_entity"] < 0.6
    assert fusion.shares["able"] > fusion.shares["blind"]


def test_what_one_judge_answered_alone_stands_beside_a_panel():
    table = panel_world(0, n=40)
    opinions = table.opinions.copy()
    opinions[:10] = -1.0, np.nan
    mixed = table.replace(opinions=opinions)
    assert Fusion().support(mixed)[:10] == pytest.approx(table.support[:10])


def test_the_order_of_candidates_of_a_panel_changes_nothing():
    table = panel_world(0)
    rows = np.random.default_rng(1).permutation(len(table))
    assert fit_fusion(table.take(rows)) == fit_fusion(table)
