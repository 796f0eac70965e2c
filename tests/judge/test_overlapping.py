"""Judges of spans that overlap and nest, as a stock `spancat` predicts them."""

import json

import pytest
import spacy
from english import NLP
from judge_helpers import answer, read_questions
from spacy.tokens import DocBin, Span
from spacy.training import Example

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.demonstrations import read_demonstrations
from spacy_llmjudge.judge.tasks.annotate import make_annotate_task
from spacy_llmjudge.judge.tasks.classify import make_classify_task
from spacy_llmjudge.judge.tasks.rules import make_rules_task
from spacy_llmjudge.judge.tasks.verify import make_verify_task
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

TEXT = "black spots on the rose leaves and the rose"
# SYMPTOM over all of it, with a PLANT inside, and the PLANT that stands alone
GOLD = [(0, 6, "SYMPTOM"), (4, 5, "PLANT"), (8, 9, "PLANT")]
LABELS = ["PLANT", "SYMPTOM"]


def make_doc(keys=(), key="sc"):
    doc = NLP(TEXT)
    doc.spans[key] = [Span(doc, start, end, label=label) for start, end, label in keys]
    return doc


def reply(keys, doc):
    entries = [
        {"text": str(doc[start:end]), "label": label, "confidence": 90}
        for start, end, label in keys
    ]
    return json.dumps({"entities": entries, "alternatives": []})


def tell(task, doc, *replies):
    list(task.parse_responses([[doc]], [list(replies)]))
    return {c.key: c.verdict for c in get_candidates(doc)}


def prompts_of(task, doc):
    ((prompts, _),) = task.generate_prompts([doc])
    return list(prompts)


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "labelled.spacy"
    DocBin(docs=[make_doc(GOLD), make_doc()], attrs=[]).to_disk(path)
    return path


def test_nested_and_overlapping_spans_are_confirmed_and_proposed():
    doc = make_doc([(0, 6, "SYMPTOM"), (0, 2, "SYMPTOM"), (4, 6, "PLANT"), (3, 5, "SYMPTOM")])
    task = make_annotate_task(labels=LABELS, overlapping=True)
    assert tell(task, doc, reply(GOLD, doc)) == {
        (0, 6, "SYMPTOM"): "correct",
        (4, 5, "PLANT"): "correct",
        (8, 9, "PLANT"): "correct",
        (0, 2, "SYMPTOM"): "wrong_boundary",
        (4, 6, "PLANT"): "wrong_boundary",
        (3, 5, "SYMPTOM"): "wrong_boundary",
    }
    assert get_status(doc) == {"state": "judged", "reason": None}


def test_a_span_that_only_overlaps_others_is_not_thereby_wrongly_cut():
    doc = make_doc([(1, 4, "PLANT")])
    task = make_annotate_task(labels=LABELS, overlapping=True)
    assert tell(task, doc, reply(GOLD[:1], doc))[(1, 4, "PLANT")] == "not_entity"
    flat = make_annotate_task(labels=LABELS)
    set_candidates(doc, [Candidate(1, 4, "PLANT")])
    assert tell(flat, doc, reply(GOLD[:1], doc))[(1, 4, "PLANT")] == "wrong_boundary"


def test_several_labels_on_the_same_words():
    doc = make_doc([(4, 5, "PLANT"), (4, 5, "SYMPTOM")])
    task = make_annotate_task(labels=LABELS, overlapping=True, repeats="listed")
    both = [(8, 9, "PLANT"), (4, 5, "PLANT"), (4, 5, "SYMPTOM"), (8, 9, "SYMPTOM")]
    assert set(tell(task, doc, reply(both, doc)).values()) == {"correct"}


def test_the_config_or_the_corpus_says_that_spans_overlap():
    task = make_annotate_task(labels=LABELS)
    assert not task.overlapping and task.target == Ents()
    plain = prompts_of(task, make_doc())
    task.use_target(Spans("here", single_label=True))
    assert task.overlapping and task.target == Spans("here", True)
    assert prompts_of(task, make_doc()) == prompts_of(
        make_annotate_task(labels=LABELS, overlapping=True), make_doc()
    )
    assert "inside of another one" in prompts_of(task, make_doc())[0]
    assert "inside of another one" not in plain[0]
    # what the config says counts before what the corpus has
    task = make_annotate_task(labels=LABELS, overlapping=False)
    task.use_target(Spans())
    assert not task.overlapping and prompts_of(task, make_doc()) == plain


