import json
import logging
import pickle
import socket
import threading
import time
import traceback
import warnings

import pytest
from asking import ask
from faults import BAD_BODIES, FAULTS
from loopback import Answer, Loopback, chat

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.transport.messages import Prompt

VARIABLE = "LLMJUDGE_TEST_KEY"
KEY = "sk-canary-7Hq2Zr9LmT4vXw81"


def make(server, **settings):
    settings = {"model": "tiny", "concurrency": 8, "backoff": 0.002, "timeout": 5.0, **settings}
    return make_openai_model(server.url, **settings)


def echo(request):
    return Answer(chat(f"reply to {request.prompt}"))


def test_replies_come_in_the_order_of_the_prompts():
    def script(request):
        return Answer(chat(request.prompt), delay=0.05 if request.prompt.endswith("0") else 0)

    with Loopback(script) as server:
        groups = [[f"{i}.{j}" for j in range(i % 4)] for i in range(40)]
        found = [list(map(str, replies)) for replies in make(server)(groups)]
    assert found == groups


def test_a_request_holds_what_the_config_says():
    with Loopback() as server:
        prompt = Prompt("question", schema={"type": "object"}, options=("A", "B"), sample=2)
        settings = {"system": "role", "seed": 5, "temperature": 0.7, "max_tokens": 9}
        ask(make(server, use_schema=True, top_logprobs=3, extra={"top_p": 0.5}, **settings), prompt)
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert "authorization" not in request.headers
    assert request.data == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "role"},
            {"role": "user", "content": "question"},
        ],
        "max_tokens": 9,
        "temperature": 0.7,
        "seed": 7,
        "top_p": 0.5,
        "logprobs": True,
        "top_logprobs": 3,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "reply", "strict": True, "schema": {"type": "object"}},
        },
    }


def test_a_plain_string_is_a_prompt_too():
    with Loopback(echo) as server:
        assert ask(make(server, use_schema=True, top_logprobs=3), "hello") == ["reply to hello"]
    assert set(server.requests[0].data) == {
        "model",
        "messages",
        "max_tokens",
        "temperature",
        "seed",
    }


def test_a_task_that_reads_all_tokens_gets_them_without_alternatives():
    tokens = [{"token": "A", "logprob": -0.1, "bytes": [65], "top_logprobs": []}]
    with Loopback(lambda request: Answer(chat("A", logprobs=tokens))) as server:
        for n in (0, 20):
            (reply,) = ask(make(server, top_logprobs=n), Prompt("q", logprobs=True))
            assert reply.tokens == [(b"A", -0.1)]
    assert [request.data["top_logprobs"] for request in server.requests] == [1, 1]
    assert all(request.data["logprobs"] is True for request in server.requests)


def test_a_task_that_reads_all_tokens_says_itself_that_they_never_come():
    with Loopback(echo) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        ask(make(server, concurrency=1), *(Prompt(f"p{i}", logprobs=True) for i in range(5)))


def test_logprobs_and_usage_arrive():
    top = [{"token": "A", "logprob": -0.1}, {"token": "B", "logprob": -2.5}]
    tokens = [{"token": "A", "logprob": -0.1, "top_logprobs": top}]
    with Loopback(lambda request: Answer(chat("A", logprobs=tokens))) as server:
        (reply,) = ask(make(server), Prompt("q", options=("A", "B")))
    assert reply.logprobs == [{"A": -0.1, "B": -2.5}]
    assert reply.usage == {"tokens_in": 10, "tokens_out": 5}


