"""Who may ask the server for what."""

import json

import pytest
from review_helpers import make_docs, make_session, request, serving

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.review.server import HEADERS, bind

JSON = {"Content_Type": "application/json"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    session = make_session(tmp_path_factory.mktemp("review"), make_docs(40), planned=80)
    with serving(session) as address:
        yield session, address


def origin_of(address):
    return address.split("/", 3)[0] + "//" + address.split("/")[2]


def answer_to(session, address, **headers):
    item = session.state("ann")["item"]
    data = {"by": "ann", "item": item["id"], "spans": [list(one) for one in item["spans"]]}
    return request(address, "answer", data, **{**JSON, "Origin": origin_of(address), **headers})


def test_the_page_and_its_parts_are_there_with_a_policy(served):
    _, address = served
    for path, kind in (("", "html"), ("review.js", "javascript"), ("review.css", "css")):
        status, headers, body = request(address, path)
        assert status == 200 and kind in headers["content-type"] and body
        for name, value in HEADERS.items():
            assert headers[name.lower()] == value
        assert "access-control-allow-origin" not in headers
    assert "'unsafe" not in HEADERS["Content-Security-Policy"]


def test_an_answer_of_the_page_is_kept(served):
    session, address = served
    n = len(session.answers.given)
    status, _, body = answer_to(session, address)
    assert status == 200 and len(session.answers.given) == n + 1
    assert json.loads(body)["certificate"]["answered"] >= 1


@pytest.mark.parametrize("host", ["localhost:1234", "127.0.0.1", "LOCALHOST:80", "[::1]:8765"])
def test_the_other_end_of_a_tunnel_may_have_any_port(served, host):
    session, address = served
    assert request(address, Host=host)[0] == 200
    assert answer_to(session, address, Host=host, Origin=f"http://{host}")[0] == 200


@pytest.mark.parametrize(
    "host",
    ["example.org", "127.0.0.1.example.org", "localhost.example.org:80", "", "[::", "0.0.0.0"],
)
def test_another_host_is_refused(served, host):
    session, address = served
    assert request(address, Host=host)[0] in (400, 403)
    assert answer_to(session, address, Host=host, Origin=f"http://{host}")[0] in (400, 403)


@pytest.mark.parametrize(
    "origin", ["http://example.org", "null", None, "http://localhost:1", "https://127.0.0.1"]
)
def test_another_origin_changes_nothing(served, origin):
    session, address = served
    before = session.answers.path.read_bytes()
    assert answer_to(session, address, Origin=origin)[0] == 403
    assert session.answers.path.read_bytes() == before


def test_another_origin_may_not_even_read(served):
    _, address = served
    assert request(address, "task", Origin="http://example.org")[0] == 403


@pytest.mark.parametrize("token", ["", "x", "%00", "..", "..%2f"])
def test_without_the_token_there_is_nothing(served, token):
    session, address = served
    wrong = f"{origin_of(address)}/{token}/"
    for path in ("", "task", "state?by=ann"):
        status, _, body = request(wrong, path)
        assert status == 403 and "PEST" not in body
    assert answer_to(session, wrong)[0] == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_what_a_form_can_send_is_refused(served, kind):
    session, address = served
    assert answer_to(session, address, Content_Type=kind)[0] == 403


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"1" * 6_000_000])
def test_a_body_that_is_none_is_one_line(served, body):
    _, address = served
    status, _, found = request(address, "answer", body, Origin=origin_of(address), **JSON)
    assert status == 422 and "J932" in json.loads(found)["error"]


@pytest.mark.parametrize(
    "path", ["../server.py", "..%2fserver.py", "index.html", "other", "answer"]
)
def test_other_files_are_not_there(served, path):
    _, address = served
    assert request(address, path)[0] in (403, 404, 405)


def test_a_port_that_is_taken_is_an_error():
    with bind(0) as place:
        place.listen()
        with pytest.raises(LLMJudgeError, match="J936"):
            bind(place.getsockname()[1])
