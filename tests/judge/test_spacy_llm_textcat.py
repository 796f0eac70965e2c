"""spacy-llm's own task about labels of documents, as the judge of the step `judge`."""

from typing import Iterable

import pytest
from english import NLP
from spacy.vocab import Vocab
from spacy_llm.registry import registry

from spacy_llmjudge.candidates import get_candidates, get_status
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.steps.judge import judge
from spacy_llmjudge.storage import read_docs
from spacy_llmjudge.targets.base import write_target
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.transport.messages import Reply

WORDS = {"DELAY": "late", "FARE": "ticket", "SEAT": "chair"}
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
CONFIDENT = """[components.llm.task.template]
@misc = "llmjudge.ConfidentCatsTemplate.v1"
[components.llm.task.parse_responses]
@misc = "llmjudge.ConfidentCats.v1"
"""
NO_LLM = """
[nlp]
lang = "en"
pipeline = ["sentencizer"]
[components]
[components.sentencizer]
factory = "sentencizer"
"""
N_DOCS = 90
SHARD = 64
PROMPTS = []
ANSWER = {"suffix": "", "fail_at": None}


def find_label(text):
    return next(label for label, word in WORDS.items() if word in text)


@registry.llm_models("tests.Conductor.v1")
def make_conductor():
    """Answers with the label of the word in the text, and with nonsense about ride 7."""

    def ask(prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        for of_doc in prompts:
            for prompt in of_doc:
                PROMPTS.append(prompt)
                if ANSWER["fail_at"] is not None and len(PROMPTS) > ANSWER["fail_at"]:
                    raise RuntimeError("the server is gone")
            yield [
                "I cannot say"
                if "ride 7 " in prompt
                else find_label(prompt.rpartition("ride ")[2]) + ANSWER["suffix"]
                for prompt in of_doc
            ]

    return ask


@registry.llm_models("tests.EmptyPurse.v1")
def make_empty_purse():
    """A model of ours whose budget ends after forty documents."""

    def ask(prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        for i, of_doc in enumerate(prompts):
            gone = Reply("", state="not_sent", reason="budget")
            yield ["DELAY" if i < 40 else gone for _ in of_doc]

    return ask


@pytest.fixture(autouse=True)
def fresh():
    PROMPTS.clear()
    ANSWER.update(suffix="", fail_at=None)


@pytest.fixture
def annotated(tmp_path):
    return make_corpus(tmp_path / "one", exclusive=True)


def make_corpus(folder, exclusive):
    folder.mkdir()
    write_target(folder, Cats(tuple(WORDS), exclusive))
    words = list(WORDS.values())
    docs = [NLP.make_doc(f"about ride {i} the {words[i % 3]}") for i in range(N_DOCS)]
    process_shards(docs, folder / "annotated", list, fingerprint={}, shard_size=SHARD)
    return folder / "annotated"


def write_config(tmp_path, extra="", model="tests.Conductor.v1"):
    path = tmp_path / "judge.cfg"
    path.write_text(CONFIG.format(extra=extra, model=model), encoding="utf8")
    return path


def run(annotated, tmp_path, **settings):
    output = annotated.parent / "judged"
    manifest = judge(annotated, output, write_config(tmp_path, **settings))
    return manifest["states"], list(read_docs(output, Vocab()))


def test_its_labels_become_verdicts(annotated, tmp_path):
    states, docs = run(annotated, tmp_path)
    assert states == {"abstained: no_label_in_reply": 1, "judged": N_DOCS - 1}
    assert len(PROMPTS) == N_DOCS and all(label in PROMPTS[0] for label in WORDS)
    (candidate,) = get_candidates(docs[8])
    assert (candidate.label, candidate.verdict) == (find_label(docs[8].text), "correct")
    assert candidate.support is None and candidate.source == "judge"
    assert get_status(docs[7])["state"] == "abstained" and not get_candidates(docs[7])
    assert not docs[8].cats


@pytest.mark.parametrize("suffix, support", [(" 85", 0.85), (": 85 %", 0.85), ("", None)])
def test_a_confidence_where_the_config_asks_for_one(annotated, tmp_path, suffix, support):
    ANSWER["suffix"] = suffix
    _, docs = run(annotated, tmp_path, extra=CONFIDENT)
    assert "from 0 to 100" in PROMPTS[0]
    assert get_candidates(docs[8])[0].support == support
    assert get_status(docs[7])["state"] == "abstained"


def test_several_labels(tmp_path):
    ANSWER["suffix"] = " 70\nSEAT 60"
    annotated = make_corpus(tmp_path / "many", exclusive=False)
    _, docs = run(annotated, tmp_path, extra=CONFIDENT)
    found = {c.label: (c.verdict, c.support) for c in get_candidates(docs[9])}
    assert found == {"DELAY": ("correct", 0.7), "SEAT": ("correct", 0.6)}


def test_what_was_judged_is_not_asked_again(annotated, tmp_path):
    ANSWER["fail_at"] = SHARD + 6
    with pytest.raises(LLMJudgeError, match="J257.*the server is gone"):
        run(annotated, tmp_path)
    asked = len(PROMPTS)
    ANSWER["fail_at"] = None
    states, _ = run(annotated, tmp_path)
    assert len(PROMPTS) - asked == N_DOCS - SHARD
    assert sum(states.values()) == N_DOCS


def test_a_budget_that_ends_leaves_documents_not_sent(annotated, tmp_path):
    states, docs = run(annotated, tmp_path, model="tests.EmptyPurse.v1")
    sent = 40 + (N_DOCS - SHARD)
    assert states == {"judged": sent, "not_sent: budget": N_DOCS - sent}
    assert not get_candidates(docs[50])


def test_two_llm_components_are_one_too_many(annotated, tmp_path):
    path = write_config(tmp_path)
    block = path.read_text().split("[components]\n")[1]
    path.write_text(
        path.read_text().replace('["llm"]', '["llm", "other"]')
        + block.replace("components.llm", "components.other")
    )
    with pytest.raises(LLMJudgeError, match="J258.*llm, other"):
        judge(annotated, tmp_path / "judged", path)


def test_a_config_without_a_judge(annotated, tmp_path):
    path = tmp_path / "none.cfg"
    path.write_text(NO_LLM, encoding="utf8")
    with pytest.raises(LLMJudgeError, match="J253.*sentencizer"):
        judge(annotated, tmp_path / "judged", path)
    assert not (tmp_path / "judged").exists()
