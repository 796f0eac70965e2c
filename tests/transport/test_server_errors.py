import pytest
from any_json import any_json
from hypothesis import given, settings

from spacy_llmjudge.transport.server_errors import ServerError, read_error

JSON = any_json(
    "error",
    "errors",
    "message",
    "detail",
    "details",
    "code",
    "type",
    "status",
    "param",
    "loc",
    "msg",
)
EXTRA = {
    "type": "extra_forbidden",
    "loc": ["body", "seed"],
    "msg": "Extra inputs are not permitted",
}


@settings(deadline=None, max_examples=300)
@given(JSON)
def test_anything_gives_an_error(data):
    found = read_error(data)
    assert isinstance(found, ServerError)
    assert found.status == 0 or 400 <= found.status < 600
    assert "\n" not in found.message and len(found.message) <= 300


@pytest.mark.parametrize(
    "body, codes, message",
    [
        ({"error": {"code": "c", "message": "m\nn"}}, "c", "m n"),
        ({"error": {"type": "t", "message": "m"}}, "t", "m"),
        ({"error": "m"}, "", "m"),
        ({"detail": "m"}, "", "m"),
        ({"message": "m"}, "", "m"),
        ({"error": {"code": 400, "type": "a"}}, "400 a", "400, a"),
        ([{"error": {"code": 400, "message": "m", "status": "INVALID"}}], "400 INVALID", "m"),
        ({"detail": [EXTRA]}, "extra_forbidden", "Extra inputs are not permitted"),
        (
            {"object": "error", "message": {"detail": [EXTRA]}, "type": "invalid_request_error"},
            "invalid_request_error extra_forbidden",
            "Extra inputs are not permitted",
        ),
        ({"errors": [{"message": "a"}, {"message": "b"}]}, "", "a; b"),
        ({"errors": ["a", "b"]}, "", "a; b"),
        ({"code": "bad", "error": "m"}, "bad", "m"),
        ("m", "", "m"),
        (["m"], "", "m"),
        ({}, "", ""),
    ],
)
def test_errors_in_all_shapes(body, codes, message):
    found = read_error(body)
    assert (found.codes, found.message) == (codes, message)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "m", "param": "seed"}},
        {"detail": [EXTRA]},
        {"message": {"detail": [EXTRA]}},
    ],
)
def test_the_field_that_an_error_is_about(body):
    assert read_error(body).field == "seed"


@pytest.mark.parametrize("code", [503, "503"])
def test_a_status_in_the_body(code):
    assert read_error({"error": {"message": "m", "code": code}}).status == 503


def test_an_error_page_is_shortened():
    assert read_error(None, "<html>\n" + "x" * 5000).message.startswith("<html> xxx")
    assert len(read_error(None, "x" * 5000).message) == 300


def test_errors_in_other_words():
    assert (
        read_error({"error_code": 17, "error_msg": "Daily limit reached"}).message
        == "Daily limit reached"
    )
