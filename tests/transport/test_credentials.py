from spacy_llmjudge.transport.credentials import known_secrets, redact


def test_secrets_are_taken_out_longest_first(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "abcdefgh")
    monkeypatch.setenv("OTHER_TOKEN", "abcdefgh-and-more")
    monkeypatch.setenv("SHORT_KEY", "abc")
    text = redact("abcdefgh-and-more abcdefgh abc", known_secrets())
    assert text == "[redacted] [redacted] abc"
