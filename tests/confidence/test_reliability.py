import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from spacy_llmjudge.confidence.reliability import auroc, reliability

PAIRS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0]), st.booleans()),
    min_size=1,
    max_size=40,
)


@settings(max_examples=30, deadline=None)
@given(pairs=PAIRS, n_bins=st.integers(1, 12))
def test_agrees_with_sklearn_and_ignores_the_order(pairs, n_bins):
    p, y = (np.array(column, dtype=float) for column in zip(*pairs))
    found = reliability(p, y, n_bins)
    assert found["brier"] == pytest.approx(brier_score_loss(y, p, pos_label=1))
    safe = np.clip(p, 1e-6, 1 - 1e-6)
    assert found["log_loss"] == pytest.approx(log_loss(y, safe, labels=[0, 1]))
    if 0 < y.sum() < len(y):
        assert found["auroc"] == pytest.approx(roc_auc_score(y, p))
    else:
        assert found["auroc"] is None
    assert sum(b["count"] for b in found["bins"]) == len(p)
    order = np.random.default_rng(0).permutation(len(p))
    again = reliability(p[order], y[order], n_bins)
    assert again["ece"] == pytest.approx(found["ece"])
    assert 0.0 <= found["ece"] <= 1.0


def test_honest_probabilities_have_little_error_and_dishonest_ones_much():
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    y = rng.random(20_000) < p
    assert reliability(p, y)["ece"] < 0.015
    assert reliability(np.sqrt(p), y)["ece"] == pytest.approx(2 / 3 - 1 / 2, abs=0.02)


def test_bins_have_equal_mass():
    rng = np.random.default_rng(0)
    p = rng.random(1000) ** 8
    bins = reliability(p, p > 0.5, n_bins=10)["bins"]
    assert [b["count"] for b in bins] == [100] * 10


def test_nothing_to_measure():
    found = reliability([], [])
    assert found["n"] == 0 and found["bins"] == []
    assert {found[k] for k in ("ece", "brier", "auroc", "log_loss")} == {None}


def test_auroc_of_one_class_is_unknown():
    assert auroc(np.array([0.1, 0.9]), np.array([1, 1])) is None


def test_the_interval_of_the_calibration_error_is_over_documents():
    rng = np.random.default_rng(0)
    document = np.repeat(np.arange(100), 5)
    p = rng.random(500)
    together = rng.random(100)[document] < np.sqrt(p)
    apart = rng.random(500) < np.sqrt(p)
    widths = []
    for y in (together, apart):
        found = reliability(p, y, documents=document)
        assert 0 <= found["ece_low"] < found["ece_high"] <= 1
        widths.append(found["ece_high"] - found["ece_low"])
    # five candidates that share their luck say no more than one
    assert widths[0] > 1.2 * widths[1]
    assert "ece_low" not in reliability(p, apart)


def test_the_interval_of_the_calibration_error_covers_it():
    rng, inside = np.random.default_rng(1), 0
    for _ in range(20):
        p = rng.random(400)
        found = reliability(p, rng.random(400) < np.sqrt(p), documents=np.arange(400))
        inside += found["ece_low"] <= 2 / 3 - 1 / 2 <= found["ece_high"]
    assert inside >= 16
