import threading
import time
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.transport.limits import Limits
from spacy_llmjudge.transport.retry import Attempt, RetryPolicy, persist, read_hint

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-7"}, 0.0),
        ({"Retry-After": "3600"}, 3600.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "20s"}, 20.0),
        ({"Retry-After": "1m30s"}, 90.0),
        ({"Retry-After": "1500ms"}, 1.5),
        ({"Retry-After": "2, 5"}, 5.0),
        ({"Retry-After": "2", "retry-after": "5"}, 5.0),
        ({"Retry-After": "2, soon"}, None),
        ({"Retry-After": ",,,"}, None),
        ({"Retry-After": "0x10"}, None),
        ({"Retry-After": "s" * 10_000}, None),
        ({"Retry-After": "1s" * 10_000 + "!"}, None),
        ({"Retry-After-Ms": "250"}, 0.25),
        ({"Retry-After-Ms": "250", "Retry-After": "9"}, 0.25),
        ({"Retry-After-Ms": "x", "Retry-After": "9"}, 9.0),
        ({"x-ms-retry-after-ms": "1500"}, 1.5),
        ({"Retry-After": formatdate(NOW + 30, usegmt=True)}, 30.0),
        ({"Retry-After": formatdate(NOW - 30, usegmt=True)}, 0.0),
        (
            {
                "Retry-After": formatdate(NOW + 530, usegmt=True),
                "Date": formatdate(NOW + 500, usegmt=True),
            },
            30.0,
        ),
        ({"Retry-After": "Fri, 15 Jan 2027 08:00:30"}, 30.0),
        ({"Retry-After": "Fri, 15 Jan 2027 08:00:30 -0000"}, 30.0),
        ({"Retry-After": "Fri, 15 Jan 2027 09:00:30 +0100"}, 30.0),
        ({"Retry-After": "Friday, 15-Jan-27 08:00:30 GMT"}, 30.0),
        ({"Retry-After": "Fri Jan 15 08:00:30 2027"}, 30.0),
        ({"Retry-After": "Fri, 15 Jan 99999 08:00:30 GMT"}, None),
        ({"Retry-After": "Fri, 99 Foo 2026 99:99:99 GMT"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}, 90.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.5"}, 7.5),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "later"}, None),
    ],
)
def test_hints_in_all_shapes(headers, seconds, monkeypatch):
    # Far from GMT, which is what a date without a zone means.
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        found = read_hint(headers, now=NOW)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["Retry-After", "retry-after-ms", "Date"]), st.text()))
def test_no_header_is_an_error(headers):
    seconds = read_hint(headers, now=NOW)
    assert seconds is None or seconds >= 0


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
