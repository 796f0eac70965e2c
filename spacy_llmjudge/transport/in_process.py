"""What makes a `Sender` of a model that answers calls in this process: one prompt a call."""

import json
from typing import Any, Dict, Iterable, Optional, Tuple

from ..errors import LLMJudgeError, Warnings
from .credentials import describe_error, known_secrets, redact
from .messages import Prompt, Reply, Token
from .retry import Attempt, RetryPolicy
from .strict_json import load_strict
from .usage import UNKNOWN, Usage, count_of

# What may stand around a request, in tokens, at most.
_ENVELOPE = 64


class InProcess:
    """The half of a `Sender` that models in this process share; they add `name`, `describe` and the call.

    concurrency (int): How many requests at the same time are of use.
    policy (RetryPolicy): A second try would end as the first one did.
    reply_limit (Optional[int]): Tokens of the longest reply; None where nothing limits it.
    """

    concurrency: int = 1
    policy = RetryPolicy(max_tries=1, backoff=0.0, max_wait=0.0)
    reply_limit: Optional[int] = None
    service_tier: Optional[str] = None
    # How long it takes is not known, and what is lost was not paid for.
    timeout: float = 3.0
    max_reply_bytes: int = 100_000

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def host(self) -> str:
        return self.name

    @property
    def context_length(self) -> Optional[int]:
        return None

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        raise NotImplementedError

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What tells this model from others, without secrets, as JSON."""
        raise NotImplementedError

    def make_request(self, prompt: str) -> bytes:
        """Write what the model gets to read: the string, and all that it carries."""
        read: Dict[str, Any] = {"prompt": str(prompt)}
        if isinstance(prompt, Prompt):
            read.update({k: v for k, v in vars(prompt).items() if k != "sample"})
            if not prompt.verdicts:
                # As before there were any, so that ledgers keep their replies.
                del read["verdicts"]
        return json.dumps(read, sort_keys=True).encode("ascii")

    def identify(self, request: bytes) -> bytes:
        return json.dumps(self.describe(), sort_keys=True).encode("ascii") + b"\n" + request

    def bound_tokens(self, request: bytes) -> Tuple[int, Optional[int]]:
        """RETURNS (Tuple[int, Optional[int]]): The most tokens in and out that one call can cost."""
        return len(request) + _ENVELOPE, self.reply_limit

    def send(self, prompt: str, request: Optional[bytes] = None) -> Attempt:
        """Ask the model once.

        prompt (str): The prompt.
        request (Optional[bytes]): What `make_request` made of it.
        RETURNS (Attempt): How it ended.
        """
        try:
            replies: Any = self([[prompt]])
            replies = replies if replies is None else [list(group) for group in replies]
        except LLMJudgeError as error:
            return Attempt("failed", reason="model_error", billed=False, error=error)
        except Exception as error:
            text = describe_error(error)
            notice = Warnings.JW315.format(name=self.name, error=text)
            return Attempt("failed", text, "model_error", notice=notice)
        if not replies or not replies[0]:
            return Attempt("rejected", reason="no_reply")
        reply: Any = replies[0][0]
        if not isinstance(reply, str):
            return Attempt("rejected", repr(type(reply)), "not_a_string")
        if getattr(reply, "state", "replied") != "replied":
            return Attempt("rejected", reason=getattr(reply, "reason", None), billed=False)
        return self._keep(
            {
                "text": str(reply),
                "usage": dict(getattr(reply, "usage", None) or {}),
                "reason": getattr(reply, "reason", None),
                "logprobs": getattr(reply, "logprobs", None),
                **_keep_tokens(reply),
            }
        )

    def _keep(self, kept: Dict[str, Any]) -> Attempt:
        raw = json.dumps(kept)
        clean = redact(raw, known_secrets())
        body = kept if clean == raw else json.loads(clean)
        return Attempt("replied", clean, body=body, usage=_read_usage(kept))

    def parse(self, raw: str, body: Any = None) -> Reply:
        """Read a reply from what `send` kept."""
        kept = load_strict(raw) if body is None else body
        tokens = kept.get("tokens")
        return Reply(
            kept["text"],
            reason=kept["reason"],
            logprobs=kept["logprobs"],
            tokens=tokens and [Token(text.encode("utf8"), number) for text, number in tokens],
            usage=kept["usage"],
        )


def _keep_tokens(reply: str) -> Dict[str, Any]:
    """The tokens as JSON; they are whole characters where a model runs in this process."""
    tokens = getattr(reply, "tokens", None)
    if not tokens:
        return {}
    return {"tokens": [[token.data.decode("utf8", "replace"), token.logprob] for token in tokens]}


def _read_usage(kept: Dict[str, Any]) -> Usage:
    usage = kept["usage"]
    if not usage:
        return Usage(*kept.get("bound", (None, None)))
    tokens_in, tokens_out = (count_of(usage.get(name)) for name in ("tokens_in", "tokens_out"))
    known = tokens_in is not None and tokens_out is not None
    return Usage(tokens_in, tokens_out) if known else UNKNOWN
