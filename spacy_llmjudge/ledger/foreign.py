"""Any spacy-llm model of somebody else's, seen as something that answers one request at a time."""

import json
import time
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from ..transport.credentials import known_secrets
from ..transport.in_process import InProcess
from ..transport.retry import Attempt

Model = Callable[[Iterable[Iterable[Any]]], Iterable[Iterable[Any]]]

_WEB_MODELS = "spacy_llm.models.rest."
# How a model asks, not what: a reply does not depend on these.
_MANNERS = {"batch_size", "concurrency", "context_length", "credentials", "device"}
_MANNERS |= {"interval", "max_request_time", "max_tries", "strict"}
_LIMITS = ("max_tokens", "max_completion_tokens", "max_tokens_to_sample", "max_new_tokens")


class ForeignModel(InProcess):
    """Wraps a spacy-llm model; it gets one prompt a call, so that one failure costs no other reply.

    model (Model): The model. It tries again itself, and says nothing of it.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._settings = _settings_of(model)
        self._tries = int(getattr(model, "_max_tries", 0)) + 1
        self._interval = float(getattr(model, "_interval", 0.0))
        self._name = str(getattr(model, "_name", None) or self._settings["class"].split(":")[-1])
        is_web = type(model).__module__.startswith(_WEB_MODELS)
        self.concurrency = getattr(model, "concurrency", 8 if is_web else 1)
        self.reply_limit = _find_limit(self._settings)
        if is_web:
            self.timeout = float(getattr(model, "_max_request_time", self.timeout))

    @property
    def name(self) -> str:
        return self._name

    @property
    def context_length(self) -> Optional[int]:
        return getattr(self._model, "context_length", None)

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        return self._model(prompts)

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What tells this model from others, without secrets, as JSON."""
        return self._settings

    def make_request(self, prompt: str) -> bytes:
        """Write what the model gets to read: the string alone."""
        return super().make_request(str(prompt))

    def bound_tokens(self, request: bytes) -> Tuple[int, Optional[int]]:
        """The most tokens that one call can cost, with all the tries that it may make inside.

        RETURNS (Tuple[int, Optional[int]]): Tokens in, and tokens out where the model has a limit.
        """
        tokens_in, limit = super().bound_tokens(request)
        return tokens_in * self._tries, None if limit is None else limit * self._tries

    def send(self, prompt: str, request: Optional[bytes] = None) -> Attempt:
        """Ask the model once."""
        start = time.monotonic()
        outcome = super().send(prompt, request)
        quick = time.monotonic() - start < self._interval
        if outcome.state == "replied" and quick and not outcome.body["usage"]:
            # Nobody counted, but there was no time for a second try.
            bound = super().bound_tokens(request or self.make_request(prompt))
            return self._keep({**outcome.body, "bound": list(bound)})
        return outcome


def _settings_of(model: Model) -> Dict[str, Any]:
    """What can be known of a model's settings: its attributes, or what its function closes over."""
    kind: Any = model if hasattr(model, "__qualname__") else type(model)
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
