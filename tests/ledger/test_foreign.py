import json
import warnings

import pytest
import spacy
from asking import ask
from loopback import Answer, Loopback, chat

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.foreign import ForeignModel
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.transport.messages import Reply

PRICES = {"as_of": "2026-01-31", "usd_per_million_tokens": {"gpt-4": {"input": 1.0, "output": 4.0}}}


@pytest.fixture
def gpt4(monkeypatch):
    """spacy-llm's own model. Its constructor asks api.openai.com, whatever the endpoint: that check is
    replaced, and nothing else."""
    from spacy_llm.models.rest.openai import OpenAI
    from spacy_llm.registry import registry

    monkeypatch.setattr(OpenAI, "_verify_auth", lambda self: None)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-7Hq2Zr9LmT4vXw81")

    def make(server, **settings):
        settings = {"config": {"temperature": 0.0, "max_tokens": 20}, "interval": 0.01, **settings}
        endpoint = f"{server.url}/chat/completions"
        return registry.llm_models.get("spacy.GPT-4.v3")(endpoint=endpoint, **settings)

    return make


def test_a_model_of_spacy_llm_keeps_its_paid_replies(gpt4, tmp_path):
    def script(request):
        bad = request.prompt == "p7" and not mended
        return Answer({"error": {"message": "no"}}, 500) if bad else Answer(chat(request.prompt))

    prompts, mended = [f"p{i}" for i in range(8)], []
    with Loopback(script) as server:
        replies = ask(make_ledger_model(gpt4(server), tmp_path / "l.db"), *prompts)
        assert replies[:7] == prompts[:7]
        assert (replies[7], replies[7].state, replies[7].reason) == ("", "not_sent", "model_error")
        mended.append(True)
        n_sent = len(server.requests)
        assert ask(make_ledger_model(gpt4(server), tmp_path / "l.db"), *prompts) == prompts
    assert len(server.requests) == n_sent + 1


def test_it_asks_many_at_once(gpt4, tmp_path):
    with Loopback(latency=0.1) as server:
        ask(
            make_ledger_model(gpt4(server), tmp_path / "l.db", concurrency=16), *map(str, range(64))
        )
    assert 12 <= server.most_at_once <= 16


def test_all_tries_inside_are_reserved(gpt4, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(PRICES))
    with Loopback(lambda request: Answer("", 503)) as server:
        model = gpt4(server, max_tries=2, interval=0.001)
        ledger = make_ledger_model(model, tmp_path / "l.db", max_cost=1.0, prices=prices)
        (reply,) = ask(ledger, "p")
        assert reply.reason == "model_error"
    assert len(server.requests) == 3
    size = len(ForeignModel(model).make_request("p")) + 64
    assert ledger.usage()["cost"] == pytest.approx(3 * (size * 1e-6 + 20 * 4e-6))


def test_a_budget_without_a_limit_on_replies_is_refused(gpt4, tmp_path):
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps(PRICES))
    with Loopback() as server:
        model = gpt4(server, config={"temperature": 0.0})
        with pytest.raises(LLMJudgeError, match="J325.*gpt-4.*max_tokens"):
            ask(make_ledger_model(model, tmp_path / "l.db", max_cost=1.0, prices=prices), "p")
    assert server.requests == []


def test_no_key_reaches_the_ledger_even_when_the_error_repeats_it(gpt4, tmp_path):
    def script(request):
        return Answer({"error": {"message": request.headers["authorization"]}}, 401)

    with Loopback(script) as server:
        model = make_ledger_model(gpt4(server), tmp_path / "l.db")
        (reply,) = ask(model, "p")
        model.close()
    assert reply.state == "not_sent"
    data = (tmp_path / "l.db").read_bytes()
    assert b"[redacted]" in data and b"canary" not in data
    assert "canary" not in json.dumps(ForeignModel(gpt4(server)).describe())


