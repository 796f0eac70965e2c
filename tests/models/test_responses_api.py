"""`llmjudge.OpenAI.v1` with `api = "responses"`: what a server gets, and what becomes of its answers."""

import json
import warnings

import pytest
import spacy
from asking import ask
from loopback import Answer, Loopback, respond
from providers import PROVIDERS

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.tasks.annotate import make_annotate_task
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.transport.messages import Prompt

QUESTION = Prompt("which?", options=("A", "B"), schema={"type": "object"})
KEY = "sk-canary-7Hq2Zr9LmT4vXw81"


def make(server, **settings):
    settings = {"api": "responses", "concurrency": 4, "backoff": 0.002, "timeout": 5.0, **settings}
    return make_openai_model(server.url, "tiny", **settings)


def echo(request):
    return Answer(respond(f"reply to {request.prompt}"))


def priced(server, folder, **settings):
    path = folder / "prices.json"
    price = {"input": 1.0, "cached_input": 0.25, "output": 4.0}
    path.write_text(json.dumps({"as_of": "2026-01-31", "usd_per_million_tokens": {"tiny": price}}))
    return make_ledger_model(make(server, **settings), folder / "l.db", max_cost=1.0, prices=path)


def test_what_is_asked():
    extra = {"reasoning": {"effort": "low"}, "store": False, "text": {"verbosity": "low"}}
    settings = {"system": "Be brief.", "max_tokens": 77, "top_logprobs": 5, "use_schema": True}
    with Loopback(echo) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ask(make(server, extra=extra, **settings), QUESTION) == ["reply to which?"]
    (request,) = server.requests
    assert request.path == "/v1/responses"
    form = {"type": "json_schema", "name": "reply", "strict": True, "schema": {"type": "object"}}
    assert request.data == {
        "model": "tiny",
        "max_output_tokens": 77,
        "reasoning": {"effort": "low"},
        "store": False,
        "text": {"verbosity": "low", "format": form},
        "temperature": 0.0,
        "instructions": "Be brief.",
        "input": "which?",
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 5,
    }


def test_the_schema_keeps_the_order_of_the_task():
    task = make_annotate_task(labels=["PLANT"])
    ((prompts, _),) = task.generate_prompts([spacy.blank("en")("a rose")])
    with Loopback(echo) as server:
        ask(make(server, use_schema=True), prompts[0])
    schema = server.requests[0].data["text"]["format"]["schema"]
    assert list(schema["properties"]) == ["entities", "alternatives"]
    entity = schema["properties"]["entities"]["items"]
    assert list(entity["properties"]) == entity["required"] == ["text", "label", "confidence"]


def test_a_ledger_keeps_replies_with_their_log_probabilities_and_counts_the_money(tmp_path):
    tokens = [{"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "B", "logprob": -2.5}]}]
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 45},
        "total_tokens": 150,
    }
    answer = Answer(respond("A", logprobs=tokens, usage=usage))
    with Loopback(lambda request: answer) as server:
        for n_requests in (1, 1):
            model = priced(server, tmp_path, top_logprobs=5)
            (reply,) = ask(model, QUESTION)
            assert (reply, reply.logprobs) == ("A", [{"B": -2.5, "A": -0.1}])
            assert len(server.requests) == n_requests
            assert model.usage()["cost"] == pytest.approx((40 + 60 * 0.25 + 50 * 4) / 1e6)
            model.close()


def test_a_chat_and_a_response_are_two_questions(tmp_path):
    with Loopback(echo) as server:
        model = make(server)
        request = model.make_request("p")
        assert model.identify(request) != make(server, api="chat").identify(request)


