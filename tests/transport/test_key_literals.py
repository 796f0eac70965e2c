import secrets
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.transport.key_literals import (
    check_variable,
    looks_like_key,
    refuse_key_literals,
)

WORD = string.ascii_letters + string.digits


@pytest.mark.parametrize(
    "value",
    [
        "sk-proj-4Fh2kQ9vXw71bTzR8mNc",
        "sk-ant-api03-Zk39fjQ81mdk2LsP0aXw",
        "gsk_8sKd72jfLQm39fhA01xZkd92",
        "hf_QkdmWLa83jfPqmX02kdLsmZj3",
        "AIzaSyD8k3jf92mdkQpLs01xZa7fhWq",
        "Bearer abcdef1234567890",
        "9f86d081884c7d659a2feaa0c55ad015",
        "Zx81kQpLs72mdkW0aXfj39QbTz",
    ],
)
def test_keys_are_seen(value):
    assert looks_like_key(value)


@pytest.mark.parametrize(
    "value",
    [
        "OPENAI_API_KEY",
        "MY_SK_1_KEY_FOR_THE_CLUSTER",
        "gpt-4o-mini-2024-07-18",
        "meta-llama/Llama-3.1-8B-Instruct",
        "Qwen2.5-7B-Instruct-GPTQ-Int4",
        "claude-3-5-sonnet-20241022",
        "https://api.example.com/v1",
        "mistralai/Mixtral-8x22B-Instruct-v0.1",
        "accounts/fireworks/models/llama-v3p1-70b-instruct",
        "/models/llama-3.2-1b-instruct-q4_k_m.gguf",
        "You judge entity annotations, and answer with one letter.",
        "hf_tokenizer",
        "",
    ],
)
def test_names_are_not_keys(value):
    assert not looks_like_key(value)


@settings(max_examples=300, deadline=None)
@given(st.text(WORD, min_size=40, max_size=60).filter(lambda w: len(set(w)) > 20))
def test_long_random_words_behind_a_known_prefix_are_keys(word):
    assert looks_like_key("sk-1" + word)


def test_fresh_hexadecimal_keys_are_seen():
    assert all(looks_like_key(secrets.token_hex(24)) for _ in range(200))


@pytest.mark.parametrize("variable", [None, "OPENAI_API_KEY", "key", "_K1"])
def test_names_of_variables_pass(variable):
    check_variable(variable)


@pytest.mark.parametrize("variable", ["sk-4Fh2kQ9vXw71bTzR8mNc", "a b", "1KEY", "", "$KEY"])
def test_other_things_than_names_are_refused(variable):
    with pytest.raises(LLMJudgeError, match="J312.*api_key_env"):
        check_variable(variable)


def test_keys_are_found_at_any_depth_and_not_shown():
    key = "sk-proj-4Fh2kQ9vXw71bTzR8mNc"
    with pytest.raises(LLMJudgeError, match=r"J312.*config\.a\.b holds") as caught:
        refuse_key_literals({"a": {"b": ["x", key]}}, "config")
    assert key[4:] not in str(caught.value)
