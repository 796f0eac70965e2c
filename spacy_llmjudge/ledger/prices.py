"""What tokens cost: a dated table that the user keeps, in nano-dollars so that sums are exact."""

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, Optional, Tuple, Union

from ..configs import read_text
from ..errors import Errors, LLMJudgeError
from ..transport.usage import Usage

# Nano-dollars in a dollar.
NANO = 1_000_000_000
_PER_MILLION = "usd_per_million_tokens"
# What servers call the tier that the prices of a model are about.
_STANDARD = (None, "auto", "default", "standard", "on_demand")
_BATCH = "batch"


@dataclass(frozen=True)
class Price:
    """The price of one model.

    input (float): US dollars for a million tokens in.
    output (float): US dollars for a million tokens out.
    cached_input (Optional[float]): For a million tokens in that the server had in its cache; None where
        they cost as much as others.
    tiers (Dict[str, Price]): The prices of service tiers that differ.
    """

    input: float
    output: float
    cached_input: Optional[float] = None
    tiers: "Dict[str, Price]" = field(default_factory=dict)

    def cost(self, tokens_in: int, tokens_out: int, tokens_cached: int = 0) -> int:
        """What tokens cost, rounded up.

        tokens_in (int): Tokens in, with those from the cache.
        tokens_out (int): Tokens out.
        tokens_cached (int): Tokens in that the server had in its cache.
        RETURNS (int): Nano-dollars (1e-9 USD).

        EXAMPLE:
            >>> Price(0.5, 1.5).cost(1_000_000, 2_000_000)
            3500000000
            >>> Price(0.5, 1.5, cached_input=0.1).cost(1_000_000, 0, 500_000)
            300000000
        """
        if self.cached_input is None:
            tokens_cached = 0
        return (
            math.ceil(1000 * self.input * (tokens_in - tokens_cached))
            + math.ceil(1000 * (self.cached_input or 0.0) * tokens_cached)
            + math.ceil(1000 * self.output * tokens_out)
        )

    def has_tier(self, tier: Optional[str]) -> bool:
        """RETURNS (bool): Whether it is known what a service tier costs."""
        return tier in _STANDARD or tier in self.tiers

    def of_tier(self, tier: Optional[str]) -> "Price":
        """RETURNS (Price): The price of a service tier, or the standard one."""
        return self.tiers.get(tier or "", self)

    def in_batch(self, share: float) -> "Price":
        """What a model costs where it is asked in batches.

        share (float): Of the price; a tier "batch" in the table counts instead.
        RETURNS (Price): The price.

        EXAMPLE:
            >>> price = Price(2.0, 8.0, cached_input=0.5).in_batch(0.5)
            >>> price.input, price.output, price.cached_input
            (1.0, 4.0, 0.25)
        """
        half = self.tiers.get(_BATCH) or Price(
            share * self.input,
            share * self.output,
            None if self.cached_input is None else share * self.cached_input,
        )
        # Servers may call the tier of such a reply by the name that it has without batches, or so.
        return replace(half, tiers={**dict.fromkeys(self.tiers, half), _BATCH: half})

    def charge(self, usage: Usage) -> Optional[int]:
        """RETURNS (Optional[int]): What a reply cost, nano-dollars; None where nobody counted."""
        if usage.tokens_in is None or usage.tokens_out is None:
            return None
        price = self.of_tier(usage.tier)
        return price.cost(usage.tokens_in, usage.tokens_out, usage.tokens_cached)

    def worst(self, tokens_in: int, tokens_out: int, tier: Optional[str]) -> int:
        """What tokens cost at most, nano-dollars.

        tokens_in (int): Tokens in.
        tokens_out (int): Tokens out.
        tier (Optional[str]): The service tier that is asked for; a server may serve at the standard one.
        RETURNS (int): Nano-dollars: nothing comes from a cache.
        """
        asked = self.of_tier(tier)
        most = Price(max(self.input, asked.input), max(self.output, asked.output))
        return most.cost(tokens_in, tokens_out)


FREE = Price(0.0, 0.0)


def read_prices(path: Union[str, Path]) -> Tuple[str, Dict[str, Price]]:
    """Read a table of prices.

    path (Union[str, Path]): A JSON file with `as_of` and `usd_per_million_tokens`: by model `input`,
        `output`, and where they differ `cached_input` and `tiers` (by name, with the same three).
    RETURNS (Tuple[str, Dict[str, Price]]): The date of the table, and the price of each model.
    """
    text = read_text(
        path, "It should hold the prices of the models; name another file with `prices`."
    )
    try:
        table = json.loads(text)
        prices = {name: _read_price(name, row) for name, row in table[_PER_MILLION].items()}
        return str(table["as_of"]), prices
    except KeyError as error:
        raise LLMJudgeError(Errors.J324.format(path=path, error=f"{error} is missing")) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise LLMJudgeError(Errors.J324.format(path=path, error=error)) from error


def _read_price(name: str, row: Any) -> Price:
    tiers = {tier: _read_price(f"{name} {tier}", r) for tier, r in row.get("tiers", {}).items()}
    cached = row.get("cached_input")
    return Price(
        _read_number(name, row["input"]),
        _read_number(name, row["output"]),
        None if cached is None else _read_number(name, cached),
        tiers,
    )


def _read_number(name: str, value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not 0 <= value < 1e6:
        raise ValueError(f"{name} has the price {value!r}")
    return float(value)


def find_price(prices: Dict[str, Price], model: str) -> Optional[Price]:
    """Find the price of a model.

    prices (Dict[str, Price]): The table.
    model (str): Its full name; a dated version such as `name-2026-01-31` falls back to `name`.
    RETURNS (Optional[Price]): None where the table has none.
    """
    if model in prices:
        return prices[model]
    parts = model.rsplit("-", 3)
    dated = len(parts) == 4 and all(part.isdigit() for part in parts[1:])
    return prices.get(parts[0]) if dated else None
