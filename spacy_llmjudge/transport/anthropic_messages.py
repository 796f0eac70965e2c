"""Requests and replies in the format of Anthropic's `/v1/messages`."""

from typing import Any, Dict, Mapping, Optional

from .chat import make_chat_body
from .messages import Reply
from .usage import read_usage

HEADERS = {"anthropic-version": "2023-06-01"}


def make_messages_body(
    fixed: Mapping[str, Any], prompt: str, system: Optional[str], seed: Optional[int]
) -> Dict[str, Any]:
    """Write a request. There is no seed in this format.

    fixed (Mapping[str, Any]): The fields that are the same for all prompts.
    prompt (str): The message of the user.
    system (Optional[str]): What stands in front of it, a field of its own here.
    seed (Optional[int]): Ignored.
    RETURNS (Dict[str, Any]): The fields of the request.
    """
    body = make_chat_body(fixed, prompt, None, None)
    return body if system is None else {**body, "system": system}


def read_messages(body: Any) -> Reply:
    """Read the text of a reply, which may stand in several blocks; thinking is none of it.

    body (Any): The decoded body of a response with status 200.
    RETURNS (Reply): The reply; abstained with a reason where there is none that can be used. A reply that was cut at
        the token limit says so in `reason`.
    """
    usage = read_usage(body).as_dict()
    blocks = body.get("content") if isinstance(body, dict) else None
    texts = [
        block["text"]
        for block in (blocks if isinstance(blocks, list) else ())
        if isinstance(block, dict)
        and block.get("type") == "text"
        and isinstance(block.get("text"), str)
    ]
    content = "".join(texts)
    stop = body.get("stop_reason") if isinstance(body, dict) else None
    is_cut = stop in ("max_tokens", "model_context_window_exceeded")
    if stop == "refusal" or not content:
        reason = "refused" if stop == "refusal" else "truncated" if is_cut else "empty_reply"
        return Reply("", state="abstained", reason=reason, usage=usage)
    return Reply(content, reason="truncated" if is_cut else None, usage=usage)
