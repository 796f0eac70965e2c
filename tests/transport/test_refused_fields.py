import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.transport.refused_fields import (
    OPTIONAL,
    Remedy,
    apply_remedies,
    find_remedy,
)
from spacy_llmjudge.transport.server_errors import read_error

BODY = {
    "model": "m",
    "max_tokens": 64,
    "temperature": 0.0,
    "messages": [],
    "seed": 0,
    "response_format": {"type": "json_schema"},
    "logprobs": True,
    "top_logprobs": 20,
}


def error(message, **fields):
    return {"error": {"message": message, **fields}}


def forbidden(field):
    found = {
        "type": "extra_forbidden",
        "loc": ["body", field],
        "msg": "Extra inputs are not permitted",
    }
    return {"object": "error", "message": {"detail": [found]}, "type": "invalid_request_error"}


# Refusals as servers write them.
REFUSALS = [
    (400, error("Unsupported parameter: 'seed' is not supported", param="seed"), "seed"),
    (
        400,
        error(
            "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1)"
            " value is supported.",
            param="temperature",
            code="unsupported_value",
        ),
        "temperature",
    ),
    (403, error("You are not allowed to request logprobs from this model", param=None), "logprobs"),
    (422, forbidden("seed"), "seed"),
    (
        422,
        {"detail": [{"loc": ["body", "logprobs"], "msg": "extra fields not permitted"}]},
        "logprobs",
    ),
    (
        400,
        {
            "object": "error",
            "message": "[{'type': 'extra_forbidden', 'loc': ('body', 'seed'), 'msg': 'Extra inputs'}]",
        },
        "seed",
    ),
    (
        400,
        [error('Invalid JSON payload received. Unknown name "seed": Cannot find field.')],
        "seed",
    ),
    (400, {"code": "c", "error": "Argument not supported on this model: logprobs"}, "logprobs"),
    (
        400,
        {"code": "c", "error": "Model tiny does not support parameter topLogprobs."},
        "top_logprobs",
    ),
    (400, error("`logprobs` is not supported with this model"), "logprobs"),
    (400, error("property 'logprobs' is unsupported, did you mean 'logit_bias'?"), "logprobs"),
    (
        400,
        error("tiny doesn't support logprobs. Please remove 'logprobs' from your request"),
        "logprobs",
    ),
    (400, error("This response_format type is unavailable now"), "response_format"),
    (400, error("This model does not support response format `json_schema`."), "response_format"),
    (400, error("invalid response_format: json_schema is not supported"), "response_format"),
    (400, {"message": "extraneous key [seed] is not permitted"}, "seed"),
    (400, error("Unrecognized request argument supplied: seed"), "seed"),
    (400, error("unknown field: temperature"), "temperature"),
    (400, error("`temperature` is deprecated for this model."), "temperature"),
]
# Errors that are about something else, though a name stands in them.
OTHERS = [
    (400, error("I cannot help with a text about seed potatoes; it is not allowed.")),
    (400, error("Invalid temperature of the greenhouse in your text")),
    (401, error("Unsupported parameter: 'seed'", param="seed")),
    (429, error("seed: rate limit", param="seed")),
    (
        400,
        error(
            "max_tokens is too large: 9000. This model supports at most 4096", param="max_tokens"
        ),
    ),
    (400, error("bad request")),
]


@pytest.mark.parametrize("status, body, field", REFUSALS)
def test_a_refused_field_is_found(status, body, field):
    remedy = find_remedy(status, read_error(body), BODY)
    assert remedy == Remedy(field)
    written = apply_remedies(BODY, {field: remedy})
    assert field not in written and ("top_logprobs" in written) == ("logprobs" in written)
    assert [name for name in BODY if name in written] == list(written), "in the same order"


@pytest.mark.parametrize("status, body", OTHERS)
def test_other_errors_leave_the_request_as_it_is(status, body):
    assert find_remedy(status, read_error(body), BODY) is None


def test_a_field_that_was_not_sent_is_not_left_out():
    assert find_remedy(400, read_error(error("no", param="seed")), {"model": "m"}) is None


@pytest.mark.parametrize(
    "field, other",
    [("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")],
)
def test_the_limit_is_called_by_its_other_name(field, other):
    text = (
        f"Unsupported parameter: '{field}' is not supported with this model. Use '{other}' instead."
    )
    body = {"model": "m", field: 64, "seed": 0}
    remedy = find_remedy(400, read_error(error(text, param=field)), body)
    assert apply_remedies(body, {field: remedy}) == {"model": "m", other: 64, "seed": 0}


@pytest.mark.parametrize(
    "message, most",
    [
        ("Invalid value for 'top_logprobs': must be less than or equal to 5.", 5),
        ("requested top_logprobs of 20, which is greater than max allowed: 10", 10),
        ("top_logprobs must be between 0 and 8", 8),
        ("top_logprobs: at most 3", 3),
    ],
)
def test_fewer_alternatives_are_asked_for_where_there_is_a_limit(message, most):
    remedy = find_remedy(400, read_error(error(message, param="top_logprobs")), BODY)
    written = apply_remedies(BODY, {"top_logprobs": remedy})
    assert written["top_logprobs"] == most and written["logprobs"] is True


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(OPTIONAL), st.just(None)))
def test_what_is_not_refused_stays(refused):
    written = apply_remedies(BODY, {field: Remedy(field) for field in refused})
    assert set(BODY) - set(written) <= {*refused, "logprobs", "top_logprobs"}
    assert not set(written) & set(refused)
