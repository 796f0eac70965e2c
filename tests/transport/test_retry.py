import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.transport.limits import Limits
from spacy_llmjudge.transport.retry import Attempt, RetryPolicy, persist


@settings(deadline=None)
@given(st.integers(1, 60), st.floats(0, 1))
def test_backoff_grows_and_is_capped(n_failed, draw):
    pause = RetryPolicy(6, 0.5, 60).pause(n_failed, draw)
    longest = min(30.0, 0.5 * 2 ** (n_failed - 1))
    assert longest / 2 <= pause <= longest


def run(outcomes, **policy):
    policy = {"max_tries": 3, "backoff": 0.0, "max_wait": 60.0, **policy}
    left = list(outcomes)
    last = persist(
        lambda: left.pop(0),
        policy=RetryPolicy(**policy),
        limits=Limits(),
        tokens=0,
        host="host",
        stop=threading.Event(),
    )
    return last, len(outcomes) - len(left)


def test_it_tries_until_there_is_a_reply():
    last, n_tries = run([Attempt("failed"), Attempt("replied", "x"), Attempt("replied", "y")])
    assert (last.raw, n_tries) == ("x", 2)


def test_it_gives_up_after_the_last_try():
    last, n_tries = run([Attempt("failed", reason="a")] * 9, max_tries=4)
    assert (last.state, n_tries) == ("failed", 4)


def test_a_rejected_prompt_is_not_tried_again():
    last, n_tries = run([Attempt("rejected", reason="a")] * 2)
    assert (last.state, n_tries) == ("rejected", 1)


def test_an_error_is_raised():
    with pytest.raises(LLMJudgeError, match="stop"):
        run([Attempt("failed", error=LLMJudgeError("stop"))])


def test_a_hint_over_the_limit_is_an_error_with_the_time_to_come_back():
    with pytest.raises(LLMJudgeError, match=r"J317.*host.*61 seconds.*\d\d:\d\d UTC"):
        run([Attempt("failed", wait=61.0)])
