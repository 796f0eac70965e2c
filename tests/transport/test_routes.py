"""Proxies and certificates that cannot be used: nothing is sent, and nothing is counted as paid."""

import json
import socket
import threading
import warnings

import certifi
import pytest
from loopback import Answer, Loopback, chat

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.transport.routes import find_route

URL = "https://api.example.com/v1"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
CERTIFICATES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    for name in (*PROXIES, *(name.upper() for name in PROXIES), *CERTIFICATES):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def ledger(tmp_path):
    """RETURNS (Callable): Makes a ledger around a server, with a price and a budget."""
    prices = tmp_path / "prices.json"
    table = {"as_of": "2026-01-31", "usd_per_million_tokens": {"tiny": {"input": 1, "output": 4}}}
    prices.write_text(json.dumps(table))

    def make(url=URL, **settings):
        settings = {"max_tries": 2, "backoff": 0.01, "timeout": 5.0, **settings}
        model = make_openai_model(url, "tiny", **settings)
        return make_ledger_model(model, tmp_path / "l.db", max_cost=1.0, prices=prices)

    return make


def ask(model, n=5):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [reply for (reply,) in model([[f"p{i}"] for i in range(n)])]


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://127.0.0.1:1080",
        "proxy.example.com:3128",
        "127.0.0.1:3128",
        "http://",
        "ftp://proxy.example.com",
        "http://[",
    ],
)
def test_a_proxy_that_cannot_be_used_is_one_line(variable, proxy, ledger, monkeypatch):
    monkeypatch.setenv(variable, proxy)
    model = ledger()
    with pytest.raises(LLMJudgeError, match="J337.*Nothing was sent") as caught:
        ask(model)
    assert variable.lower() in str(caught.value)
    assert model.usage()["cost"] == 0.0


def test_the_password_of_a_proxy_is_not_shown(ledger, monkeypatch):
    monkeypatch.setenv("https_proxy", "socks5://me:hunter2secret@127.0.0.1:1080")
    with pytest.raises(LLMJudgeError, match="J337") as caught:
        ask(ledger())
    assert "hunter2secret" not in str(caught.value)


@pytest.mark.parametrize("variable", CERTIFICATES)
@pytest.mark.parametrize("content", [None, "", "no certificates", "-----BEGIN CERTIFICATE-----"])
def test_certificates_that_cannot_be_used_are_one_line(
    variable, content, ledger, monkeypatch, tmp_path
):
    path = tmp_path / "certificates.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    model = ledger()
    with pytest.raises(LLMJudgeError, match=f"J338.*{variable}.*certificates.pem"):
        ask(model)
    assert model.usage()["cost"] == 0.0


def test_certificates_that_are_named_are_used(monkeypatch, tmp_path):
    path = tmp_path / "certificates.pem"
    path.write_text(open(certifi.where()).read())
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    connections, _ = find_route(URL, 1)
    assert connections.ca_certs == str(path)


def serve(words):
    """A server that says something to each connection and closes it. RETURNS (Tuple): Socket, port."""
    server = socket.create_server(("127.0.0.1", 0))

    def run():
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            client.settimeout(5)
            with client:
                client.recv(65536)
                client.sendall(words)

    threading.Thread(target=run, daemon=True).start()
    return server, server.getsockname()[1]


@pytest.mark.parametrize(
    "words",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
        # The tunnel stands, and then it is no TLS server.
        b"HTTP/1.1 200 OK\r\n\r\nhello",
    ],
)
def test_a_proxy_that_gives_no_way_books_nothing(words, ledger, monkeypatch):
    server, port = serve(words)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
    try:
        model = ledger()
        replies = ask(model)
    finally:
        server.close()
    assert {reply.state for reply in replies} == {"not_sent"}
    assert model.usage()["cost"] == 0.0


def test_nobody_at_the_proxy_books_nothing_and_says_so(ledger, monkeypatch):
    with Loopback() as gone:
        pass
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{gone.port}")
    model = ledger()
    with pytest.warns(UserWarning, match="JW336.*api.example.com"):
        list(model([["p"]]))
    assert model.usage()["cost"] == 0.0


def test_a_plain_proxy_that_works_is_used(ledger, monkeypatch):
    with Loopback(lambda request: Answer(chat(request.prompt))) as server:
        monkeypatch.setenv("http_proxy", f"http://me:secret@127.0.0.1:{server.port}")
        model = ledger("http://api.example.com/v1", allow_insecure=True)
        assert ask(model, 2) == ["p0", "p1"]
    assert server.requests[0].path == "http://api.example.com/v1/chat/completions"
    assert server.requests[0].headers["proxy-authorization"].startswith("Basic ")


def test_a_server_on_this_machine_needs_no_proxy(ledger, monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with Loopback(lambda request: Answer(chat(request.prompt))) as server:
        assert ask(ledger(server.url), 1) == ["p0"]


def test_a_host_that_is_excepted_needs_no_proxy(monkeypatch):
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "api.example.com")
    find_route(URL, 1)


def test_a_server_that_is_no_tls_server_books_nothing(ledger):
    server, port = serve(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    try:
        model = ledger(f"https://127.0.0.1:{port}/v1")
        replies = ask(model)
    finally:
        server.close()
    assert {(r.state, r.reason) for r in replies} <= {("not_sent", "tls"), ("not_sent", "refused")}
    assert model.usage()["cost"] == 0.0


def test_a_connection_that_breaks_after_the_request_left_may_be_paid(ledger):
    with Loopback(lambda request: Answer(b"", fault="reset")) as server:
        model = ledger(server.url)
        (reply,) = ask(model, 1)
    assert reply.reason == "reset" and model.usage()["cost"] > 0.0
