"""Chat servers that speak OpenAI's protocol: OpenAI, vLLM, llama.cpp, Ollama, LM Studio and more.

Nothing is asked before the first prompt: no network in the constructor, in `spacy.load` or in
`to_disk`. The key is read from the environment when a request leaves.
"""

import json
import re
from inspect import signature
from typing import Any, Dict, NoReturn, Optional

from ..errors import Errors, LLMJudgeError
from ..transport.addresses import add_query, check_address
from ..transport.credentials import Credentials
from ..transport.key_literals import refuse_key_literals
from ..transport.retry import RetryPolicy
from ..transport.wire_formats import WIRE_FORMATS
from .batch_dialects import DIALECTS
from .batch_server import BatchManners, BatchServer
from .chat_server import ChatServer
from .message_batches import ANTHROPIC, MessageBatchServer

# What the budget and the parser rely on.
_OWN_FIELDS = {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "seed"}
_OWN_FIELDS |= {"n", "best_of", "stream", "response_format", "logprobs", "top_logprobs"}
_OWN_FIELDS |= {"input", "instructions", "max_output_tokens", "include", "background"}


def make_openai_model(
    base_url: str,
    model: str,
    api_key_env: Optional[str] = None,
    api: str = "chat",
    system: Optional[str] = None,
    max_tokens: int = 1024,
    max_tokens_field: str = "max_tokens",
    temperature: Optional[float] = 0.0,
    seed: Optional[int] = 0,
    top_logprobs: int = 0,
    logprobs_style: str = "chat",
    use_schema: bool = False,
    extra: Optional[Dict[str, Any]] = None,
    headers: Optional[Dict[str, str]] = None,
    query: Optional[Dict[str, str]] = None,
    concurrency: int = 8,
    timeout: float = 120.0,
    connect_timeout: float = 10.0,
    max_tries: int = 6,
    backoff: float = 0.5,
    max_wait: float = 300.0,
    max_reply_bytes: int = 4_000_000,
    allow_insecure: bool = False,
    context_length: Optional[int] = None,
) -> ChatServer:
    """Make the model `llmjudge.OpenAI.v1`.

    base_url (str): The address of the server, up to and without `/chat/completions`, `/responses` or
        `/messages`.
    model (str): The name of the model, as the server knows it.
    api_key_env (Optional[str]): The NAME of the environment variable that holds the key; None for
        servers without keys.
    api (str): Where prompts are sent: "chat" (`/chat/completions`), or "responses" (`/responses`) for
        models that answer there alone. That has no seed, and its own name for the longest reply. Or "messages"
        (`/messages`) for Anthropic's own format, without seeds, schemas and log-probabilities.
    system (Optional[str]): A system message in front of every prompt.
    max_tokens (int): The longest reply. Reasoning models spend it on thinking, too.
    max_tokens_field (str): What the server calls that limit: "max_tokens", or "max_completion_tokens"
        for reasoning models.
    temperature (Optional[float]): None leaves it to the server.
    seed (Optional[int]): None leaves it to the server. Further samples of a question count up from it.
    top_logprobs (int): Alternatives a token with their log-probabilities, for prompts with options; 0
        asks for none.
    logprobs_style (str): How to ask for them: "chat" (`logprobs: true, top_logprobs: n`) or
        "completions" (`logprobs: n`, as Together does). Replies are read in both styles.
    use_schema (bool): Send the task's JSON schema, for servers that hold replies to it.
    extra (Optional[Dict[str, Any]]): Further fields of the request, such as `reasoning_effort`.
    headers (Optional[Dict[str, str]]): Further headers: name to the NAME of the environment variable
        that holds the value, such as `api-key` for Azure.
    query (Optional[Dict[str, str]]): What follows the address behind a question mark, such as
        `api-version`.
    concurrency (int): Requests at the same time.
    timeout (float): Seconds for one request, from the connection to the last byte.
    connect_timeout (float): Seconds for the connection.
    max_tries (int): Requests for one prompt at most, where they fail.
    backoff (float): Seconds before the second try where the server gives no hint.
    max_wait (float): The longest wait that a server may ask for; a longer one ends the run.
    max_reply_bytes (int): The longest body of a reply that is read; a longer one ends the run.
    allow_insecure (bool): Allow plain http to another machine.
    context_length (Optional[int]): Tokens that the model can read, for tasks that cut by it.
    RETURNS (ChatServer): The model.
    """
    host = check_address(base_url, allow_insecure)
    credentials = Credentials(host, api_key_env, headers or {})
    settings = {"base_url": base_url, "model": model, "system": system, "extra": extra or {}}
    refuse_key_literals({**settings, "query": query or {}}, "llmjudge.OpenAI.v1")
    for name, value, least in (
        ("max_tokens", max_tokens, 1),
        ("concurrency", concurrency, 1),
        ("max_tries", max_tries, 1),
        ("timeout", timeout, 0.001),
        ("connect_timeout", connect_timeout, 0.001),
        ("backoff", backoff, 0),
        ("max_wait", max_wait, 0),
        ("max_reply_bytes", max_reply_bytes, 1000),
        ("top_logprobs", top_logprobs, 0),
    ):
        if value < least:
            _refuse(name, value, f"a number of at least {least}")
    if api not in ("chat", "responses", "messages"):
        _refuse("api", api, '"chat", "responses" or "messages"')
    for name, asked in (("use_schema", use_schema), ("top_logprobs", top_logprobs)):
        if api == "messages" and asked:
            _refuse(name, asked, 'none with api = "messages", which has no such thing')
    wire = WIRE_FORMATS.get((api, logprobs_style))
    if wire is None:
        _refuse("logprobs_style", logprobs_style, '"chat", or "completions" with api = "chat"')
    known = sorted(_OWN_FIELDS.intersection(extra or {}))
    if known:
        _refuse("extra", known, "fields of the request that have no argument of their own")
    if '"cache_control":' in json.dumps(extra, default=str):
        _refuse(
            "extra", "cache_control", "none of it: what is written to a cache has no price here"
        )
    if api == "responses":
        max_tokens_field = "max_output_tokens"
    fixed: Dict[str, Any] = {"model": model, max_tokens_field: max_tokens, **(extra or {})}
    if temperature is not None:
        fixed["temperature"] = temperature
    return ChatServer(
        url=add_query(base_url.rstrip("/") + wire.path, query or {}),
        wire=wire,
        fixed=fixed,
        name=model,
        credentials=credentials,
        system=system,
        seed=seed,
        max_tokens=max_tokens,
        top_logprobs=top_logprobs,
        use_schema=use_schema,
        concurrency=concurrency,
        policy=RetryPolicy(max_tries, backoff, max_wait),
        transport={
            "size": concurrency,
            "timeout": timeout,
            "connect_timeout": connect_timeout,
            "max_bytes": max_reply_bytes,
        },
        context_length=context_length,
    )


