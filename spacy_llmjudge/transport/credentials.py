"""Keys: read from the environment when a request leaves, and kept out of everything else."""

import os
import re
from typing import Dict, Iterable, List, Mapping, Optional

from ..errors import Errors, LLMJudgeError
from .key_literals import check_variable

REDACTED = "[redacted]"
_SECRET_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)\Z", re.IGNORECASE)
_SHORTEST_KEY = 8
_QUERY = re.compile(r"(https?://[^\s?]+)\?\S+")
_MESSAGE_LENGTH = 300


# What the connection itself decides.
_OWN_HEADERS = {"accept-encoding", "connection", "content-length", "content-type", "host"}
_OWN_HEADERS |= {"transfer-encoding"}
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")


class Credentials:
    """Names of environment variables, whose values become headers when a request leaves.

    host (str): The server, for messages.
    api_key_env (Optional[str]): The variable that holds the key; None where the server wants none.
    headers (Mapping[str, str]): Further headers, each with the variable that holds its value.
    """

    def __init__(
        self,
        host: str,
        api_key_env: Optional[str] = None,
        headers: Optional[Mapping[str, str]] = None,
    ) -> None:
        self.host = host
        self._api_key_env = api_key_env
        self._headers = dict(headers or {})
        check_variable(api_key_env)
        for name, variable in self._headers.items():
            check_variable(variable, f"headers.{name}")
            if not _HEADER.match(name) or name.lower() in _OWN_HEADERS:
                expected = "names of headers that are not set anyway"
                raise LLMJudgeError(
                    Errors.J319.format(name="headers", value=name, expected=expected)
                )

    @property
    def variables(self) -> List[str]:
        """The names of all variables."""
        return [*([self._api_key_env] if self._api_key_env else []), *self._headers.values()]

    def __repr__(self) -> str:
        return f"api_key_env={self._api_key_env!r}, headers={self._headers!r}"

    def read(self) -> Dict[str, str]:
        """RETURNS (Dict[str, str]): The headers, with their values as the environment has them now."""
        found: Dict[str, str] = {}
        if self._api_key_env is not None:
            key = _read(self._api_key_env, self.host)
            if " " in key:
                raise LLMJudgeError(Errors.J314.format(variable=self._api_key_env))
            found["Authorization"] = f"Bearer {key}"
        found.update((name, _read(v, self.host)) for name, v in self._headers.items())
        return found

    def secrets(self) -> List[str]:
        """RETURNS (List[str]): The values that must not be stored or shown, longest first."""
        return _longest_first(os.environ.get(name, "").strip() for name in self.variables)


def _read(variable: str, host: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise LLMJudgeError(Errors.J313.format(variable=variable, host=host))
    if not value.isascii() or not value.isprintable():
        # http.client would print the value in its own message.
        raise LLMJudgeError(Errors.J314.format(variable=variable))
    return value


def known_secrets() -> List[str]:
    """RETURNS (List[str]): The values of all environment variables whose names end like those of secrets,
    for models whose variable is not known, longest first."""
    names = [name for name in os.environ if _SECRET_NAMES.search(name)]
    return _longest_first(os.environ[name].strip() for name in names)


def _longest_first(values: Iterable[str]) -> List[str]:
    return sorted({v for v in values if len(v) >= _SHORTEST_KEY}, key=lambda v: (-len(v), v))


def redact(text: str, secrets: List[str]) -> str:
    """Take secrets out of a text, such as a reply that repeats the header it was asked with."""
    for secret in secrets:
        # JSON may write a slash with a backslash before it.
        for written in (secret, secret.replace("/", "\\/")):
            if written in text:
                text = text.replace(written, REDACTED)
    return text


def describe_error(error: Exception) -> str:
    """Tell what somebody else's code raised, on one line, without what may be secret.

    error (Exception): The error.
    RETURNS (str): Its kind and its text, without the queries of addresses, which may hold keys.
    """
    words = " ".join(redact(str(error), known_secrets()).split())
    words = _QUERY.sub(r"\1?...", words)[:_MESSAGE_LENGTH]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
