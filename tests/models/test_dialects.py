"""What differs between servers that speak one protocol: fields, headers, log-probabilities, errors."""

import json
import warnings

import pytest
from asking import ask
from loopback import Answer, Loopback, chat

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.transport.messages import Prompt

KEY = "sk-canary-7Hq2Zr9LmT4vXw81"
QUESTION = Prompt("which?", options=("A", "B"), schema={"type": "object"})


def make(server, **settings):
    settings = {"model": "tiny", "concurrency": 8, "backoff": 0.002, "timeout": 5.0, **settings}
    return make_openai_model(server.url, **settings)


def echo(request):
    return Answer(chat(f"reply to {request.prompt}"))


def error(message, **fields):
    return {"error": {"message": message, **fields}}


def picky(*refused, status=400):
    """A server that knows no field of these, and says so one at a time."""

    def script(request):
        for field in refused:
            if field in request.data:
                return Answer(error(f"Unsupported parameter: '{field}'.", param=field), status)
        return echo(request)

    return script


@pytest.mark.parametrize("status", [400, 403, 422])
def test_refused_fields_are_left_out_once_and_for_all(status):
    refused = ("seed", "temperature", "logprobs", "response_format")
    with Loopback(picky(*refused, status=status)) as server:
        model = make(server, top_logprobs=5, use_schema=True)
        with pytest.warns(UserWarning, match="JW330") as caught:
            replies = ask(model, *[QUESTION] * 20)
    assert replies == ["reply to which?"] * 20
    codes = [str(w.message).split()[0] for w in caught]
    assert codes == ["[JW330]"] * 4
    assert len(server.requests) == 20 + len(refused)
    assert set(server.requests[-1].data) == {"model", "messages", "max_tokens"}


def test_a_refusal_is_not_a_try(tmp_path):
    """Every request is a row, a refused one costs nothing, and the key is that of the config."""
    with Loopback(picky("seed", "temperature")) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = tmp_path / "l.db"
        model = make_ledger_model(make(server, max_tries=1), path)
        assert ask(model, "p", "q") == ["reply to p", "reply to q"]
        assert model._store.count() == {"failed": 2, "replied": 2}
        assert ask(make_ledger_model(make(server), path), "p") == ["reply to p"]
    assert len(server.requests) == 4


def test_the_limit_of_a_reply_goes_by_its_other_name():
    def script(request):
        if "max_tokens" in request.data:
            text = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            return Answer(error(text, param="max_tokens"), 400)
        return echo(request)

    with Loopback(script) as server:
        with pytest.warns(UserWarning, match="is called max_completion_tokens"):
            ask(make(server, max_tokens=77), "p")
    assert server.requests[-1].data["max_completion_tokens"] == 77


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_a_server_that_wants_no_limit_at_all_stops_the_run(field):
    """Nobody could say what a request costs at most."""
    text = "Unsupported parameter: 'max_tokens', 'max_completion_tokens'"
    with Loopback(lambda request: Answer(error(text), 400)) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(LLMJudgeError, match="J315"):
            ask(make(server, max_tokens_field=field), "p")
    assert len(server.requests) == 2


def test_log_probabilities_that_never_come_are_missed_once():
    with Loopback(echo) as server:
        with pytest.warns(UserWarning, match="JW331.*top_logprobs") as caught:
            ask(make(server, top_logprobs=5), *[QUESTION] * 20)
    assert len(caught) == 1


def test_log_probabilities_that_came_once_are_not_missed(recwarn):
    tokens = [{"token": "A", "logprob": -0.1}]

    def script(request):
        return Answer(chat("A", logprobs=tokens) if request.number == 1 else chat("A"))

    with Loopback(script) as server:
        ask(make(server, top_logprobs=5, concurrency=1), *[QUESTION] * 20)
    assert not list(recwarn)


def test_log_probabilities_in_the_style_of_completions():
    logprobs = {"tokens": ["A"], "token_logprobs": [-0.1], "top_logprobs": [{"A": -0.1, "B": -2.0}]}

    def script(request):
        body = chat("A")
        body["choices"][0]["logprobs"] = logprobs
        return Answer(body)

    with Loopback(script) as server:
        model = make(server, top_logprobs=5, logprobs_style="completions")
        (reply,) = ask(model, QUESTION)
    assert server.requests[0].data["logprobs"] == 5
    assert "top_logprobs" not in server.requests[0].data
    assert reply.logprobs == [{"A": -0.1, "B": -2.0}]


def test_headers_and_query_go_with_every_request(monkeypatch):
    monkeypatch.setenv("LLMJUDGE_TEST_KEY", KEY)
    settings = {"headers": {"api-key": "LLMJUDGE_TEST_KEY"}, "query": {"api-version": "2024-10-21"}}
    with Loopback(lambda r: Answer(chat(f"you sent {r.headers['api-key']}"))) as server:
        model = make(server, **settings)
        (reply,) = ask(model, "p")
        assert model.identify(b"{}") != make(server).identify(b"{}")
    (request,) = server.requests
    assert request.path == "/v1/chat/completions?api-version=2024-10-21"
    assert request.headers["api-key"] == KEY and "authorization" not in request.headers
    assert reply == "you sent [redacted]" and KEY not in repr(model)


def test_a_key_in_the_query_is_refused():
    with pytest.raises(LLMJudgeError, match="J312.*query.key"):
        make_openai_model("https://api.example.com/v1", "m", query={"key": KEY})