def test_many_requests_are_under_way_at_once():
    with Loopback(echo, latency=0.1) as server:
        ask(make(server, concurrency=16), *(f"p{i}" for i in range(64)))
    assert 12 <= server.most_at_once <= 16


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_permanent_error_costs_one_request_and_names_its_cause(status, monkeypatch):
    monkeypatch.setenv(VARIABLE, KEY)
    body = {"error": {"message": f"no: {KEY}", "code": "nope"}}
    with Loopback(lambda request: Answer(body, status)) as server:
        model = make(server, api_key_env=VARIABLE, concurrency=32)
        start = time.monotonic()
        with pytest.raises(LLMJudgeError) as caught:
            ask(model, *(f"p{i}" for i in range(200)))
    assert time.monotonic() - start < 2
    assert len(server.requests) == 1
    message = str(caught.value)
    assert "J315" in message and "\n" not in message
    for part in (str(status), f"127.0.0.1:{server.port}", VARIABLE, "tiny", "no: [redacted]"):
        assert part in message


def test_a_key_that_is_revoked_in_the_middle_stops_the_run():
    def script(request):
        return echo(request) if request.number < 20 else Answer({"error": "revoked"}, 401)

    with Loopback(script) as server:
        with pytest.raises(LLMJudgeError, match="J315"):
            ask(make(server, concurrency=4), *(f"p{i}" for i in range(200)))
    assert len(server.requests) <= 20 + 4


def test_one_bad_prompt_costs_no_other_its_reply():
    def script(request):
        return Answer({"error": "bad"}, 400) if request.prompt == "p7" else echo(request)

    with Loopback(script) as server:
        replies = ask(make(server, concurrency=4), *(f"p{i}" for i in range(20)))
    bad = replies.pop(7)
    assert (bad, bad.state, bad.reason) == ("", "abstained", "http_400")
    assert all(reply.state == "replied" for reply in replies)


def test_a_prompt_that_is_too_long_abstains_even_when_it_is_the_first():
    error = {"error": {"message": "too long", "code": "context_length_exceeded"}}
    with Loopback(lambda request: Answer(error, 400)) as server:
        (reply,) = ask(make(server), "p")
    assert (reply.state, reply.reason) == ("abstained", "prompt_too_long")


def test_used_up_credit_is_permanent():
    error = {"error": {"message": "quota", "code": "insufficient_quota"}}
    with Loopback(lambda request: Answer(error, 429)) as server:
        with pytest.raises(LLMJudgeError, match="credit is used up"):
            ask(make(server), "p")
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_a_passing_error_is_tried_again(status):
    def script(request):
        return Answer("<html>", status) if request.number < 2 else echo(request)

    with Loopback(script) as server:
        assert ask(make(server), "p") == ["reply to p"]
    assert len(server.requests) == 3


def test_tries_end():
    with Loopback(lambda request: Answer(b"", 503)) as server:
        (reply,) = ask(make(server, max_tries=3), "p")
    assert (reply.state, reply.reason) == ("not_sent", "http_503")
    assert len(server.requests) == 3


def test_a_429_pauses_every_worker_until_the_hint():
    hint, refused = 0.6, []

    def script(request):
        if request.number == 40:
            refused.append(request)
            return Answer(b"", 429, {"Retry-After-Ms": str(int(1000 * hint))})
        return Answer(chat(), delay=0.01)

    with Loopback(script) as server:
        replies = ask(make(server, concurrency=16), *(f"p{i}" for i in range(300)))
    assert all(reply.state == "replied" for reply in replies)
    until = refused[0].time + hint
    later = server.requests[41:]
    (again,) = [r for r in later if r.prompt == refused[0].prompt]
    assert again.time >= until
    # Each of the other workers may have had one request under way that could not know.
    assert sum(r.time < until for r in later) <= 15
    assert len(later) == 260


def test_a_wait_that_is_too_long_stops_the_run():
    with Loopback(lambda request: Answer(b"", 429, {"Retry-After": "3600"})) as server:
        with pytest.raises(LLMJudgeError, match=r"J317.*3600 seconds.*UTC"):
            ask(make(server, max_wait=60.0), *(f"p{i}" for i in range(50)))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault", ["reset", "reset_body", "short_body", "drip_body", "drip_headers"]
)
def test_a_broken_exchange_is_tried_again(fault):
    def script(request):
        return Answer(chat("x" * 400), fault=fault if request.number == 0 else None)

    with Loopback(script) as server:
        assert ask(make(server, timeout=0.3), "p") == ["x" * 400]
    assert len(server.requests) == 2


