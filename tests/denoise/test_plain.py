import numpy as np

from spacy_llmjudge.denoise.plain import learn_gold, learn_noisy
from spacy_llmjudge.denoise.tuning import held_out_loss


def make():
    """A rare class whose items the LLM calls by the name of the frequent one in most cases."""
    rng = np.random.default_rng(0)
    truth = np.array([0] * 270 + [1] * 30)
    x = np.column_stack([truth * 2 + rng.normal(size=300), rng.normal(size=300)])
    noisy = np.where((truth == 1) & (rng.random(300) < 0.5), 0, truth)
    return x, truth, noisy


def recall(done, truth):
    return np.mean(np.array(done.labels)[truth == 1] == 1)


def test_equal_weights_give_a_rare_class_back():
    x, truth, noisy = make()
    balanced, as_they_are = (learn_noisy(x, noisy, balanced=b) for b in (True, False))
    assert recall(balanced, truth) > recall(as_they_are, truth) + 0.3


def test_an_item_is_labelled_by_a_model_that_has_not_seen_its_label():
    x, _, noisy = make()
    other = noisy.copy()
    other[5] = 1
    groups = list(range(300))
    first, second = (learn_noisy(x, n, regularisation=0.3, groups=groups) for n in (noisy, other))
    assert np.array_equal(first.probabilities[5], second.probabilities[5])


def test_a_penalty_that_is_given_is_used():
    x, truth, noisy = make()
    assert learn_noisy(x, noisy, regularisation=0.7).report["regularisation"] == 0.7
    gold = [int(t) if i % 10 == 0 else None for i, t in enumerate(truth)]
    assert learn_gold(x, noisy, gold, regularisation=0.7).report["regularisation"] == 0.7


def test_a_rare_class_counts_as_much_as_the_others_where_settings_are_chosen():
    codes = np.array([0] * 9 + [1])
    blind, fair = np.tile([0.9, 0.1], (10, 1)), np.tile([0.5, 0.5], (10, 1))
    fair[9] = [0.4, 0.6]
    assert held_out_loss(fair, codes) < held_out_loss(blind, codes)


def test_items_without_a_label_take_no_part_in_the_loss():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    assert held_out_loss(p, np.array([0, 1, -1])) == held_out_loss(p[:2], np.array([0, 1]))
