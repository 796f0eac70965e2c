"""Replies in the chat format: read strictly, so that a broken one is never taken for a reply."""

import math
from typing import Any, Dict, List, Optional

from .messages import Reply
from .usage import read_usage


def read_chat(body: Any) -> Reply:
    """Read the first choice of a chat reply.

    body (Any): The decoded body of a response with status 200.
    RETURNS (Reply): The reply; abstained with a reason where there is none that can be used. A reply
        that was cut at the token limit says so in `reason`.
    """
    usage = read_usage(body).as_dict()
    choices = body.get("choices") if isinstance(body, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
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


def _read_logprobs(logprobs: Any) -> Optional[List[Dict[str, float]]]:
    """The alternatives of every token; None where any of them is not a log-probability."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list) or not tokens:
        return None
    positions: List[Dict[str, float]] = []
    for token in tokens:
        top = (token.get("top_logprobs") or []) if isinstance(token, dict) else None
        if not isinstance(top, list):
            return None
        found: Dict[str, float] = {}
        for entry in [*top, token]:
            if not isinstance(entry, dict):
                return None
            text, value = entry.get("token"), entry.get("logprob")
            if not isinstance(text, str) or value is None or not _is_logprob(value):
                return None
            found.setdefault(text, float(value))
        positions.append(found)
    return positions


def _is_logprob(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value <= 1e-6
