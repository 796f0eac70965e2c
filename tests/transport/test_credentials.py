import pytest

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.transport.credentials import Credentials, known_secrets, redact

KEY = "sk-canary-7Hq2Zr9LmT4vXw81"


def test_headers_are_read_from_the_environment_when_they_are_needed(monkeypatch):
    found = Credentials("host", "SOME_KEY", {"api-key": "OTHER_KEY", "X-Title": "TITLE"})
    assert found.variables == ["SOME_KEY", "OTHER_KEY", "TITLE"]
    monkeypatch.setenv("SOME_KEY", KEY)
    monkeypatch.setenv("OTHER_KEY", f"{KEY}-2")
    monkeypatch.setenv("TITLE", "my garden")
    expected = {"Authorization": f"Bearer {KEY}", "api-key": f"{KEY}-2", "X-Title": "my garden"}
    assert found.read() == expected
    assert found.secrets() == [f"{KEY}-2", KEY, "my garden"]
    assert KEY not in repr(found) and "OTHER_KEY" in repr(found)


def test_a_server_without_keys_has_no_secrets(monkeypatch):
    monkeypatch.setenv("UNRELATED_API_KEY", KEY)
    assert Credentials("host").read() == {} and Credentials("host").secrets() == []


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(LLMJudgeError, match="J313.*NOT_SET.*host"):
        Credentials("host", headers={"api-key": "NOT_SET"}).read()


@pytest.mark.parametrize("name", ["Host", "content-length", "Content-Type", "a b", "a:", ""])
def test_headers_of_the_connection_itself_are_refused(name):
    with pytest.raises(LLMJudgeError, match="J319.*headers"):
        Credentials("host", headers={name: "VARIABLE"})


@pytest.mark.parametrize("value", [KEY, f"Bearer {KEY}", "my garden"])
def test_a_value_where_the_name_of_a_variable_belongs_is_refused(value):
    with pytest.raises(LLMJudgeError, match="J312.*headers.api-key") as caught:
        Credentials("host", headers={"api-key": value})
    assert KEY not in str(caught.value)


def test_secrets_are_taken_out_longest_first(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "abcdefgh")
    monkeypatch.setenv("OTHER_TOKEN", "abcdefgh-and-more")
    monkeypatch.setenv("SHORT_KEY", "abc")
    text = redact("abcdefgh-and-more abcdefgh abc", known_secrets())
    assert text == "[redacted] [redacted] abc"
