"""Scores on the evidence, worked out by hand."""

import pytest
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, set_candidates, set_status
from spacy_llmjudge.steps.held_out import score_held_out
from spacy_llmjudge.storage import write_docs

VOCAB = Vocab()


def make_doc(words, ents, candidates=None):
    doc = Doc(VOCAB, words=words.split())
    doc.set_ents([Span(doc, start, end, label) for start, end, label in ents], default="outside")
    if candidates is not None:
        set_candidates(doc, [Candidate(*key, verdict=verdict) for *key, verdict in candidates])
        set_status(doc, "judged")
    return doc


def test_student_and_judge_are_scored_on_the_same_gold(tmp_path):
    gold = [
        make_doc("slugs ate hostas", [(0, 1, "PEST"), (2, 3, "PLANT")]),
        make_doc("aphids on roses", [(0, 1, "PEST"), (2, 3, "PLANT")]),
        make_doc("rain again", []),
    ]
    listed = [(0, 1, "PEST", "correct"), (2, 3, "PLANT", "correct"), (0, 3, "PEST", "not_entity")]
    docs = [
        # the student finds one of two, the judge both
        make_doc("slugs ate hostas", [(0, 1, "PEST")], listed),
        # the student has a wrong label, and the judge did not answer
        make_doc("aphids on roses", [(0, 1, "PLANT")]),
        make_doc("rain again", [], [(0, 1, "PEST", "correct")]),
    ]
    write_docs(tmp_path / "evidence.spacy", reversed(docs))
    write_docs(tmp_path / "gold.spacy", gold)
    found = score_held_out(tmp_path / "evidence.spacy", tmp_path / "gold.spacy")
    assert found["documents"] == found["student"]["documents"] == 3
    assert found["judge"]["documents"] == 2
    assert (found["student"]["p"], found["student"]["r"]) == (0.5, 0.25)
    assert found["judge"]["p"] == pytest.approx(2 / 3) and found["judge"]["r"] == 1.0
    for scores in (found["student"], found["judge"]):
        assert scores["f_low"] <= scores["f"] <= scores["f_high"]


def test_a_judge_that_never_answered_has_no_score(tmp_path):
    write_docs(tmp_path / "gold.spacy", [make_doc("slugs", [(0, 1, "PEST")])])
    write_docs(tmp_path / "evidence.spacy", [make_doc("slugs", [(0, 1, "PEST")])])
    found = score_held_out(tmp_path / "evidence.spacy", tmp_path / "gold.spacy")
    assert found["student"]["f"] == 1.0
    assert found["judge"]["documents"] == 0 and found["judge"]["f"] is None
