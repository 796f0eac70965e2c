"""One text, several annotations: agreement makes one document, contradiction a warning."""

from collections import Counter

import pytest
from corpora_helpers import ents_of, quietly, read_split, said_by, write_jsonl
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.corpora.annotators import merge_repeated
from spacy_llmjudge.corpora.check import check
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

VOCAB = Vocab()
POOL = [{"text": f"raw {c}"} for c in "abcdef"]


def make(*keys, missing=None, words=("Vera", "left", "Bergen")):
    doc = Doc(VOCAB, words=list(words))
    unknown = [Span(doc, i, i + 1) for i in missing or ()]
    doc.set_ents([Span(doc, *key) for key in keys], missing=unknown, default="outside")
    return doc


def merge(*docs, target=None, **how):
    counts = Counter()
    kept, codes = quietly(merge_repeated, docs, target or Ents(), counts, "a.jsonl", **how)
    return kept, counts["duplicates"], codes


def test_agreement_is_one_document():
    kept, n, codes = merge(make((0, 1, "PER")), make((0, 1, "PER")))
    assert [ents_of(doc) for doc in kept] == [[("Vera", "PER")]] and (n, codes) == (1, [])


@pytest.mark.parametrize("other", [[(0, 1, "LOC")], [(0, 2, "PER")], []])
def test_contradiction_keeps_the_first_with_a_warning(other):
    kept, n, codes = merge(make((0, 1, "PER")), make(*other), make((0, 1, "PER")))
    assert [ents_of(doc) for doc in kept] == [[("Vera", "PER")]] and (n, codes) == (2, ["JW611"])


def test_answers_to_binary_questions_add_up():
    first = make((0, 1, "PER"), missing=[1, 2])
    kept, n, codes = merge(first, make((2, 3, "LOC"), missing=[0, 1]))
    assert [ents_of(doc) for doc in kept] == [[("Vera", "PER"), ("Bergen", "LOC")]]
    assert [token.ent_iob for token in kept[0]] == [3, 0, 3] and (n, codes) == (1, [])


def test_answers_that_overlap_contradict_each_other():
    _, _, codes = merge(make((0, 2, "PER"), missing=[2]), make((1, 3, "LOC"), missing=[0]))
    assert codes == ["JW611"]


def test_a_whole_annotation_completes_an_answer():
    kept, _, codes = merge(make((0, 1, "PER"), missing=[1, 2]), make((0, 1, "PER"), (2, 3, "LOC")))
    assert ents_of(kept[0]) == [("Vera", "PER"), ("Bergen", "LOC")] and not codes
    assert [token.ent_iob for token in kept[0]] == [3, 2, 3]


def test_other_spellings_of_a_text_are_compared_by_their_words():
    other = make((0, 1, "PER"), words=("VERA", "left", " ", "Bergen", "."))
    assert merge(make((0, 1, "PER")), other)[1:] == (1, [])
    assert merge(make((0, 1, "LOC")), other)[1:] == (1, ["JW611"])


def test_equal_annotations_of_the_test_set_stay():
    kept, n, codes = merge(make(), make(), make((0, 1, "PER")), keep_equal=True)
    assert len(kept) == 2 and (n, codes) == (1, ["JW611"])


def test_labels_of_texts():
    def label(**cats):
        doc = Doc(VOCAB, words=["a", "b"])
        doc.cats = cats
        return doc

    many = Cats(("A", "B"), exclusive=False)
    kept, _, codes = merge(label(A=1.0), label(B=0.0), target=many)
    assert kept[0].cats == {"A": 1.0, "B": 0.0} and not codes
    assert merge(label(A=1.0), label(A=0.0), target=many)[2] == ["JW611"]
    one = Cats(("A", "B"))
    assert merge(label(A=1.0, B=0.0), label(A=0.0, B=1.0), target=one)[2] == ["JW611"]


def test_spans():
    def mark(*keys):
        doc = Doc(VOCAB, words=["a", "b", "c"])
        Spans().annotate(doc, keys)
        return doc

    first, nested = (0, 2, "X"), (1, 2, "Y")
    assert merge(mark(first, nested), mark(nested, first), target=Spans())[1:] == (1, [])
    assert merge(mark(first), mark(first, nested), target=Spans())[2] == ["JW611"]


def test_the_warning_shows_who_says_what(tmp_path):
    spans = [[{"start": 0, "end": 4, "label": "PER"}], []]
    rows = [{"text": "Vera left", "spans": s, "_session_id": f"s{i}"} for i, s in enumerate(spans)]
    write_jsonl(tmp_path / "labelled.jsonl", rows)
    write_jsonl(tmp_path / "pool.jsonl", POOL)
    with pytest.warns(UserWarning, match=r"JW611.*'Vera left': 'Vera' PER / nothing"):
        prepare(tmp_path, tmp_path / "out")
    assert said_by(tmp_path / "out", "labelled") == [("Vera left", [("Vera", "PER")])]


@pytest.mark.parametrize(
    "vary", [str, str.upper, lambda t: f" {t}!", lambda t: t.replace(" ", "  ")]
)
def test_repeated_texts_are_evidence_once(tmp_path, vary):
    """Six texts that stand there twenty times are no evidence of 120 documents."""
    base = [f"Vera saw {c}" for c in ("ants", "bees", "moss", "rust", "ivy", "elm")]
    texts = [vary(text) if i % 2 else text for i in range(20) for text in base]
    rows = [
        {"text": t, "spans": [[t.upper().index("VERA"), t.upper().index("VERA") + 4, "PER"]]}
        for t in texts
    ]
    write_jsonl(tmp_path / "dev.jsonl", rows)
    write_jsonl(tmp_path / "labelled.jsonl", [{"text": "Vera left", "spans": [[0, 4, "PER"]]}])
    write_jsonl(tmp_path / "pool.jsonl", POOL)
    report, codes = quietly(prepare, tmp_path, tmp_path / "out")
    assert report["documents"]["dev"] == 6 and report["dropped"]["dev"] == {"duplicates": 114}
    assert check(tmp_path / "out", q=0.5).evidence.held_out == 6 and codes == []
    assert len(read_split(tmp_path / "out", "dev")) == 6
