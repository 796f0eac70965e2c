import json
import time
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.transport.retry_after import read_retry_after

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
        found = read_retry_after(headers, now=NOW)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["Retry-After", "retry-after-ms", "Date"]), st.text()))
def test_no_header_is_an_error(headers):
    seconds = read_retry_after(headers, now=NOW)
    assert seconds is None or seconds >= 0


GEMINI = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota. Please retry in 34.074824224s.",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"},
        ],
    }
}


def in_message(text):
    return json.dumps({"error": {"message": text}})


@pytest.mark.parametrize(
    "body, seconds",
    [
        (json.dumps(GEMINI), 34.074824224),
        (json.dumps([GEMINI], indent=2), 34.074824224),
        # A gateway that puts the body of the server behind it into its own message.
        (in_message(json.dumps(GEMINI["error"]["details"][1])), 34.0),
        (in_message("Rate limit reached for tiny in org-1. Please try again in 20s. Visit"), 20.0),
        (in_message("on tokens per minute (TPM). Please try again in 7m34.56s."), 454.56),
        (in_message("Please try again in 857ms."), 0.857),
        (in_message("Please retry after 6 seconds."), 6.0),
        (in_message("Try again in 2 minutes"), 120.0),
        (in_message("wait for 1 hour"), 3600.0),
        (json.dumps({"retry_after": 2.5}), 2.5),
        (json.dumps({"error": {"retry_after_ms": 300}}), 0.3),
        (json.dumps({"detail": {"retryAfterSeconds": 7}}), 7.0),
        (json.dumps({"metadata": {"headers": {"X-RateLimit-Reset": f"{NOW + 9:.0f}000"}}}), 9.0),
        (json.dumps({"metadata": {"headers": {"X-RateLimit-Reset": int(NOW - 9)}}}), 0.0),
        (json.dumps({"error": {"retry_after": None}}), None),
        (in_message("Please try again in a while."), None),
        (in_message("Do not retry in production."), None),
        (in_message("retry after 5x"), 5.0),
        ("<html>busy</html>", None),
        ("", None),
    ],
)
def test_hints_in_bodies(body, seconds):
    found = read_retry_after({}, body, now=NOW)
    assert found == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


def test_a_header_counts_before_the_body():
    assert read_retry_after({"Retry-After": "2"}, json.dumps(GEMINI)) == 2.0


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet='retry-afms in:"\\{}0123456789.,delaytgin'))
def test_no_body_is_an_error(body):
    seconds = read_retry_after({}, body, now=NOW)
    assert seconds is None or seconds >= 0
