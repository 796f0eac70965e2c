"""A chat server that speaks OpenAI's protocol: what `llmjudge.OpenAI.v1` makes."""

import json
import os
import threading
from dataclasses import replace
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple

from ..errors import LLMJudgeError, Warnings
from ..transport.breaker import Breaker
from ..transport.credentials import Credentials, redact
from ..transport.http import Connections, HttpResponse
from ..transport.limits import Limits
from ..transport.messages import Prompt, Reply
from ..transport.notices import Notices
from ..transport.refused_fields import Remedy, apply_remedies, find_remedy
from ..transport.retry import Attempt, RetryPolicy, persist, without_reply
from ..transport.strict_json import load_strict
from ..transport.tally import Counts, Tally
from ..transport.wire_formats import WireFormat
from ..transport.workers import MARGIN, reply_in_order
from .chat_responses import Asked, read_response

# What a chat template puts around the messages, in tokens, at most.
_ENVELOPE = 64
_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
# Replies without log-probabilities, before it is said that they never come.
_PATIENCE = 3
# What belongs to a process, or to a run.
_ALIVE = {"_process", "_connections", "_limits", "_breaker", "_tally", "_lock", "_accepted"}
_ALIVE |= {"_remedies", "_notices", "_n_bare"}


class ChatServer:
    """A chat server. Call it with prompts, or wrap it in `llmjudge.Ledger.v1`, which keeps the replies.

    name (str): The name of the model.
    host (str): The server.
    concurrency (int): Requests at the same time.
    policy (RetryPolicy): How often and how patiently to try.
    context_length (Optional[int]): Tokens that the model can read.
    service_tier (Optional[str]): The tier that is asked for.
    timeout (float): Seconds for one request.
    max_reply_bytes (int): The longest body of a reply that is read.
    """

    def __init__(
        self,
        *,
        url: str,
        wire: WireFormat,
        fixed: Dict[str, Any],
        name: str,
        credentials: Credentials,
        system: Optional[str],
        seed: Optional[int],
        max_tokens: int,
        top_logprobs: int,
        use_schema: bool,
        concurrency: int,
        policy: RetryPolicy,
        transport: Mapping[str, Any],
        context_length: Optional[int],
    ) -> None:
        self.name = name
        self.host = credentials.host
        self.concurrency = concurrency
        self.policy = policy
        self.context_length = context_length
        self.service_tier: Optional[str] = fixed.get("service_tier")
        self.timeout: float = transport["timeout"]
        self.max_reply_bytes: int = transport["max_bytes"]
        self._url = url
        self._wire = wire
        self._fixed = fixed
        self._credentials = credentials
        self._system = system
        self._seed = seed
        self._max_tokens = max_tokens
        self._top_logprobs = top_logprobs
        self._use_schema = use_schema
        self._transport = transport
        self._forget()

    def _forget(self) -> None:
        self._process: Optional[int] = None
        self._connections: Optional[Connections] = None
        self._accepted = False
        self._remedies: Dict[str, Remedy] = {}
        self._notices = Notices()
        self._n_bare: Optional[int] = 0
        self._limits = Limits()
        self._breaker = Breaker()
        self._tally = Tally()
        self._lock = threading.Lock()

    def __getstate__(self) -> Dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _ALIVE}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def __repr__(self) -> str:
        return f"ChatServer(model={self.name!r}, url={self._url!r}, {self._credentials!r})"

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Reply to prompts, many at once.

        prompts (Iterable[Iterable[str]]): The prompts of each document.
        YIELDS (Iterable[str]): The replies of each document. A prompt that fails has an empty one with
            a state and a reason; only what no prompt can do anything about is an error.
        """
        self._wake()
        self._breaker.try_again()
        stream = reply_in_order(
            prompts, self._ask, workers=self.concurrency, grace=self.timeout + MARGIN
        )
        for replies in stream:
            self._notices.warn()
            yield replies
        self._notices.warn()
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
            failed = outcome.state in ("failed", "not_sent")
            self._breaker.count(outcome.reason if failed else None)
        reply = self.parse(outcome.raw, outcome.body) if outcome.state == "replied" else None
        return self._tally.reply(without_reply(outcome) if reply is None else reply)

    def _count_and_send(self, prompt: str) -> Attempt:
        self._tally.request()
        outcome = self.send(prompt)
        self._notices.add(outcome.notice)
        return outcome

    def usage(self) -> Counts:
        """RETURNS (Counts): What was done so far; may be called from any thread."""
        return self._tally.counts()

    def _wake(self) -> None:
        """Start again in a forked process: sockets and threads stay behind with the parent."""
        if self._process != os.getpid():
            self._forget()
            self._process = os.getpid()

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What tells this model from others, without secrets, as JSON."""
        return {"model": self.name, "url": self._url, "request": self._fixed}

    def make_request(self, prompt: str) -> bytes:
        """Write a request as it will be sent, unless the server refuses some of its fields.

        prompt (str): The prompt.
        RETURNS (bytes): JSON, with the task's schema in its own order: servers that hold a reply to a
            schema make the LLM write the properties in the order in which they stand there.
        """
        body = self._wire.make_body(self._fixed, prompt, self._system, self._seed)
        if isinstance(prompt, Prompt):
            if self._use_schema and prompt.schema:
                self._wire.ask_schema(body, prompt.schema)
            if self._top_logprobs and (prompt.options or prompt.verdicts):
                self._wire.ask_logprobs(body, self._top_logprobs)
            elif prompt.logprobs:
                # of the tokens that are said; alternatives to them would only make the reply long
                self._wire.ask_logprobs(body, 1)
        return dump(body)

    def identify(self, request: bytes) -> bytes:
        """RETURNS (bytes): What a reply depends on beside the prompt's number: the address, and the
        request with all its keys sorted, so that the same question has the same key in every order."""
        return self._url.encode("utf8") + b"\n" + dump(json.loads(request), sort_keys=True)

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
            headers = self._headers()
            connections = self._connect()
        except LLMJudgeError as error:
            return Attempt("failed", reason="no_key", billed=False, asked=False, error=error)
        wanted: Dict[str, Any] = json.loads(request)
        body = apply_remedies(wanted, self._remedies)
        response = connections.post(request if body == wanted else dump(body), headers)
        return self.read(response, wanted, body, getattr(prompt, "logprobs", False))

    def _headers(self) -> Dict[str, str]:
        return {**_HEADERS, **self._wire.headers, **self._credentials.read()}

    def _asked(self) -> Asked:
        return Asked(
            self.host,
            self.name,
            self._url,
            self._credentials,
            self.max_reply_bytes,
            self._wire.holder,
        )

    def read(
        self,
        response: HttpResponse,
        wanted: Dict[str, Any],
        body: Dict[str, Any],
        reads_all: bool = False,
    ) -> Attempt:
        """Find out how a request ended.

        response (HttpResponse): What came of it.
        wanted (Dict[str, Any]): The request as it is written where the server refuses none of its fields.
        body (Dict[str, Any]): The request as it was written.
        reads_all (bool): A task that reads the log-probabilities of all tokens says itself that they never come.
        RETURNS (Attempt): How it ended.
        """
        raw = redact(response.body.decode("utf8", "replace"), self._credentials.secrets())
        outcome, problem = read_response(response, raw, self._asked(), self._accepted)
        if outcome.state == "replied":
            self._accepted = True
            if not reads_all:
                outcome.notice = self._miss_logprobs(body, outcome.body)
        elif problem is not None and outcome.reason == f"http_{outcome.status}":
            remedy = find_remedy(outcome.status or 0, problem, body)
            if remedy is not None and self._use(remedy, wanted, body):
                notice = self._tell(remedy, problem.message)
                return replace(
                    outcome, state="refitted", reason="field_refused", error=None, notice=notice
                )
        return outcome

    def _connect(self) -> Connections:
        with self._lock:
            if self._connections is None:
                self._connections = Connections(self._url, **self._transport)
            return self._connections

    def _use(self, remedy: Remedy, wanted: Dict[str, Any], refused: Dict[str, Any]) -> bool:
        """Write all further requests in another way. RETURNS (bool): Whether this one changes by it."""
        with self._lock:
            self._remedies = {**self._remedies, remedy.field: remedy}
        return apply_remedies(wanted, self._remedies) != refused

    def _tell(self, remedy: Remedy, message: str) -> str:
        what = "is left out"
        if remedy.other_name is not None:
            what = f"is called {remedy.other_name}"
        elif remedy.value is not None:
            what = f"is set to {remedy.value}"
        return Warnings.JW330.format(
            host=self.host, model=self.name, field=remedy.field, what=what, message=message
        )

    def _miss_logprobs(self, asked: Dict[str, Any], body: Any) -> str:
        """RETURNS (str): A warning, where log-probabilities that were asked for never come."""
        if not {"logprobs", "include"}.intersection(asked) or self._n_bare is None:
            return ""
        with self._lock:
            if self._wire.read(body).logprobs is not None:
                self._n_bare = None
            elif self._n_bare is not None:
                self._n_bare += 1
        if self._n_bare != _PATIENCE:
            return ""
        return Warnings.JW331.format(host=self.host, model=self.name)

    def parse(self, raw: str, body: Any = None) -> Reply:
        """Read a reply from what the server sent.

        raw (str): The body.
        body (Any): What it was decoded to, where it was.
        RETURNS (Reply): Abstained with a reason where it holds none that can be used.
        """
        return self._wire.read(load_strict(raw) if body is None else body)


def dump(body: Any, sort_keys: bool = False) -> bytes:
    """RETURNS (bytes): JSON as it is sent, on one line."""
    text = json.dumps(body, sort_keys=sort_keys, ensure_ascii=False, separators=(",", ":"))
    # Half a character of UTF-16, which a text may hold, is written as JSON escapes it.
    return text.encode("utf8", "backslashreplace")
