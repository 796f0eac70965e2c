"""How many questions a round may ask, and of which judge."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_llmjudge.cluster.connect import Place
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.steps.loop import run_loop
from spacy_llmjudge.steps.loop_settings import LoopSettings, pool_share


@given(st.integers(1, 5000), st.integers(0, 500), st.integers(1, 12))
def test_the_rounds_together_ask_as_many_as_the_budget_says(calls, n_evidence, rounds):
    if calls < rounds:
        with pytest.raises(LLMJudgeError, match=r"\[J428\]"):
            pool_share(calls + n_evidence, n_evidence, 1, rounds)
        return
    shares = [pool_share(calls + n_evidence, n_evidence, n + 1, rounds) for n in range(rounds)]
    assert sum(shares) == calls and max(shares) - min(shares) <= 1 and min(shares) >= 1


def test_no_budget_is_no_limit():
    assert pool_share(0, 200, 1, 3) is None


@pytest.mark.parametrize("place, code", [(Place(), "J1000"), (None, "J001")])
def test_a_judge_that_is_asked_in_batches_is_refused_before_the_first_step(place, code, tmp_path):
    configs = Path(__file__).parents[2] / "configs"
    settings = LoopSettings(
        configs / "student.cfg",
        configs / "judges" / "openai_batch.cfg",
        configs / "filter.cfg",
        corpus=tmp_path / "corpus",
        training=tmp_path / "training",
        metrics=tmp_path / "metrics",
        place=place,
    )
    with pytest.raises(LLMJudgeError, match=rf"\[{code}\]"):
        run_loop(settings)
    assert not list(tmp_path.iterdir())
