import pytest
from any_json import any_json
from hypothesis import given, settings
from loopback import respond

from spacy_llmjudge.transport.messages import Reply
from spacy_llmjudge.transport.responses import make_responses_body, read_responses
from spacy_llmjudge.transport.usage import UNKNOWN, Usage, read_usage

TOKENS = [
    {"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "B", "logprob": -2.5}]},
    {"token": ".", "logprob": -0.5, "top_logprobs": []},
]
WORDS = ("output", "type", "message", "content", "text", "output_text", "status", "incomplete")


@settings(deadline=None)
@given(any_json(*WORDS, "incomplete_details", "reason", "logprobs", "token"))
def test_anything_gives_a_reply(data):
    reply = read_responses(data)
    assert isinstance(reply, Reply)
    assert bool(reply) == (reply.state == "replied")


def message(*parts, **fields):
    return {"type": "message", "role": "assistant", "content": list(parts), **fields}


def text(words, **fields):
    return {"type": "output_text", "text": words, "annotations": [], **fields}


def test_the_text_of_all_messages_is_the_reply_and_thinking_is_not():
    thinking = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "B?"}]}
    call = {"type": "function_call", "name": "f", "arguments": "{}"}
    body = {"output": [thinking, message(text("a"), text("b")), call, message(text("c"))]}
    reply = read_responses(body)
    assert (reply, reply.state, reply.reason) == ("abc", "replied", None)


@pytest.mark.parametrize(
    "changes, expected, state, reason",
    [
        ({"reason": "max_output_tokens"}, "yes", "replied", "truncated"),
        ({"reason": "content_filter"}, "", "abstained", "content_filter"),
        ({}, "yes", "replied", "truncated"),
        (None, "yes", "replied", "truncated"),
    ],
)
def test_a_reply_that_is_not_whole_says_so(changes, expected, state, reason):
    reply = read_responses(respond("yes", status="incomplete", incomplete_details=changes))
    assert (reply, reply.state, reply.reason) == (expected, state, reason)


def test_thinking_that_used_up_all_tokens_is_truncated():
    details = {"reason": "max_output_tokens"}
    reply = read_responses(respond(None, status="incomplete", incomplete_details=details))
    assert (reply.state, reply.reason) == ("abstained", "truncated")


@pytest.mark.parametrize("parts", [[], [text("I")]])
def test_a_refusal_abstains(parts):
    reply = read_responses({"output": [message(*parts, {"type": "refusal", "refusal": "no"})]})
    assert (reply, reply.state, reply.reason) == ("", "abstained", "refused")


@pytest.mark.parametrize("output", [[], [message()], [message(text(""))], None, "yes"])
def test_a_reply_without_text_abstains(output):
    reply = read_responses({"output": output})
    assert (reply.state, reply.reason) == ("abstained", "empty_reply")


def test_log_probabilities_of_all_parts_are_joined():
    expected = [{"B": -2.5, "A": -0.1}, {".": -0.5}]
    assert read_responses(respond("A.", logprobs=TOKENS)).logprobs == expected
    both = [text("A.", logprobs=TOKENS), text("A.", logprobs=TOKENS), text("", logprobs=[])]
    assert read_responses({"output": [message(*both)]}).logprobs == expected * 2


@pytest.mark.parametrize("bad", [None, [], [{"token": "A"}], [{"token": "A", "logprob": 0.5}], 3])
def test_log_probabilities_of_a_part_that_are_missing_or_bad_are_none_at_all(bad):
    parts = [text("A.", logprobs=TOKENS), text("A", logprobs=bad)]
    assert read_responses({"output": [message(*parts)]}).logprobs is None


def test_cached_and_thinking_tokens_are_counted_as_they_are_paid():
    usage = {
        "input_tokens": 90,
        "input_tokens_details": {"cached_tokens": 64},
        "output_tokens": 25,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 115,
    }
    found = read_usage(respond("yes", usage=usage, service_tier="flex"))
    assert found == Usage(90, 25, 64, "flex")
    assert read_responses(respond("yes", usage=usage)).usage == {"tokens_in": 90, "tokens_out": 25}


def test_no_tokens_for_a_reply_with_words_cannot_be():
    usage = {"input_tokens": 5, "output_tokens": 0}
    assert read_usage(respond("yes", usage=usage)) == UNKNOWN
    assert read_usage(respond(None, usage=usage)) == Usage(5, 0)


def test_there_is_no_seed_and_the_system_message_is_the_instructions():
    body = make_responses_body({"model": "m"}, "p", "Be brief.", 7)
    assert body == {"model": "m", "instructions": "Be brief.", "input": "p"}
    assert make_responses_body({}, "p", None, None) == {"input": "p"}
