"""What `benchmark_denoise.py` holds the denoisers against."""

import numpy as np
import pytest
from denoise_baselines import learn_baseline, list_baselines, stack_unbalanced
from denoise_helpers import make_noisy

CLASSES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def data():
    x, truth, noisy = make_noisy(n=240)
    return x, truth, [None if i % 20 == 0 else CLASSES[k] for i, k in enumerate(noisy)]


@pytest.mark.parametrize("method", list(list_baselines(4)))
def test_each_beats_the_noisy_labels_on_flips(data, method):
    x, truth, noisy = data
    done = learn_baseline(method, x, noisy, CLASSES, None, 0)
    right = np.array([CLASSES.index(label) for label in done.labels]) == truth
    given = np.mean([label == CLASSES[t] for label, t in zip(noisy, truth)])
    assert right.mean() > given and done.predict(x[:3]).shape == (3, 4)
    assert np.allclose(done.predict(x[:3]).sum(axis=1), 1)


def test_neighbours_vote_as_if_all_classes_were_as_frequent():
    """Nineteen of twenty neighbours have one label, and so have nineteen of twenty items: that tells nothing."""
    x = np.random.default_rng(0).normal(size=(400, 2))
    noisy = ["b" if i % 20 == 0 else "a" for i in range(400)]
    done = learn_baseline("knn", x, noisy, ("a", "b"), None, 0)
    assert 0.25 < np.mean([label == "b" for label in done.labels]) < 0.75


def test_the_stack_of_before_has_labels_for_all(data):
    x, truth, noisy = data
    gold = [CLASSES[t] if i < 40 else None for i, t in enumerate(truth)]
    done = stack_unbalanced(x, noisy, gold, CLASSES, None, 0)
    right = [label == CLASSES[t] for label, t in zip(done.labels, truth)]
    assert np.mean(right) > 0.7
