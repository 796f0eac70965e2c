"""Where a key literal is refused: a config is written to disk, so no key may stand in one."""

import math
import re
from typing import Any, Iterator, Optional, Tuple

from ..errors import Errors, LLMJudgeError

# What providers put in front of their keys; a name of an environment variable never starts so.
_PREFIXES = re.compile(
    r"(sk|rk|pk|gsk|hf|xai|ghp|r8|pplx|fw|csk|nvapi|esecret|tgp|AIza|eyJ|glpat|AKIA)[-_A-Z0-9]"
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def check_variable(variable: Optional[str], where: str = "api_key_env") -> None:
    """Refuse a key where the name of an environment variable belongs.

    variable (Optional[str]): What stands there.
    where (str): The setting, for the message.
    """
    if variable is None:
        return
    if looks_like_key(variable) or not _VARIABLE.match(variable):
        raise LLMJudgeError(Errors.J312.format(where=where, shown=_shorten(variable)))


def refuse_key_literals(settings: Any, where: str) -> None:
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
