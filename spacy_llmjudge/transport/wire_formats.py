"""The formats that a server can be spoken to in, by the name that the setting `api` has for them."""

from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional

from .anthropic_messages import HEADERS, make_messages_body, read_messages
from .chat import (
    ask_chat_logprobs,
    ask_chat_schema,
    ask_completions_logprobs,
    make_chat_body,
    read_chat,
)
from .messages import Reply
from .responses import (
    ask_responses_logprobs,
    ask_responses_schema,
    make_responses_body,
    read_responses,
)


class WireFormat(NamedTuple):
    """How requests are written and replies are read.

    path (str): What follows the base URL.
    holder (str): The field that every reply has.
    make_body (Callable): Writes a request: fixed fields, prompt, system message, seed.
    ask_schema (Callable): Adds a JSON schema to a request.
    ask_logprobs (Callable): Adds the wish for so many alternatives a token to a request.
    read (Callable): Reads a reply.
    headers (Mapping[str, str]): What every request carries.
    """

    path: str
    holder: str
    make_body: Callable[[Mapping[str, Any], str, Optional[str], Optional[int]], Dict[str, Any]]
    ask_schema: Callable[[Dict[str, Any], Mapping[str, Any]], None]
    ask_logprobs: Callable[[Dict[str, Any], int], None]
    read: Callable[[Any], Reply]
    headers: Mapping[str, str] = {}


CHAT = WireFormat(
    "/chat/completions", "choices", make_chat_body, ask_chat_schema, ask_chat_logprobs, read_chat
)
RESPONSES = WireFormat(
    "/responses",
    "output",
    make_responses_body,
    ask_responses_schema,
    ask_responses_logprobs,
    read_responses,
)
# It takes neither schemas nor log-probabilities; the factory refuses both.
MESSAGES = WireFormat(
    "/messages",
    "content",
    make_messages_body,
    lambda body, schema: None,
    lambda body, n: None,
    read_messages,
    HEADERS,
)
# By `api` and `logprobs_style`.
WIRE_FORMATS = {
    ("chat", "chat"): CHAT,
    ("chat", "completions"): CHAT._replace(ask_logprobs=ask_completions_logprobs),
    ("responses", "chat"): RESPONSES,
    ("messages", "chat"): MESSAGES,
}