def make_openai_batch_model(
    *,
    dialect: str = "openai",
    endpoint: Optional[str] = None,
    window: str = "24h",
    price_share: float = 0.5,
    max_requests: int = 50_000,
    max_bytes: int = 200_000_000,
    first_pause: float = 10.0,
    longest_pause: float = 300.0,
    cancel_on_interrupt: bool = False,
    **settings: Any,
) -> BatchServer:
    """Make the model `llmjudge.OpenAIBatch.v1`: the same requests as `llmjudge.OpenAI.v1`, in files that the
    provider works off within a day, for less money. It needs `llmjudge.Ledger.v1` around it.

    dialect (str): Whose protocol: "openai", which Groq and others speak too, "mistral" or, with
        api = "messages", "anthropic".
    endpoint (Optional[str]): What a line says it is sent to; None takes `/v1/chat/completions`, or
        `/v1/responses` with api = "responses".
    window (str): How long the provider may take.
    price_share (float): What a request costs, as a share of its price. Where the table of prices has a tier
        "batch" for the model, that counts.
    max_requests (int): Requests in a file.
    max_bytes (int): Bytes in a file.
    first_pause (float): Seconds between two looks at a batch, in the beginning.
    longest_pause (float): Seconds between two looks at most.
    cancel_on_interrupt (bool): Cancel the batches when somebody interrupts the run. Else they go on, and the
        next run gets their replies.
    settings (Any): As `make_openai_model` has them. `concurrency` does not matter here.
    RETURNS (BatchServer): The model.
    """
    dialects = {**DIALECTS, "anthropic": ANTHROPIC}
    if dialect not in dialects:
        _refuse("dialect", dialect, " or ".join(f'"{name}"' for name in sorted(dialects)))
    is_anthropic = dialect == "anthropic"
    if is_anthropic != (settings.get("api") == "messages"):
        _refuse("api", settings.get("api", "chat"), '"messages" with dialect = "anthropic" alone')
    if is_anthropic and window != "24h":
        _refuse("window", window, '"24h", which is fixed there')
    if not re.fullmatch(
        r"[1-9][0-9]{0,3}[hd]" if dialect == "openai" else r"[1-9][0-9]{0,3}h", window
    ):
        _refuse("window", window, 'a number of hours, such as "24h"')
    for name, value, least, most in (
        ("price_share", price_share, 0.0, 1.0),
        ("max_requests", max_requests, 1, 1_000_000),
        ("max_bytes", max_bytes, 1, 10**12),
        ("first_pause", first_pause, 0.001, 86_400.0),
        ("longest_pause", longest_pause, first_pause, 86_400.0),
    ):
        if not least <= value <= most:
            _refuse(name, value, f"a number of {least:g} to {most:g}")
    make = MessageBatchServer if is_anthropic else BatchServer
    return make(
        make_openai_model(**settings),
        BatchManners(
            dialects[dialect],
            endpoint,
            window,
            price_share,
            max_requests,
            max_bytes,
            (first_pause, longest_pause),
            cancel_on_interrupt,
        ),
    )


# A config names the settings of both.
_own, _shared = (signature(make) for make in (make_openai_batch_model, make_openai_model))
make_openai_batch_model.__signature__ = _own.replace(  # type: ignore[attr-defined]
    parameters=[
        *(p.replace(kind=p.KEYWORD_ONLY) for p in _shared.parameters.values()),
        *(p for p in _own.parameters.values() if p.kind == p.KEYWORD_ONLY),
    ]
)


def _refuse(name: str, value: Any, expected: str) -> NoReturn:
    raise LLMJudgeError(Errors.J319.format(name=name, value=value, expected=expected))
