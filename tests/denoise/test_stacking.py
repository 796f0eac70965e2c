import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.denoise import stacking
from spacy_llmjudge.denoise.linear import (
    balance_weights,
    fit_linear,
    fit_path,
    fit_scale,
    make_folds,
    out_of_fold_path,
)
from spacy_llmjudge.denoise.stacking import stack


def make(n=600, seed=0, noise=0.4):
    rng = np.random.default_rng(seed)
    truth = np.array(["a", "b", "c"])[np.arange(n) % 3]
    x = np.eye(3)[np.arange(n) % 3] + rng.normal(size=(n, 3)) * 0.6
    x = np.hstack([x, rng.normal(size=(n, 12)) * 0.6])
    noisy = np.where(rng.random(n) < noise, rng.choice(["a", "b", "c"], n), truth)
    gold = [str(t) if i < 60 else None for i, t in enumerate(truth)]
    return x, truth, noisy, gold


def test_the_stack_beats_a_classifier_on_the_gold_alone_and_the_labels_themselves():
    x, truth, noisy, gold = make()
    done = stack(x, noisy, gold)
    codes = np.array([-1 if g is None else "abc".index(g) for g in gold])
    alone = np.array(list("abc"))[fit_linear(x, codes, 3, 1.0)(x).argmax(axis=1)]
    accuracy = np.mean(np.array(done.labels)[60:] == truth[60:])
    assert accuracy > np.mean(alone[60:] == truth[60:]) + 0.02
    assert accuracy > np.mean(noisy[60:] == truth[60:]) + 0.02


@pytest.mark.slow
def test_scores_that_tell_right_from_wrong_help():
    x, truth, noisy, gold = make()
    support = np.where(noisy == truth, 1.0, 0.0)[:, None] * (
        noisy[:, None] == np.array(["a", "b", "c"])
    )
    without = np.mean(np.array(stack(x, noisy, gold).labels)[60:] == truth[60:])
    with_them = np.mean(np.array(stack(x, noisy, gold, scores=support).labels)[60:] == truth[60:])
    assert with_them > without + 0.02


@pytest.mark.slow
def test_the_gold_of_an_item_does_not_decide_its_own_label():
    x, truth, noisy, gold = make(n=300)
    flipped = list(gold)
    flipped[0] = "b" if gold[0] == "a" else "a"
    groups = list(range(300))
    first = stack(x, noisy, gold, groups=groups)
    second = stack(x, noisy, flipped, groups=groups)
    assert np.allclose(first.probabilities[0], second.probabilities[0], atol=1e-6)
    assert not np.allclose(first.probabilities[100], second.probabilities[100], atol=1e-6)


def test_the_same_seed_gives_the_same_labels():
    x, _, noisy, gold = make(n=300)
    assert np.array_equal(
        stack(x, noisy, gold, seed=3).probabilities, stack(x, noisy, gold, seed=3).probabilities
    )


def test_groups_stay_inside_one_fold():
    groups = ["x", "x", "y", "z", "z", "y", "w"]
    folds = make_folds(np.zeros(7, dtype=int), 3, 0, groups)
    assert all(len({f for f, g in zip(folds, groups) if g == name}) == 1 for name in "xyzw")


def test_classes_are_spread_over_folds():
    codes = np.array([0] * 50 + [1] * 10)
    folds = make_folds(codes, 5, 0)
    assert all((folds[codes == 1] == f).sum() == 2 for f in range(5))


def test_the_gold_of_an_item_does_not_reach_the_column_that_it_is_judged_by():
    """Whatever gold there is, what the noisy labels say of an item comes from the other items' labels."""
    x, _, noisy, gold = make(n=120)
    columns = []
    for given_gold in (gold, gold[:40] + [None] * 80):
        seen = {}
        original = stacking.measure_settings

        def keep(evidence, *rest, seen=seen, original=original):
            seen["inside"] = evidence.inside
            return original(evidence, *rest)

        stacking.measure_settings = keep
        try:
            stack(x, noisy, given_gold)
        finally:
            stacking.measure_settings = original
        columns.append(seen["inside"])
    assert np.array_equal(*columns)


