"""Anthropic's format, by itself and in batches."""

import json
import threading
import warnings
from pathlib import Path

import pytest
from asking import PRICES, ask
from loopback import Answer, Loopback
from message_service import MessageService, message, refusal, say
from spacy.util import load_config, load_model_from_config

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.message_batches import MessageBatchServer
from spacy_llmjudge.models.openai import make_openai_batch_model, make_openai_model
from spacy_llmjudge.transport.anthropic_messages import read_messages

SETTINGS = {"model": "tiny", "api": "messages", "max_tokens": 50, "backoff": 0.002}
BATCH = {"dialect": "anthropic", "first_pause": 0.005, "longest_pause": 0.02}
CONFIG = Path(__file__).parents[2] / "configs" / "judges" / "anthropic_batch.cfg"
COST = (100 + 4 * 20) / 1e6


def make(server, path, batch=True, **settings):
    (path / "prices.json").write_text(json.dumps(PRICES))
    settings = {"base_url": server.url, **SETTINGS, "timeout": 2.0, **settings}
    model = make_openai_batch_model(**BATCH, **settings) if batch else make_openai_model(**settings)
    return make_ledger_model(model, path / "ledger.db", prices=path / "prices.json", max_cost=10.0)


def run(server, path, *prompts):
    """A run of its own on the ledger."""
    model = make(server, path)
    replies = ask(model, *prompts)
    model.close()
    return replies


def ask_ahead(model, *prompts):
    """All questions of a run at once, so that several batches are under way."""
    model.ask_ahead(lambda: ([prompt] for prompt in prompts))
    return ask(model, *prompts)


def test_a_request_by_itself_has_the_key_and_the_version(tmp_path, monkeypatch):
    monkeypatch.setenv("LLMJUDGE_TEST_KEY", "sk-ant-canary-7Hq2Zr9L")
    headers = {"x-api-key": "LLMJUDGE_TEST_KEY"}
    with Loopback(MessageService().answer) as server:
        model = make(server, tmp_path, batch=False, headers=headers, system="Be brief.")
        assert ask(model, "p") == ["reply to p"]
        assert model.usage()["cost"] == pytest.approx(COST)
        model.close()
    (request,) = server.requests
    assert request.headers["x-api-key"] == "sk-ant-canary-7Hq2Zr9L"
    assert request.data == {
        "model": "tiny",
        "max_tokens": 50,
        "temperature": 0.0,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "p"}],
    }


@pytest.mark.parametrize(
    "body, state, reason",
    [
        (message("yes"), "replied", None),
        (message("ye", "max_tokens"), "replied", "truncated"),
        (message("", "max_tokens"), "abstained", "truncated"),
        (message("no", "refusal"), "abstained", "refused"),
        ({"content": [{"type": "thinking", "thinking": "hm"}]}, "abstained", "empty_reply"),
        ({"content": "text"}, "abstained", "empty_reply"),
    ],
)
def test_replies_are_read(body, state, reason):
    reply = read_messages(body)
    assert (reply.state, reply.reason) == (state, reason)
    assert bool(reply) == (state == "replied")


@pytest.mark.parametrize(
    "settings", [{"use_schema": True}, {"top_logprobs": 3}, {"api": "chat"}, {"window": "7d"}]
)
def test_what_it_has_not_is_refused(settings):
    with pytest.raises(LLMJudgeError, match="J319"):
        make_openai_batch_model(
            **BATCH, base_url="http://127.0.0.1:9/v1", **{**SETTINGS, **settings}
        )


