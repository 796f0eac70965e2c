"""A judge that lists, and then one that is asked about what was listed and about the student's candidates."""

import json
import math
from pathlib import Path

import pytest
from english import NLP
from judge_runs import write_annotated
from loopback import Answer, Loopback, chat
from spacy.util import load_config, load_model_from_config

from spacy_llmjudge.candidates import (
    Candidate,
    get_candidates,
    get_status,
    set_candidates,
    set_status,
)
from spacy_llmjudge.cli.plan import make_plan
from spacy_llmjudge.judge.tasks.verify import make_verify_task
from spacy_llmjudge.judge.verdicts import add_opinion
from spacy_llmjudge.steps.judge import is_asked, judge
from spacy_llmjudge.storage import read_docs
from spacy_llmjudge.transport.messages import Reply

CONFIG = Path(__file__).parents[2] / "configs" / "judges" / "two_step_llamacpp.cfg"
TEXT = "The red roses died of slugs"
LABELS = ["PEST", "PLANT"]
LIST = {
    "entities": [{"text": "red roses", "label": "PLANT", "confidence": 90}],
    "alternatives": [],
}


def listed_doc(state="judged", reason=None):
    """As a judge that lists left it: a proposal, a student's candidate that it lists not, and one of
    which it said nothing that can be used."""
    doc = NLP(TEXT)
    found = [
        Candidate(1, 3, "PLANT", verdict="correct", support=0.9, source="judge", likelihood=0.7),
        Candidate(2, 3, "PLANT", 0.6, 0.6, "wrong_boundary", source="student"),
        Candidate(5, 6, "PEST", 0.8, 0.8, "abstained", source="student", reason="listed_once"),
    ]
    set_candidates(doc, found)
    set_status(doc, state, reason)
    return doc


def letters(prompt, verdict, chance):
    """A letter with the log-probabilities of all four."""
    (meanings,) = prompt.verdicts
    letter = next(one for one, meaning in meanings.items() if meaning == verdict)
    rest = math.log((1 - chance) / 3)
    logprobs = {one: math.log(chance) if one == letter else rest for one in meanings}
    return Reply(letter, logprobs=[logprobs])


def ask(task, doc):
    ((prompts, _),) = task.generate_prompts([doc])
    return list(prompts)


def test_what_was_listed_is_asked_about_as_well():
    doc = listed_doc()
    first, second = (
        [prompt.candidates[0] for prompt in ask(make_verify_task(LABELS, after_list=wanted), doc)]
        for wanted in (False, True)
    )
    assert first == [(8, 13, "PLANT"), (22, 27, "PEST")]
    assert second == [(4, 13, "PLANT"), *first]


def test_the_answer_becomes_the_likelihood_and_the_list_stays():
    doc = listed_doc("abstained", "dropped:not_in_text=1")
    task = make_verify_task(LABELS, after_list=True)
    verdicts = [("correct", 0.7), ("not_entity", 0.4), ("correct", 0.8)]
    replies = [letters(prompt, *one) for prompt, one in zip(ask(task, doc), verdicts)]
    list(task.parse_responses([[doc]], [replies]))
    found = {c.key: (c.verdict, c.support, c.likelihood, c.reason) for c in get_candidates(doc)}
    assert found == {
        (1, 3, "PLANT"): ("correct", 0.9, pytest.approx(0.7), None),
        (2, 3, "PLANT"): ("wrong_boundary", None, pytest.approx(0.2), None),
        # of which the list says nothing
        (5, 6, "PEST"): ("correct", pytest.approx(0.8), None, None),
    }
    assert get_status(doc) == {"state": "abstained", "reason": "dropped:not_in_text=1"}


def test_without_an_answer_the_list_stands():
    doc = listed_doc()
    before = get_candidates(doc)
    task = make_verify_task(LABELS, after_list=True)
    failed = Reply("", state="abstained", reason="empty_reply")
    list(task.parse_responses([[doc]], [[failed] * 3]))
    assert get_candidates(doc)[:2] == before[:2]
    assert get_candidates(doc)[2].reason == "empty_reply"
    assert get_status(doc)["state"] == "judged"


def test_a_question_that_was_not_sent_leaves_the_document_to_another_run():
    doc = listed_doc()
    task = make_verify_task(LABELS, after_list=True)
    replies = [letters(prompt, "correct", 0.7) for prompt in ask(task, doc)]
    replies[1] = Reply("", state="not_sent", reason="budget")
    list(task.parse_responses([[doc]], [replies]))
    assert get_status(doc) == {"state": "not_sent", "reason": "budget"}
    assert not is_asked([doc])