def test_a_judge_of_spans_cannot_judge_documents_nor_the_other_way_round():
    with pytest.raises(LLMJudgeError, match=r"\[J240\].*ents or spans.*cats"):
        make_verify_task(labels=LABELS).use_target(Cats(("A", "B")))
    with pytest.raises(LLMJudgeError, match=r"\[J240\].*cats.*ents"):
        make_classify_task(labels=LABELS).use_target(Ents())


def test_demonstrations_are_read_from_the_span_group(labelled):
    first, empty = read_demonstrations(labelled, Spans("sc"))
    assert [(e["text"], e["label"]) for e in first["entities"]] == [
        ("black spots on the rose leaves", "SYMPTOM"),
        ("rose", "PLANT"),
        ("rose", "PLANT"),
    ]
    assert empty["entities"] == []
    task = make_annotate_task(demonstrations=labelled, overlapping=True)
    (prompt,) = prompts_of(task, make_doc())
    assert task.labels == ("PLANT", "SYMPTOM")
    assert prompt.count('{"text": "rose", "label": "PLANT"}') == 2


def test_rules_are_mined_from_spans():
    docs = [make_doc(GOLD), make_doc(GOLD)]
    (((plant, symptom), _),) = make_rules_task().generate_prompts(docs)
    assert plant.count('"marked": ["rose", "rose"]') == 2
    assert symptom.count('"marked": ["black spots on the rose leaves"]') == 2


def test_a_verifier_asks_about_spans_in_the_words_of_overlapping_spans():
    doc = make_doc([(0, 2, "SYMPTOM"), (4, 5, "PLANT")])
    task = make_verify_task(labels=LABELS, overlapping=True, candidates_per_prompt=2)
    (prompt,) = prompts_of(task, doc)
    assert [question[1] for question in read_questions(prompt)] == ["SYMPTOM", "PLANT"]
    assert "but only with another label" in prompt and "with the label PLANT" in prompt
    decide = {
        "black spots": ("wrong_boundary", 5, "black spots on the rose leaves"),
        "rose": ("correct", 95, None),
    }
    text = answer(prompt, lambda context, label: decide[context["span"]])
    assert tell(task, doc, text) == {
        (0, 2, "SYMPTOM"): "wrong_boundary",
        (0, 6, "SYMPTOM"): "correct",
        (4, 5, "PLANT"): "correct",
    }


@pytest.fixture
def replies(tmp_path):
    path = tmp_path / "replies.jsonl"
    response = json.loads(reply(GOLD, NLP(TEXT)))
    path.write_text(json.dumps({"text": TEXT, "response": response}) + "\n")
    return {"@llm_models": "llmjudge.Recorded.v1", "path": str(path)}


def make_pipeline(replies, action="annotate"):
    """A pipeline whose spans a stock ruler finds."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("span_ruler", config={"spans_key": "sc"})
    ruler.add_patterns(
        [{"label": "PLANT", "pattern": "rose"}, {"label": "SYMPTOM", "pattern": "black spots"}]
    )
    task = {"@llm_tasks": "llmjudge.Annotate.v1", "labels": LABELS, "overlapping": True}
    nlp.add_pipe("llm_judge", config={"task": task, "model": replies, "action": action})
    return nlp


@pytest.mark.parametrize(
    "action, expected",
    [
        ("annotate", [(0, 2, "SYMPTOM"), (4, 5, "PLANT"), (8, 9, "PLANT")]),
        ("drop", [(4, 5, "PLANT"), (8, 9, "PLANT")]),
        ("replace", GOLD),
    ],
)
def test_spans_change_only_when_asked(replies, action, expected):
    doc = make_pipeline(replies, action)(TEXT)
    assert sorted((s.start, s.end, s.label_) for s in doc.spans["sc"]) == sorted(expected)
    assert not doc.ents


def test_scores_of_spans_are_those_of_their_group(replies):
    nlp = make_pipeline(replies)
    spans = [(NLP(TEXT)[s:e].start_char, NLP(TEXT)[s:e].end_char, label) for s, e, label in GOLD]
    example = Example.from_dict(nlp.make_doc(TEXT), {"spans": {"sc": spans}})
    scores = nlp.evaluate([example])
    assert scores["spans_before_p"] == pytest.approx(2 / 3)
    assert (scores["judge_p"], scores["judge_r"]) == (1.0, 1.0)
    assert scores["ents_before_p"] is None and scores["judge_abstained"] == 0.0