@pytest.mark.parametrize(
    "extra",
    [
        {"cache_control": {"type": "ephemeral"}},
        {"tools": [{"name": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
    ],
)
def test_a_cache_whose_writing_has_no_price_is_refused(extra):
    """It costs up to twice as much as other tokens, so that `max_cost` would be passed."""
    with pytest.raises(LLMJudgeError, match="J319.*cache_control"):
        make_openai_model("http://127.0.0.1:9/v1", extra=extra, **SETTINGS)


def test_the_config_is_for_batches_of_messages(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    nlp = load_model_from_config(load_config(CONFIG), auto_fill=True)
    model = nlp.get_pipe("llm_judge").model
    assert isinstance(model.batch_sender, MessageBatchServer)
    assert not list(tmp_path.iterdir())


def test_batches_are_paid_at_half_the_price_and_serve_a_direct_run(tmp_path):
    service = MessageService()
    prompts = [f"p{i}" for i in range(30)]
    with Loopback(service.answer) as server:
        model = make(server, tmp_path, max_requests=10)
        assert ask(model, *prompts) == [f"reply to {p}" for p in prompts]
        assert model.usage()["cost"] == pytest.approx(30 * COST / 2)
        model.close()
        direct = make(server, tmp_path, batch=False)
        assert ask(direct, *prompts) == [f"reply to {p}" for p in prompts]
        direct.close()
    assert len(service.batches) == 3 and set(service.paid.values()) == {1}


def test_requests_that_fail_or_expire_are_asked_again(tmp_path):
    """An error of the server passes, what is wrong with a request does not, and what expired is asked again."""

    def reply(body, attempt):
        prompt = body["messages"][-1]["content"]
        if prompt == "p1" and attempt == 1:
            return 500, refusal("api_error", "Internal server error")
        if prompt == "p2":
            return 400, refusal("invalid_request_error", "This prompt was flagged")
        return say(body, attempt)

    def sleeps(body, number):
        return number == 0 and body["messages"][-1]["content"] == "p3"

    service = MessageService(reply, sleeps=sleeps, day=0.2)
    with Loopback(service.answer) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make(server, tmp_path)
        found = ask(model, *(f"p{i}" for i in range(5)))
        assert model.usage()["cost"] == pytest.approx(4 * COST / 2)
        model.close()
    assert [str(r) for r in found] == [
        "reply to p0",
        "reply to p1",
        "",
        "reply to p3",
        "reply to p4",
    ]
    assert +service.paid == {f"p{i}": 1 for i in (0, 1, 3, 4)}


def test_a_batch_whose_making_had_no_answer_is_found_by_what_it_brought(tmp_path):
    service = MessageService()
    service.faults["POST /v1/messages/batches"] = [Answer({}, 502)]
    with Loopback(service.answer) as server:
        assert run(server, tmp_path, "p", "q") == ["reply to p", "reply to q"]
    assert len(service.batches) == 1 and service.paid == {"p": 1, "q": 1}


def test_one_that_may_be_it_is_waited_for_before_anything_is_asked_again(tmp_path):
    """Longer than any patience with a server that is down, and the batches that are known go on."""
    service = MessageService(rate=0.0)
    service.faults["POST /v1/messages/batches"] = [Answer({}, 502)]
    seen = []

    def work():
        seen.append((model.under_way, sum("?limit" in r.path for r in server.requests)))
        service.rate = 1e9

    with Loopback(service.answer) as server:
        model = make(server, tmp_path, max_requests=2)
        timer = threading.Timer(0.6, work)
        timer.start()
        assert ask_ahead(model, "p", "q", "r") == ["reply to p", "reply to q", "reply to r"]
        timer.join()
        model.close()
    ((under_way, n_looks),) = seen
    assert n_looks > 12
    assert "msgbatch_0" in under_way or "batch 2 of 2" in under_way
    assert len(service.batches) == 2 and service.paid == {"p": 1, "q": 1, "r": 1}


class Overloaded(MessageService):
    """Refuses one batch, and makes none of it."""

    def __init__(self, status, number, **settings):
        super().__init__(**settings)
        self.status = status
        self.number = number

    def _create(self, asked):
        self.number -= 1
        if self.number == 0:
            return Answer(refusal("overloaded_error", "Overloaded"), self.status)
        return super()._create(asked)


def test_a_batch_of_this_run_is_none_that_may_be_another(tmp_path):
    service = Overloaded(503, 2, rate=8.0)
    with Loopback(service.answer) as server:
        model = make(server, tmp_path, max_requests=2)
        assert ask_ahead(model, *"pqrs") == [f"reply to {p}" for p in "pqrs"]
        model.close()
    assert len(service.batches) == 2 and set(service.paid.values()) == {1}
    # No look at what the first one brought was needed.
    last_made = max(i for i, r in enumerate(server.requests) if r.method == "POST")
    assert not any(r.path.endswith("/results") for r in server.requests[:last_made])


def test_a_server_with_too_much_to_do_has_made_no_batch(tmp_path):
    service = Overloaded(529, 1, foreign=(2,))
    with Loopback(service.answer) as server:
        assert run(server, tmp_path, "p", "q") == ["reply to p", "reply to q"]
    assert len(service.batches) == 2 and service.paid == {"p": 1, "q": 1}


def test_results_that_are_not_there_are_waited_for_by_the_next_run(tmp_path):
    service = MessageService()
    gone = Answer(refusal("not_found_error", "No such batch"), 404)
    service.faults["GET /v1/messages/batches/msgbatch_0/results"] = [gone] * 11
    with Loopback(service.answer) as server:
        model = make(server, tmp_path)
        with pytest.warns(UserWarning, match="JW313"):
            assert [r.state for r in ask(model, "p", "q")] == ["not_sent"] * 2
        model.close()
        assert run(server, tmp_path, "p", "q") == ["reply to p", "reply to q"]
    assert len(service.batches) == 1 and service.paid == {"p": 1, "q": 1}


def test_a_lost_batch_whose_results_are_not_there_is_looked_for_again(tmp_path):
    service = MessageService()
    gone = Answer(refusal("not_found_error", "No such batch"), 404)
    service.faults["POST /v1/messages/batches"] = [Answer({}, 502)]
    service.faults["GET /v1/messages/batches/msgbatch_0/results"] = [gone] * 12
    with Loopback(service.answer) as server:
        for _ in range(2):
            model = make(server, tmp_path)
            with pytest.warns(UserWarning, match="JW313"):
                assert [r.state for r in ask(model, "p", "q")] == ["not_sent"] * 2
            model.close()
        assert run(server, tmp_path, "p", "q") == ["reply to p", "reply to q"]
    assert len(service.batches) == 1 and service.paid == {"p": 1, "q": 1}


def test_batches_of_others_are_no_hindrance_unless_they_are_as_large(tmp_path):
    service = MessageService(foreign=(3, 4, 1, 7))
    service.faults["POST /v1/messages/batches"] = [Answer({}, 502)]
    with Loopback(service.answer) as server:
        assert run(server, tmp_path, "p", "q") == ["reply to p", "reply to q"]
    assert service.paid == {"p": 1, "q": 1}