def test_a_drip_does_not_hold_a_worker_longer_than_the_timeout():
    with Loopback(lambda request: Answer(chat("x" * 400), fault="drip_headers")) as server:
        start = time.monotonic()
        (reply,) = ask(make(server, timeout=0.3, max_tries=1), "p")
    assert (reply.state, reply.reason) == ("not_sent", "timeout")
    assert time.monotonic() - start < 1.0


def test_the_watchman_goes_home_and_comes_again(monkeypatch):
    monkeypatch.setattr("spacy_llmjudge.transport.http._IDLE", 2)

    def watchmen():
        return [
            t for t in threading.enumerate() if t.name == "llmjudge-watchman" and t not in before
        ]

    before = threading.enumerate()

    def script(request):
        return echo(request) if request.number == 0 else Answer(chat("x" * 400), fault="drip_body")

    with Loopback(script) as server:
        model = make(server, timeout=0.4, max_tries=1)
        ask(model, "p")
        until = time.monotonic() + 5
        while watchmen() and time.monotonic() < until:
            time.sleep(0.02)
        assert not watchmen()
        (reply,) = ask(model, "p")
    assert reply.reason == "timeout"


def test_an_oversized_reply_is_cut_and_paid_once():
    """The next run asks again, and the warning says which setting to change before it."""

    def script(request):
        return Answer(b" " * 20_000_000) if request.prompt == "long" else echo(request)

    with Loopback(script) as server:
        with pytest.warns(UserWarning, match="JW332.*max_reply_bytes = 10000"):
            replies = ask(make(server, max_tries=6, max_reply_bytes=10_000), "p", "long", "q")
    assert (replies[1].state, replies[1].reason) == ("not_sent", "oversized")
    assert [replies[0], replies[2]] == ["reply to p", "reply to q"]
    assert len(server.requests) == 3


def test_nobody_listens():
    with Loopback() as server:
        pass
    (reply,) = ask(make(server, max_tries=2), "p")
    assert (reply.state, reply.reason) == ("not_sent", "refused")


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_never_an_answer(name):
    body, state, reason = BAD_BODIES[name]
    with Loopback(lambda request: Answer(body) if request.number else echo(request)) as server:
        _, reply = ask(make(server, max_tries=2), "p", "q")
    assert (reply, reply.state, reply.reason) == ("", state, reason)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>captive portal</html>",
        b"[]",
        b'"OK"',
        b"\xff\xfe\x00",
        b"{}",
        b'{"models": []}',
        b'{"error": "Unexpected endpoint or method. (POST /chat/completions)"}',
    ],
)
def test_an_address_without_a_chat_server_is_one_request_and_one_line(body):
    with Loopback(lambda request: Answer(body)) as server:
        with pytest.raises(LLMJudgeError, match="J330.*Check base_url") as caught:
            ask(make(server, concurrency=8), *(f"p{i}" for i in range(50)))
    assert len(server.requests) == 1 and "\n" not in str(caught.value)


def test_a_server_that_is_down_is_not_asked_for_ever():
    with Loopback(lambda request: Answer(b"", 503)) as server:
        with pytest.warns(UserWarning, match="JW313.*http_503"):
            replies = ask(make(server, max_tries=1), *(f"p{i}" for i in range(500)))
    assert len(server.requests) < 100
    assert {(r.state, r.reason) for r in replies} == {
        ("not_sent", "http_503"),
        ("not_sent", "server_down"),
    }


def run_faulty(fault_of, n_prompts, **settings):
    """Ask through a server that breaks as `fault_of(number)` says; what is answered is right. The first
    one is, so that the address is known to be that of a chat server."""

    def script(request):
        fault = FAULTS.get(fault_of(request.number)) if request.number else None
        return fault or Answer(chat(request.prompt))

    settings = {"concurrency": 32, "timeout": 0.25, "max_reply_bytes": 100_000, **settings}
    prompts = [f"prompt {i}" for i in range(n_prompts)]
    with Loopback(script) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        replies = ask(make(server, **settings), *prompts)
    assert len(replies) == n_prompts
    for prompt, reply in zip(prompts, replies):
        assert reply.state in ("replied", "abstained", "not_sent")
        assert reply == (prompt if reply.state == "replied" else "")
        assert (reply.reason is None) == (reply.state == "replied")
    return replies


