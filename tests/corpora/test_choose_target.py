"""What is annotated is found in the labelled set, unless somebody says it."""

import pytest
from corpora_helpers import NLP, quietly, said_by, write_jsonl
from spacy.tokens import Doc, DocBin, Span

from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.targets.base import find_target
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

TEXT = "Delta Works paid"
FLAT = {"text": TEXT, "spans": [[0, 11, "ORG"]]}
NESTED = {"text": "Delta Works left", "spans": [[0, 5, "LOC"], [0, 11, "ORG"]]}
POOL = [{"text": f"raw {c}"} for c in "abc"]


def make(tmp_path, labelled, **settings):
    """The target of a corpus, and the codes of the warnings."""
    write_jsonl(tmp_path / "in" / "labelled.jsonl", labelled)
    write_jsonl(tmp_path / "in" / "pool.jsonl", POOL)
    _, codes = quietly(prepare, tmp_path / "in", tmp_path / "out", **settings)
    return find_target(tmp_path / "out" / "labelled.spacy"), codes


LABELS = [{"text": "a", "label": "FEED"}, {"text": "b", "label": "PEST"}]
LISTS = [{"text": "a", "labels": ["FEED", "PEST"]}, {"text": "b", "labels": []}]
ONES = [{"text": "a", "label": ["FEED"]}, {"text": "b", "label": ["PEST"]}]
VALUES = [{"text": "a", "cats": {"A": 1, "B": 0}}, {"text": "b", "cats": {"A": 0, "B": 1}}]
BOTH = [{"text": "a", "cats": {"A": 1, "B": 1}}, {"text": "b", "cats": {"A": 0, "B": 1}}]
ANSWERS = [
    {"text": "a", "label": "A", "answer": "accept"},
    {"text": "b", "label": "A", "answer": "reject"},
]
TWO = ("FEED", "PEST")


@pytest.mark.parametrize(
    "labelled,target,codes",
    [
        ([FLAT], Ents(), []),
        ([FLAT, {"text": "b", "spans": []}], Ents(), []),
        ([FLAT, NESTED], Spans(), ["JW610"]),
        (LABELS, Cats(TWO), []),
        (LISTS, Cats(TWO, False), []),
        (ONES, Cats(TWO, False), ["JW619"]),
        (VALUES, Cats(("A", "B")), []),
        (BOTH, Cats(("A", "B"), False), []),
        (ANSWERS, Cats(("A",), False), []),
        ([{**row, "spans": []} for row in LABELS], Cats(TWO), []),
        ([{**FLAT, "label": "FEED"}], Ents(), []),
        ([{**NESTED, "answer": "reject"}, FLAT], Ents(), []),
    ],
)
def test_what_the_labelled_set_shows(tmp_path, labelled, target, codes):
    assert make(tmp_path, labelled) == (target, codes)


@pytest.mark.parametrize(
    "labelled,settings,target",
    [
        ([FLAT], {"target": "spans"}, Spans()),
        ([FLAT], {"spans_key": "mine"}, Spans("mine")),
        ([FLAT], {"single_label": True}, Spans("sc", True)),
        ([NESTED], {"overlaps": "longest"}, Ents()),
        ([NESTED, FLAT], {"target": "ents", "overlaps": "first"}, Ents()),
        (
            [{**row, **FLAT, "text": TEXT + str(i)} for i, row in enumerate(LABELS)],
            {"target": "cats"},
            Cats(TWO),
        ),
        (ONES, {"exclusive": True}, Cats(TWO)),
        (LABELS, {"exclusive": False}, Cats(TWO, False)),
        (LABELS, {"labels": ["PEST", "ZINC", "FEED"]}, Cats(("PEST", "ZINC", "FEED"))),
        (
            [{"text": r["text"], "topic": r["label"]} for r in LABELS],
            {"label_column": "topic"},
            Cats(TWO),
        ),
        (ANSWERS[:1], {"exclusive": True, "labels": ["A", "B"]}, Cats(("A", "B"))),
    ],
)
def test_what_the_user_says_counts_more(tmp_path, labelled, settings, target):
    assert make(tmp_path, labelled, **settings) == (target, [])


@pytest.mark.parametrize(
    "settings",
    [
        {"target": "cats", "spans_key": "sc"},
        {"target": "ents", "single_label": True},
        {"target": "spans", "exclusive": True},
        {"spans_key": "sc", "exclusive": False},
    ],
)
def test_settings_that_contradict_each_other(tmp_path, settings):
    with pytest.raises(LLMJudgeError, match=r"\[J646\]"):
        make(tmp_path, [FLAT], **settings)


@pytest.mark.parametrize(
    "name,value", [("target", "ner"), ("overlaps", "all"), ("offsets", "bytes")]
)
def test_settings_that_are_unknown(tmp_path, name, value):
    with pytest.raises(LLMJudgeError, match=rf"\[J614\] {name} is '{value}'; expected"):
        make(tmp_path, [FLAT], **{name: value})


def test_entities_that_overlap_are_refused_where_entities_are_asked_for(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J608\].*line 1"):
        make(tmp_path, [NESTED], target="ents")


def test_overlaps_in_dev_alone_are_refused(tmp_path):
    write_jsonl(tmp_path / "in" / "dev.jsonl", [NESTED])
    with pytest.raises(LLMJudgeError, match=r"\[J608\].*dev\.jsonl"):
        make(tmp_path, [FLAT])


def test_spans_that_overlap_are_kept(tmp_path):
    make(tmp_path, [NESTED])
    said = [("Delta", "LOC"), ("Delta Works", "ORG")]
    assert said_by(tmp_path / "out", "labelled") == [(NESTED["text"], said)]


def docbin(path, **said):
    doc = Doc(NLP.vocab, words=["Delta", "Works", "paid"])
    if "ents" in said:
        doc.set_ents([Span(doc, 0, 2, "ORG")], default="outside")
    if "key" in said:
        doc.spans[said["key"]] = [Span(doc, 0, 2, "ORG"), Span(doc, 0, 1, "LOC")]
    doc.cats = said.get("cats", {})
    DocBin(docs=[doc]).to_disk(path)


@pytest.mark.parametrize(
    "said,target",
    [
        ({"ents": True}, Ents()),
        ({"key": "mine"}, Spans("mine")),
        ({"key": "sc"}, Spans()),
        ({"cats": {"A": 1.0, "B": 0.0}}, Cats(("A", "B"))),
        ({}, None),
    ],
)
def test_documents_of_spacy(tmp_path, said, target):
    (tmp_path / "in").mkdir()
    docbin(tmp_path / "in" / "labelled.spacy", **said)
    write_jsonl(tmp_path / "in" / "pool.jsonl", POOL)
    if target is None:
        with pytest.raises(LLMJudgeError, match=r"\[J617\]"):
            prepare(tmp_path / "in", tmp_path / "out")
    else:
        prepare(tmp_path / "in", tmp_path / "out")
        assert find_target(tmp_path / "out" / "pool.spacy") == target


def test_labels_of_all_sets_are_labels_of_the_task(tmp_path):
    """The judge may bring examples of a label that the labelled set lacks, where anybody names it."""
    gold = [{"label": "ZINC"}, {"label": "PEST"}, {"label": None}]
    write_jsonl(tmp_path / "in" / "pool_gold.jsonl", gold)
    target, _ = make(tmp_path, LABELS)
    assert target.labels == ("FEED", "PEST", "ZINC")
    assert said_by(tmp_path / "out", "pool_gold")[0][1] == ["ZINC"]
