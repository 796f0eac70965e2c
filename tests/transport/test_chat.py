import json

import pytest
from any_json import any_json
from hypothesis import given, settings

from spacy_llmjudge.transport.chat import read_chat
from spacy_llmjudge.transport.messages import Reply

JSON = any_json(
    "choices", "message", "content", "logprobs", "top_logprobs", "token_logprobs", "tokens", "token"
)


@settings(deadline=None)
@given(JSON)
def test_anything_gives_a_reply(data):
    reply = read_chat(data)
    assert isinstance(reply, Reply)
    assert bool(reply) == (reply.state == "replied")


def body(**changes):
    choice = {"message": {"content": "yes"}, "finish_reason": "stop", **changes}
    return {"choices": [choice]}


def test_a_reply_that_was_cut_says_so():
    reply = read_chat(body(finish_reason="length"))
    assert (reply, reply.state, reply.reason) == ("yes", "replied", "truncated")


def test_content_in_parts_is_joined():
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert read_chat(body(message={"content": parts})) == "ab"


def test_thinking_in_parts_is_no_reply():
    parts = [{"type": "thinking", "text": "B?"}, {"type": "reasoning", "text": "C"}, {"text": "a"}]
    assert read_chat(body(message={"content": parts})) == "a"


@pytest.mark.parametrize(
    "finish, reason",
    [
        ("MAX_TOKENS", "truncated"),
        ("model_length", "truncated"),
        ("SAFETY", "content_filter"),
        ("sensitive", "content_filter"),
        ("refusal", "refused"),
        ("eos", None),
        (None, None),
    ],
)
def test_servers_have_other_words_for_the_end(finish, reason):
    assert read_chat(body(finish_reason=finish)).reason == reason


def test_a_refusal_abstains():
    assert read_chat(body(message={"content": "no", "refusal": "no"})).reason == "refused"


@pytest.mark.parametrize("value", ["0.5", "NaN", "true", '"x"', "null", "1e999"])
def test_a_bad_logprob_is_no_logprob(value):
    raw = '{"choices": [{"message": {"content": "A"}, "logprobs": {"content": [{"token": "A", '
    raw += f'"logprob": {value}}}]}}}}]}}'
    assert read_chat(json.loads(raw)).logprobs is None


def test_logprobs_in_the_style_of_completions():
    found = {
        "tokens": ["A", "."],
        "token_logprobs": [-0.1, -0.5],
        "top_logprobs": [{"A": -0.1, "B": -2.5}, {"!": -1.0}],
    }
    reply = read_chat(body(logprobs=found))
    assert reply.logprobs == [{"A": -0.1, "B": -2.5}, {"!": -1.0, ".": -0.5}]
    found["top_logprobs"] = None
    assert read_chat(body(logprobs=found)).logprobs == [{"A": -0.1}, {".": -0.5}]


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": ["A"]},
        {"tokens": None},
        {"token_logprobs": [-0.1, None]},
        {"token_logprobs": []},
        {"token_logprobs": [-0.1, 1.0]},
        {"top_logprobs": [{"A": "x"}, {}]},
        {"top_logprobs": [[], {}]},
        {"top_logprobs": 3},
    ],
)
def test_bad_logprobs_in_the_style_of_completions_are_none(changes):
    found = {"tokens": ["A", "."], "token_logprobs": [-0.1, -0.5], **changes}
    assert read_chat(body(logprobs=found)).logprobs is None