def test_mixed_faults_end_in_a_known_state():
    names = sorted(FAULTS)
    fault_of = dict(enumerate(names))
    replies = run_faulty(lambda n: fault_of.get(n % 80), 400, timeout=1.0)
    assert sum(reply.state == "replied" for reply in replies) > 300


@pytest.mark.slow
@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_each_fault_alone(fault):
    # only what waits is cut off soon: on a busy machine an answer may take a while
    timeout = 0.25 if fault in ("hang", "drip_body", "drip_headers") else 5.0
    replies = run_faulty(lambda n: fault, 200, max_tries=2, timeout=timeout)
    assert sum(reply.state == "replied" for reply in replies) == 1
    if fault == "refused":
        assert "refused" in {reply.reason for reply in replies}


@pytest.mark.slow
def test_5000_calls_with_all_faults_mixed():
    names = sorted(FAULTS)
    replies = run_faulty(lambda n: names[n * 7 % 100] if n * 7 % 100 < len(names) else None, 5000)
    assert sum(reply.state == "replied" for reply in replies) > 4500


def test_nothing_is_asked_before_the_first_prompt(monkeypatch):
    def refuse(*args, **settings):
        raise AssertionError("network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    model = make_openai_model("https://api.example.com/v1", "m", api_key_env="NOT_SET_ANYWHERE")
    assert "NOT_SET_ANYWHERE" in repr(pickle.loads(pickle.dumps(model)))
    with pytest.raises(LLMJudgeError, match="J313.*NOT_SET_ANYWHERE.*api.example.com"):
        ask(model, "p")


def test_the_key_goes_into_the_header_and_nowhere_else(monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, KEY)

    def script(request):
        echoed = f"you sent {request.headers['authorization']}"
        if request.number == 0:
            return Answer({"error": {"message": echoed}}, 500)
        if request.number == 1:
            return Answer(chat(echoed))
        return Answer({"error": {"message": echoed}}, 401)

    caplog.set_level(logging.DEBUG)
    with Loopback(script) as server:
        model = make(server, api_key_env=VARIABLE)
        (reply,) = ask(model, "p")
        try:
            ask(model, "q")
        except LLMJudgeError as error:
            found = traceback.TracebackException.from_exception(error, capture_locals=True)
            trace = "".join(found.format(chain=True))
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    shown = [trace, reply, repr(model), repr(vars(model)), caplog.text, str(pickle.dumps(model))]
    assert not any(KEY in text for text in shown)
    assert "redacted" in reply and "redacted" in trace


def test_a_traceback_of_a_failed_exchange_holds_no_key(monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, KEY)
    found = []
    monkeypatch.setattr(threading, "excepthook", lambda args: found.append(args.exc_value))
    with Loopback(lambda request: Answer(b"", fault="reset")) as server:
        (reply,) = ask(make(server, api_key_env=VARIABLE, max_tries=1), "p")
    assert reply.reason == "reset"
    assert found == [] and KEY not in capsys.readouterr().err


@pytest.mark.parametrize("key", ["x", "ollama", "EMPTY"])
def test_a_word_that_stands_for_a_key_takes_nothing_out_of_replies(key, monkeypatch):
    """What servers without keys are given; as a secret it would break the JSON, or the words."""
    monkeypatch.setenv(VARIABLE, key)
    text = "an EMPTY box of ollama extras"
    with Loopback(lambda request: Answer(chat(text))) as server:
        assert ask(make(server, api_key_env=VARIABLE), "p") == [text]
    assert server.requests[0].headers["authorization"] == f"Bearer {key}"


def test_a_key_that_json_writes_in_another_way_is_taken_out(monkeypatch):
    key = "sk/canary/7Hq2Zr9LmT4vXw81"
    monkeypatch.setenv(VARIABLE, key)
    body = json.dumps(chat(f"you sent {key}")).replace("/", "\\/").encode()
    with Loopback(lambda request: Answer(body)) as server:
        assert ask(make(server, api_key_env=VARIABLE), "p") == ["you sent [redacted]"]


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-ä", "two words"])
def test_a_key_with_odd_characters_is_refused_without_showing_it(key, monkeypatch):
    monkeypatch.setenv(VARIABLE, key)
    with Loopback() as server:
        with pytest.raises(LLMJudgeError, match="J314") as caught:
            ask(make(server, api_key_env=VARIABLE), "p")
    assert key not in str(caught.value) and server.requests == []


def test_a_redirection_is_not_followed_and_carries_no_key(monkeypatch):
    monkeypatch.setenv(VARIABLE, KEY)
    with Loopback() as other:

        def script(request):
            return Answer(b"", 307, {"Location": f"{other.url}/chat/completions"})

        with Loopback(script) as server:
            with pytest.raises(LLMJudgeError, match="J316.*307"):
                ask(make(server, api_key_env=VARIABLE), "p")
    assert other.requests == []


@pytest.mark.parametrize(
    "settings, code",
    [
        ({"base_url": "http://api.example.com/v1"}, "J311"),
        ({"base_url": "api.example.com/v1"}, "J310"),
        ({"base_url": "ftp://api.example.com"}, "J310"),
        ({"base_url": "https://me:secret@api.example.com/v1"}, "J310"),
        ({"base_url": "https://api.example.com/v1?key=abc"}, "J310"),
        ({"api_key_env": KEY}, "J312"),
        ({"extra": {"headers": {"Authorization": f"Bearer {KEY}"}}}, "J312"),
        ({"model": KEY}, "J312"),
        ({"extra": {"stream": True}}, "J319.*stream"),
        ({"extra": {"max_tokens": 10**9}}, "J319.*max_tokens"),
        ({"concurrency": 0}, "J319"),
        ({"max_tries": 0}, "J319"),
        ({"timeout": 0.0}, "J319"),
    ],
)
def test_bad_settings_are_refused(settings, code):
    settings = {"base_url": "https://api.example.com/v1", "model": "m", **settings}
    with pytest.raises(LLMJudgeError, match=code) as caught:
        make_openai_model(**settings)
    assert KEY not in str(caught.value) and "secret" not in str(caught.value).split("secret key")[0]


def test_plain_http_can_be_allowed():
    make_openai_model("http://gpu.example.com/v1", "m", allow_insecure=True)


def test_the_same_question_is_always_the_same_to_a_ledger():
    first = make_openai_model("http://localhost/v1", "m", extra={"a": 1, "b": {"c": 2, "d": 3}})
    second = make_openai_model("http://localhost/v1", "m", extra={"b": {"d": 3, "c": 2}, "a": 1})
    prompt = Prompt("q \ud800 é")
    identities = {m.identify(m.make_request(prompt)) for m in (first, second)}
    assert len(identities) == 1
    assert first.make_request(prompt) == first.make_request(prompt)


def test_a_stream_that_is_left_early_ends_its_threads():
    with Loopback(lambda request: Answer(chat(), delay=0.01)) as server:
        stream = make(server)([f"p{i}"] for i in range(1000))
        next(iter(stream))
        stream.close()
        names = [thread.name for thread in threading.enumerate()]
        assert "llmjudge-worker" not in names
    assert len(server.requests) < 100


def test_prompts_are_not_read_far_ahead():
    read = []

    def prompts():
        for i in range(2000):
            read.append(i)
            yield [f"p{i}"]

    with Loopback() as server:
        stream = make(server, concurrency=4)(prompts())
        for done, _ in enumerate(stream, 1):
            assert len(read) - done <= 4 * 4 + 1
