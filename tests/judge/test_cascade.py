"""`llmjudge.Cascade.v1`: who is asked, what is kept, and what `plan` says before."""

import json
import re
from pathlib import Path

import pytest
import spacy
from batch_service import BatchService
from cli_helpers import error_line, run
from english import NLP
from loopback import Answer, Loopback, chat
from spacy.tokens import DocBin
from spacy.util import load_model_from_config
from thinc.api import Config

from spacy_llmjudge.candidates import Candidate, get_candidates, set_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.ahead import ask_ahead
from spacy_llmjudge.judge.cascade import Cascade, make_cascade_model, read_stated
from spacy_llmjudge.judge.component import make_llm_judge
from spacy_llmjudge.judge.cost_estimate import plan_judging
from spacy_llmjudge.judge.panel import Panel
from spacy_llmjudge.judge.tasks.annotate import make_annotate_task
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.openai import make_openai_batch_model, make_openai_model
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.transport.messages import Prompt, Reply
from spacy_llmjudge.transport.sender import grace_of

CUTS = {"low": 0.2, "high": 0.9, "most": 3, "target": "precision", "asked": 0.5}
NAMES = {"A": "correct", "B": "wrong_label", "C": "wrong_boundary", "D": "not_entity"}


def annotation(*confidences):
    entry = {"text": "roses", "label": "PLANT"}
    entities = [{**entry, "confidence": c} for c in confidences]
    return json.dumps({"entities": entities, "alternatives": []})


class Cheap:
    """Is as sure as the text says, or has no answer."""

    def __init__(self):
        self.asked = 0

    def __call__(self, prompts):
        for group in prompts:
            self.asked += len(group)
            yield [self.reply(prompt.text) for prompt in group]

    def reply(self, text):
        if "silent" in text:
            return Reply("", state="abstained", reason="refused")
        return Reply(annotation(*(int(word) for word in text.split() if word.isdigit())))


def with_ledger(path, timeout):
    """A judge whose requests take so many seconds at most."""
    server = make_openai_model("http://127.0.0.1:9/v1", "tiny", timeout=timeout)
    return make_ledger_model(server, path / "l.sqlite")


def test_what_is_under_way_gets_as_long_as_the_slowest_judge_can_take(tmp_path):
    quick, slow = with_ledger(tmp_path, 60.0), with_ledger(tmp_path, 900.0)
    assert grace_of([quick]) == 61 and grace_of([quick, slow]) == 901
    assert grace_of([Cascade(quick, slow, "cuts.json")]) == 901
    assert grace_of([Panel({"a": slow, "b": quick}), quick]) == 901


def test_a_judge_without_a_ledger_is_not_waited_for(tmp_path):
    kept = with_ledger(tmp_path, 60.0)
    assert grace_of([Cheap()]) == grace_of([kept, Cheap()]) == 0
    assert grace_of([Cascade(Cheap(), kept, "cuts.json")]) == 0
    assert grace_of([Panel({"a": kept, "b": Cheap()})]) == 0


@pytest.fixture
def cuts(tmp_path):
    path = tmp_path / "cuts.json"
    path.write_text(json.dumps(CUTS))
    return path


def strong(server, path, batch=False, **settings):
    quick = {"max_tokens": 50, "backoff": 0.002, **settings}
    if batch:
        pauses = {"first_pause": 0.005, "longest_pause": 0.02}
        model = make_openai_batch_model(base_url=server.url, model="tiny", **quick, **pauses)
    else:
        model = make_openai_model(server.url, "tiny", **quick)
    (path / "prices.json").write_text(
        json.dumps(
            {"as_of": "2026-01-31", "usd_per_million_tokens": {"tiny": {"input": 1, "output": 4}}}
        )
    )
    return make_ledger_model(model, path / "ledger.db", prices=path / "prices.json")


TEXTS = [
    "the roses 95",
    "the roses 5",
    "the roses 50",
    "the roses",
    "the silent",
    "the roses 95 21",
]
OPEN = ["the roses 50", "the silent", "the roses 95 21"]


def prompts_of(texts):
    return [[Prompt(text, text=text, labels={"PLANT": ""})] for text in texts]


def test_the_strong_judge_is_asked_where_the_cheap_one_is_in_doubt(tmp_path, cuts):
    with Loopback(lambda request: Answer(chat("strong"))) as server:
        cascade = make_cascade_model(Cheap(), strong(server, tmp_path), cuts)
        found = [reply for (reply,) in cascade(prompts_of(TEXTS))]
        again = [reply for (reply,) in cascade(prompts_of(TEXTS))]
    assert found == again
    assert [reply == "strong" for reply in found] == [text in OPEN for text in TEXTS]
    assert sorted(request.prompt for request in server.requests) == sorted(OPEN)
    assert cascade.usage()["cost"] == pytest.approx(3 * (10 + 4 * 5) / 1e6)


