"""`llmjudge.Panel.v1`: who is asked, what their replies become, and what is kept of each for the fusion."""

import json
from pathlib import Path

import pytest
from cli_helpers import run
from english import NLP
from judge_helpers import answer, split_prompt
from loopback import Answer, Loopback, chat
from spacy.tokens import DocBin, Span

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.component import make_llm_judge
from spacy_llmjudge.judge.cost_estimate import plan_judging
from spacy_llmjudge.judge.panel import make_panel_model, merge
from spacy_llmjudge.judge.tasks.annotate import make_annotate_task
from spacy_llmjudge.judge.tasks.classify import make_classify_task
from spacy_llmjudge.judge.tasks.verify import make_verify_task
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.models.recorded import make_recorded_model
from spacy_llmjudge.selection.fusion import fit_fusion
from spacy_llmjudge.selection.table import table_from_docs
from spacy_llmjudge.targets.cats import Cats

CONFIG = Path(__file__).parents[2] / "configs" / "judges" / "panel_openai.cfg"
TEXTS = ["the roses bloom", "the quiet lawn", "the tulips fade"]


def lists(words, confidence=90):
    """A script that lists some words where a text has them."""

    def script(request):
        text = split_prompt(request.prompt)[1].split()
        found = [word for word in words if word in text]
        entries = [{"text": word, "label": "PLANT", "confidence": confidence} for word in found]
        return Answer(chat(json.dumps({"entities": entries, "alternatives": []})))

    return script


def member(server, folder, model="tiny", ledger="ledger.db", **settings):
    prices = folder / "prices.json"
    table = {name: {"input": 1, "output": 4} for name in ("tiny", "large")}
    prices.write_text(json.dumps({"as_of": "2026-01-31", "usd_per_million_tokens": table}))
    quick = {"max_tokens": 50, "backoff": 0.002, "max_tries": 1, **settings}
    asked = make_openai_model(server.url, model, **quick)
    return make_ledger_model(asked, folder / ledger, prices=prices)


def judge_of(models, task=None):
    task = task or make_annotate_task(labels=["PLANT"])
    panel = make_panel_model(models)
    return make_llm_judge(NLP, "llm_judge", task, panel, "llmjudge", "annotate", False, True)


def make_docs():
    docs = [NLP.make_doc(text) for text in TEXTS]
    for doc in docs:
        set_candidates(doc, [Candidate(1, 2, "PLANT", 0.6, source="student")])
    return docs


def candidates_of(docs):
    return {(doc.text, c.start): c for doc in docs for c in get_candidates(doc)}


@pytest.fixture
def servers():
    with Loopback(lists(["roses", "lawn"])) as one, Loopback(lists(["roses", "fade"], 60)) as two:
        yield one, two


def test_supports_are_pooled_and_what_each_model_says_is_kept(tmp_path, servers):
    one, two = servers
    models = {"one": member(one, tmp_path), "two": member(two, tmp_path, "large")}
    judged = list(judge_of(models).pipe(make_docs()))
    found = candidates_of(judged)
    roses = found["the roses bloom", 1]
    assert (roses.verdict, roses.support) == ("correct", pytest.approx(0.786, abs=0.001))
    assert roses.opinions == {"one": ["correct", 0.9], "two": ["correct", 0.6]}
    tulips = found["the tulips fade", 1]
    assert (tulips.verdict, tulips.support) == ("not_entity", None)
    assert [get_status(doc)["state"] for doc in judged] == ["judged"] * 3
    assert (len(one.requests), len(two.requests)) == (3, 3)
    again = list(judge_of(models).pipe(make_docs()))
    assert candidates_of(again) == found and len(one.requests + two.requests) == 6


def test_what_one_model_proposes_the_lists_of_the_others_judge(tmp_path, servers):
    models = {
        name: member(server, tmp_path, name) for name, server in zip(("tiny", "large"), servers)
    }
    fade = candidates_of(judge_of(models).pipe(make_docs()))["the tulips fade", 2]
    assert fade.source == "judge" and fade.verdict == "not_entity"
    assert fade.opinions == {"tiny": ["not_entity", None], "large": ["correct", 0.6]}
    assert fade.support == pytest.approx(0.219, abs=0.001)


