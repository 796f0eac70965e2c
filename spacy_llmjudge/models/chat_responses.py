"""From the HTTP response of a chat server to how the request ended."""

from typing import Any, NamedTuple, Optional, Tuple

from ..errors import Errors, LLMJudgeError, Warnings
from ..transport.credentials import Credentials, redact
from ..transport.http import OUT_OF_FILES, UNPROVED, HttpResponse
from ..transport.retry import Attempt
from ..transport.retry_after import read_retry_after
from ..transport.server_errors import ServerError, read_error
from ..transport.strict_json import StrictJSONError, load_strict
from ..transport.triage import RETRY, SKIP, Course, triage
from ..transport.usage import read_usage

# Why a reply ends that a server could not write to its end.
_BROKEN_OFF = ("error", "insufficient_system_resource")


class Asked(NamedTuple):
    """Who was asked, for messages.

    host (str): The server.
    model (str): The model.
    url (str): The address.
    credentials (Credentials): What it was asked with.
    max_bytes (int): The longest body that is read.
    holder (str): The field that every reply has.
    """

    host: str
    model: str
    url: str
    credentials: Credentials
    max_bytes: int
    holder: str


def read_response(
    response: HttpResponse, raw: str, asked: Asked, accepted: bool
) -> Tuple[Attempt, Optional[ServerError]]:
    """Read a response.

    response (HttpResponse): The response.
    raw (str): Its body, without secrets.
    asked (Asked): Who was asked.
    accepted (bool): Whether the server has replied to another request of this run.
    RETURNS (Tuple[Attempt, Optional[ServerError]]): How the request ended, and what the server says
        where it refused it.
    """
    if response.failure is not None:
        return _read_failure(response, asked), None
    status, body, problem = response.status or 0, None, ""
    try:
        body = load_strict(raw)
    except StrictJSONError as failure:
        problem = str(failure)
    if status != 200:
        error = read_error(body, raw)
        return _end(status, error, response, raw, asked, accepted), error
    found = _error_in(body)
    if found is not None:
        error = read_error(found)
        accepted = accepted or (isinstance(body, dict) and asked.holder in body)
        return _end(error.status, error, response, raw, asked, accepted), error
    if not problem:
        problem = "not_an_object" if not isinstance(body, dict) else ""
    if isinstance(body, dict) and asked.holder not in body:
        problem = "no_choices"
    if not problem:
        return Attempt("replied", raw, status=200, body=body, usage=read_usage(body)), None
    outcome = Attempt("failed", raw, problem, 200)
    if not accepted and problem not in ("not_a_number", "duplicate_keys"):
        # Something else than a chat server lives at this address.
        outcome.billed = False
        outcome.error = _no_chat_server(asked, read_error(body, raw).message)
    return outcome, None


def _read_failure(response: HttpResponse, asked: Asked) -> Attempt:
    outcome = Attempt("failed", reason=response.failure, billed=response.sent)
    if response.failure == "tls" and UNPROVED in response.detail:
        outcome.error = LLMJudgeError(Errors.J318.format(host=asked.host, error="its certificate"))
    if response.failure == OUT_OF_FILES:
        outcome.error = LLMJudgeError(Errors.J972)
    if response.failure == "refused" and response.detail:
        outcome.notice = Warnings.JW336.format(host=asked.host, error=response.detail)
    if response.failure == "oversized":
        # Another try would be paid, and end in the same way.
        outcome.state = "not_sent"
        outcome.notice = Warnings.JW332.format(
            host=asked.host, model=asked.model, limit=asked.max_bytes
        )
    return outcome


def _error_in(body: Any) -> Any:
    """The error that a body with status 200 reports, of the request or of its first choice."""
    if not isinstance(body, dict):
        return None
    if body.get("error") or body.get("status") in ("failed", "cancelled"):
        return body
    choices = body.get("choices")
    if choices is None and "choices" in body:
        # no reply, and so no opinion
        return {"error": body.get("base_resp") or "It has no choices"}
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return None
    if choice.get("finish_reason") in _BROKEN_OFF:
        return choice if choice.get("error") else {"error": f"It says {choice['finish_reason']}"}
    return choice if choice.get("error") else None


def _end(
    status: int,
    error: ServerError,
    response: HttpResponse,
    raw: str,
    asked: Asked,
    accepted: bool,
) -> Attempt:
    course = triage(status, error, accepted)
    if status == 402 and read_retry_after(response.headers) is not None:
        # Credit that is reserved by requests under way, and comes back with them.
        course = Course(RETRY, "http_402", pause_all=True)
    outcome = Attempt("failed", raw, course.reason, response.status, billed=course.billed)
    if course.action == SKIP:
        outcome.state = "rejected"
    elif course.action == RETRY:
        outcome.wait = read_retry_after(response.headers, raw)
        # A 503 without a hint may be about this one prompt: it does not hold up the others.
        outcome.pause_all = course.pause_all or outcome.wait is not None
    elif 300 <= status < 400:
        secrets = asked.credentials.secrets()
        target = redact(response.headers.get("Location", "nowhere"), secrets)[:100]
        text = Errors.J316.format(host=asked.host, status=status, target=target)
        outcome.error = LLMJudgeError(text)
    elif response.status == 200 and not status:
        outcome.error = _no_chat_server(asked, error.message)
    else:
        outcome.error = _refused(status, course, error, asked)
    return outcome


def _no_chat_server(asked: Asked, message: str) -> LLMJudgeError:
    text = Errors.J330.format(host=asked.host, url=asked.url, message=message or "nothing")
    return LLMJudgeError(redact(text, asked.credentials.secrets()))


def _refused(status: int, course: Course, error: ServerError, asked: Asked) -> LLMJudgeError:
    variables = ", ".join(asked.credentials.variables)
    hints = {
        401: f"Check the key in the environment variable {variables}."
        if variables
        else "It wants a key: set api_key_env to the NAME of the environment variable that has it.",
        403: "The key may not use this model, or not from here.",
        404: "Check base_url (most end in /v1) and the name of the model.",
    }
    hint = hints.get(status, "It does not accept a setting, or the prompt.")
    if course.reason == "credit":
        hint = "The account's credit is used up."
    elif "v1/responses" in error.text:
        hint = 'Set api = "responses" in the config.'
    elif "api key" in error.text or "api_key" in error.text:
        hint = hints[401]
    text = Errors.J315.format(
        host=asked.host,
        status=status,
        model=asked.model,
        key=f"key from {variables}" if variables else "no key",
        hint=hint,
        message=error.message or "nothing",
    )
    return LLMJudgeError(redact(text, asked.credentials.secrets()))
