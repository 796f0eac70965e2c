"""Chat servers that speak OpenAI's protocol: OpenAI, vLLM, llama.cpp, Ollama, LM Studio and more.

Nothing is asked before the first prompt: no network in the constructor, in `spacy.load` or in
`to_disk`. The key is read from the environment when a request leaves.
"""

import json
import os
import threading
from typing import Any, Dict, Iterable, List, Optional, Tuple

from ..errors import Errors, LLMJudgeError
from ..transport.addresses import check_address
from ..transport.breaker import Breaker
from ..transport.chat import read_chat
from ..transport.credentials import known_secrets, read_key, redact
from ..transport.http import UNPROVED, Connections, HttpResponse
from ..transport.key_literals import check_variable, refuse_key_literals
from ..transport.limits import Limits
from ..transport.messages import Prompt, Reply
from ..transport.retry import Attempt, RetryPolicy, persist, without_reply
from ..transport.retry_after import read_retry_after
from ..transport.server_errors import read_error
from ..transport.strict_json import StrictJSONError, load_strict
from ..transport.tally import Tally
from ..transport.usage import read_usage
from ..transport.workers import reply_in_order

# 409 and 425 are what servers answer that are not ready yet; 529 is an overload without a standard.
_TRANSIENT = (408, 409, 425, 429)
_PAUSING = (429, 529)
# Refusals of this one prompt, once the server is known to accept others.
_PROMPT_STATUS = (400, 413, 422)
_EXHAUSTED = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_TOO_LONG = ("context_length_exceeded", "context length", "context window", "maximum context")
# What the budget and the parser rely on.
_OWN_FIELDS = {"model", "messages", "max_tokens", "max_completion_tokens", "temperature", "seed"}
_OWN_FIELDS |= {"n", "best_of", "stream", "response_format", "logprobs", "top_logprobs"}
# What a chat template puts around the messages, in tokens, at most.
_ENVELOPE = 64


