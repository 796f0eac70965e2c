import json

import pytest
from asking import PRICES
from loopback import Answer, Loopback, chat

from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.ledger.plan import plan_requests
from spacy_llmjudge.models.openai import make_openai_model


@pytest.fixture
def make(tmp_path):
    (tmp_path / "prices.json").write_text(json.dumps(PRICES))

    def make_model(url, **settings):
        model = make_openai_model(url, "tiny", max_tokens=50, concurrency=4, api_key_env="NOT_SET")
        return make_ledger_model(model, tmp_path / "ledger.db", **settings)

    return make_model


def test_a_plan_sends_nothing_and_makes_no_file(make, tmp_path):
    with Loopback() as server:
        model = make(server.url, prices=tmp_path / "prices.json")
        plan = plan_requests(
            model, [["a", "b"], [], ["a"]], tokens_per_reply=20, seconds_per_reply=3
        )
    assert server.requests == []
    assert not (tmp_path / "ledger.db").exists()
    assert (plan.prompts, plan.stored, plan.requests) == (3, 1, 2)
    assert (plan.tokens_out, plan.tokens_out_bound, plan.seconds) == (40, 100, 1.5)
    assert 0 < plan.tokens_in < plan.tokens_in_bound
    assert plan.cost == pytest.approx(plan.tokens_in * 1e-6 + 40 * 4e-6)
    assert plan.cost_bound == pytest.approx(plan.tokens_in_bound * 1e-6 + 100 * 4e-6)
    assert json.loads(plan.first_request)["messages"][-1]["content"] == "a"


def test_what_is_kept_is_not_counted_and_the_bound_holds(make, tmp_path, monkeypatch):
    monkeypatch.setenv("NOT_SET", "a-key")

    def longest(request):
        usage = {"prompt_tokens": len(request.raw), "completion_tokens": 50}
        return Answer(chat("x", usage=usage))

    with Loopback(longest) as server:
        model = make(server.url, prices=tmp_path / "prices.json")
        plan = plan_requests(model, [[f"p{i}"] for i in range(10)])
        list(model([[f"p{i}"] for i in range(10)]))
        assert len(server.requests) == plan.requests == 10
        assert plan.first_request.encode() == server.requests[0].raw
        assert model.usage()["cost"] <= plan.cost_bound
        again = plan_requests(model, [[f"p{i}"] for i in range(12)])
    assert (again.stored, again.requests) == (10, 2)


def test_without_a_price_there_is_no_cost(make):
    plan = plan_requests(make("http://127.0.0.1:9/v1", max_cost=1.0), [["a"]])
    assert (plan.cost, plan.cost_bound, plan.requests) == (None, None, 1)
