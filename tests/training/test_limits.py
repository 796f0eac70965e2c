import pytest

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.training.limits import LIMITS, check_training


def nested(name, value):
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


@pytest.mark.parametrize("name", LIMITS)
def test_every_number_has_its_limits(name):
    for value in (float("nan"), float("inf"), -2, "x", True, [1], 1e308):
        with pytest.raises(LLMJudgeError, match=rf"\[J684\] The setting {name} is"):
            check_training(nested(name, value))
    limits = LIMITS[name]
    for value in (limits.least, min(limits.most, 1 if limits.whole else 0.5)):
        check_training(nested(name, value))


@pytest.mark.parametrize(
    "name", ["training.max_steps", "training.eval_frequency", "training.batcher.size"]
)
def test_what_would_never_end_or_divide_by_zero_is_refused(name):
    with pytest.raises(LLMJudgeError, match=r"\[J684\]"):
        check_training(nested(name, 0))


def test_schedules_and_what_is_not_there_are_left_alone():
    check_training({"training": {"batcher": {"size": {"@schedules": "compounding.v1"}}}})
    check_training({"training": {"dropout": None}})
    check_training({})


def test_epochs_may_end_a_training():
    check_training({"training": {"max_epochs": 3, "max_steps": 0}})