def make_openai_model(
    base_url: str,
    model: str,
    api_key_env: Optional[str] = None,
    system: Optional[str] = None,
    max_tokens: int = 1024,
    max_tokens_field: str = "max_tokens",
    temperature: Optional[float] = 0.0,
    seed: Optional[int] = 0,
    top_logprobs: int = 0,
    use_schema: bool = False,
    extra: Optional[Dict[str, Any]] = None,
    concurrency: int = 8,
    timeout: float = 120.0,
    connect_timeout: float = 10.0,
    max_tries: int = 6,
    backoff: float = 0.5,
    max_wait: float = 300.0,
    max_reply_bytes: int = 4_000_000,
    allow_insecure: bool = False,
    context_length: Optional[int] = None,
) -> "OpenAI":
    """Make the model `llmjudge.OpenAI.v1`.

    base_url (str): The address of the server, up to and without `/chat/completions`.
    model (str): The name of the model, as the server knows it.
    api_key_env (Optional[str]): The NAME of the environment variable that holds the key; None for
        servers without keys.
    system (Optional[str]): A system message in front of every prompt.
    max_tokens (int): The longest reply.
    max_tokens_field (str): What the server calls that limit: "max_tokens", or "max_completion_tokens"
        for reasoning models.
    temperature (Optional[float]): None leaves it to the server.
    seed (Optional[int]): None leaves it to the server. Further samples of a question count up from it.
    top_logprobs (int): Alternatives a token with their log-probabilities, for prompts with options; 0
        asks for none.
    use_schema (bool): Send the task's JSON schema, for servers that hold replies to it.
    extra (Optional[Dict[str, Any]]): Further fields of the request, such as `reasoning_effort`.
    concurrency (int): Requests at the same time.
    timeout (float): Seconds for one request, from the connection to the last byte.
    connect_timeout (float): Seconds for the connection.
    max_tries (int): Requests for one prompt at most, where they fail.
    backoff (float): Seconds before the second try where the server gives no hint.
    max_wait (float): The longest wait that a server may ask for; a longer one ends the run.
    max_reply_bytes (int): The longest body of a reply that is read.
    allow_insecure (bool): Allow plain http to another machine.
    context_length (Optional[int]): Tokens that the model can read, for tasks that cut by it.
    RETURNS (OpenAI): The model.
    """
    host = check_address(base_url, allow_insecure)
    check_variable(api_key_env)
    settings = {"base_url": base_url, "model": model, "system": system, "extra": extra or {}}
    refuse_key_literals(settings, "llmjudge.OpenAI.v1")
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
            expected = f"a number of at least {least}"
            raise LLMJudgeError(Errors.J319.format(name=name, value=value, expected=expected))
    known = sorted(_OWN_FIELDS.intersection(extra or {}))
    if known:
        expected = "fields of the request that have no argument of their own"
        raise LLMJudgeError(Errors.J319.format(name="extra", value=known, expected=expected))
    fixed: Dict[str, Any] = {"model": model, max_tokens_field: max_tokens, **(extra or {})}
    if temperature is not None:
        fixed["temperature"] = temperature
    return OpenAI(
        url=base_url.rstrip("/") + "/chat/completions",
        host=host,
        fixed=fixed,
        name=model,
        api_key_env=api_key_env,
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


class OpenAI:
    """A chat server. Call it with prompts, or wrap it in `llmjudge.Ledger.v1`, which keeps the replies.

    name (str): The name of the model.
    host (str): The server.
    concurrency (int): Requests at the same time.
    policy (RetryPolicy): How often and how patiently to try.
    """

    def __init__(
        self,
        *,
        url: str,
        host: str,
        fixed: Dict[str, Any],
        name: str,
        api_key_env: Optional[str],
        system: Optional[str],
        seed: Optional[int],
        max_tokens: int,
        top_logprobs: int,
        use_schema: bool,
        concurrency: int,
        policy: RetryPolicy,
        transport: Dict[str, Any],
        context_length: Optional[int],
    ) -> None:
        self.name = name
        self.host = host
        self.concurrency = concurrency
        self.policy = policy
        self._url = url
        self._fixed = fixed
        self._api_key_env = api_key_env
        self._system = system
        self._seed = seed
        self._max_tokens = max_tokens
        self._top_logprobs = top_logprobs
        self._use_schema = use_schema
        self._transport = transport
        self._context_length = context_length
        self._forget()

    def _forget(self) -> None:
        self._process: Optional[int] = None
        self._connections: Optional[Connections] = None
        self._accepted = False
        self._limits = Limits()
        self._breaker = Breaker()
        self._tally = Tally()
        self._lock = threading.Lock()

    def __getstate__(self) -> Dict[str, Any]:
        alive = ("_process", "_connections", "_limits", "_breaker", "_tally", "_lock", "_accepted")
        return {name: value for name, value in vars(self).items() if name not in alive}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def __repr__(self) -> str:
        return f"OpenAI(model={self.name!r}, url={self._url!r}, api_key_env={self._api_key_env!r})"

    @property
    def context_length(self) -> Optional[int]:
        return self._context_length

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Reply to prompts, many at once.

        prompts (Iterable[Iterable[str]]): The prompts of each document.
        YIELDS (Iterable[str]): The replies of each document. A prompt that fails has an empty one with
            a state and a reason; only what no prompt can do anything about is an error.
        """
        self._wake()
        self._breaker.try_again()
        yield from reply_in_order(prompts, self._ask, workers=self.concurrency)
        self._breaker.warn(self.host)

    def _ask(self, prompt: str, stop: threading.Event) -> Reply:
        if self._breaker.reason:
            return self._tally.reply(Reply("", state="not_sent", reason="server_down"))
        outcome = persist(
            lambda: self._count_and_send(prompt),
            policy=self.policy,
            limits=self._limits,
            tokens=0,
            host=self.host,
            stop=stop,
        )
        if outcome.asked:
            self._breaker.count(outcome.reason if outcome.state == "failed" else None)
        reply = self.parse(outcome.raw, outcome.body) if outcome.state == "replied" else None
        return self._tally.reply(without_reply(outcome) if reply is None else reply)

    def _count_and_send(self, prompt: str) -> Attempt:
        self._tally.request()
        return self.send(prompt)

    def usage(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What was done so far: `requests`, `replied`, `abstained` and
        `not_sent` by reason, `tokens_in` and `tokens_out`; may be called from any thread.
        """
        return self._tally.as_dict()

    def _wake(self) -> None:
        """Begin anew in a forked process: sockets and threads stay behind with the parent."""
        if self._process != os.getpid():
            self._forget()
            self._process = os.getpid()

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What tells this model from others, without secrets, as JSON."""
        return {"model": self.name, "url": self._url, "request": self._fixed}

    def make_request(self, prompt: str) -> bytes:
        """Write a request as it will be sent.

        prompt (str): The prompt.
        RETURNS (bytes): JSON, with the task's schema in its own order: servers that hold a reply to a
            schema make the LLM write the properties in the order in which they stand there.
        """
        messages = [{"role": "user", "content": str(prompt)}]
        if self._system is not None:
            messages.insert(0, {"role": "system", "content": self._system})
        body: Dict[str, Any] = {**self._fixed, "messages": messages}
        if self._seed is not None:
            body["seed"] = self._seed + getattr(prompt, "sample", 0)
        if isinstance(prompt, Prompt):
            if self._use_schema and prompt.schema:
                schema = {"name": "reply", "strict": True, "schema": prompt.schema}
                body["response_format"] = {"type": "json_schema", "json_schema": schema}
            if self._top_logprobs and (prompt.options or prompt.verdicts):
                body["logprobs"] = True
                body["top_logprobs"] = self._top_logprobs
        return _dump(body)

    def identify(self, request: bytes) -> bytes:
        """RETURNS (bytes): What a reply depends on beside the prompt's number: the address, and the
        request with all its keys sorted, so that the same question has the same key in every order."""
        return self._url.encode("utf8") + b"\n" + _dump(json.loads(request), sort_keys=True)

    def bound_tokens(self, request: bytes) -> Tuple[int, int]:
        """The most tokens that a request can cost: no tokenizer makes more tokens than bytes.

        RETURNS (Tuple[int, int]): Tokens in and tokens out.
        """
        return len(request) + _ENVELOPE, self._max_tokens

    def send(self, prompt: str, request: Optional[bytes] = None) -> Attempt:
        """Send one request, once.

        prompt (str): The prompt.
        request (Optional[bytes]): What `make_request` made of it, where that was done already.
        RETURNS (Attempt): How it ended.
        """
        self._wake()
        if request is None:
            request = self.make_request(prompt)
        try:
            key = read_key(self._api_key_env, self.host)
        except LLMJudgeError as error:
            return Attempt("failed", reason="no_key", billed=False, asked=False, error=error)
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        response = self._connect().post(request, headers)
        raw = redact(response.body.decode("utf8", "replace"), self._secrets() if key else [])
        return self._judge(response, raw)

    def _connect(self) -> Connections:
        with self._lock:
            if self._connections is None:
                self._connections = Connections(self._url, **self._transport)
            return self._connections

    def _judge(self, response: HttpResponse, raw: str) -> Attempt:
        if response.failure == "tls" and UNPROVED in response.detail:
            error = LLMJudgeError(Errors.J318.format(host=self.host, error="its certificate"))
            return Attempt("failed", reason="tls", billed=False, error=error)
        if response.failure is not None:
            return Attempt("failed", reason=response.failure, billed=response.sent)
        status = response.status or 0
        body, problem = None, ""
        try:
            body = load_strict(raw)
        except StrictJSONError as error:
            problem = str(error)
        if status == 200:
            return self._read_success(body, problem, raw)
        outcome = Attempt("failed", raw, f"http_{status}", status, billed=False)
        found = read_error(body, raw)
        if 300 <= status < 400:
            target = redact(response.headers.get("Location", "nowhere"), self._secrets())[:100]
            text = Errors.J316.format(host=self.host, status=status, target=target)
            outcome.error = LLMJudgeError(text)
        elif status in _TRANSIENT or status >= 500:
            outcome.wait = read_retry_after(response.headers, raw)
            # A 503 without a hint may be about this one prompt: it does not hold up the others.
            outcome.pause_all = status in _PAUSING or outcome.wait is not None
            if any(code in found.codes for code in _EXHAUSTED):
                outcome.error = self._permanent(status, found.message)
        elif any(sign in found.text for sign in _TOO_LONG) or status == 413:
            outcome.state, outcome.reason = "rejected", "prompt_too_long"
        elif status in _PROMPT_STATUS and self._accepted:
            outcome.state = "rejected"
        else:
            outcome.error = self._permanent(status, found.message)
        return outcome

    def _read_success(self, body: Any, problem: str, raw: str) -> Attempt:
        """Look at a body with status 200, which may be no reply all the same."""
        if not problem:
            if not isinstance(body, dict):
                problem = "not_an_object"
            elif body.get("error"):
                problem = "error_in_body"
        if problem:
            return Attempt("failed", raw, problem, 200)
        self._accepted = True
        return Attempt("replied", raw, status=200, body=body, usage=read_usage(body))

    def _permanent(self, status: int, message: str) -> LLMJudgeError:
        variable = self._api_key_env
        hints = {
            401: f"Check the key in the environment variable {variable}."
            if variable
            else "It wants a key: set api_key_env to the NAME of the environment variable that has it.",
            403: "The key may not use this model, or not from here.",
            404: "Check base_url (most end in /v1) and the name of the model.",
            429: "The account's credit is used up.",
        }
        text = Errors.J315.format(
            host=self.host,
            status=status,
            model=self.name,
            key=f"key from {variable}" if variable else "no key",
            hint=hints.get(status, "It does not accept a setting, or the prompt."),
            message=message or "nothing",
        )
        return LLMJudgeError(redact(text, self._secrets()))

    def _secrets(self) -> List[str]:
        return known_secrets(self._api_key_env)

    def parse(self, raw: str, body: Any = None) -> Reply:
        """Read a reply from what the server sent.

        raw (str): The body.
        body (Any): What it was decoded to, where it was.
        RETURNS (Reply): Abstained with a reason where it holds none that can be used.
        """
        return read_chat(load_strict(raw) if body is None else body)


def _dump(body: Dict[str, Any], sort_keys: bool = False) -> bytes:
    text = json.dumps(body, sort_keys=sort_keys, ensure_ascii=False, separators=(",", ":"))
    # Half a character of UTF-16, which a text may hold, is written as JSON escapes it.
    return text.encode("utf8", "backslashreplace")