def test_a_document_with_more_than_was_tested_is_asked_about(tmp_path, cuts):
    with Loopback(lambda request: Answer(chat("strong"))) as server:
        cascade = make_cascade_model(Cheap(), strong(server, tmp_path), cuts)
        asked = ["the roses 95 95 95", "the roses 95 95 95 95"]
        found = [reply for (reply,) in cascade(prompts_of(asked))]
    assert [str(reply) == "strong" for reply in found] == [False, True]


def test_without_cuts_all_is_asked(tmp_path, cuts):
    cuts.write_text(json.dumps({"low": None, "high": None, "most": 0, "asked": 1.0}))
    with Loopback(lambda request: Answer(chat("strong"))) as server:
        cascade = make_cascade_model(Cheap(), strong(server, tmp_path), cuts)
        assert [str(reply) for (reply,) in cascade(prompts_of(TEXTS))] == ["strong"] * 6
    assert cascade.asked == 1.0


def test_what_was_not_sent_stays_unanswered(tmp_path, cuts):
    with Loopback(lambda request: Answer({"error": "busy"}, 503)) as server:
        cascade = make_cascade_model(Cheap(), strong(server, tmp_path, max_tries=1), cuts)
        found = [reply for (reply,) in cascade(prompts_of(TEXTS))]
    assert [getattr(r, "state", "") == "not_sent" for r in found] == [t in OPEN for t in TEXTS]


@pytest.mark.parametrize("batch", [False, True])
def test_what_another_run_can_ask_the_cheap_judge_is_not_asked_of_the_strong_one(
    batch, tmp_path, cuts
):
    class Spent(Cheap):
        def reply(self, text):
            if "95" in text:
                return Reply("", state="not_sent", reason="budget")
            return super().reply(text)

    service = BatchService(lambda body, n: (200, chat("strong")))
    answer = service.answer if batch else lambda request: Answer(chat("strong"))
    with Loopback(answer) as server:
        cascade = make_cascade_model(Spent(), strong(server, tmp_path, batch=batch), cuts)
        if batch:
            cascade.ask_ahead(lambda: prompts_of(TEXTS))
        found = [reply for (reply,) in cascade(prompts_of(TEXTS))]
    states = {text: reply.state for text, reply in zip(TEXTS, found)}
    assert [text for text in TEXTS if states[text] == "not_sent"] == [TEXTS[0], TEXTS[5]]
    asked = [text for text, reply in zip(TEXTS, found) if str(reply) == "strong"]
    assert asked == ["the roses 50", "the silent"]
    if batch:
        assert [len(one.lines) for one in service.batches.values()] == [2]


def test_supports_are_read_from_lines_and_from_log_probabilities():
    def read(prompt, reply, **settings):
        stated = read_stated([prompt], [Reply(reply, **settings)])
        return None if stated is None else stated.supports

    letters = {letter: verdict for letter, verdict in NAMES.items()}
    prompt = Prompt("?", candidates=[(0, 1, "X"), (2, 3, "X")], verdicts=[letters, letters])
    assert read(prompt, "1: A | 90\n2: D | 4") == [0.9, 0.04]
    assert read(prompt, "1: A | 90") is None
    assert read(prompt, "1: A\n2: D") is None
    assert read(prompt, "1: A | 90\n2: D | 95") is None, "who rejects it is not sure of it"
    assert read(prompt, "what?") is None
    assert read("plain", "1: A | 90") is None
    one = Prompt("?", candidates=[(0, 1, "X")], verdicts=[letters], options=tuple("ABCD"))
    logprobs = [{"A": -0.2231, "B": -2.3, "C": -9.0, "D": -2.3}]
    (support,) = read(one, "A", logprobs=logprobs)
    assert support == pytest.approx(0.8, abs=0.01)
    shown = Prompt(
        "A: just so\nB: otherwise",
        candidates=one.candidates,
        verdicts=[letters],
        options=tuple("ABCD"),
    )
    assert read(shown, "A: just so | 90") == [0.9]
    assert read(shown, "A: Sorry, no | 90") is None


@pytest.mark.parametrize(
    "held", ["{}", '{"low": 0.9, "high": 0.2, "most": 1, "target": "x", "asked": 1}']
)
def test_a_file_without_cuts_is_an_error_in_one_line(held, tmp_path, cuts):
    cuts.write_text(held)
    with pytest.raises(LLMJudgeError, match="J365.*cuts.json"):
        list(make_cascade_model(Cheap(), Cheap(), cuts)(prompts_of(TEXTS)))


