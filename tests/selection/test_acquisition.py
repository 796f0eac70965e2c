"""Which documents the judge is asked about, where not all can be."""

import random

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, set_candidates, set_status
from spacy_llmjudge.selection.acquisition import choose_docs, doubt
from spacy_llmjudge.storage import write_docs


def make_doc(text, *confidences, posterior=0.5):
    words = text.split()
    doc = Doc(Vocab(), words=words)
    found = [
        Candidate(i % len(words), i % len(words) + 1, f"L{i}", posterior, c)
        for i, c in enumerate(confidences)
    ]
    set_candidates(doc, found)
    return doc


@pytest.fixture
def docs():
    return [
        make_doc("sure of it", 0.99, 0.01),
        make_doc("no idea", 0.5, 0.4),
        make_doc("nothing here"),
        make_doc("one of them", 0.5),
        make_doc("the other one", 0.5),
    ]


def chosen(docs, *args, **kwargs):
    return [docs[i].text.strip() for i in choose_docs(docs, *args, **kwargs)]


def test_doubt_is_the_variance_of_the_number_of_right_candidates():
    assert doubt(make_doc("a b", 0.5, 0.2)) == pytest.approx(0.25 + 0.16)
    assert doubt(make_doc("a b", 0.0, 1.0)) == 0
    assert doubt(make_doc("a b")) == doubt(Doc(Vocab(), words=["a"])) == 0


def test_without_a_calibration_the_posterior_counts():
    assert doubt(make_doc("a b", None, posterior=0.1)) == pytest.approx(0.09)
    assert doubt(make_doc("a b", None, posterior=None)) == 0


def test_the_most_doubtful_come_in_their_order(docs):
    assert chosen(docs, 1) == ["no idea"]
    assert chosen(docs, 3) == ["no idea", "one of them", "the other one"]
    assert chosen(docs, None) == chosen(docs, 99) == [doc.text.strip() for doc in docs]
    assert chosen(docs, 0) == []


def test_ties_and_the_order_of_documents_change_nothing(docs):
    for seed in range(10):
        shuffled = random.Random(seed).sample(docs, len(docs))
        for n in range(1, 5):
            assert set(chosen(shuffled, n)) == set(chosen(docs, n))


def test_what_was_asked_before_is_asked_again_and_does_not_count(docs, tmp_path):
    before = [make_doc("sure of it"), make_doc("nothing here"), make_doc("one of them")]
    set_status(before[0], "judged")
    set_status(before[1], "abstained", "no_reply")
    write_docs(tmp_path / "shard-00000.spacy", before)
    found = chosen(docs, 1, asked_before=tmp_path)
    assert found == ["sure of it", "no idea", "nothing here"]
    assert chosen(docs, 0, asked_before=tmp_path) == ["sure of it", "nothing here"]