def test_a_model_that_abstains_does_not_count(tmp_path, servers):
    with Loopback(lambda request: Answer(chat("I cannot say."))) as silent:
        models = {"mute": member(silent, tmp_path, "large"), "one": member(servers[0], tmp_path)}
        judged = list(judge_of(models).pipe(make_docs()))
        alone = list(judge_of({**models, "one": models["mute"]}).pipe(make_docs()))
    roses = candidates_of(judged)["the roses bloom", 1]
    assert (roses.verdict, roses.support) == ("correct", 0.9)
    assert roses.opinions == {"one": ["correct", 0.9]}
    assert {get_status(doc)["state"] for doc in judged} == {"judged"}
    assert {get_status(doc)["state"] for doc in alone} == {"abstained"}
    assert {c.verdict for c in candidates_of(alone).values()} == {"abstained"}


def test_while_a_model_is_down_documents_wait_and_no_reply_is_lost(tmp_path, servers):
    is_down = True
    answers = lists(["roses"])

    def script(request):
        return Answer({"error": "busy"}, 503) if is_down else answers(request)

    with Loopback(script) as server:
        models = {"up": member(servers[0], tmp_path), "down": member(server, tmp_path, "large")}
        waiting = list(judge_of(models).pipe(make_docs()))
        is_down = False
        later = {"up": models["up"], "down": member(server, tmp_path, "large")}
        judged = list(judge_of(later).pipe(make_docs()))
    assert {get_status(doc)["state"] for doc in waiting} == {"not_sent"}
    assert {c.verdict for c in candidates_of(waiting).values()} == {None}
    assert [get_status(doc)["state"] for doc in judged] == ["judged"] * 3
    assert len(servers[0].requests) == 3


def test_a_plan_adds_up_requests_and_price_and_sends_nothing(tmp_path, servers):
    models = {"one": member(servers[0], tmp_path), "two": member(servers[1], tmp_path, "large")}
    plan = plan_judging(make_docs(), judge_of(models))
    alone = plan_judging(make_docs(), judge_of({"one": models["one"], "two": lambda prompts: []}))
    assert (plan["documents"], plan["candidates"]) == (3, 3)
    assert (plan["requests"], alone["requests"]) == (6, 3)
    assert plan["cost"] == pytest.approx(2 * alone["cost"], rel=0.01)
    assert plan["cost_bound"] == pytest.approx(2 * alone["cost_bound"], rel=0.01)
    assert plan["seconds"] == alone["seconds"]
    assert servers[0].requests == servers[1].requests == []


@pytest.mark.parametrize("ledgers", [("a.db", "a.db"), ("a.db", "b.db")])
def test_what_all_models_cost_is_counted_once(tmp_path, servers, ledgers):
    models = {
        name: member(server, tmp_path, name, ledger)
        for name, server, ledger in zip(("tiny", "large"), servers, ledgers)
    }
    judge = judge_of(models)
    judged = list(judge.pipe(make_docs()))
    assert judge.model.usage()["cost"] == pytest.approx(6 * (10 + 4 * 5) / 1e6)
    assert judge.model.usage()["requests"] == 6
    # the ledgers have a secret each, and the plan knows whose counts
    assert plan_judging(judged, judge)["requests"] == 0


def test_each_question_of_a_verifying_panel_is_merged(tmp_path):
    chances = {"sure": ("correct", 95, None), "doubts": ("wrong_boundary", 20, None)}

    def script(verdict):
        return lambda request: Answer(chat(answer(request.prompt, lambda *_: verdict)))

    with Loopback(script(chances["sure"])) as one, Loopback(script(chances["doubts"])) as two:
        models = {"one": member(one, tmp_path), "two": member(two, tmp_path, "large")}
        judged = list(judge_of(models, make_verify_task(labels=["PLANT"])).pipe(make_docs()))
    for candidate in candidates_of(judged).values():
        assert candidate.opinions == {"one": ["correct", 0.95], "two": ["wrong_boundary", 0.2]}
        assert candidate.support == pytest.approx(0.686, abs=0.001)
        assert candidate.verdict == "correct"


