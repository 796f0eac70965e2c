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

    Some servers count thinking in `total_tokens` only. Numbers that cannot be, such as 0 tokens for a
    reply that has words, count as none: the worst case is charged then, not nothing.

    body (Any): The decoded body.
    RETURNS (Usage): UNKNOWN where it does not say, or says what cannot be.

    EXAMPLE:
        >>> read_usage({"usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 31}})
        Usage(tokens_in=9, tokens_out=22, tokens_cached=0, tier=None)
        >>> read_usage({"usage": {"prompt_tokens": 0, "completion_tokens": 2}}) == UNKNOWN
        True
    """
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return UNKNOWN
    tokens_in = count_of(usage.get("prompt_tokens", usage.get("input_tokens")))
    tokens_out = count_of(usage.get("completion_tokens", usage.get("output_tokens")))
    # Anthropic counts what goes into its cache, or comes from it, apart; in `prompt_tokens` it is contained.
    apart = [count_of(usage.get(f"cache_{name}_input_tokens")) for name in ("creation", "read")]
    if tokens_in is not None and "prompt_tokens" not in usage:
        tokens_in += sum(count or 0 for count in apart)
    if not tokens_in or tokens_out is None or (tokens_out == 0 and has_text(body)):
        return UNKNOWN
    total = count_of(usage.get("total_tokens"))
    if total is not None:
        tokens_out = max(tokens_out, total - tokens_in)
    tier = body.get("service_tier")
    return Usage(
        tokens_in,
        tokens_out,
        min(tokens_in, _count_cached(usage)),
        tier if isinstance(tier, str) else None,
    )


def _count_cached(usage: Dict[str, Any]) -> int:
    names = ("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
    found = [usage.get(name) for name in names]
    for name in ("prompt_tokens_details", "input_tokens_details"):
        details = usage.get(name)
        if isinstance(details, dict):
            found.append(details.get("cached_tokens"))
    return max((count for count in map(count_of, found) if count is not None), default=0)


def has_text(body: Dict[str, Any]) -> bool:
    """RETURNS (bool): Whether a reply has any content: its first choice, or an item of its output."""
    if body.get("type") == "message":
        return bool(body.get("content"))
    items = body.get("output")
    if isinstance(items, list):
        messages = [i for i in items if isinstance(i, dict) and i.get("type") == "message"]
        return any(message.get("content") for message in messages)
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    return bool(isinstance(message, dict) and message.get("content"))