def judge_of(cascade):
    task = make_annotate_task(labels=["PLANT"])
    return make_llm_judge(NLP, "llm_judge", task, cascade, "llmjudge", "annotate", False, False)


def make_docs():
    docs = [NLP.make_doc(text) for text in TEXTS]
    for doc in docs:
        set_candidates(doc, [Candidate(1, 2, "PLANT", 0.6)])
    return docs


def test_a_plan_has_the_expected_split_and_price(tmp_path, cuts):
    with Loopback() as server:
        judge = judge_of(make_cascade_model(Cheap(), strong(server, tmp_path), cuts))
        plan = plan_judging(make_docs(), judge)
        alone = plan_judging(make_docs(), judge_of(strong(server, tmp_path)))
        assert server.requests == []
    assert (plan["asked"], plan["requests"], alone["requests"]) == (0.5, 3, 6)
    assert plan["cost"] == pytest.approx(alone["cost"] / 2, rel=0.01)
    assert plan["cost_bound"] == alone["cost_bound"]


def test_a_strong_judge_that_is_asked_by_batches_gets_the_open_documents_in_one(tmp_path, cuts):
    service = BatchService(lambda body, n: (200, chat(annotation(91))))
    with Loopback(service.answer) as server:
        cascade = make_cascade_model(Cheap(), strong(server, tmp_path, batch=True), cuts)
        judge = judge_of(cascade)
        docs = make_docs()
        ask_ahead(judge, lambda: docs)
        judged = list(judge.pipe(docs))
    assert [len(batch.lines) for batch in service.batches.values()] == [3]
    found = {doc.text: get_candidates(doc)[0].support for doc in judged}
    assert found["the roses 95"] == 0.95 and found["the roses 50"] == 0.91


@pytest.fixture
def judged(tmp_path):
    """Pool and dev as a cheap judge left them: sure of most, and right then."""
    supports = [2, 97, 60, 3, 98, 95]
    judge = judge_of(Cheap())
    for split, n in (("pool", 300), ("dev", 240)):
        docs, gold = [], []
        for i in range(n):
            support = supports[i % 6]
            doc = NLP.make_doc(f"the roses {support} of {split} x{i}")
            set_candidates(doc, [Candidate(1, 2, "PLANT", 0.5)])
            docs.append(judge(doc))
            reference = NLP.make_doc(doc.text)
            is_right = support > 90 or (support == 60 and i % 4 == 0)
            reference.set_ents([spacy.tokens.Span(reference, 1, 2, "PLANT")] if is_right else [])
            gold.append(reference)
        process_shards(docs, tmp_path / "judged" / split, list, fingerprint={}, shard_size=100)
        DocBin(docs=gold).to_disk(tmp_path / f"{split}.spacy")
    return tmp_path


def test_the_verb_writes_cuts_that_a_cascade_reads(judged):
    output = judged / "cuts.json"
    result = run("cuts", judged / "judged", judged / "dev.spacy", output, "--q", 0.1)
    assert result.exit_code == 0, result.output
    found = json.loads(output.read_text())
    assert 0.03 < found["low"] < 0.6 < found["high"] <= 0.95
    assert found["asked"] == pytest.approx(1 / 6)
    assert "at most 10.0%" in " ".join(result.output.split())
    assert make_cascade_model(Cheap(), Cheap(), output).asked == found["asked"]


def test_too_little_evidence_asks_everything_and_says_so(judged):
    output = judged / "cuts.json"
    result = run("cuts", judged / "judged", judged / "dev.spacy", output, "--q", 0.001)
    assert result.exit_code == 0 and "no cuts pass" in " ".join(result.output.split())
    assert json.loads(output.read_text())["low"] is None


@pytest.mark.parametrize("option", [("--q", 1.5), ("--delta", 0), ("--target", "f1")])
def test_settings_that_cannot_be_are_refused_in_one_line(judged, option):
    result = run("cuts", judged / "judged", judged / "dev.spacy", judged / "cuts.json", *option)
    assert result.exit_code == 1 and "J319" in error_line(result)


def test_the_config_in_the_documentation_loads_without_network_or_files(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "half_price.md"
    (block,) = re.findall(r"```ini\n(.*?)```", page.read_text(encoding="utf8"), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    head = (
        '[nlp]\nlang = "en"\npipeline = ["llm_judge"]\n\n[components]\n\n[components.llm_judge]\n'
    )
    config = Config().from_str(f'{head}factory = "llm_judge"\n\n{block}')
    judge = load_model_from_config(config, auto_fill=True).get_pipe("llm_judge")
    assert isinstance(judge.model, Cascade) and judge.model.strong.max_cost == 5.0
    assert list(tmp_path.iterdir()) == []
