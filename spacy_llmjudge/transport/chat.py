"""Replies in the chat format: read strictly, so that a broken one is never taken for an answer."""

import json
import math
from typing import Any, Dict, List, Optional, Tuple

from .messages import Reply

_MESSAGE_LENGTH = 300


class ChatReplyError(ValueError):
    """Why a body cannot be used, a short snake_case word."""


def load_strict(text: str) -> Any:
    """Read JSON; NaN, infinities and repeated keys are errors, as they are in the standard.

    text (str): The JSON.
    RETURNS (Any): The data.

    EXAMPLE:
        >>> load_strict('{"a": 1}')
        {'a': 1}
        >>> load_strict('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        spacy_llmjudge.transport.chat.ChatReplyError: duplicate_keys
    """
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique)
    except ChatReplyError:
        raise
    except (ValueError, RecursionError):
        raise ChatReplyError("not_json") from None


def _refuse(constant: str) -> None:
    raise ChatReplyError("not_a_number")


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ChatReplyError("duplicate_keys")
    return data


def error_of(raw: str, strict: bool = True) -> Tuple[str, str]:
    """Read the error that a body reports.

    raw (str): The body.
    strict (bool): A body that is not a JSON object, or reports an error, raises ChatReplyError.
    RETURNS (Tuple[str, str]): Its code and message; empty where it reports none.
    """
    try:
        data = load_strict(raw)
        if not isinstance(data, dict):
            raise ChatReplyError("not_an_object")
    except ChatReplyError:
        if strict:
            raise
        return "", " ".join(raw.split())[:_MESSAGE_LENGTH]
    error = data.get("error")
    if not error:
        if strict:
            return "", ""
        error = data.get("message") or data.get("detail") or ""
    elif strict:
        raise ChatReplyError("error_in_body")
    if isinstance(error, dict):
        message = error.get("message") or error.get("type") or ""
        code = error.get("code") or error.get("type") or ""
    else:
        message, code = error, ""
    return str(code), " ".join(str(message).split())[:_MESSAGE_LENGTH]


def read_chat(raw: str) -> Reply:
    """Read the first choice of a chat reply.

    raw (str): The body of an answer with status 200.
    RETURNS (Reply): The reply; abstained with a reason where there is none that can be used. A reply
        that was cut at the token limit says so in `reason`.
    """
    try:
        data = load_strict(raw)
    except ChatReplyError as error:
        return Reply("", state="abstained", reason=str(error))
    usage = read_usage(data)
    choices = data.get("choices") if isinstance(data, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return Reply("", state="abstained", reason="no_choices", usage=usage)
    content = _text_of(message.get("content"))
    finish = choice.get("finish_reason")
    reason = None
    if finish == "content_filter":
        reason = "content_filter"
    elif message.get("refusal"):
        reason = "refused"
    elif not content:
        reason = "truncated" if finish == "length" else "empty_reply"
    if reason:
        return Reply("", state="abstained", reason=reason, usage=usage)
    return Reply(
        content,
        reason="truncated" if finish == "length" else None,
        logprobs=_read_logprobs(choice.get("logprobs")),
        usage=usage,
    )


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def read_usage(data: Any) -> Dict[str, int]:
    """Read the tokens that a chat reply says it used.

    RETURNS (Dict[str, int]): `tokens_in` and `tokens_out`, or nothing where it does not say.
    """
    usage = data.get("usage") if isinstance(data, dict) else None
    if not isinstance(usage, dict):
        return {}
    counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not all(is_count(count) for count in counts):
        return {}
    return {"tokens_in": counts[0], "tokens_out": counts[1]}


def is_count(value: Any) -> bool:
    """Whether a value can be a number of tokens; no reply has a billion, and no row room for more."""
    return type(value) is int and 0 <= value < 1_000_000_000


def _read_logprobs(logprobs: Any) -> Optional[List[Dict[str, float]]]:
    """The alternatives of every token; None where any of them is not a log-probability."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list) or not tokens:
        return None
    positions = []
    for token in tokens:
        if not isinstance(token, dict):
            return None
        found: Dict[str, float] = {}
        for entry in [*(token.get("top_logprobs") or []), token]:
            text, value = entry.get("token"), entry.get("logprob")
            if not isinstance(text, str) or not _is_logprob(value):
                return None
            found.setdefault(text, float(value))
        positions.append(found)
    return positions


def _is_logprob(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value <= 1e-6
