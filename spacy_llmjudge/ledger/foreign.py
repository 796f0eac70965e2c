"""Any spacy-llm model, seen as something that answers one request at a time."""

import json
import time
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from ..errors import LLMJudgeError
from ..transport.chat import is_count
from ..transport.credentials import known_secrets, redact, refuse_keys
from ..transport.messages import Prompt, Reply
from ..transport.retry import Attempt, RetryPolicy

Model = Callable[[Iterable[Iterable[Any]]], Iterable[Iterable[Any]]]

_ENVELOPE = 64
_MESSAGE_LENGTH = 2000
_WEB_MODELS = "spacy_llm.models.rest."
_OWN_MODELS = "spacy_llmjudge.models."
# How a model asks, not what: a reply does not depend on these.
_MANNERS = {"batch_size", "concurrency", "context_length", "credentials", "device"}
_MANNERS |= {"interval", "max_request_time", "max_tries", "strict"}
_LIMITS = ("max_tokens", "max_completion_tokens", "max_tokens_to_sample", "max_new_tokens")


class ForeignModel:
    """Wraps a spacy-llm model; it gets one prompt a call, so that one failure costs no other reply.

    model (Model): The model.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._settings = _settings_of(model)
        refuse_keys(self._settings, type(model).__name__)
        module = type(model).__module__
        self._reads_prompt = module.startswith(_OWN_MODELS)
        self._tries = int(getattr(model, "_max_tries", 0)) + 1
        self._interval = float(getattr(model, "_interval", 0.0))
        self.name = str(getattr(model, "_name", None) or self._settings["class"].split(":")[-1])
        self.host = self.name
        self.concurrency = getattr(model, "concurrency", 8 if module.startswith(_WEB_MODELS) else 1)
        # It tries again itself, and says nothing of it.
        self.policy = RetryPolicy(max_tries=1, backoff=0.0, max_wait=0.0)
        self._identity = json.dumps(self._settings, sort_keys=True).encode("ascii")

    @property
    def context_length(self) -> Optional[int]:
        return getattr(self._model, "context_length", None)

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What tells this model from others, without secrets, as JSON."""
        return self._settings

    def make_request(self, prompt: str) -> bytes:
        """Write what the model gets to read: the string, and for our own what it carries."""
        read: Dict[str, Any] = {"prompt": str(prompt)}
        if self._reads_prompt and isinstance(prompt, Prompt):
            carried = {k: v for k, v in vars(prompt).items() if k != "sample"}
            if not prompt.verdicts:
                # As before there were any, so that ledgers keep their replies.
                del carried["verdicts"]
            read.update(carried)
        return json.dumps(read, sort_keys=True).encode("ascii")

    def identify(self, request: bytes) -> bytes:
        return self._identity + b"\n" + request

    def bound_tokens(self, request: bytes) -> Tuple[int, Optional[int]]:
        """The most tokens that one call can cost, with all the tries that it may make inside.

        RETURNS (Tuple[int, Optional[int]]): Tokens in, and tokens out where the model has a limit.
        """
        limit = _find_limit(self._settings)
        tokens_in = (len(request) + _ENVELOPE) * self._tries
        return tokens_in, None if limit is None else limit * self._tries

    def send(self, prompt: str, request: Optional[bytes] = None) -> Attempt:
        """Ask the model once.

        prompt (str): The prompt.
        request (Optional[bytes]): What `make_request` made of it.
        RETURNS (Attempt): How it ended.
        """
        start = time.monotonic()
        try:
            replies = [list(group) for group in self._model([[prompt]])]
            reply = replies[0][0]
        except LLMJudgeError as error:
            return Attempt("failed", reason="model_error", billed=False, error=error)
        except Exception as error:
            text = redact(f"{type(error).__name__}: {error}", known_secrets())
            return Attempt("failed", text[:_MESSAGE_LENGTH], "model_error")
        if not isinstance(reply, str):
            return Attempt("failed", repr(type(reply)), "not_a_string")
        state = getattr(reply, "state", "replied")
        if state != "replied":
            return Attempt("rejected", reason=reply.reason, billed=False)
        kept = {"text": str(reply), "usage": dict(getattr(reply, "usage", None) or {})}
        for name in ("reason", "logprobs"):
            kept[name] = getattr(reply, name, None)
        if not kept["usage"] and time.monotonic() - start < self._interval:
            # Nobody counted, but there was no time for a second try.
            kept["bound"] = [
                len(request or self.make_request(prompt)) + _ENVELOPE,
                _find_limit(self._settings),
            ]
        return Attempt("replied", redact(json.dumps(kept), known_secrets()))

    def parse(self, raw: str) -> Reply:
        """Read a reply from what `send` kept."""
        kept = json.loads(raw)
        return Reply(
            kept["text"], reason=kept["reason"], logprobs=kept["logprobs"], usage=kept["usage"]
        )

    def count_tokens(self, raw: str) -> Tuple[Optional[int], Optional[int]]:
        """RETURNS (Tuple[Optional[int], Optional[int]]): Tokens in and out, None where unknown."""
        kept = json.loads(raw)
        usage = kept["usage"]
        counts = usage.get("tokens_in"), usage.get("tokens_out")
        if usage:
            return counts if all(is_count(count) for count in counts) else (None, None)
        return tuple(kept.get("bound", (None, None)))


def _settings_of(model: Model) -> Dict[str, Any]:
    """What can be known of a model's settings: its attributes, or what its function closes over."""
    kind = model if hasattr(model, "__qualname__") else type(model)
    settings: Dict[str, Any] = {"class": f"{kind.__module__}:{kind.__qualname__}"}
    found = dict(vars(model)) if hasattr(model, "__dict__") else {}
    closure = getattr(model, "__closure__", None) or ()
    names = getattr(getattr(model, "__code__", None), "co_freevars", ())
    found.update({name: cell.cell_contents for name, cell in zip(names, closure)})
    secrets = known_secrets()
    inner = found.get("_langchain_model")
    if inner is not None:
        found.update(vars(inner))
    for name, value in sorted(found.items()):
        plain, name = _as_plain(value), name.strip("_")
        # What a model read from the environment itself is not in a config.
        if name not in _MANNERS and plain is not None and plain not in secrets:
            settings[name] = plain
    return settings


def _as_plain(value: Any) -> Any:
    """The value where it is plain data, else None."""
    try:
        return json.loads(json.dumps(value, sort_keys=True))
    except (TypeError, ValueError):
        return None


def _find_limit(settings: Dict[str, Any]) -> Optional[int]:
    groups: List[Any] = [settings.get("config"), settings.get("config_run"), settings]
    for group in groups:
        for name in _LIMITS:
            limit = group.get(name) if isinstance(group, dict) else None
            if isinstance(limit, int) and limit > 0:
                return limit
    return None