def test_a_document_without_candidates_keeps_its_status():
    doc = NLP(TEXT)
    set_candidates(doc, [])
    set_status(doc, "judged")
    task = make_verify_task(LABELS, after_list=True)
    assert ask(task, doc) == []
    list(task.parse_responses([[doc]], [[]]))
    assert get_status(doc) == {"state": "judged", "reason": None}


def test_without_a_list_it_is_the_same_as_alone():
    docs = []
    for wanted in (False, True):
        doc = NLP(TEXT)
        set_candidates(doc, [Candidate(5, 6, "PEST", posterior=0.8)])
        task = make_verify_task(LABELS, after_list=wanted)
        replies = [letters(prompt, "correct", 0.8) for prompt in ask(task, doc)]
        list(task.parse_responses([[doc]], [replies]))
        docs.append((get_candidates(doc), get_status(doc)))
    assert docs[0] == docs[1] and docs[0][0][0].support == pytest.approx(0.8)


def test_a_bare_verdict_adds_nothing():
    listed = Candidate(0, 1, "A", verdict="correct", support=0.9, likelihood=0.4)
    assert add_opinion(listed, Candidate(0, 1, "A", verdict="not_entity")) == listed


def answer(request):
    """A small LLM: it lists one entity, and is 70 % sure of its first letter. Its tokens are characters."""
    wanted = request.data
    if "response_format" in wanted:
        text = json.dumps(LIST)
        tokens = [{"token": c, "logprob": -0.1, "top_logprobs": []} for c in text]
        return Answer(chat(text, logprobs=tokens))
    assert wanted["grammar"] == "root ::= [A-D]" and wanted["max_tokens"] == 4
    others = [{"token": letter, "logprob": math.log(0.1)} for letter in "BCD"]
    top = [{"token": "A", "logprob": math.log(0.7)}, *others]
    return Answer(chat("A", logprobs=[{**top[0], "top_logprobs": top}]))


@pytest.fixture
def folder(tmp_path):
    write_annotated(tmp_path, [f"{TEXT} {i}" for i in range(3)], [], place=(5, 6))
    row = {"text": "Slugs", "spans": [{"start": 0, "end": 5, "label": "PLANT"}]}
    (tmp_path / "labelled.jsonl").write_text(json.dumps(row) + "\n")
    return tmp_path


def settings_of(folder, port):
    return {
        "paths.ledger": str(folder / "ledger.db"),
        "paths.labelled": str(folder / "labelled.jsonl"),
        "components.llm_judge.model.model.base_url": f"http://127.0.0.1:{port}/v1",
        "components.llm_judge.task.labels": LABELS,
        "components.llm_verify.task.labels": LABELS,
    }


def test_the_config_asks_twice_through_one_ledger_and_counts_both(folder):
    with Loopback(answer) as server:
        settings = settings_of(folder, server.port)
        pool = folder / "annotated" / "pool"
        plan = make_plan(pool, CONFIG, settings)
        assert plan["requests"] == 6 and plan["later"] == 3 and plan["documents"] == 3
        done = judge(pool, folder / "judged", CONFIG, overrides=settings)
        assert done["states"] == {"judged": 3}
        # of each document the list, the entity that it has, and the student's candidate
        assert done["usage"]["requests"] == done["usage"]["replied"] == len(server.requests) == 9
        assert done["usage"]["tokens_in"] == 9 * 10
        again = judge(pool, folder / "again", CONFIG, overrides=settings)
        assert again["usage"]["stored"] == 9 and len(server.requests) == 9
        assert make_plan(pool, CONFIG, settings)["stored"] == 6
    for doc in read_docs(folder / "judged", NLP.vocab):
        listed, other = sorted(get_candidates(doc), key=lambda c: c.start)
        assert listed.key == (1, 3, "PLANT") and listed.source == "judge"
        assert listed.support == 0.9 and listed.likelihood in (
            pytest.approx(0.7),
            pytest.approx(0.1),
        )
        assert other.verdict == "not_entity" and other.support is None
        assert other.likelihood in (pytest.approx(0.7), pytest.approx(0.1))


def test_a_line_or_two_are_to_be_edited():
    lines = CONFIG.read_text().splitlines()
    marked = [after for line, after in zip(lines, lines[1:]) if line.startswith("# Edit")]
    assert [line.split(" = ")[0] for line in marked] == ["base_url", "model"]
    nlp = load_model_from_config(load_config(CONFIG), auto_fill=True)
    assert nlp.pipe_names == ["llm_judge", "llm_verify"]
