"""Every method gives labels and probabilities, where labels exclude each other and where not."""

import doctest
import warnings

import numpy as np
import pytest

from spacy_llmjudge.denoise import methods
from spacy_llmjudge.denoise.methods import METHODS, refine_labels
from spacy_llmjudge.denoise.plain import learn_gold
from spacy_llmjudge.errors import LLMJudgeError

HERE = [method for method in METHODS if method != "confident_learning"]
LABELS = ("a", "b", "c")
ONE = {"labels": LABELS, "exclusive": True}
RNG = np.random.default_rng(0)
TRUTH = [("abc"[i % 3],) for i in range(90)]
X = (np.eye(3)[np.arange(90) % 3] * 3 + RNG.normal(size=(90, 3))).astype("float32")
NOISY = [("abc"[(i + 1) % 3],) if i % 4 == 0 else TRUTH[i] for i in range(90)]
GOLD = [TRUTH[i] if i < 45 else None for i in range(90)]


def several(labels):
    return {"labels": labels, "exclusive": False}


def right(found):
    return np.mean([LABELS[row.argmax()] == t[0] for row, t in zip(found.chosen, TRUTH)])


def test_examples_in_the_docstrings():
    found = doctest.testmod(methods)
    assert found.attempted and not found.failed


@pytest.mark.parametrize("method", HERE)
def test_each_method_on_arrays(method):
    found = refine_labels(method, X, NOISY, GOLD, **ONE)
    assert found.chosen.shape == found.probabilities.shape == (90, 3)
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert found.predict(X[:5]).shape == (5, 3)
    # three of four labels of the LLM are right
    assert right(found) == pytest.approx(67 / 90) if method == "none" else right(found) > 0.8


def test_refusals_get_a_label_but_from_none():
    noisy = [None, *NOISY[1:]]
    assert refine_labels("stacking", X, noisy, GOLD, **ONE).known.all()
    kept = refine_labels("none", X, noisy, GOLD, **ONE)
    assert kept.known.tolist() == [False] + [True] * 89


@pytest.mark.parametrize("method", ["stacking", "prior_correction", "uu"])
def test_labels_that_the_gold_lacks(method):
    gold = [g if g != ("c",) else None for g in GOLD]
    with pytest.raises(
        LLMJudgeError, match=r"J917.*lacks labels that the LLM gives: c\. .*allow_missing=True"
    ):
        refine_labels(method, X, NOISY, gold, **ONE)
    with pytest.warns(UserWarning, match=r"\[JW501\].*classes c:") as caught:
        assert refine_labels(method, X, NOISY, gold, **ONE, allow_missing=True).known.all()
    assert sum("JW501" in str(warning.message) for warning in caught) == 1


@pytest.mark.parametrize("method", HERE)
def test_an_llm_with_one_label_only(method):
    gold = [("a",) if g else None for g in GOLD]
    with pytest.raises(LLMJudgeError, match="J502"):
        refine_labels(method, X, [("a",)] * 90, gold, **ONE)


def test_an_unknown_method_names_the_others():
    with pytest.raises(LLMJudgeError, match="J916.*'magic'.*stacking"):
        refine_labels("magic", X, NOISY, GOLD, **ONE)


@pytest.mark.slow
def test_a_label_without_evidence_keeps_its_verdicts_where_there_are_several():
    task = several(("a", "b", "c", "never"))
    with pytest.warns(UserWarning, match="JW900.*never"):
        found = refine_labels("stacking", X, NOISY, GOLD, **task)
    assert not found.chosen[:, 3].any() and found.chosen[:, :3].any(axis=0).all()


@pytest.mark.parametrize("method", ["gold", "stacking", "uu"])
def test_a_label_that_the_llm_never_gives_is_learned_from_gold(method):
    """What it knows of the two other labels is denoised as ever."""
    task = several(("a", "b"))
    noisy = [("a",) if i % 4 else () for i in range(90)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = refine_labels(
            method,
            X,
            noisy,
            [None if g is None else tuple(set(g) & {"a", "b"}) for g in GOLD],
            **task,
        )
    is_b = np.array([t == ("b",) for t in TRUTH])
    assert np.mean(found.chosen[:, 1] == is_b) > 0.9 and np.ptp(found.predict(X)[:, 1]) > 0.5
    assert any("JW902" in str(warning.message) for warning in caught) == (method != "gold")


@pytest.mark.parametrize("method", ["stacking", "prior_correction", "uu"])
def test_a_label_that_all_of_the_gold_has_keeps_its_verdicts(method):
    task = several(("a", "b", "c"))
    noisy = [(*x, "c") if i % 5 and x != ("c",) else x for i, x in enumerate(NOISY)]
    gold = [None if x is None else tuple({*x, "c"}) for x in GOLD]
    with pytest.warns(UserWarning, match="JW900.*label c"):
        found = refine_labels(method, X, noisy, gold, **task)
    assert found.chosen[:, 2].tolist() == ["c" in x for x in noisy]


def test_the_gold_of_an_item_has_no_say_in_what_the_gold_alone_makes_of_it():
    labels = [label for (label,) in NOISY]
    gold = [label and label[0] for label in GOLD]
    # folds by group, so that they stay where they are
    groups = [i % 10 for i in range(90)]
    before = learn_gold(X, labels, gold, groups=groups).probabilities
    for i in range(0, 45, 9):
        flipped = list(gold)
        flipped[i] = next(label for label in LABELS if label != gold[i])
        after = learn_gold(X, labels, flipped, groups=groups).probabilities
        assert np.allclose(before[i], after[i])
