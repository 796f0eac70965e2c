import pytest

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