def test_the_noisy_label_of_an_item_does_not_reach_its_own_column():
    x, _, noisy, _ = make(n=120)
    codes = np.array(["abc".index(label) for label in noisy])
    other = codes.copy()
    other[0] = (codes[0] + 1) % 3
    folds = np.arange(120) % 5
    first, second = (out_of_fold_path(x, c, 3, (0.3,), folds, True)[0] for c in (codes, other))
    assert np.array_equal(first[0], second[0]) and not np.array_equal(first[1], second[1])


@pytest.mark.filterwarnings("ignore:.*JW501")
def test_gold_of_one_class_alone_moves_labels_to_it_and_breaks_nothing():
    x, _, noisy, gold = make(n=150)
    done = stack(x, noisy, [g if g == "a" else None for g in gold], allow_missing=True)
    assert np.allclose(done.probabilities.sum(axis=1), 1)
    assert done.predict(x[:4]).shape == (4, 3)


@pytest.mark.filterwarnings("ignore:.*JW501")
def test_one_gold_item_is_enough_to_go_on():
    x, _, noisy, gold = make(n=150)
    done = stack(x, noisy, [*gold[:1], *[None] * 149], allow_missing=True)
    assert done.report["gold"] == 1 and np.isfinite(done.probabilities).all()


@pytest.mark.filterwarnings("ignore:.*JW501")
def test_a_class_that_the_gold_lacks_can_still_be_given():
    x, truth, noisy, gold = make(noise=0.1)
    done = stack(x, noisy, [None if g == "c" else g for g in gold], allow_missing=True)
    assert done.probabilities[truth == "c", 2].mean() > done.probabilities[truth != "c", 2].mean()


def test_a_rare_class_is_not_lost_to_a_frequent_one():
    rng = np.random.default_rng(0)
    truth = np.array([0] * 360 + [1] * 40)
    x = np.column_stack([truth + rng.normal(size=400) * 0.5, rng.normal(size=400)])
    noisy = np.where((truth == 1) & (rng.random(400) < 0.6), 0, truth)
    shown = [*range(0, 360, 9), *range(360, 400, 4)]
    gold = [int(truth[i]) if i in shown else None for i in range(400)]
    found = np.array(stack(x, noisy, gold).labels)
    assert np.mean(found[truth == 1] == 1) > np.mean(noisy[truth == 1] == 1) + 0.3


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-1, 2), min_size=2, max_size=40).filter(lambda x: max(x) >= 0))
def test_weights_are_those_of_scikit_learn(codes):
    from sklearn.utils.class_weight import compute_sample_weight

    codes = np.array(codes)
    seen = codes >= 0
    weights = balance_weights(codes, 3)
    assert np.allclose(weights[seen], compute_sample_weight("balanced", codes[seen]))
    assert not weights[~seen].any()


@pytest.mark.parametrize("width", [5, 200])
def test_the_balanced_regression_is_that_of_scikit_learn(width):
    """In the space that the items span too, where there are fewer items than features."""
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    codes = np.array([0] * 40 + [1] * 12 + [2] * 6)
    x = rng.normal(size=(58, width)) + codes[:, None] * 0.2
    model = fit_path(x, codes, 3, (0.3, 3.0), balance_weights(codes, 3))[1]
    scale = fit_scale(x)
    theirs = LogisticRegression(C=3.0, class_weight="balanced", max_iter=2000, tol=1e-6)
    theirs.fit(scale(x), codes)
    assert np.allclose(model(x), theirs.predict_proba(scale(x)), atol=5e-3)


def test_labels_that_tie_go_to_the_first_class():
    x = np.zeros((8, 2))
    found = stack(x, ["a", "b"] * 4, ["a", "a", "b", "b"] + [None] * 4)
    assert found.labels[4:] == ["a"] * 4
    assert np.allclose(found.probabilities[4:], 0.5, atol=0.05)
