import pytest
from any_json import any_json
from hypothesis import given, settings

from spacy_llmjudge.transport.usage import UNKNOWN, Usage, read_usage


def test_tokens_are_read():
    found = read_usage({"usage": {"prompt_tokens": 10, "completion_tokens": 5}})
    assert found == Usage(10, 5) and found.as_dict() == {"tokens_in": 10, "tokens_out": 5}


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
    assert read_usage({"usage": usage}) == UNKNOWN
    assert read_usage({"usage": usage}).as_dict() == {}


CHAT = {"choices": [{"message": {"content": "yes"}}]}


@pytest.mark.parametrize(
    "usage, expected",
    [
        # Gemini: thinking stands in the total only.
        ({"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 31}, (9, 22, 0)),
        # xAI: the same, with a note of how much.
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "total_tokens": 20,
                "completion_tokens_details": {"reasoning_tokens": 9},
            },
            (9, 11, 0),
        ),
        # OpenAI: thinking is in the completion.
        ({"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}, (9, 12, 0)),
        # A total that is too small is none.
        ({"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 12}, (9, 12, 0)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10**30}, (9, 1, 0)),
        (
            {
                "prompt_tokens": 90,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 64},
            },
            (90, 1, 64),
        ),
        ({"prompt_tokens": 90, "completion_tokens": 1, "prompt_cache_hit_tokens": 64}, (90, 1, 64)),
        ({"prompt_tokens": 90, "completion_tokens": 1, "cached_tokens": 500}, (90, 1, 90)),
        ({"prompt_tokens": 90, "completion_tokens": 1, "prompt_tokens_details": None}, (90, 1, 0)),
        ({"input_tokens": 9, "output_tokens": 2}, (9, 2, 0)),
        # Anthropic: what is written to its cache, and read from it, is counted apart.
        (
            {
                "input_tokens": 7,
                "output_tokens": 2,
                "cache_creation_input_tokens": 100,
                "cache_read_input_tokens": 2000,
            },
            (2107, 2, 2000),
        ),
        # LiteLLM in front of it: all of it is in the prompt.
        (
            {
                "prompt_tokens": 2055,
                "completion_tokens": 2,
                "total_tokens": 2057,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 2048,
            },
            (2055, 2, 2048),
        ),
    ],
)
def test_tokens_are_counted_as_they_are_paid(usage, expected):
    assert read_usage({**CHAT, "usage": usage}) == Usage(*expected)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 0, "completion_tokens": 5},
        {"prompt_tokens": 5, "completion_tokens": 0},
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    ],
)
def test_no_tokens_for_a_reply_with_words_cannot_be(usage):
    assert read_usage({**CHAT, "usage": usage}) == UNKNOWN


def test_a_reply_without_words_may_have_no_tokens():
    usage = {"prompt_tokens": 5, "completion_tokens": 0}
    assert read_usage({"choices": [{"message": {"content": ""}}], "usage": usage}) == Usage(5, 0)


def test_the_service_tier_is_read():
    body = {**CHAT, "usage": {"prompt_tokens": 5, "completion_tokens": 1}, "service_tier": "flex"}
    assert read_usage(body).tier == "flex"
    assert read_usage({**body, "service_tier": None}).tier is None


@settings(deadline=None)
@given(
    any_json("usage", "prompt_tokens", "completion_tokens", "total_tokens", "choices", "message")
)
def test_any_body_has_a_usage(body):
    found = read_usage(body)
    assert found == UNKNOWN or (found.tokens_in > 0 and found.tokens_out >= 0)
