"""Input that a denoiser cannot use is refused with one clear line, by every method alike."""

import warnings

import numpy as np
import pytest

from spacy_llmjudge.denoise.confident import prune_labels
from spacy_llmjudge.denoise.pools import estimate_pools
from spacy_llmjudge.denoise.prior import correct_prior
from spacy_llmjudge.denoise.sidyp import refine_sidyp
from spacy_llmjudge.denoise.stacking import stack
from spacy_llmjudge.denoise.uu import refine_uu
from spacy_llmjudge.errors import LLMJudgeError

N = 60
X = np.random.default_rng(0).normal(size=(N, 4))
LABELS = ["a", "b", "c"] * (N // 3)
WITH_GOLD = [correct_prior, stack, refine_uu]
ALL = WITH_GOLD + [refine_sidyp]


def call(method, features=X, labels=LABELS, gold=LABELS):
    if method in WITH_GOLD:
        return method(features, labels, gold)
    return method(features, labels)


def refused(method, code, **inputs):
    with pytest.raises(LLMJudgeError, match=code) as caught:
        call(method, **inputs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("method", ALL)
def test_features_with_nan_are_refused(method):
    broken = X.copy()
    broken[7, 2] = np.nan
    refused(method, "J501.*row 7", features=broken)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("features", [X[:-1], X[:, 0], X[:, :0], [["x"]] * N])
def test_features_of_another_shape_are_refused(method, features):
    refused(method, "J500", features=features)


@pytest.mark.parametrize("method", ALL)
def test_one_class_is_refused(method):
    refused(method, "J502", labels=["a"] * N)
    refused(method, "J502", labels=[None] * N)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("refusal", ["-1", -1, -1.0])
def test_refusals_of_the_llm_must_be_named(method, refusal):
    refused(method, "J503", labels=[refusal] + LABELS[1:])


@pytest.mark.parametrize("method", WITH_GOLD)
def test_groups_are_one_for_each_item(method):
    with pytest.raises(LLMJudgeError, match=rf"J516.*3 groups for {N} items"):
        method(X, LABELS, LABELS, groups=["a", "b", "c"])


@pytest.mark.parametrize("method", [correct_prior, stack])
def test_labels_that_all_share_a_group_are_refused(method):
    labels = LABELS[:9] + [None] * (N - 9)
    groups = ["one"] * 9 + list(range(N - 9))
    with pytest.raises(LLMJudgeError, match="J506.*training part"):
        method(X, labels, labels, groups=groups)


@pytest.mark.parametrize(
    "settings",
    [{"branches": 0}, {"epochs": 0}, {"neighbours": 0}, {"hidden": 1.5}, {"diffusion_epochs": 0}],
)
def test_settings_that_count_are_whole_numbers(settings):
    with pytest.raises(LLMJudgeError, match=rf"J513.*{next(iter(settings))} is.*from 1 on"):
        refine_sidyp(X, LABELS, **settings)


@pytest.mark.parametrize(
    "method, settings",
    [
        (correct_prior, {"n_folds": 0}),
        (stack, {"n_folds": 1}),
        (stack, {"regularisation": 0}),
        (stack, {"trust": float("nan")}),
        (refine_uu, {"epochs": 0}),
        (refine_uu, {"batch": 1}),
        (refine_uu, {"rounds": 0}),
        (refine_uu, {"min_gap": -1.0}),
    ],
)
def test_settings_that_would_give_nonsense_are_refused(method, settings):
    with pytest.raises(LLMJudgeError, match=rf"J513.*{next(iter(settings))} is"):
        method(X, LABELS, LABELS, **settings)


@pytest.mark.parametrize(
    "found", [{"weights": [1.0] * 3}, {"weights": [0.0] * 10}, {"labels": ["a"]}]
)
def test_pools_need_one_weight_and_one_label_an_item(found):
    with pytest.raises(LLMJudgeError, match=rf"J513.*{next(iter(found))}.*10 items"):
        estimate_pools([True, False] * 5, [True, False] * 5, **found)


@pytest.mark.parametrize("method", ALL)
def test_items_without_a_label_are_labelled(method):
    x = np.repeat(np.eye(3) * 4, 20, axis=0) + np.random.default_rng(1).normal(size=(N, 3)) * 0.3
    truth = ["a"] * 20 + ["b"] * 20 + ["c"] * 20
    labels = [None if i % 10 == 0 else label for i, label in enumerate(truth)]
    assert call(method, x, labels, truth).labels[::10] == truth[::10]


@pytest.mark.parametrize("method", WITH_GOLD)
def test_classes_that_the_gold_lacks_are_refused_unless_allowed(method):
    gold = [None if label == "c" else label for label in LABELS]
    refused(method, "J505.*: c", gold=gold)
    with pytest.warns(UserWarning, match="JW501.*c"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*JW500")
        done = method(X, LABELS, gold, allow_missing=True)
    assert done.classes == ("a", "b", "c")


@pytest.mark.parametrize("method", WITH_GOLD)
def test_no_gold_and_gold_of_another_length_are_refused(method):
    refused(method, "J505", gold=[None] * N)
    refused(method, "J504", gold=LABELS[:-1])


@pytest.mark.parametrize("method", ALL)
def test_new_items_of_another_width_are_refused(method):
    x = np.repeat(np.eye(3) * 4, 20, axis=0)
    done = call(
        method, x, ["a"] * 20 + ["b"] * 20 + ["c"] * 20, ["a"] * 20 + ["b"] * 20 + ["c"] * 20
    )
    assert done.predict(x[:5]).shape == (5, 3)
    with pytest.raises(LLMJudgeError, match="J509"):
        done.predict(np.ones((5, 4)))


def test_an_empty_pool_is_refused():
    with pytest.raises(LLMJudgeError, match="J506"):
        refine_uu(X, ["a"] * 30 + ["b"] * 30, ["a", "b", "c"] * 20)


def test_fewer_items_than_neighbours_are_refused():
    with pytest.raises(LLMJudgeError, match="J512"):
        refine_sidyp(X, LABELS, noise_rate=0.9, neighbours=10)


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan"), [0.1, 0.2]])
def test_a_noise_rate_that_is_none_is_refused(rate):
    with pytest.raises(LLMJudgeError, match="J513"):
        refine_sidyp(X, LABELS, noise_rate=rate)


def test_without_cleanlab_confident_learning_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cleanlab.filter", None)
    with pytest.raises(LLMJudgeError, match="J510"):
        prune_labels(X, LABELS)


def test_confident_learning_finds_flipped_labels():
    pytest.importorskip("cleanlab")
    rng = np.random.default_rng(0)
    truth = rng.choice(["a", "b", "c"], 600)
    x = np.eye(3)[np.searchsorted(["a", "b", "c"], truth)] * 4 + rng.normal(size=(600, 3))
    noisy = np.where(rng.random(600) < 0.2, rng.choice(["a", "b", "c"], 600), truth)
    done = prune_labels(x, noisy)
    assert np.mean(np.array(done.labels) == truth) > np.mean(noisy == truth) + 0.05
    assert done.report["pruned"] > 30
