import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.prices import Price, find_price, read_prices
from spacy_llmjudge.transport.usage import Usage

PRICES = st.floats(0, 1000)
TOKENS = st.integers(0, 10**7)
ONE = {"input": 1, "output": 4}


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
        {"as_of": "x", "usd_per_million_tokens": {"m": {**ONE, "cached_input": "x"}}},
        {"as_of": "x", "usd_per_million_tokens": {"m": {**ONE, "tiers": []}}},
        {"as_of": "x", "usd_per_million_tokens": {"m": {**ONE, "tiers": {"flex": {"input": 1}}}}},
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


def test_cached_tokens_have_a_price_of_their_own(tmp_path):
    table = {"as_of": "x", "usd_per_million_tokens": {"m": {**ONE, "cached_input": 0.1}}}
    price = read_prices(write(tmp_path / "p.json", table))[1]["m"]
    assert price.charge(Usage(1000, 10, tokens_cached=600)) == 400 * 1000 + 600 * 100 + 10 * 4000
    assert Price(1, 4).charge(Usage(1000, 10, tokens_cached=600)) == 1000 * 1000 + 10 * 4000
    assert price.charge(Usage()) is None


def test_a_tier_has_a_price_of_its_own(tmp_path):
    tiers = {"flex": {"input": 0.5, "output": 2}, "priority": {"input": 2, "output": 8}}
    table = {"as_of": "x", "usd_per_million_tokens": {"m": {**ONE, "tiers": tiers}}}
    price = read_prices(write(tmp_path / "p.json", table))[1]["m"]
    by_tier = {tier: price.charge(Usage(10, 10, tier=tier)) for tier in (None, "default", *tiers)}
    assert by_tier == {None: 50_000, "default": 50_000, "flex": 25_000, "priority": 100_000}
    # What is asked for may be served at the standard tier.
    worst = {tier: price.worst(10, 10, tier) for tier in (None, "auto", *tiers)}
    assert worst == {None: 50_000, "auto": 50_000, "flex": 50_000, "priority": 100_000}
    assert price.has_tier("flex") and price.has_tier("auto") and not price.has_tier("scale")


@settings(deadline=None)
@given(PRICES, PRICES, PRICES, TOKENS, TOKENS, st.integers(0, 10**7))
def test_no_charge_is_over_the_worst_case(price_in, price_out, cached, n_in, n_out, n_cached):
    price = Price(price_in, price_out, min(cached, price_in))
    usage = Usage(n_in, n_out, min(n_cached, n_in))
    # Each of the sums is rounded up.
    assert price.charge(usage) <= price.worst(n_in, n_out, None) + 1
