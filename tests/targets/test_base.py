"""Which target documents have, by what a corpus says of itself or by what is annotated."""

import pytest
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import KEY, Candidate, set_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import write_docs
from spacy_llmjudge.targets.base import (
    find_target,
    labels_in,
    make_target,
    target_of,
    write_target,
)
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

VOCAB = Vocab()
ALL = [Ents(), Spans("sc"), Spans("mine", True), Cats(("A", "B")), Cats(("A",), False)]


def make_doc():
    return Doc(VOCAB, words=["red", "spider", "mites"])


@pytest.mark.parametrize("target", ALL, ids=str)
def test_a_target_is_made_again_from_what_it_says(target, tmp_path):
    assert make_target(target.to_dict()) == target
    write_target(tmp_path / "corpus", target)
    deep = tmp_path / "corpus" / "round-1" / "judged" / "pool"
    deep.mkdir(parents=True)
    assert find_target(deep) == find_target(tmp_path / "corpus" / "dev.spacy") == target


@pytest.mark.parametrize("target", ALL, ids=str)
def test_what_was_written_is_read(target):
    doc = make_doc()
    label = "A"
    keys = [(0, 3, label)] if target.name == "cats" else [(0, 1, label), (1, 3, label)]
    assert not target.is_annotated(doc) and target.keys(doc) == []
    target.annotate(doc, keys)
    copied = target.copy(doc)
    assert target.keys(doc) == target.keys(copied) == keys
    assert copied is not doc and target.is_annotated(copied)
    assert target.knows(doc, (0, 3, "A"))


@pytest.mark.parametrize("target", ALL, ids=str)
def test_other_labels_are_taken_out(target):
    doc = make_doc()
    if target.name == "cats":
        doc.cats = {"A": 1.0, "B": 0.0}
    else:
        target.annotate(doc, [(0, 1, "A"), (1, 3, "B")])
    target.keep_labels(doc, {"A"})
    assert {label for _, _, label in target.keys(doc)} == {"A"}


def test_the_annotation_says_which_target_it_is(tmp_path):
    plain, ents, spans, cats = (make_doc() for _ in range(4))
    ents.set_ents([Span(ents, 1, 3, label="PEST")])
    spans.spans["sc"] = [Span(spans, 1, 3, label="PEST"), Span(spans, 1, 2, label="ANIMAL")]
    cats.cats = {"QUESTION": 1.0, "ORDER": 0.0}
    set_candidates(cats, [Candidate(0, 3, "QUESTION")])
    assert target_of([plain]) == Ents()
    assert target_of([plain, ents]) == Ents()
    assert target_of([plain, spans]) == Spans("sc")
    assert target_of([plain, cats]) == Cats(("ORDER", "QUESTION"), True)
    write_docs(tmp_path / "docs.spacy", [plain, spans])
    assert labels_in(tmp_path / "docs.spacy") == {"PEST", "ANIMAL"}


def test_our_own_span_groups_are_no_annotation():
    doc = make_doc()
    set_candidates(doc, [Candidate(0, 2, "PEST")])
    doc.spans["incorrect_spans"] = [Span(doc, 0, 1, label="PEST")]
    doc.spans[f"{KEY}_weak"] = []
    assert target_of([doc]) == Ents()


def test_labels_that_do_not_exclude_each_other_are_found():
    both, none = make_doc(), make_doc()
    both.cats, none.cats = {"A": 1.0, "B": 1.0}, {"A": 0.0, "B": 0.0}
    assert target_of([both, none]) == Cats(("A", "B"), False)


@pytest.mark.parametrize(
    "data, code", [({"target": "tags"}, "J411"), ({}, "J411"), ({"target": "cats"}, "J412")]
)
def test_what_cannot_be_read_is_one_line(data, code):
    with pytest.raises(LLMJudgeError, match=rf"\[{code}\]"):
        make_target(data)
