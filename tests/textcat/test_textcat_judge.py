"""What an LLM says, from a column or through spacy-llm's own task, ends in the same files."""

import json
from typing import Iterable

import pytest
import spacy
from spacy_llm.registry import registry
from textcat_helpers import NAMES, WORDS, make_rows, write_rows

from spacy_llmjudge.candidates import get_candidates, get_status
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.confident_cats import make_confident_template, parse_reply
from spacy_llmjudge.storage import read_docs
from spacy_llmjudge.textcat.data import get_choice, read_task
from spacy_llmjudge.textcat.judge import judge_texts
from spacy_llmjudge.transport.messages import Reply

CONFIG = """
[nlp]
lang = "en"
pipeline = ["llm"]
[components]
[components.llm]
factory = "llm"
[components.llm.task]
@llm_tasks = "spacy.TextCat.v3"
{extra}
[components.llm.model]
@llm_models = "{model}"
"""
NO_LLM = """
[nlp]
lang = "en"
pipeline = ["sentencizer"]
[components]
[components.sentencizer]
factory = "sentencizer"
"""
CONFIDENT = """[components.llm.task.template]
@misc = "llmjudge.ConfidentCatsTemplate.v1"
[components.llm.task.parse_responses]
@misc = "llmjudge.ConfidentCats.v1"
"""
PROMPTS = []
ANSWER = {"suffix": "", "fail_at": None}


def find_topic(prompt):
    text = prompt.rpartition("note ")[2]
    return next(label for label in NAMES if any(word in text for word in WORDS[label]))


