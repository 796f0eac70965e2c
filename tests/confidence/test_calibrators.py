import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.confidence.calibrators import calibrator_from_dict
from spacy_llmjudge.confidence.reliability import reliability
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.registries import registry

NAMES = ["Platt", "Temperature", "Isotonic", "VennAbers"]
GRID = np.linspace(0.0, 1.0, 101)


def make(name):
    return registry.llmjudge_calibrators.get(f"llmjudge.{name}.v1")()


def overconfident(n, seed=0):
    """Scores whose log-odds are twice what they should be."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(scale=1.5, size=n)
    correct = rng.random(n) < 1 / (1 + np.exp(-honest))
    return 1 / (1 + np.exp(-2 * honest)), correct


@pytest.mark.parametrize("name", NAMES)
def test_overconfidence_is_repaired(name):
    calibrator = make(name).fit(*overconfident(3000))
    scores, correct = overconfident(3000, seed=1)
    before, after = reliability(scores, correct), reliability(calibrator(scores), correct)
    assert before["ece"] > 0.08
    assert after["ece"] < 0.035
    assert after["log_loss"] < before["log_loss"]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=12, deadline=None)
@given(pairs=st.lists(st.tuples(st.floats(0, 1, allow_nan=False), st.booleans()), max_size=30))
def test_any_evidence_gives_a_monotone_map_off_0_and_1(name, pairs):
    scores = [score for score, _ in pairs]
    correct = [is_correct for _, is_correct in pairs]
    values = make(name).fit(scores, correct)(GRID)
    assert values.shape == GRID.shape
    assert np.all((values > 0.0) & (values < 1.0))
    assert np.all(np.diff(values) >= -1e-9)


@pytest.mark.parametrize("name", ["Platt", "Temperature"])
def test_without_evidence_the_map_is_the_identity(name):
    values = make(name).fit([], [])(GRID[1:-1])
    assert values == pytest.approx(GRID[1:-1], abs=0.01)


@pytest.mark.parametrize("name", ["Isotonic", "VennAbers"])
def test_without_evidence_nothing_is_claimed(name):
    assert make(name).fit([], [])(GRID) == pytest.approx(0.5)


def test_little_evidence_of_one_class_moves_platt_a_little():
    values = make("Platt").fit([0.9, 0.9], [False, False])(np.array([0.5, 0.9]))
    assert 0.2 < values[0] < 0.5 and 0.4 < values[1] < 0.9


def test_scores_that_rank_upside_down_leave_the_base_rate():
    scores = np.repeat([0.1, 0.9], 200)
    values = make("Platt").fit(scores, scores < 0.5)(GRID)
    assert np.ptp(values) == 0.0
    assert values[0] == pytest.approx(0.5, abs=0.01)


def test_venn_abers_interval_holds_the_two_isotonic_fits():
    scores, correct = overconfident(200)
    calibrator = make("VennAbers").fit(scores, correct)
    low, high = calibrator.interval(0.437)
    assert 0.0 <= low < high <= 1.0
    assert low < calibrator([0.437])[0] < high
    # The definition, with the item itself in the data.
    from sklearn.isotonic import IsotonicRegression

    for label, bound in ((0, low), (1, high)):
        model = IsotonicRegression()
        model.fit(np.append(np.round(scores, 3), 0.437), np.append(correct, label))
        assert model.predict([0.437])[0] == pytest.approx(bound)


def test_none_is_the_posterior_itself():
    calibrator = make("None").fit([0.2], [True])
    assert calibrator([0.0, 0.2, 1.0]).tolist() == [0.0, 0.2, 1.0]


@pytest.mark.parametrize("name", [*NAMES, "None"])
def test_json_round_trip(name):
    calibrator = make(name).fit(*overconfident(50))
    data = json.loads(json.dumps(calibrator.to_dict()))
    again = calibrator_from_dict(data)
    assert again(GRID).tolist() == calibrator(GRID).tolist()
    assert again.to_dict() == calibrator.to_dict()


@pytest.mark.parametrize("data", [{"type": "magic"}, {}, {"type": "llmjudge.Platt.v1", "what": 1}])
def test_unknown_calibrator(data):
    with pytest.raises(LLMJudgeError, match=r"\[J110\].*llmjudge.Isotonic.v1, llmjudge.None.v1"):
        calibrator_from_dict(data)