def recorded(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return make_recorded_model(path, label_column="said", confidence_column="sure")


def test_labels_of_documents_are_judged_by_recorded_models(tmp_path):
    said = [("A", 0.9), ("A", 0.6), ("B", 0.9)]
    other = [("A", 0.8), ("B", 0.9), (None, None)]
    models = {
        name: recorded(
            tmp_path / f"{name}.jsonl",
            [{"text": text, "said": x, "sure": p} for text, (x, p) in zip(TEXTS, rows)],
        )
        for name, rows in (("one", said), ("two", other))
    }
    task = make_classify_task(labels=["A", "B"])
    task.use_target(Cats(("A", "B"), exclusive=True))
    judged = list(judge_of(models, task).pipe([NLP.make_doc(text) for text in TEXTS]))
    best = [{c.label for c in get_candidates(doc) if c.verdict == "correct"} for doc in judged]
    # where they disagree, the equal pool accepts neither
    assert best == [{"A"}, set(), {"B"}]
    assert candidates_of(judged[2:])[TEXTS[2], 0].opinions.keys() == {"one"}


def test_merging_does_not_depend_on_the_order_of_models():
    one = Candidate(0, 1, "X", verdict="wrong_label", support=0.2)
    two = one.replace(verdict="not_entity", support=0.3)
    found = merge({"one": one, "two": two})
    assert found == merge({"two": two, "one": one}) and found.verdict == "not_entity"
    bare = one.replace(verdict="correct", support=None)
    assert merge({"one": bare, "two": bare}).support is None
    assert merge({"one": one.replace(verdict=None), "two": two}).verdict is None


def test_opinions_survive_on_disk_and_become_columns(tmp_path, servers):
    models = {"one": member(servers[0], tmp_path), "two": member(servers[1], tmp_path, "large")}
    judged = list(judge_of(models).pipe(make_docs()))
    read = list(
        DocBin()
        .from_bytes(DocBin(docs=judged, store_user_data=True).to_bytes())
        .get_docs(NLP.vocab)
    )
    assert candidates_of(read) == candidates_of(judged)
    table = table_from_docs(read)
    assert table.models == ("one", "two") and table.opinions.shape == (len(table), 2, 2)
    alone = table.member("two")
    assert sorted(alone.support[alone.verdict == 0].tolist()) == [0.6, 0.6]
    assert table.hide_judge().opinions is None


def test_the_fusion_learns_from_gold_whom_to_heed(tmp_path):
    names = [f"plant{i}" for i in range(60)]
    right = names[::2]
    with Loopback(lists(right, 80)) as able, Loopback(lists(names, 80)) as eager:
        models = {"able": member(able, tmp_path), "eager": member(eager, tmp_path, "large")}
        docs = [NLP.make_doc(f"the {name} grows") for name in names]
        for doc in docs:
            set_candidates(doc, [Candidate(1, 2, "PLANT", 0.5, source="student")])
        judged = list(judge_of(models).pipe(docs))
    gold = [NLP.make_doc(doc.text) for doc in judged]
    for doc in gold:
        doc.set_ents([Span(doc, 1, 2, "PLANT")] if doc[1].text in right else [])
    table = table_from_docs(judged, gold)
    fusion = fit_fusion(table)
    assert fusion.mode == "fitted" and fusion.shares["able"] > 2 * fusion.shares["eager"]
    assert ((fusion.support(table) > 0.5) == table.correct).all()


def test_a_block_without_a_model_is_named():
    with pytest.raises(LLMJudgeError, match="J368.*'two'.*dict"):
        make_panel_model({"one": lambda prompts: prompts, "two": {"model": "tiny"}})


def test_one_model_is_no_panel():
    with pytest.raises(LLMJudgeError, match="J366.*1 models"):
        make_panel_model({"one": lambda prompts: prompts})


def test_a_task_that_cannot_read_a_panel_is_refused():
    def echo(prompts):
        return prompts

    models = {"one": echo, "two": echo}
    with pytest.raises(LLMJudgeError, match="J367"):
        list(make_panel_model(models)([["plain words"]]))
    with pytest.raises(LLMJudgeError, match="J367.*after_list"):
        judge_of(models, make_verify_task(labels=["PLANT"], after_list=True))


def test_the_config_plans_both_models(tmp_path, monkeypatch):
    docs = make_docs()
    path = tmp_path / "docs.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    labels = ("--components.llm_judge.task.labels", "PLANT")
    ledger = ("--paths.ledger", tmp_path / "ledger.db")
    monkeypatch.chdir(CONFIG.parents[2])
    result = run("plan", path, CONFIG, *labels, *ledger, "--json", tmp_path / "plan.json")
    assert result.exit_code == 0, result.output
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert (plan["model"], plan["requests"]) == ("gpt-4.1-mini, gpt-4o-mini", 6)
    assert plan["max_cost"] == 5.0 and plan["cost"] is not None
