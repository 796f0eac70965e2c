"""Which field of a request a server refuses, so that it can be left out: providers differ in what they know."""

import re
from typing import Any, Dict, NamedTuple, Optional

from .server_errors import ServerError

# What can be left out: a reply without them is still a reply to the same question.
OPTIONAL = ("top_logprobs", "logprobs", "include", "response_format", "text", "seed", "temperature")
LIMITS = ("max_tokens", "max_completion_tokens")
_STATUS = (400, 403, 404, 405, 422, 501)
_REFUSED = re.compile(
    r"not support|n't support|unsupported|unknown|unrecogni[sz]ed|not permitted|not allowed|forbidden|unexpected"
    r"|extra inputs|extraneous|cannot find|deprecated|unavailable|not available|not accept|n't accept|invalid"
    r"|not enabled|must be|should be|greater than|less than|at most|requires|no longer|only the default|remove"
)
# Names that are words of English have to be named as a field: in quotes or brackets, after a word for it,
# or before a verb. An error may repeat a prompt.
_NAMED = (
    r"[`'\"\[.]{name}\b"
    r"|\b(?:parameters?|arguments?|fields?|names?|property|properties|keys?|options?|features?|inputs?"
    r"|supports?|model)(?: supplied)?:?\s+{name}\b"
    r"|\b{name}\s*(?:is|are|was|parameter|does|not|must|should|cannot|value|requires?|:)\b"
)
_PATTERNS = {
    "top_logprobs": r"\btoplogprobs\b",
    "logprobs": r"\blogprobs\b",
    "include": r"\blogprobs\b",
    "response_format": r"\bresponse ?format\b|\bjson ?schema\b",
    "text": r"\btext\.format\b|\bjson ?schema\b",
    "seed": _NAMED.replace("{name}", "seed"),
    "temperature": _NAMED.replace("{name}", "temperature"),
    "max_tokens": r"\bmaxtokens\b",
    "max_completion_tokens": r"\bmaxcompletiontokens\b",
}
# Fields that ask for log-probabilities, of which `top_logprobs` says how many.
_ASKING = ("logprobs", "include")
_MOST = re.compile(
    r"(?:less than or equal to|at most|up to|<=|max(?:imum)?(?: allowed)?(?: value)?(?: is| of)?:?|between \d+ and)"
    r"\s*(\d+)"
)


class Remedy(NamedTuple):
    """How to write a request that a server has refused.

    field (str): The field.
    value (Any): What it should be; None where it has to be left out.
    other_name (Optional[str]): What the server calls it.
    """

    field: str
    value: Any = None
    other_name: Optional[str] = None


def find_remedy(status: int, error: ServerError, body: Dict[str, Any]) -> Optional[Remedy]:
    """Find out whether an error is about a field that can be left out or written in another way.

    status (int): The HTTP status.
    error (ServerError): What the server says.
    body (Dict[str, Any]): The request that it refused.
    RETURNS (Optional[Remedy]): None where the error is about something else.

    EXAMPLE:
        >>> find_remedy(400, ServerError("Unknown name \\"seed\\": Cannot find field."), {"seed": 0})
        Remedy(field='seed', value=None, other_name=None)
        >>> find_remedy(400, ServerError("I do not like this text about seeds."), {"seed": 0}) is None
        True
    """
    if status not in _STATUS:
        return None
    text = error.text.replace("_", "")
    for field in (*LIMITS, *OPTIONAL):
        if field not in body or not _is_about(field, error.field, text):
            continue
        if field in LIMITS:
            other = LIMITS[1 - LIMITS.index(field)]
            # Without any limit nobody could say what a request costs at most.
            return Remedy(field, body[field], other) if other.replace("_", "") in text else None
        if field == "top_logprobs":
            most = _MOST.search(text)
            if most is not None and 0 < int(most[1]) < body[field]:
                return Remedy(field, int(most[1]))
        return Remedy(field)
    return None


def _is_about(field: str, named: str, text: str) -> bool:
    if field.replace("_", "") in re.split(r"[.\[]", named.replace("_", "").lower()):
        return True
    return bool(_REFUSED.search(text) and re.search(_PATTERNS[field], text))


def apply_remedies(body: Dict[str, Any], remedies: Dict[str, Remedy]) -> Dict[str, Any]:
    """Write a request so that the server accepts it.

    body (Dict[str, Any]): The request as it was configured.
    remedies (Dict[str, Remedy]): By field.
    RETURNS (Dict[str, Any]): A request in the same order.
    """
    written: Dict[str, Any] = {}
    for field, value in body.items():
        remedy = remedies.get(field)
        if remedy is None:
            written[field] = value
        elif remedy.other_name is not None:
            written[remedy.other_name] = value
        elif remedy.value is not None:
            written[field] = remedy.value
    # One makes no sense without the other.
    if not any(field in written for field in _ASKING):
        written.pop("top_logprobs", None)
    elif "top_logprobs" in body and "top_logprobs" not in written:
        for field in _ASKING:
            written.pop(field, None)
    return written
