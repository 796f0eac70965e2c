"""The loop with a real server: no question is paid for twice, and a budget that is spent is an end."""

import json
from pathlib import Path

import pytest
from loop_helpers import POOL, StopRules, make_settings, make_workspace, run_loop
from loopback import Answer, Loopback, chat

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_json

MODEL = "components.llm_judge.model"


@pytest.fixture
def fresh(small_corpus, small_student, small_dataset, tmp_path, monkeypatch):
    folder = make_workspace(tmp_path / "w", small_corpus, small_student, small_dataset)
    monkeypatch.chdir(folder)
    prices = {"Qwen/Qwen2.5-7B-Instruct": {"input": 0.0, "output": 500_000.0}}
    table = {"as_of": "2026-01-31", "usd_per_million_tokens": prices}
    Path("prices.json").write_text(json.dumps(table))
    return folder


@pytest.fixture(scope="module")
def answer(small_dataset):
    rows = map(json.loads, (small_dataset / "responses.jsonl").open(encoding="utf8"))
    replies = {row["text"]: json.dumps(row["response"]) for row in rows}

    def script(request):
        found = [text for text in replies if text in request.prompt.rsplit("TEXT", 1)[-1]]
        found = found or [text for text in replies if text in request.prompt]
        return Answer(chat(replies[max(found, key=request.prompt.rfind)]))

    return script


def settings_for(server, folder, *, judge=None, **changes):
    own = {
        "paths.ledger": "ledger.sqlite",
        f"{MODEL}.model.base_url": server.url,
        f"{MODEL}.model.concurrency": 2,
        "components.llm_judge.task.n_demonstrations": 0,
        **(judge or {}),
    }
    filter_ = {"selector.q": 0.2}
    return make_settings(
        folder, judge="vllm", overrides={"judge": own, "filter": filter_}, **changes
    )


@pytest.mark.slow
def test_later_rounds_ask_nothing_that_was_answered(fresh, answer):
    with Loopback(answer) as server:
        result = run_loop(settings_for(server, fresh))
        n_evidence = sum(read_json("metrics/round-1/judge.json")["dev"].values())
        assert len(result["rounds"]) == 3
        assert len(server.requests) == POOL + n_evidence
    assert read_json("metrics/round-2/judge.json")["pool"] == {"judged": POOL}


@pytest.mark.slow
def test_a_budget_that_is_spent_ends_the_loop_and_keeps_everything(fresh, answer):
    # half a dollar a token: every request reserves its longest reply and turns out to cost 2.5
    budget = {
        f"{MODEL}.prices": "prices.json",
        f"{MODEL}.max_cost": 150.0,
        f"{MODEL}.model.max_tokens": 20,
    }
    rules = StopRules(max_rounds=4, stable=1.0, patience=9)
    with Loopback(answer) as server:
        settings = settings_for(server, fresh, judge=budget, rules=rules)
        result = run_loop(settings)
        n_asked = len(server.requests)
        assert result["stop"]["reason"] == "budget" and len(result["rounds"]) == 2
        states = read_json("metrics/round-1/judge.json")
        assert set(states["dev"]) == {"judged"}
        assert 0 < states["pool"]["not_sent: budget"] < POOL and states["pool"]["judged"] > 0
        assert n_asked == states["pool"]["judged"] + states["dev"]["judged"]
        assert read_json("metrics/round-1/round.json")["judge"]["cost"] <= 150
        assert Path("training/loop/model-best/meta.json").exists()
        assert run_loop(settings) == result and len(server.requests) == n_asked
        # with more money it goes on, and asks only what is open
        budget[f"{MODEL}.max_cost"] = 10_000.0
        rules = StopRules(max_rounds=2, stable=1.0, patience=9)
        more = settings_for(server, fresh, judge=budget, rules=rules)
        assert run_loop(more)["stop"]["reason"] in ("max_rounds", "stable")
        assert len(server.requests) == POOL + states["dev"]["judged"]
    assert read_json("metrics/round-1/judge.json")["pool"] == {"judged": POOL}


@pytest.mark.slow
def test_a_server_that_is_down_is_one_line_and_no_end(fresh, answer):
    with Loopback(lambda request: Answer("busy", status=503)) as server:
        down = settings_for(server, fresh, judge={f"{MODEL}.model.max_tries": 1})
        with pytest.raises(LLMJudgeError, match=r"\[J820\].*were not asked about"):
            run_loop(down)
    assert not Path("training/loop").exists()
    assert "judge-dev" not in read_json("metrics/round-1/round.json")["stages"]
