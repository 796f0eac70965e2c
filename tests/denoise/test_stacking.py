import numpy as np

from spacy_llmjudge.denoise.linear import fit_linear, make_folds
from spacy_llmjudge.denoise.stacking import stack


def make(n=1500, seed=0, noise=0.4):
    rng = np.random.default_rng(seed)
    truth = np.array(["a", "b", "c"])[np.arange(n) % 3]
    x = np.eye(3)[np.arange(n) % 3] + rng.normal(size=(n, 3)) * 0.6
    x = np.hstack([x, rng.normal(size=(n, 40)) * 0.6])
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


def test_scores_that_tell_right_from_wrong_help():
    x, truth, noisy, gold = make()
    support = np.where(noisy == truth, 1.0, 0.0)[:, None] * (
        noisy[:, None] == np.array(["a", "b", "c"])
    )
    without = np.mean(np.array(stack(x, noisy, gold).labels)[60:] == truth[60:])
    with_them = np.mean(np.array(stack(x, noisy, gold, scores=support).labels)[60:] == truth[60:])
    assert with_them > without + 0.02


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
