from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.corpora.sampling import (
    count_labels,
    sample_mentions_per_label,
    sample_sentences_per_label,
)

VOCAB = Vocab()
CORPORA = st.lists(st.lists(st.sampled_from("ABC"), max_size=4), max_size=25)


def make_docs(corpus):
    return [
        Doc(
            VOCAB,
            words=["w"] * (len(labels) + 1),
            ents=[f"B-{label}" for label in labels] + ["O"],
        )
        for labels in corpus
    ]


def test_sentences_are_k_for_each_label_and_all_different():
    docs = make_docs([["A", "B"], ["A"], ["B"], ["A", "A"], [], ["B"]] * 5)
    drawn = sample_sentences_per_label(docs, 4, seed=1)
    assert len(set(drawn)) == len(drawn) == 8


def test_mentions_are_fewer_than_sentences():
    docs = make_docs([["A", "B", "A"], ["B", "B", "A"]] * 20)
    assert len(sample_sentences_per_label(docs, 5)) == 10
    assert len(sample_mentions_per_label(docs, 5)) < 5


def test_seeds_draw_different_samples():
    docs = make_docs([["A"], ["B"]] * 50)
    for sample in (sample_sentences_per_label, sample_mentions_per_label):
        assert sample(docs, 5, seed=0) == sample(docs, 5, seed=0)
        assert sample(docs, 5, seed=0) != sample(docs, 5, seed=1)


def test_rare_label_is_not_used_up_by_a_frequent_one():
    docs = make_docs([["A"]] * 30 + [["A", "B"]] * 3)
    drawn = sample_sentences_per_label(docs, 3)
    assert {30, 31, 32} <= set(drawn) and len(drawn) == 6


@settings(max_examples=80, deadline=None)
@given(corpus=CORPORA, k=st.integers(1, 5), seed=st.integers(0, 5))
def test_sentences_reach_k_and_are_nested(corpus, k, seed):
    docs = make_docs(corpus)
    drawn = sample_sentences_per_label(docs, k, seed)
    labels = count_labels(docs)
    for label in labels:
        have = sum(label in corpus[i] for i in drawn)
        assert have >= min(k, sum(label in sentence for sentence in corpus))
    assert len(drawn) <= k * len(labels)
    assert set(drawn) <= set(sample_sentences_per_label(docs, k + 1, seed))
    assert drawn == sorted(set(drawn)) and all(corpus[i] for i in drawn)


@settings(max_examples=80, deadline=None)
@given(corpus=CORPORA, k=st.integers(1, 5), seed=st.integers(0, 5))
def test_mentions_reach_k_and_no_document_is_too_many(corpus, k, seed):
    docs = make_docs(corpus)
    drawn = sample_mentions_per_label(docs, k, seed)
    total = count_labels(docs)
    goal = {label: min(k, n) for label, n in total.items()}

    def reached(positions):
        have = Counter(label for i in positions for label in corpus[i])
        return all(have[label] >= n for label, n in goal.items())

    assert reached(drawn)
    assert not any(reached(set(drawn) - {i}) for i in drawn)
    assert drawn == sorted(set(drawn))
