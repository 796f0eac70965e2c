"""What tokens cost: a dated table that the user keeps, in nano-dollars so that sums are exact."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple, Union

from ..errors import Errors, LLMJudgeError

# Nano-dollars in a dollar.
NANO = 1_000_000_000
_PER_MILLION = "usd_per_million_tokens"


@dataclass(frozen=True)
class Price:
    """The price of one model.

    input (float): US dollars for a million tokens in.
    output (float): US dollars for a million tokens out.
    """

    input: float
    output: float

    def cost(self, tokens_in: int, tokens_out: int) -> int:
        """What tokens cost, rounded up.

        tokens_in (int): Tokens in.
        tokens_out (int): Tokens out.
        RETURNS (int): Nano-dollars (1e-9 USD).

        EXAMPLE:
            >>> Price(0.5, 1.5).cost(1_000_000, 2_000_000)
            3500000000
        """
        return math.ceil(1000 * self.input * tokens_in) + math.ceil(1000 * self.output * tokens_out)


FREE = Price(0.0, 0.0)


def read_prices(path: Union[str, Path]) -> Tuple[str, Dict[str, Price]]:
    """Read a table of prices.

    path (Union[str, Path]): A JSON file with `as_of` and `usd_per_million_tokens`.
    RETURNS (Tuple[str, Dict[str, Price]]): The date of the table, and the price of each model.
    """
    path = Path(path)
    if not path.exists():
        hint = "It should hold the prices of the models; name another file with `prices`."
        raise LLMJudgeError(Errors.J001.format(path=path, hint=hint))
    try:
        table = json.loads(path.read_text(encoding="utf8"))
        prices = {name: _read_price(name, row) for name, row in table[_PER_MILLION].items()}
        return str(table["as_of"]), prices
    except KeyError as error:
        raise LLMJudgeError(Errors.J324.format(path=path, error=f"{error} is missing")) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise LLMJudgeError(Errors.J324.format(path=path, error=error)) from error


def _read_price(name: str, row: Any) -> Price:
    values = [row["input"], row["output"]]
    for value in values:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < 1e6:
            raise ValueError(f"{name} has the price {value!r}")
    return Price(*map(float, values))


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
