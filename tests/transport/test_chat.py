import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.transport.chat import error_of, read_chat
from spacy_llmjudge.transport.messages import Reply

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "logprobs", "usage", "error", "token"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON | st.text())
def test_anything_gives_a_reply(data):
    reply = read_chat(data if isinstance(data, str) else json.dumps(data))
    assert isinstance(reply, Reply)
    assert bool(reply) == (reply.state == "replied")
    error_of(json.dumps(data), strict=False)


def body(**changes):
    choice = {"message": {"content": "yes"}, "finish_reason": "stop", **changes}
    return json.dumps({"choices": [choice]})


def test_a_reply_that_was_cut_says_so():
    reply = read_chat(body(finish_reason="length"))
    assert (reply, reply.state, reply.reason) == ("yes", "replied", "truncated")


def test_content_in_parts_is_joined():
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert read_chat(body(message={"content": parts})) == "ab"


def test_a_refusal_abstains():
    assert read_chat(body(message={"content": "no", "refusal": "no"})).reason == "refused"


@pytest.mark.parametrize("value", ["0.5", "NaN", "true", '"x"', "null", "1e999"])
def test_a_bad_logprob_is_no_logprob(value):
    raw = '{"choices": [{"message": {"content": "A"}, "logprobs": {"content": [{"token": "A", '
    raw += f'"logprob": {value}}}]}}}}]}}'
    assert read_chat(raw).logprobs is None


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": -1, "completion_tokens": 2},
        [1],
        {"prompt_tokens": 1, "completion_tokens": 10**30},
        {"prompt_tokens": True, "completion_tokens": 1},
        {"prompt_tokens": 1.5, "completion_tokens": 1},
    ],
)
def test_bad_usage_is_no_usage(usage):
    raw = json.dumps({"choices": [{"message": {"content": "A"}}], "usage": usage})
    assert read_chat(raw).usage == {}


@pytest.mark.parametrize(
    "data, expected",
    [
        ({"error": {"code": "c", "message": "m\nn"}}, ("c", "m n")),
        ({"error": {"type": "t", "message": "m"}}, ("t", "m")),
        ({"error": "m"}, ("", "m")),
        ({"detail": "m"}, ("", "m")),
        ({"message": "m"}, ("", "m")),
    ],
)
def test_errors_in_all_shapes(data, expected):
    assert error_of(json.dumps(data), strict=False) == expected


def test_an_error_page_is_shortened():
    assert error_of("<html>\n" + "x" * 5000, strict=False)[1].startswith("<html> xxx")
    assert len(error_of("x" * 5000, strict=False)[1]) == 300
