"""What an error of a server asks for: to try again, to leave this prompt, or to send nothing more."""

from typing import NamedTuple, Sequence

from .server_errors import ServerError

RETRY, SKIP, STOP = "retry", "skip", "stop"
# 409 and 425 are what servers answer that are not ready yet; 424 and 498 are Groq's for a lack of capacity; 499 is
# a proxy's for a connection that ended.
_TRANSIENT = (408, 409, 424, 425, 429, 498, 499)
_FINAL = (501, 505)
# 529 is an overload without a standard.
_PAUSING = (429, 498, 529)
# A gateway that gave up waiting does not know whether the server behind it wrote a reply.
_MAYBE_PAID = (504, 524)
# Refusals of this one prompt, once the server is known to accept others.
_OF_A_PROMPT = (400, 413, 422)
_TOO_LONG = (
    "context_length_exceeded",
    "context length",
    "context window",
    "context size",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "request too large",
    "reduce the length",
)
_FLAGGED = (
    "content_filter",
    "content filter",
    "content_policy",
    "content policy",
    "content management policy",
    "responsibleaipolicyviolation",
    "moderation",
    "flagged",
    "usage guidelines",
    "usage policies",
    "usage policy",
    "prohibited_content",
    "data_inspection_failed",
    "inappropriate content",
)
# The LLM wrote what does not fit the schema that the server held it to.
_BAD_JSON = ("json_validate_failed", "failed to validate json", "failed to generate json")
_CREDIT = (
    "insufficient_quota",
    "insufficient_balance",
    "insufficient balance",
    "insufficient credits",
    "billing_hard_limit_reached",
    "billing_not_active",
    "credit balance",
    "out of credits",
    "all available credits",
)
_BUSY = (
    "overloaded",
    "rate limit",
    "rate_limit",
    "try again",
    "temporarily",
    "timed out",
    "timeout",
    "capacity",
    "busy",
    "loading",
    "unavailable",
)


class Course(NamedTuple):
    """What to do about an error.

    action (str): RETRY, SKIP (this prompt will never do) or STOP (nothing more should be sent).
    reason (str): Why, a short snake_case word.
    pause_all (bool): Whether the server asks everybody to wait.
    billed (bool): Whether the request may have to be paid all the same.
    """

    action: str
    reason: str
    pause_all: bool = False
    billed: bool = False


def triage(status: int, error: ServerError, accepted: bool) -> Course:
    """Decide what to do about an error.

    status (int): The HTTP status, or the one that stands in a body with status 200; 0 for none.
    error (ServerError): What the server says.
    accepted (bool): Whether the server has answered another request of this run.
    RETURNS (Course): What to do.

    EXAMPLE:
        >>> triage(400, ServerError("This request was flagged"), accepted=False)
        Course(action='skip', reason='content_filter', pause_all=False, billed=False)
        >>> triage(401, ServerError("Wrong key"), accepted=True).action
        'stop'
    """
    reason = f"http_{status}" if status else "error_in_body"
    if status == 402 or has_sign(error, _CREDIT):
        return Course(STOP, "credit")
    # Before the status: a server may answer 403 or 500 to one text that it will not read.
    if status == 413 or has_sign(error, _TOO_LONG):
        return Course(SKIP, "prompt_too_long")
    if has_sign(error, _FLAGGED) and status not in (401, 429):
        return Course(SKIP, "content_filter")
    if has_sign(error, _BAD_JSON):
        return Course(SKIP, "json_validate_failed")
    if status in _TRANSIENT or (status >= 500 and status not in _FINAL):
        return Course(RETRY, reason, status in _PAUSING, status in _MAYBE_PAID)
    if not status and (accepted or has_sign(error, _BUSY)):
        return Course(RETRY, reason)
    if status in _OF_A_PROMPT and accepted:
        return Course(SKIP, reason)
    return Course(STOP, reason)


def has_sign(error: ServerError, signs: Sequence[str]) -> bool:
    """RETURNS (bool): Whether an error says one of these."""
    return any(sign in error.text for sign in signs)