@registry.llm_models("tests.ScriptedTopics.v1")
def make_scripted():
    """Answers with the topic of the words in the text, and with nonsense where the text has a 7."""

    def ask(prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        for of_doc in prompts:
            for prompt in of_doc:
                PROMPTS.append(prompt)
                if ANSWER["fail_at"] is not None and len(PROMPTS) > ANSWER["fail_at"]:
                    raise RuntimeError("the server is gone")
            yield [
                "I cannot say" if "note 7:" in prompt else find_topic(prompt) + ANSWER["suffix"]
                for prompt in of_doc
            ]

    return ask


@registry.llm_models("tests.HalfSent.v1")
def make_half_sent():
    """A model of ours whose budget ends."""

    def ask(prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        for i, of_doc in enumerate(prompts):
            yield [
                Reply("", state="not_sent", reason="budget") if i > 40 else "PEST" for _ in of_doc
            ]

    return ask


@pytest.fixture(autouse=True)
def fresh():
    PROMPTS.clear()
    ANSWER.update(suffix="", fail_at=None)


def read(path):
    return list(read_docs(path, spacy.blank("en").vocab))


def write_config(tmp_path, extra="", model="tests.ScriptedTopics.v1"):
    path = tmp_path / "judge.cfg"
    path.write_text(CONFIG.format(extra=extra, model=model), encoding="utf8")
    return path


def test_a_column_with_confidence(corpus):
    task = read_task(corpus)
    docs = read(corpus / "judged/pool")
    assert [get_choice(doc, task) for doc in docs[:2]] == [
        (make_rows()[i]["llm_label"],) for i in (0, 1)
    ]
    (said,) = get_candidates(docs[1])
    assert (
        said.support == 0.9 and said.source == "judge" and get_status(docs[1])["state"] == "judged"
    )


def column_of(tmp_path, rows, **settings):
    path = write_rows(tmp_path / "llm.jsonl", rows)
    return {"path": str(path), "label": "llm_label", **settings}


def test_a_refusal_must_be_named(corpus, tmp_path):
    rows = make_rows()
    rows[4]["llm_label"] = "-1"
    with pytest.raises(LLMJudgeError, match=r"J909.*line 5.*--refusal=-1"):
        judge_texts(corpus, tmp_path / "j", column=column_of(tmp_path, rows))
    report = judge_texts(corpus, tmp_path / "j", column=column_of(tmp_path, rows, refusals=["-1"]))
    assert report["pool"] == {"abstained: refused": 1, "judged": 89}
    assert not read(tmp_path / "j/pool")[4].cats


def test_columns_that_cannot_be_read(corpus, tmp_path):
    with pytest.raises(LLMJudgeError, match="J901.*'nope'"):
        judge_texts(corpus, tmp_path / "j", column=column_of(tmp_path, make_rows(), label="nope"))
    rows = make_rows()
    rows[2]["llm_confidence"] = "high"
    with pytest.raises(LLMJudgeError, match="J912.*line 3"):
        judge_texts(
            corpus, tmp_path / "j", column=column_of(tmp_path, rows, confidence="llm_confidence")
        )
    rows[2]["llm_confidence"] = None
    judge_texts(
        corpus, tmp_path / "c", column=column_of(tmp_path, rows, confidence="llm_confidence")
    )
    assert [c.support for doc in read(tmp_path / "c/pool")[1:4] for c in get_candidates(doc)] == [
        0.9,
        None,
        0.9,
    ]
    rows[3]["text"] = ["a"]
    with pytest.raises(LLMJudgeError, match="line 4"):
        judge_texts(corpus, tmp_path / "j", column=column_of(tmp_path, rows))
    rows[2]["llm_label"] = ["PEST", "WATER"]
    with pytest.raises(LLMJudgeError, match="J910.*line 3"):
        judge_texts(corpus, tmp_path / "j", column=column_of(tmp_path, rows))
    rows = [{**row, "llm_label": None} for row in make_rows()]
    with pytest.raises(LLMJudgeError, match="J911"):
        judge_texts(corpus, tmp_path / "j", column=column_of(tmp_path, rows))


def test_spacy_llms_own_task_with_any_model(corpus, tmp_path):
    report = judge_texts(
        corpus, tmp_path / "j", config=write_config(tmp_path), splits=("pool", "test")
    )
    assert report["pool"] == {"abstained: no_label_in_reply": 1, "judged": 89}
    assert len(PROMPTS) == 120 and all(name in PROMPTS[0] for name in NAMES)
    task = read_task(corpus)
    docs = read(tmp_path / "j/pool")
    assert get_choice(docs[7], task) is None and get_status(docs[7])["state"] == "abstained"
    assert get_choice(docs[8], task) == (find_topic(docs[8].text),)
    assert get_candidates(docs[8])[0].support is None


def test_what_was_judged_is_not_asked_again(corpus, tmp_path):
    config = write_config(tmp_path)
    ANSWER["fail_at"] = 70
    with pytest.raises(LLMJudgeError, match="J914.*the server is gone"):
        judge_texts(corpus, tmp_path / "j", config=config)
    asked = len(PROMPTS)
    ANSWER["fail_at"] = None
    judge_texts(corpus, tmp_path / "j", config=config)
    # the first shard of 64 was whole
    assert len(PROMPTS) - asked == 90 - 64


@pytest.mark.parametrize("suffix, support", [(" 85", 0.85), (": 85 %", 0.85), ("", None)])
def test_a_reply_with_a_confidence(corpus, tmp_path, suffix, support):
    ANSWER["suffix"] = suffix
    judge_texts(corpus, tmp_path / "j", config=write_config(tmp_path, CONFIDENT))
    assert "from 0 to 100" in PROMPTS[0]
    docs = read(tmp_path / "j/pool")
    assert get_candidates(docs[8])[0].support == support
    assert not docs[7].cats and get_candidates(docs[8])[0].label == find_topic(docs[8].text)


@pytest.mark.parametrize(
    "reply, expected",
    [
        ("ORDER 100", {"ORDER": 0.999}),
        ("ORDER 0", {"ORDER": 1.0}),
        ("ORDER 0.9", {"ORDER": 0.9}),
        ("ORDER 0.9 %", {"ORDER": 1.0}),
        ("ORDER 1", {"ORDER": 1.0}),
        ("ORDER", {"ORDER": 1.0}),
        ("ORDER 101", {}),
        ("Level 3", {"Level 3": 1.0}),
        ("Level 3 80", {"Level 3": 0.8}),
        ("covid-19: 70", {"covid-19": 0.7}),
        ("ORDER 50, Level 3 60", {}),
    ],
)
def test_confidences_in_replies(reply, expected):
    """A 100 that was stated is surer than a 60, and a 1.0 says that nothing was stated."""
    from types import SimpleNamespace

    labels = {name.lower(): name for name in ("ORDER", "Level 3", "covid-19")}
    task = SimpleNamespace(label_dict=labels, normalizer=str.lower, exclusive_classes=True)
    found = parse_reply(task, reply)
    assert {name: p for name, p in found.items() if p} == pytest.approx(expected)


def test_documents_that_were_not_sent_are_asked_next_time(corpus, tmp_path):
    config = write_config(tmp_path, model="tests.HalfSent.v1")
    report = judge_texts(corpus, tmp_path / "j", config=config)
    assert report["pool"] == {"judged": 41 + 26, "not_sent: budget": 23}


def test_several_labels_and_none(multilabel_corpus, tmp_path):
    ANSWER["suffix"] = " 70\nWATER 60"
    judge_texts(multilabel_corpus, tmp_path / "j", config=write_config(tmp_path, CONFIDENT))
    task = read_task(multilabel_corpus)
    docs = read(tmp_path / "j/pool")
    assert "WATER" in get_choice(docs[8], task) and get_choice(docs[7], task) is None


def test_a_config_without_an_llm(corpus, tmp_path):
    path = tmp_path / "no.cfg"
    path.write_text(NO_LLM, encoding="utf8")
    with pytest.raises(LLMJudgeError, match="J913.*sentencizer"):
        judge_texts(corpus, tmp_path / "j", config=path)


def test_the_released_template_never_changes():
    from spacy_llmjudge.storage import sha256_bytes

    digest = sha256_bytes(make_confident_template().encode("utf8"))
    assert digest == "b039d9e4834fdcd3353717bdef94caff586038a7dfaaac60028528315e07e59f"


def test_the_config_that_is_to_be_copied_loads(corpus, tmp_path, monkeypatch):
    from pathlib import Path

    from spacy_llmjudge.textcat.judge import load_llm

    root = Path(__file__).parents[2]
    monkeypatch.setenv("OPENAI_API_KEY", "x" * 20)
    monkeypatch.chdir(root)
    overrides = {"paths.ledger": str(tmp_path / "ledger.sqlite")}
    ask, inputs = load_llm(root / "configs/judges/textcat.cfg", read_task(corpus), overrides)
    assert callable(ask) and json.dumps(inputs)
