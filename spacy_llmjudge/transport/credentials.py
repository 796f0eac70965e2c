"""Keys: read from the environment when a request leaves, and kept out of everything else."""

import os
import re
from typing import List, Optional

from ..errors import Errors, LLMJudgeError

REDACTED = "[redacted]"
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
