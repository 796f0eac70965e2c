"""Keys: read from the environment when a request leaves, and kept out of everything else."""

import ipaddress
import math
import os
import re
from typing import Any, Iterator, List, Optional, Tuple
from urllib.parse import urlsplit

from ..errors import Errors, LLMJudgeError

REDACTED = "[redacted]"
# What providers put in front of their keys; a name of an environment variable never starts so.
_PREFIXES = re.compile(
    r"(sk|rk|pk|gsk|hf|xai|ghp|r8|pplx|fw|csk|nvapi|esecret|tgp|AIza|eyJ|glpat|AKIA)[-_A-Z0-9]"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_SECRET_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS)\Z", re.IGNORECASE)
_SHORTEST_KEY = 8


def read_key(variable: Optional[str], host: str) -> Optional[str]:
    """Read a key from the environment.

    variable (Optional[str]): The name of the environment variable; None where the server wants no key.
    host (str): The server, for the message.
    RETURNS (Optional[str]): The key.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise LLMJudgeError(Errors.J313.format(variable=variable, host=host))
    if not key.isascii() or not key.isprintable() or " " in key:
        # http.client would print the value in its own message.
        raise LLMJudgeError(Errors.J314.format(variable=variable))
    return key


def check_variable(variable: Optional[str]) -> None:
    """Refuse a key where the name of an environment variable belongs."""
    if variable is None:
        return
    if looks_like_key(variable) or not _VARIABLE.match(variable):
        raise LLMJudgeError(Errors.J312.format(where="api_key_env", shown=_shorten(variable)))


def refuse_keys(settings: Any, where: str) -> None:
    """Refuse settings that hold a key literally, at any depth.

    settings (Any): JSON-like settings that a config file holds.
    where (str): What they are, for the message.
    """
    for path, value in _walk(settings, where):
        if looks_like_key(value):
            raise LLMJudgeError(Errors.J312.format(where=path, shown=_shorten(value)))


def _walk(settings: Any, path: str) -> Iterator[Tuple[str, str]]:
    if isinstance(settings, dict):
        for name, value in settings.items():
            yield from _walk(value, f"{path}.{name}")
    elif isinstance(settings, (list, tuple)):
        for value in settings:
            yield from _walk(value, path)
    elif isinstance(settings, str):
        yield path, settings


def looks_like_key(value: str) -> bool:
    """Whether a string is more likely a secret key than a name, an address or a sentence.

    value (str): The string.
    RETURNS (bool): True for the key formats of the known providers, for `Bearer ...`, and for long
        words that look random.

    EXAMPLE:
        >>> looks_like_key("OPENAI_API_KEY"), looks_like_key("gpt-4o-mini-2024-07-18")
        (False, False)
        >>> looks_like_key("sk-proj-4Fh2kQ9vXw71bTzR8mNc")
        True
    """
    value = value.strip()
    if re.match(r"(bearer|basic)\s+\S{8,}\Z", value, re.IGNORECASE):
        return True
    if len(value) < 16 or re.search(r"[\s/:.]", value):
        return False
    tail = re.split(r"[-_]", value)[-1]
    if _PREFIXES.match(value) and re.search(r"\d", value) and not _is_constant(value):
        return True
    return len(tail) >= 24 and _is_random(tail)


def _is_constant(value: str) -> bool:
    """Whether it is written like the name of an environment variable."""
    return bool(re.match(r"[A-Z_][A-Z0-9_]*\Z", value)) and "_" in value


def _is_random(word: str) -> bool:
    kinds = [r"[a-z]", r"[A-Z]", r"\d"]
    present = sum(bool(re.search(kind, word)) for kind in kinds)
    shares = [word.count(letter) / len(word) for letter in set(word)]
    entropy = -sum(share * math.log2(share) for share in shares)
    return present >= 2 and bool(re.search(r"\d", word)) and entropy >= 3.2


def _shorten(value: str) -> str:
    return f"{value[:3]}..., {len(value)} characters"


def known_secrets(variable: Optional[str] = None) -> List[str]:
    """The values that must not be stored or shown, longest first.

    variable (Optional[str]): The environment variable that holds the key. None takes all variables
        whose names end like those of secrets, for models whose variable is not known.
    RETURNS (List[str]): The values.
    """
    if variable is not None:
        values = [os.environ.get(variable, "").strip()]
    else:
        names = [name for name in os.environ if _SECRET_NAMES.search(name)]
        values = [os.environ[name].strip() for name in names]
    return sorted({v for v in values if len(v) >= _SHORTEST_KEY}, key=lambda v: (-len(v), v))


def redact(text: str, secrets: List[str]) -> str:
    """Take secrets out of a text, such as a reply that repeats the header it was asked with."""
    for secret in secrets:
        # JSON may write a slash with a backslash before it.
        for written in (secret, secret.replace("/", "\\/")):
            if written in text:
                text = text.replace(written, REDACTED)
    return text


def check_address(url: str, allow_insecure: bool) -> str:
    """Check the address of a server without asking the network.

    url (str): The address.
    allow_insecure (bool): Allow plain http to another machine.
    RETURNS (str): The host, with its port where the address names one.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    extra = host and (parts.username or parts.password or parts.query or parts.fragment)
    if not host or extra or parts.scheme not in ("http", "https"):
        shown = url if not extra else f"{parts.scheme}://...{parts.path}"
        raise LLMJudgeError(Errors.J310.format(url=shown))
    if parts.scheme == "http" and not (is_loopback(host) or allow_insecure):
        raise LLMJudgeError(Errors.J311.format(url=url))
    return f"{host}:{port}" if port else host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