def test_a_style_that_nobody_speaks_is_refused():
    with pytest.raises(LLMJudgeError, match="J319.*logprobs_style"):
        make_openai_model("https://api.example.com/v1", "m", logprobs_style="other")


FLAGGED = [
    Answer({"error": {"code": 403, "message": "Your input was flagged for moderation"}}, 403),
    Answer({"error": {"code": "content_filter", "message": "m"}}, 400),
    Answer({"error": {"code": "json_validate_failed", "message": "m"}}, 400),
    Answer({"error": {"message": "the request exceeds the available context size"}}, 400),
]


@pytest.mark.parametrize("answer", FLAGGED)
@pytest.mark.parametrize("number", [0, 7])
def test_one_text_that_a_server_will_not_read_ends_no_run(answer, number):
    def script(request):
        return answer if request.prompt == f"p{number}" else echo(request)

    with Loopback(script) as server:
        replies = ask(make(server), *(f"p{i}" for i in range(20)))
    assert len(server.requests) == 20
    assert replies.pop(number).state == "abstained"
    assert all(reply.state == "replied" for reply in replies)


IN_200 = [
    {"error": {"code": 502, "message": "Provider returned error"}},
    {"error": {"code": 429, "message": "Rate limit exceeded"}, "user_id": "u"},
    {"choices": [{"error": {"code": 502, "message": "upstream"}, "message": {"content": "hal"}}]},
    {"choices": [{"error": {"message": "upstream timed out"}, "finish_reason": "error"}]},
    {"object": "error", "error": "overloaded"},
]


@pytest.mark.parametrize("body", IN_200)
def test_an_error_in_a_body_with_status_200_is_no_paid_reply(body, tmp_path):
    prices = tmp_path / "prices.json"
    table = {"as_of": "2026-01-31", "usd_per_million_tokens": {"tiny": {"input": 1, "output": 4}}}
    prices.write_text(json.dumps(table))
    with Loopback(lambda r: Answer(body) if r.number < 2 else echo(r)) as server:
        model = make_ledger_model(make(server), tmp_path / "l.db", max_cost=1.0, prices=prices)
        assert ask(model, "p") == ["reply to p"]
        assert model._store.count() == {"failed": 2, "replied": 1}
        # 10 tokens in and 5 out of the one that replied.
        assert model.usage()["cost"] == pytest.approx(10e-6 + 5 * 4e-6)


def test_credit_that_comes_back_is_waited_for():
    def script(request):
        if request.number == 1:
            return Answer(error("in-flight budget"), 402, {"Retry-After": "0.05"})
        return echo(request)

    with Loopback(script) as server:
        assert ask(make(server), "p", "q") == ["reply to p", "reply to q"]
    assert len(server.requests) == 3


def test_a_refusal_in_a_body_with_status_200_abstains():
    body = {"error": {"code": 403, "message": "The prompt was flagged"}}
    with Loopback(lambda r: Answer(body) if r.prompt == "p" else echo(r)) as server:
        replies = ask(make(server), "p", "q")
    assert (replies[0].state, replies[0].reason) == ("abstained", "content_filter")
    assert replies[1] == "reply to q"


def test_a_wrong_address_that_answers_200_books_nothing(tmp_path):
    prices = tmp_path / "prices.json"
    table = {"as_of": "2026-01-31", "usd_per_million_tokens": {"tiny": {"input": 1, "output": 4}}}
    prices.write_text(json.dumps(table))
    body = {"error": "Unexpected endpoint or method. (POST /chat/completions)"}
    with Loopback(lambda request: Answer(body)) as server:
        model = make_ledger_model(make(server), tmp_path / "l.db", max_cost=1.0, prices=prices)
        with pytest.raises(LLMJudgeError, match="J330.*Unexpected endpoint"):
            ask(model, *(f"p{i}" for i in range(20)))
        assert model.usage()["cost"] == 0.0
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "status, body, words",
    [
        (402, error("Insufficient Balance"), "credit is used up"),
        (400, [error("API key not valid. Please pass a valid API key.")], "Check the key"),
        (404, {"detail": [{"loc": ["body"], "msg": "model not found"}]}, "model not found"),
        (401, "plain words", "plain words"),
        (404, ["in a list"], "in a list"),
    ],
)
def test_what_the_server_says_is_read_in_every_shape(status, body, words, monkeypatch):
    monkeypatch.setenv("LLMJUDGE_TEST_KEY", KEY)
    with Loopback(lambda request: Answer(body, status)) as server:
        with pytest.raises(LLMJudgeError, match="J315") as caught:
            ask(make(server, api_key_env="LLMJUDGE_TEST_KEY"), "p")
    assert words in str(caught.value)


@pytest.mark.parametrize("finish", ["error", "insufficient_system_resource"])
def test_a_reply_that_the_server_could_not_end_is_asked_for_again(finish):
    def script(request):
        body = chat("half a re")
        body["choices"][0]["finish_reason"] = finish
        return Answer(body) if request.number == 0 else echo(request)

    with Loopback(script) as server:
        assert ask(make(server), "p") == ["reply to p"]
    assert len(server.requests) == 2


def test_no_choices_at_all_are_an_error_and_no_reply(tmp_path):
    body = {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}}
    script = lambda request: Answer(body) if request.number == 1 else echo(request)  # noqa: E731
    with Loopback(script) as server:
        model = make_ledger_model(make(server, concurrency=1), tmp_path / "l.db")
        assert ask(model, "p", "q") == ["reply to p", "reply to q"]
        assert model._store.count() == {"failed": 1, "replied": 2}
