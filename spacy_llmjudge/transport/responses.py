"""Requests and replies in the format of `/v1/responses`, for models that answer nowhere else."""

from typing import Any, Dict, Iterator, List, Mapping, Optional

from .chat import NO_TOKENS, TokenLists, read_tokens
from .messages import Reply
from .usage import read_usage

_LOGPROBS = "message.output_text.logprobs"


def make_responses_body(
    fixed: Mapping[str, Any], prompt: str, system: Optional[str], seed: Optional[int]
) -> Dict[str, Any]:
    """Write a request. There is no seed in this format.

    fixed (Mapping[str, Any]): The fields that are the same for all prompts.
    prompt (str): The message of the user.
    system (Optional[str]): The instructions in front of it.
    seed (Optional[int]): Ignored.
    RETURNS (Dict[str, Any]): The fields of the request.
    """
    instructions = {} if system is None else {"instructions": system}
    return {**fixed, **instructions, "input": str(prompt)}


def ask_responses_schema(body: Dict[str, Any], schema: Mapping[str, Any]) -> None:
    """Add a JSON schema to a request, beside other settings of its text such as `verbosity`."""
    form = {"type": "json_schema", "name": "reply", "strict": True, "schema": schema}
    body["text"] = {**body.get("text", {}), "format": form}


def ask_responses_logprobs(body: Dict[str, Any], n: int) -> None:
    """Ask for log-probabilities: n alternatives a token."""
    body["include"] = [_LOGPROBS]
    body["top_logprobs"] = n


def read_responses(body: Any) -> Reply:
    """Read the text of a reply, which stands in several items; thinking is none of it.

    body (Any): The decoded body of a response with status 200.
    RETURNS (Reply): The reply; abstained with a reason where there is none that can be used. A reply
        that was cut at the token limit says so in `reason`.
    """
    usage = read_usage(body).as_dict()
    parts = list(_parts(body))
    texts = [part for part in parts if isinstance(part.get("text"), str)]
    content = "".join(part["text"] for part in texts)
    cut = _cut(body)
    reason = None
    if cut == "content_filter":
        reason = "content_filter"
    elif any(part.get("type") == "refusal" for part in parts):
        reason = "refused"
    elif not content:
        reason = "truncated" if cut else "empty_reply"
    if reason:
        return Reply("", state="abstained", reason=reason, usage=usage)
    logprobs, tokens = _join([read_tokens(part.get("logprobs")) for part in texts if part["text"]])
    return Reply(
        content,
        reason="truncated" if cut else None,
        logprobs=logprobs,
        tokens=tokens,
        usage=usage,
    )


def _parts(body: Any) -> Iterator[Dict[str, Any]]:
    """The parts of all messages of a reply."""
    items = body.get("output") if isinstance(body, dict) else None
    for item in items if isinstance(items, list) else ():
        content = item.get("content") if isinstance(item, dict) else None
        if content and item.get("type") == "message" and isinstance(content, list):
            for part in content:
                if isinstance(part, dict) and part.get("type") in ("output_text", "refusal"):
                    yield part


def _cut(body: Any) -> Optional[str]:
    """Why a reply is not whole; None where it is."""
    if not isinstance(body, dict) or body.get("status") != "incomplete":
        return None
    details = body.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    return reason if isinstance(reason, str) else "unknown"


def _join(parts: List[TokenLists]) -> TokenLists:
    """The tokens of all parts; None where those of a part are not known."""
    known = [(logprobs, tokens) for logprobs, tokens in parts if logprobs and tokens]
    if len(known) < len(parts):
        return NO_TOKENS
    return [x for logprobs, _ in known for x in logprobs], [
        t for _, tokens in known for t in tokens
    ]
