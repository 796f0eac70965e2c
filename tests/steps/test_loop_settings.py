"""How many questions a round may ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.steps.loop_settings import pool_share


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