@pytest.mark.parametrize(
    "error, field, left",
    [
        (
            {
                "message": "logprobs are not supported with reasoning models.",
                "type": "invalid_request_error",
                "param": "include",
                "code": "unsupported_parameter",
            },
            "include",
            {"include", "top_logprobs"},
        ),
        (
            {"message": "Unknown include value: 'message.output_text.logprobs'.", "param": "x"},
            "include",
            {"include", "top_logprobs"},
        ),
        (
            {"message": "Unsupported parameter: 'top_logprobs'.", "param": "top_logprobs"},
            "top_logprobs",
            {"include", "top_logprobs"},
        ),
        # llama.cpp, whose server has no log-probabilities here.
        (
            {"code": 400, "message": "top_logprobs requires logprobs to be set to true"},
            "top_logprobs",
            {"include", "top_logprobs"},
        ),
        (
            {"message": "Unsupported parameter: 'temperature' is not supported with this model."},
            "temperature",
            {"temperature"},
        ),
        (
            {
                "message": "Invalid parameter: 'text.format' of type 'json_schema' is not supported.",
                "param": "text.format",
            },
            "text",
            {"text"},
        ),
    ],
)
def test_a_refused_field_is_left_out_once_and_for_all(error, field, left):
    def script(request):
        return Answer({"error": error}, 400) if field in request.data else echo(request)

    with Loopback(script) as server:
        model = make(server, top_logprobs=5, use_schema=True)
        with pytest.warns(UserWarning, match=f"JW330.*field {field} "):
            assert ask(model, QUESTION, QUESTION) == ["reply to which?"] * 2
    fields = {"model", "input", "max_output_tokens", "temperature", "text", "include"}
    assert set(server.requests[-1].data) == (fields | {"top_logprobs"}) - left


def test_log_probabilities_that_never_come_are_missed():
    with Loopback(lambda request: Answer(respond("A", logprobs=[]))) as server:
        with pytest.warns(UserWarning, match="JW331"):
            ask(make(server, top_logprobs=5), *[QUESTION] * 5)


FAILED = [
    {"code": "server_error", "message": "An error occurred while processing your request."},
    {"code": "rate_limit_exceeded", "message": "Rate limit reached"},
    None,
]


@pytest.mark.parametrize("error", FAILED)
def test_a_response_that_failed_is_no_paid_reply_and_is_asked_again(error, tmp_path):
    failed = respond(None, status="failed", error=error, usage=None, output=[])
    with Loopback(lambda r: Answer(failed) if r.number < 2 else echo(r)) as server:
        model = priced(server, tmp_path)
        assert ask(model, "p") == ["reply to p"]
        assert model._store.count() == {"failed": 2, "replied": 1}
        assert model.usage()["cost"] == pytest.approx((10 + 5 * 4) / 1e6)


def test_a_flagged_prompt_abstains():
    text = "Invalid prompt: your prompt was flagged as potentially violating our usage policy."
    error = {"error": {"code": "invalid_prompt", "message": text}}
    with Loopback(lambda r: Answer(error, 400) if r.prompt == "p" else echo(r)) as server:
        replies = ask(make(server), "p", "q")
    assert (replies[0].state, replies[0].reason) == ("abstained", "content_filter")
    assert replies[1] == "reply to q"


def test_a_chat_server_at_this_address_books_nothing(tmp_path):
    with Loopback() as server:
        model = priced(server, tmp_path)
        with pytest.raises(LLMJudgeError, match="J330"):
            ask(model, *(f"p{i}" for i in range(20)))
        assert model.usage()["cost"] == 0.0


def test_a_model_that_answers_there_alone_says_which_setting_it_needs():
    text = "This model is only supported in v1/responses and not in v1/chat/completions."
    with Loopback(lambda request: Answer({"error": {"message": text}}, 404)) as server:
        with pytest.raises(LLMJudgeError, match='J315.*api = "responses"'):
            ask(make(server, api="chat"), "p")


@pytest.mark.parametrize(
    "settings, name",
    [
        ({"api": "completions"}, "api"),
        ({"logprobs_style": "completions"}, "logprobs_style"),
        ({"extra": {"input": "x"}}, "extra"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, name):
    settings = {"api": "responses", **settings}
    with pytest.raises(LLMJudgeError, match=f"J319.*{name}"):
        make_openai_model("https://api.example.com/v1", "m", **settings)


def test_a_limit_that_is_too_low_for_the_provider_stops_with_its_words():
    provider = PROVIDERS["openai_responses"]
    with Loopback(lambda request: provider.answer(request, "")) as server:
        with pytest.raises(LLMJudgeError, match="J315.*below minimum value"):
            ask(make(server, max_tokens=4, temperature=None), "p")
