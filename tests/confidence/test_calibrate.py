import json
from dataclasses import replace

import numpy as np
import pytest
from confidence_models import make_examples
from spacy.tokens import Doc
from spacy.training import Example

from spacy_llmjudge.confidence.calibrate import (
    TEMPERATURES,
    Calibration,
    pick_temperature,
    temperature_losses,
)
from spacy_llmjudge.confidence.calibrators import make_none, make_venn_abers
from spacy_llmjudge.errors import LLMJudgeError


@pytest.fixture
def component(plain_nlp):
    return plain_nlp.add_pipe("calibrated_confidence")


@pytest.fixture
def examples(plain_nlp):
    return make_examples(plain_nlp, 60, seed=9)


def test_an_overconfident_model_becomes_honest_out_of_fold(component, examples, plain_nlp):
    upper = plain_nlp.get_pipe("ner").model.get_ref("upper")
    for name in ("W", "b"):
        upper.set_param(name, upper.get_param(name) * 4)
    calibration = component.fit(examples)
    assert 3.0 < calibration.temperature < 5.0
    for found in calibration.reliability.values():
        assert found["after"]["n"] > 100
        assert found["after"]["log_loss"] < found["before"]["log_loss"]
        assert found["after"]["ece"] < found["before"]["ece"]
    assert calibration.labels == ["PERSON", "PLACE"]
    assert calibration.n_spans > 300


def test_parameters_of_a_fold_have_not_seen_its_documents(component, examples):
    calibration = component.fit(examples)
    fold = calibration.fold_of(examples[0].reference.text)
    changed = []
    for eg in examples:
        reference = eg.reference.copy()
        if calibration.fold_of(reference.text) == fold:
            reference.ents = []
        changed.append(Example(eg.predicted.copy(), reference))
    again = component.fit(changed)
    for k, (before, after) in enumerate(zip(calibration.folds, again.folds)):
        same_temperature = before["temperature"] == after["temperature"]
        same_map = before["calibrator"].to_dict() == after["calibrator"].to_dict()
        assert (same_temperature and same_map) == (k == fold)
    assert again.temperature != calibration.temperature


def test_the_order_of_the_evidence_does_not_matter(component, examples):
    first = component.fit(examples)
    again = component.fit(examples[::-1])
    assert again.temperature == pytest.approx(first.temperature, rel=1e-6)
    grid = np.linspace(0.01, 0.99, 20)
    assert again.calibrator(grid) == pytest.approx(first.calibrator(grid), abs=1e-4)


def test_doubled_scores_need_twice_the_temperature(component, examples):
    adapter, evidence = component.collect_evidence(examples)
    plain = pick_temperature(temperature_losses(adapter, evidence))
    weights, bias = evidence[0].scores.moves.upper
    moves = replace(evidence[0].scores.moves, upper=(weights, bias * 2))
    for held_out in evidence:
        scores = held_out.scores
        held_out.scores = replace(
            scores,
            closed=scores.closed * 2,
            buffer=scores.buffer * 2,
            start=scores.start * 2,
            moves=moves,
        )
    assert pick_temperature(temperature_losses(adapter, evidence)) == pytest.approx(
        2 * plain, rel=0.1
    )


def test_temperature_is_at_the_lowest_loss():
    logs = np.log(TEMPERATURES)
    losses = 100 * (logs - np.log(1.7))[None] ** 2
    assert pick_temperature(losses) == pytest.approx(1.7, rel=0.01)
    assert pick_temperature(np.zeros((0, len(logs)))) == pytest.approx(1.0)
    assert pick_temperature(-1000 * logs[None]) == TEMPERATURES[-1]


@pytest.mark.parametrize("n", [1, 3])
def test_hardly_any_evidence(component, examples, n):
    calibration = component.fit(examples[:n])
    assert 0.5 <= calibration.temperature <= 2.0
    values = calibration.calibrator(np.array([0.0, 0.5, 1.0]))
    assert np.all((values > 0) & (values < 1))
    assert len(calibration.folds) == 5


def test_nothing_is_fitted_on_nothing(component):
    with pytest.raises(LLMJudgeError, match=r"\[J830\] None of 0"):
        component.fit([])
    assert component.calibration is None


def test_gold_without_annotation_is_no_evidence(component, examples, plain_nlp):
    words = [token.text for token in examples[0].reference]
    unknown = Example(Doc(plain_nlp.vocab, words=words), Doc(plain_nlp.vocab, words=words))
    with pytest.raises(LLMJudgeError, match=r"\[J830\] None of 1"):
        component.fit([unknown])


def test_the_calibrator_can_be_chosen(component, examples):
    assert component.fit(examples, calibrator=make_none()).calibrator.type == "llmjudge.None.v1"
    component.calibrator = make_venn_abers()
    assert component.fit(examples).calibrator.type == "llmjudge.VennAbers.v1"


def test_json_round_trip(component, examples):
    calibration = component.fit(examples)
    data = json.loads(json.dumps(calibration.to_dict()))
    again = Calibration.from_dict(data)
    assert again.to_dict() == calibration.to_dict()
    assert again.parameters(2)[0] == calibration.folds[2]["temperature"]


def test_broken_calibration():
    with pytest.raises(LLMJudgeError, match=r"\[J111\].*temperature"):
        Calibration.from_dict({"folds": []})
    with pytest.raises(LLMJudgeError, match=r"\[J111\]"):
        Calibration.from_dict([])


def test_one_fold_is_refused(component, examples):
    with pytest.raises(LLMJudgeError, match=r"\[J112\] n_folds is 1"):
        component.fit(examples, n_folds=1)
