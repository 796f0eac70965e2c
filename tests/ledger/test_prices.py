import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.prices import Price, find_price, read_prices

PRICES = st.floats(0, 1000)
TOKENS = st.integers(0, 10**7)


def write(path, data):
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_a_table_is_read(tmp_path):
    table = {"as_of": "2026-01-31", "usd_per_million_tokens": {"m": {"input": 1, "output": 2.5}}}
    assert read_prices(write(tmp_path / "p.json", table)) == ("2026-01-31", {"m": Price(1.0, 2.5)})


@pytest.mark.parametrize(
    "table",
    [
        "not json",
        "[]",
        {"as_of": "2026-01-31"},
        {"usd_per_million_tokens": {}},
        {"as_of": "x", "usd_per_million_tokens": []},
        {"as_of": "x", "usd_per_million_tokens": {"m": 3}},
        {"as_of": "x", "usd_per_million_tokens": {"m": {"input": 1}}},
        {"as_of": "x", "usd_per_million_tokens": {"m": {"input": "1", "output": 1}}},
        {"as_of": "x", "usd_per_million_tokens": {"m": {"input": -1, "output": 1}}},
        {"as_of": "x", "usd_per_million_tokens": {"m": {"input": float("nan"), "output": 1}}},
    ],
)
def test_a_bad_table_is_an_error_with_the_path(table, tmp_path):
    with pytest.raises(LLMJudgeError, match="J324.*p.json"):
        read_prices(write(tmp_path / "p.json", table))


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(LLMJudgeError, match="J001.*none.json"):
        read_prices(tmp_path / "none.json")


@settings(deadline=None)
@given(PRICES, PRICES, TOKENS, TOKENS, TOKENS, TOKENS)
def test_fewer_tokens_never_cost_more(price_in, price_out, in_1, in_2, out_1, out_2):
    price = Price(price_in, price_out)
    small = price.cost(min(in_1, in_2), min(out_1, out_2))
    assert small <= price.cost(max(in_1, in_2), max(out_1, out_2))


def test_a_dated_version_has_the_price_of_its_model():
    prices = {"m-4": Price(1, 1), "m-4-2026-05-06": Price(2, 2)}
    assert find_price(prices, "m-4-2026-05-06").input == 2
    assert find_price(prices, "m-4-2026-09-09").input == 1
    assert find_price(prices, "m-4-mini") is None
