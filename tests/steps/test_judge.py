"""Which budget ended, by the name that the config knows it by."""

import json

import pytest
from judge_runs import write_annotated, write_prices
from loopback import Answer, Loopback, chat

from spacy_llmjudge.cli import judge as verb
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.steps.judge import _needs_gpu, judge
from spacy_llmjudge.steps.judge_config import load_judges, read_judge_config

MODEL = "components.llm_judge.model"
TINY = 1e-6
HEAD = """
[nlp]
lang = "en"
pipeline = {names}

[components]
"""
JUDGE = """
[components.{name}]
factory = "llm_judge"

[components.{name}.task]
@llm_tasks = "llmjudge.{task}.v1"
labels = "PLANT"
"""
LEDGER = """
[{block}]
@llm_models = "llmjudge.Ledger.v1"
path = {ledger}
prices = {prices}
max_cost = {cost}

[{block}.model]
@llm_models = "llmjudge.OpenAI.v1"
base_url = "{url}"
model = "tiny"
max_tokens = 50
max_tries = 1
"""
CASCADE = """
[{block}]
@llm_models = "llmjudge.Cascade.v1"
cuts = {cuts}
"""


@pytest.fixture
def folder(tmp_path):
    write_annotated(tmp_path, ["the roses bloom", "the lilies bloom"], [])
    write_prices(tmp_path)
    cuts = {"low": 0.2, "high": 0.9, "most": 3, "target": "precision", "asked": 0.5}
    (tmp_path / "cuts.json").write_text(json.dumps(cuts))
    return tmp_path


def ledger(folder, block, url, cost, file):
    paths = {"ledger": folder / file, "prices": folder / "prices.json"}
    shown = {name: json.dumps(str(path)) for name, path in paths.items()}
    return LEDGER.format(block=block, url=url, cost=cost, **shown)


def cascade(folder, url, cheap, strong):
    text = HEAD.format(names='["llm_judge"]') + JUDGE.format(name="llm_judge", task="Annotate")
    text += CASCADE.format(block=MODEL, cuts=json.dumps(str(folder / "cuts.json")))
    for name, cost in (("cheap", cheap), ("strong", strong)):
        text += ledger(folder, f"{MODEL}.{name}", url, cost, f"{name}.sqlite")
    return text


def two_steps(folder, url, first, second):
    names = ("llm_judge", "llm_verify")
    text = HEAD.format(names=json.dumps(names))
    for name, task, cost in zip(names, ("Annotate", "Verify"), (first, second)):
        text += JUDGE.format(name=name, task=task)
        text += ledger(folder, f"components.{name}.model", url, cost, f"{name}.sqlite")
    return text


@pytest.mark.parametrize(
    "make, costs, ended",
    [
        (cascade, (5.0, TINY), f"{MODEL}.strong.max_cost"),
        (cascade, (TINY, 5.0), f"{MODEL}.cheap.max_cost"),
        (two_steps, (5.0, TINY), "components.llm_verify.model.max_cost"),
        (two_steps, (TINY, 5.0), "components.llm_judge.model.max_cost"),
    ],
)
def test_the_budget_that_ended_is_raised_by_its_name(
    make, costs, ended, folder, monkeypatch, capsys
):
    path = folder / "judge.cfg"
    with Loopback(lambda request: Answer(chat("what?"))) as server:
        path.write_text(make(folder, server.url, *costs), encoding="utf8")
        found = judge(folder / "annotated" / "pool", folder / "judged", path)
    assert list(found["spent"]) == [ended] and found["spent"][ended]["max_cost"] == TINY
    spent = [usage["cost"] for usage in found["spent"].values()]
    assert found["usage"]["max_cost"] == 5.0 + TINY and found["usage"]["cost"] >= max(spent)
    monkeypatch.setattr("sys.argv", ["llmjudge", "judge", str(path)])
    with pytest.raises(SystemExit):
        verb._go_on({"not_sent: budget": 2}, found["spent"])
    words = capsys.readouterr().err.split(f"--{ended}")[1].split()
    higher = {ended: float(words[0])}
    assert higher[ended] >= 2 * TINY
    load_judges(read_judge_config(path, higher), path)


def test_a_judge_that_is_asked_by_batches_needs_no_cluster(folder):
    path = folder / "judge.cfg"
    text = HEAD.format(names='["llm_judge"]') + JUDGE.format(name="llm_judge", task="Annotate")
    text += ledger(folder, MODEL, "http://127.0.0.1:9/v1", 5.0, "l.sqlite")
    path.write_text(text.replace("OpenAI.v1", "OpenAIBatch.v1"), encoding="utf8")
    with pytest.raises(LLMJudgeError, match=r"\[J1000\].*Leave out --on ray"):
        judge(folder / "annotated" / "pool", folder / "judged", path, cluster=object())
    assert not (folder / "l.sqlite").exists()


def test_the_shards_have_the_size_that_was_asked_for(folder):
    path = folder / "judge.cfg"
    with Loopback(lambda request: Answer(chat())) as server:
        text = HEAD.format(names='["llm_judge"]') + JUDGE.format(name="llm_judge", task="Annotate")
        text += ledger(folder, MODEL, server.url, 5.0, "l.sqlite")
        path.write_text(text, encoding="utf8")
        found = judge(folder / "annotated" / "pool", folder / "judged", path, shard_size=1)
    assert [shard["docs"] for shard in found["shards"]] == [1, 1]


@pytest.mark.parametrize("device, wanted", [("cuda", True), ("cuda:1", True), ("auto", False)])
def test_a_worker_has_a_gpu_where_the_config_names_one(device, wanted):
    assert _needs_gpu({"components": {"llm_judge": {"model": {"device": device}}}}) is wanted
