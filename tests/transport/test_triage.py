import pytest
from any_json import any_json
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.transport.server_errors import read_error
from spacy_llmjudge.transport.triage import RETRY, SKIP, STOP, triage

# Errors of one prompt, as providers write them, with the status that they come with.
OF_A_PROMPT = [
    (
        400,
        {"error": {"code": "content_filter", "message": "The response was filtered"}},
        "content_filter",
    ),
    (
        400,
        {
            "error": {
                "code": "content_filter",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
        "content_filter",
    ),
    (403, {"error": {"code": 403, "message": "Your input was flagged"}}, "content_filter"),
    (403, {"code": "bad", "error": "Content violates usage guidelines."}, "content_filter"),
    (400, {"error": {"message": "m", "code": "content_policy_violation"}}, "content_filter"),
    (400, {"error": {"code": "data_inspection_failed", "message": "m"}}, "content_filter"),
    (
        400,
        {"error": {"message": "Failed to validate JSON", "code": "json_validate_failed"}},
        "json_validate_failed",
    ),
    (
        400,
        {
            "error": {
                "code": 400,
                "type": "exceed_context_size_error",
                "message": "the request exceeds the available context size, try increasing it",
            }
        },
        "prompt_too_long",
    ),
    (400, {"error": {"message": "m", "code": "context_length_exceeded"}}, "prompt_too_long"),
    (
        400,
        {"object": "error", "message": "This model's maximum context length is 9"},
        "prompt_too_long",
    ),
    (400, {"error": {"message": "prompt is too long: 9 tokens > 8 maximum"}}, "prompt_too_long"),
    (
        429,
        {"error": {"message": "Request too large for tiny on TPM", "code": "x"}},
        "prompt_too_long",
    ),
    (413, "<html>Request Entity Too Large</html>", "prompt_too_long"),
    (
        500,
        {"error": {"message": "the request exceeds the available context size"}},
        "prompt_too_long",
    ),
]
# Errors that end the run.
OF_THE_RUN = [
    (401, {"error": "no"}),
    (403, {"error": "no"}),
    (404, {"detail": "Not Found"}),
    (402, {"error": {"message": "Insufficient Balance"}}),
    (429, {"error": {"code": "insufficient_quota", "message": "m"}}),
    (400, {"error": {"message": "Your credit balance is too low to access the API"}}),
    (501, {"error": "m"}),
    (307, ""),
]


@pytest.mark.parametrize("status, body, reason", OF_A_PROMPT)
@pytest.mark.parametrize("accepted", [False, True])
def test_one_bad_prompt_is_skipped_even_when_it_is_the_first(status, body, reason, accepted):
    course = triage(status, read_error(body), accepted)
    assert (course.action, course.reason) == (SKIP, reason) and not course.billed


@pytest.mark.parametrize("status, body", OF_THE_RUN)
@pytest.mark.parametrize("accepted", [False, True])
def test_what_no_prompt_can_help_stops_the_run(status, body, accepted):
    assert triage(status, read_error(body), accepted).action == STOP


@pytest.mark.parametrize("status", [408, 409, 424, 425, 429, 498, 500, 502, 503, 504, 524, 529])
@pytest.mark.parametrize("accepted", [False, True])
def test_what_passes_is_tried_again(status, accepted):
    course = triage(status, read_error({"error": "m"}), accepted)
    assert (course.action, course.reason) == (RETRY, f"http_{status}")
    assert course.pause_all == (status in (429, 498, 529))
    assert course.billed == (status in (504, 524)), "a gateway does not know what is paid"


@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_is_about_its_prompt_once_others_were_accepted(status):
    error = read_error({"error": "bad"})
    assert triage(status, error, accepted=True).action == SKIP
    assert triage(status, error, accepted=False).action == STOP


def test_an_error_without_a_status_is_tried_again_where_the_server_is_known_or_busy():
    assert triage(0, read_error({"error": "m"}), accepted=True).action == RETRY
    assert triage(0, read_error({"error": "overloaded"}), accepted=False).action == RETRY
    unknown = read_error({"error": "Unexpected endpoint or method. (POST /chat/completions)"})
    assert triage(0, unknown, accepted=False).action == STOP


@settings(deadline=None)
@given(any_json("error", "message", "code"), st.integers(0, 599), st.booleans())
def test_every_error_has_a_course(body, status, accepted):
    course = triage(status, read_error(body), accepted)
    assert course.action in (RETRY, SKIP, STOP) and course.reason
