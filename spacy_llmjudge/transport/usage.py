"""The tokens that a server says a request used."""

from dataclasses import dataclass
from typing import Any, Dict, Optional

# No reply has a billion tokens, and no row of a ledger has room for more.
_TOO_MANY = 1_000_000_000


@dataclass(frozen=True)
class Usage:
    """What a reply cost in tokens. What nobody counted is None.

    tokens_in (Optional[int]): Tokens of the request.
    tokens_out (Optional[int]): Tokens of the reply, with those of thinking that it does not show.
    tokens_cached (int): Tokens of the request that the server had in its cache.
    tier (Optional[str]): The service tier that the request was served at.
    """

    tokens_in: Optional[int] = None
    tokens_out: Optional[int] = None
    tokens_cached: int = 0
    tier: Optional[str] = None

    @property
    def is_known(self) -> bool:
        return self.tokens_in is not None and self.tokens_out is not None

    def as_dict(self) -> Dict[str, int]:
        """RETURNS (Dict[str, int]): `tokens_in` and `tokens_out`; empty where nobody counted."""
        if self.tokens_in is None or self.tokens_out is None:
            return {}
        return {"tokens_in": self.tokens_in, "tokens_out": self.tokens_out}


UNKNOWN = Usage()


def count_of(value: Any) -> Optional[int]:
    """RETURNS (Optional[int]): A value that can be a number of tokens, else None."""
    return value if type(value) is int and 0 <= value < _TOO_MANY else None


def read_usage(body: Any) -> Usage:
    """Read the tokens that the body of a chat reply says it used.

    body (Any): The decoded body.
    RETURNS (Usage): UNKNOWN where it does not say, or says what cannot be.
    """
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return UNKNOWN
    tokens_in, tokens_out = (
        count_of(usage.get("prompt_tokens")),
        count_of(usage.get("completion_tokens")),
    )
    if tokens_in is None or tokens_out is None:
        return UNKNOWN
    return Usage(tokens_in, tokens_out)
