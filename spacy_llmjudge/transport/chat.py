"""Requests and replies in the chat format: a broken reply is never taken for one."""

import math
from typing import Any, Dict, List, Mapping, Optional, Tuple

from .messages import Reply, Token
from .usage import read_usage

# The alternatives of every token, and the tokens
TokenLists = Tuple[Optional[List[Dict[str, float]]], Optional[List[Token]]]
NO_TOKENS: TokenLists = (None, None)
_TEXTS = ("text", "output_text")
# Why a reply ends, as servers call it, in small letters.
_CUT = ("length", "max_tokens", "model_length", "max_output_tokens")
_FILTERED = (
    "content_filter",
    "content-filter",
    "safety",
    "prohibited_content",
    "blocklist",
    "recitation",
    "spii",
    "sensitive",
    "guardrail_intervened",
    "content_filtered",
)


def make_chat_body(
    fixed: Mapping[str, Any], prompt: str, system: Optional[str], seed: Optional[int]
) -> Dict[str, Any]:
    """Write a chat request.

    fixed (Mapping[str, Any]): The fields that are the same for all prompts.
    prompt (str): The message of the user.
    system (Optional[str]): The message in front of it.
    seed (Optional[int]): Further samples of a question count up from it.
    RETURNS (Dict[str, Any]): The fields of the request.
    """
    messages = [{"role": "user", "content": str(prompt)}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    body: Dict[str, Any] = {**fixed, "messages": messages}
    if seed is not None:
        body["seed"] = seed + getattr(prompt, "sample", 0)
    return body


def ask_chat_schema(body: Dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Add a JSON schema to a request."""
    named = {"name": "reply", "strict": True, "schema": schema}
    body["response_format"] = {"type": "json_schema", "json_schema": named}


def ask_chat_logprobs(body: Dict[str, Any], n: int) -> None:
    """Ask for log-probabilities: n alternatives a token."""
    body["logprobs"] = True
    body["top_logprobs"] = n


def ask_completions_logprobs(body: Dict[str, Any], n: int) -> None:
    """The same in the style of completions."""
    body["logprobs"] = n


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
    finish = str(choice.get("finish_reason")).lower()
    reason = None
    if finish in _FILTERED:
        reason = "content_filter"
    elif message.get("refusal") or finish == "refusal":
        reason = "refused"
    elif not content:
        reason = "truncated" if finish in _CUT else "empty_reply"
    if reason:
        return Reply("", state="abstained", reason=reason, usage=usage)
    logprobs, tokens = _read_logprobs(choice.get("logprobs"))
    return Reply(
        content,
        reason="truncated" if finish in _CUT else None,
        logprobs=logprobs,
        tokens=tokens,
        usage=usage,
    )


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        # what is thought, and sources, come as parts of other types
        texts = [p for p in content if isinstance(p, dict) and p.get("type", "text") in _TEXTS]
        parts = [part.get("text") for part in texts]
        content = "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _read_logprobs(logprobs: Any) -> TokenLists:
    if isinstance(logprobs, dict) and isinstance(logprobs.get("token_logprobs"), list):
        return _read_completions_logprobs(logprobs)
    return read_tokens(logprobs.get("content")) if isinstance(logprobs, dict) else NO_TOKENS


def read_tokens(tokens: Any) -> TokenLists:
    """Read the log-probabilities of a list of tokens.

    tokens (Any): Objects with `token`, `logprob`, and where there are any `top_logprobs` and `bytes`.
    RETURNS (TokenLists): The alternatives of every token, and the tokens; None where there is none, or
        any of them is not a log-probability.
    """
    if not isinstance(tokens, list) or not tokens:
        return NO_TOKENS
    positions: List[Dict[str, float]] = []
    chosen: List[Token] = []
    for token in tokens:
        top = (token.get("top_logprobs") or []) if isinstance(token, dict) else None
        if not isinstance(top, list):
            return NO_TOKENS
        found: Dict[str, float] = {}
        for entry in [*top, token]:
            if not isinstance(entry, dict):
                return NO_TOKENS
            text, value = entry.get("token"), entry.get("logprob")
            if not isinstance(text, str) or value is None or not _is_logprob(value):
                return NO_TOKENS
            found.setdefault(text, float(value))
        positions.append(found)
        chosen.append(Token(_read_bytes(token), float(token["logprob"])))
    return positions, chosen


def _read_bytes(token: Dict[str, Any]) -> bytes:
    """What a token spells: a part of a character has no text of its own, or a stand-in."""
    values = token.get("bytes")
    if isinstance(values, list) and all(
        type(value) is int and 0 <= value < 256 for value in values
    ):
        return bytes(values)
    return token["token"].encode("utf8", "replace")


def _read_completions_logprobs(logprobs: Dict[str, Any]) -> TokenLists:
    """The same in the style of completions: parallel lists instead of a list of tokens."""
    tokens, values = logprobs.get("tokens"), logprobs["token_logprobs"]
    tops = logprobs.get("top_logprobs") or [{}] * len(values)
    if not isinstance(tokens, list) or not isinstance(tops, list):
        return NO_TOKENS
    if not len(tokens) == len(values) == len(tops):
        return NO_TOKENS
    rows = []
    for token, value, top in zip(tokens, values, tops):
        if not isinstance(top, dict):
            return NO_TOKENS
        others = [{"token": text, "logprob": number} for text, number in top.items()]
        rows.append({"token": token, "logprob": value, "top_logprobs": others})
    return read_tokens(rows)


def _is_logprob(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value <= 1e-6
