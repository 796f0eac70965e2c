"""Runs on a mock that others wrote (llmock), which breaks on demand and judges how its clients behave."""

import warnings
from collections import Counter

import pytest

from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.openai import make_openai_model

pytestmark = pytest.mark.slow

PROMPTS = [f"prompt {i}" for i in range(40)]
APIS = ["chat", "responses"]


def run(llmock, path, api, max_tries=9):
    settings = {"api": api, "concurrency": 8, "backoff": 0.05, "timeout": 20.0}
    settings["max_tries"] = max_tries
    model = make_openai_model(llmock.base_url(), "gpt-4o-mini", **settings)
    ledger = make_ledger_model(model, path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        replies = [reply for (reply,) in ledger([[prompt] for prompt in PROMPTS])]
    states = ledger._store.count()
    ledger.close()
    return replies, states


def statuses(llmock):
    return Counter(record.status for record in llmock.requests)


@pytest.mark.parametrize("api", APIS)
def test_faults_of_all_kinds_cost_no_reply_and_no_request_too_many(api, llmock, tmp_path):
    calm, _ = run(llmock, tmp_path / "calm.db", api)
    assert {reply.state for reply in calm} == {"replied"}
    llmock.reset()
    llmock.fail(503, times=6).rate_limit(times=3, retry_after=0.2).fail(500, times=4)
    llmock.fail(429, times=2).fail(529, times=2).fail(408, times=2).fail(504, times=2)
    replies, states = run(llmock, tmp_path / "l.db", api)
    assert replies == calm
    assert states == {"failed": 21, "replied": 40}
    expected = {200: 40, 503: 6, 429: 5, 500: 4, 529: 2, 408: 2, 504: 2}
    assert statuses(llmock) == expected, "each prompt is answered once"
    llmock.assert_resilient()


@pytest.mark.parametrize("api", APIS)
def test_after_an_outage_only_the_rest_is_asked(api, llmock, tmp_path):
    calm, _ = run(llmock, tmp_path / "calm.db", api)
    path = tmp_path / "l.db"
    llmock.reset()
    llmock.outage()
    replies, _ = run(llmock, path, api, max_tries=3)
    assert {reply.state for reply in replies} == {"not_sent"}
    n_failed = statuses(llmock)[503]
    llmock.assert_resilient()
    llmock.reset()
    replies, states = run(llmock, path, api, max_tries=3)
    assert replies == calm and statuses(llmock) == {200: 40}
    assert states == {"failed": n_failed, "replied": 40}
    llmock.reset()
    assert run(llmock, path, api)[0] == calm and not llmock.requests


@pytest.mark.parametrize("api", APIS)
def test_a_prompt_that_is_too_long_abstains_and_ends_nothing(api, llmock, tmp_path):
    llmock.context_overflow(times=1)
    replies, _ = run(llmock, tmp_path / "l.db", api)
    ends = Counter((reply.state, reply.reason) for reply in replies)
    assert ends == {("replied", None): 39, ("abstained", "prompt_too_long"): 1}
    assert statuses(llmock) == {200: 39, 400: 1}
    llmock.assert_resilient()
