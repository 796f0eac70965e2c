"""The table of docs/judge.md line by line: what spacy-llm 0.7.4 does on its own, and what happens here.

The check that the constructor of spacy-llm's OpenAI model makes at api.openai.com is replaced, but in the
test about that check; nothing else of it is.
"""

import json
import re
import socket
from pathlib import Path

import pytest
import spacy
from loopback import Answer, Loopback, chat
from spacy_llm.models.rest.openai import OpenAI

from spacy_llmjudge.candidates import get_candidates, get_status
from spacy_llmjudge.errors import LLMJudgeError

KEY = "sk-proj-4Fh2kQ9vXw71bTzR8mNc"
ROOT = Path(__file__).parents[2]
PLACES = ["Lyon", "Nice"]


@pytest.fixture(autouse=True)
def replaced_check(monkeypatch):
    monkeypatch.setattr(OpenAI, "_verify_auth", lambda self: None)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-7Hq2Zr9LmT4vXw81")


def make_theirs(server, path=None, **settings):
    nlp = spacy.blank("en")
    model = {
        "@llm_models": "spacy.GPT-4.v3",
        "endpoint": f"{server.url}/chat/completions",
        **settings,
    }
    config = {"task": {"@llm_tasks": "spacy.NER.v2", "labels": "CITY"}, "model": model}
    if path is not None:
        config["cache"] = {
            "@llm_misc": "spacy.BatchCache.v1",
            "path": str(path),
            "batch_size": 1,
            "max_batches_in_mem": 4,
        }
    nlp.add_pipe("llm", config=config)
    return nlp


def make_ours(server, path, **settings):
    nlp = spacy.blank("en")
    model = {
        "@llm_models": "llmjudge.OpenAI.v1",
        "base_url": server.url,
        "model": "gpt-4",
        "backoff": 0.01,
    }
    ledger = {
        "@llm_models": "llmjudge.Ledger.v1",
        "path": str(path / "l.db"),
        "model": {**model, **settings},
    }
    task = {"@llm_tasks": "llmjudge.Annotate.v1", "labels": ["CITY"]}
    nlp.add_pipe("llm_judge", config={"task": task, "model": ledger})
    return nlp


def reply(request):
    """The cities of the text, as either task wants them."""
    if "CITY:" in request.prompt:
        return Answer(chat("CITY: Lyon, Nice"))
    named = [place for place in PLACES if place in request.prompt]
    found = [{"text": place, "label": "CITY", "confidence": 90} for place in named]
    return Answer(chat(json.dumps({"entities": found, "alternatives": []})))


def texts(n=8):
    return [f"Number {i} is in Lyon" for i in range(n)]


def test_an_error_on_the_eighth_of_eight(tmp_path):
    def script(request):
        return (
            Answer({"error": {"message": "no"}}, 500)
            if "Number 7" in request.prompt
            else reply(request)
        )

    with Loopback(script) as server:
        docs = []
        with pytest.raises(ValueError, match="Request to OpenAI API failed"):
            for doc in make_theirs(server, tmp_path / "cache").pipe(texts()):
                docs.append(doc)
        assert len(server.requests) == 8 and docs == []
        assert not list((tmp_path / "cache").glob("*.spacy"))

    with Loopback(script) as server:
        docs = list(make_ours(server, tmp_path, max_tries=1).pipe(texts()))
        assert [get_status(doc)["state"] for doc in docs] == ["judged"] * 7 + ["not_sent"]
        server.script = reply
        docs = list(make_ours(server, tmp_path).pipe(texts()))
    assert {get_status(doc)["state"] for doc in docs} == {"judged"}
    assert len(server.requests) == 9, "only the one that failed is asked again"


def test_a_server_that_asks_to_wait(tmp_path):
    def script(request):
        return Answer("{}", 429, {"Retry-After": "1"}) if request.number == 0 else reply(request)

    with Loopback(script) as server:
        list(make_theirs(server, interval=0.1).pipe(texts(1)))
    assert server.requests[1].time - server.requests[0].time < 0.9
    with Loopback(script) as server:
        list(make_ours(server, tmp_path).pipe(texts(1)))
    assert server.requests[1].time - server.requests[0].time >= 1.0


def test_requests_at_a_time(tmp_path):
    with Loopback(reply, latency=0.05) as server:
        list(make_theirs(server).pipe(texts(16)))
    assert server.most_at_once == 1
    with Loopback(reply, latency=0.05) as server:
        list(make_ours(server, tmp_path, concurrency=8).pipe(texts(24)))
    assert server.most_at_once >= 6


def test_the_same_words_in_another_order(tmp_path):
    questions = ["Lyon beats Nice", "Nice beats Lyon"]
    with Loopback(reply) as server:
        nlp = make_theirs(server, tmp_path / "cache")
        docs = [nlp(text) for text in questions]
        assert [doc.text for doc in docs] == ["Lyon beats Nice"] * 2, "the document of another text"
        assert len(server.requests) == 1
    with Loopback(reply) as server:
        nlp = make_ours(server, tmp_path)
        docs = [doc for _ in range(2) for doc in (nlp(text) for text in questions)]
        assert len(server.requests) == 2
    assert [doc.text for doc in docs] == questions * 2
    found = [[str(doc[c.start : c.end]) for c in get_candidates(doc)] for doc in docs]
    assert found == [["Lyon", "Nice"], ["Nice", "Lyon"]] * 2


def test_what_the_constructor_asks(tmp_path, monkeypatch):
    monkeypatch.undo()
    called = []

    def connect(self, address):
        called.append(address)
        raise OSError("network")

    def resolve(host, *args, **settings):
        called.append(host)
        raise socket.gaierror("network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    for name in (
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-7Hq2Zr9LmT4vXw81")

    class Nowhere:
        url = "http://127.0.0.1:9/v1"

    with pytest.raises(Exception, match="api.openai.com"):
        make_theirs(Nowhere)
    assert called and set(called) == {"api.openai.com"}, "whatever the endpoint"
    called.clear()
    make_ours(Nowhere, tmp_path).to_disk(tmp_path / "saved")
    spacy.load(tmp_path / "saved")
    assert called == []


def test_a_key_in_a_config(tmp_path):
    with Loopback(reply) as server:
        nlp = make_theirs(server, config={"temperature": 0.0, "api_key": KEY})
        nlp.to_disk(tmp_path / "saved")
        assert KEY in (tmp_path / "saved" / "config.cfg").read_text()
        for settings in ({"extra": {"api_key": KEY}}, {"api_key_env": KEY}):
            with pytest.raises(LLMJudgeError, match="J312") as caught:
                make_ours(server, tmp_path, **settings)
            assert KEY not in str(caught.value)


def test_the_table_names_tests_that_are_there():
    table, _ = (ROOT / "docs" / "judge.md").read_text(encoding="utf8").split("\n## Speed")
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    named = [re.findall(r"`(\S+)::(test_\w+)`", row) for row in rows]
    assert len(named) >= 12
    for tests in named:
        assert tests
        for path, test in tests:
            assert f"def {test}(" in (ROOT / path).read_text(encoding="utf8"), (path, test)
    here = Path(__file__).relative_to(ROOT).as_posix()
    table = {test for tests in named for path, test in tests if path == here}
    own = {
        name for name, value in globals().items() if name.startswith("test_") and callable(value)
    }
    assert own - table == {"test_the_table_names_tests_that_are_there"}