def test_a_key_in_the_config_of_a_model_is_refused(gpt4, tmp_path):
    with Loopback() as server:
        model = gpt4(server, config={"api_key": "sk-proj-4Fh2kQ9vXw71bTzR8mNc"})
        with pytest.raises(LLMJudgeError, match=r"J312.*config\.api_key"):
            make_ledger_model(model, tmp_path / "l.db")


def test_settings_tell_models_apart_and_manners_do_not(gpt4):
    with Loopback() as server:
        request = b"r"
        one = ForeignModel(gpt4(server)).identify(request)
        assert one == ForeignModel(gpt4(server, max_tries=9, strict=False)).identify(request)
        assert one != ForeignModel(gpt4(server, name="gpt-4-turbo")).identify(request)
        assert one != ForeignModel(gpt4(server, config={"temperature": 0.1})).identify(request)


def test_a_function_is_a_model_too(tmp_path):
    def make_model(shift):
        def model(prompts):
            return [[prompt + shift for prompt in group] for group in prompts]

        return model

    assert ask(make_ledger_model(make_model("!"), tmp_path / "l.db"), "a", "b") == ["a!", "b!"]
    assert ask(make_ledger_model(make_model("?"), tmp_path / "l.db"), "a", "b") == ["a?", "b?"]


@pytest.mark.parametrize(
    "answer, reason",
    [
        ([], "no_reply"),
        ([[]], "no_reply"),
        ([[3]], "not_a_string"),
        (None, "no_reply"),
    ],
)
def test_a_model_that_returns_nonsense_abstains(answer, reason, tmp_path):
    (reply,) = ask(make_ledger_model(lambda prompts: answer, tmp_path / "l.db"), "a")
    assert (reply, reply.state, reply.reason) == ("", "abstained", reason)


def test_what_a_reply_carries_is_kept(tmp_path):
    calls = []
    count = calls.append

    def model(prompts):
        count(1)
        usage = {"tokens_in": 3, "tokens_out": 1}
        return [[Reply("A \ud800", logprobs=[{"A": -0.5}], usage=usage)] for _ in prompts]

    for _ in range(2):
        (reply,) = ask(make_ledger_model(model, tmp_path / "l.db"), "a")
        assert (reply, reply.logprobs) == ("A \ud800", [{"A": -0.5}])
        assert reply.usage == {"tokens_in": 3, "tokens_out": 1}
    assert calls == [1]


def test_a_reply_that_abstains_is_not_kept(tmp_path):
    def model(prompts):
        return [[Reply("", state="abstained", reason="no_recorded_reply")] for _ in prompts]

    ledger = make_ledger_model(model, tmp_path / "l.db")
    (reply,) = ask(ledger, "a")
    assert (reply.state, reply.reason) == ("abstained", "no_recorded_reply")
    assert ledger._store.count() == {"failed": 1}


def test_it_runs_in_a_pipeline_of_spacy_llm(gpt4, tmp_path):
    content = "PERSON: Ada"
    with Loopback(lambda request: Answer(chat(content))) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nlp = spacy.blank("en")
        model = {
            "@llm_models": "llmjudge.Ledger.v1",
            "path": str(tmp_path / "l.db"),
            "model": {
                "@llm_models": "llmjudge.OpenAI.v1",
                "base_url": server.url,
                "model": "tiny",
            },
        }
        task = {"@llm_tasks": "spacy.NER.v2", "labels": "PERSON"}
        nlp.add_pipe("llm", config={"task": task, "model": model})
        docs = list(nlp.pipe(["Ada wrote it.", "So did Ada."]))
        assert [[ent.text for ent in doc.ents] for doc in docs] == [["Ada"], ["Ada"]]
        nlp.to_disk(tmp_path / "saved")
        again = spacy.load(tmp_path / "saved")
        assert [ent.text for ent in again("Ada wrote it.").ents] == ["Ada"]
    assert len(server.requests) == 2
