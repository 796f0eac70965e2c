from itertools import islice

import pytest
import spacy
from spacy.tokens import Doc, Span

from spacy_llmjudge.candidates import INCORRECT_KEY
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import write_docs
from spacy_llmjudge.training.readers import make_mixed_corpus


@pytest.fixture
def nlp():
    return spacy.blank("en")


def make_docs(nlp, kind, n, label="PEST"):
    docs = []
    for i in range(n):
        doc = Doc(nlp.vocab, words=[kind, f"mites{i}", "don't"], spaces=[True, True, False])
        doc.ents = [Span(doc, 1, 2, label=label)]
        docs.append(doc)
    return docs


def take(path_or_reader, nlp, n):
    return [eg.reference[0].text for eg in islice(path_or_reader(nlp), n)]


def test_gold_and_silver_come_in_fixed_shares(nlp, tmp_path):
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 5))
    write_docs(tmp_path / "silver.spacy", make_docs(nlp, "silver", 7))
    reader = make_mixed_corpus(tmp_path / "gold.spacy", tmp_path / "silver.spacy", 2, 3)
    kinds = take(reader, nlp, 51)[1:]
    for start in range(0, 50, 5):
        assert kinds[start : start + 5] == ["gold"] * 2 + ["silver"] * 3


def test_every_document_is_seen_before_any_is_seen_again(nlp, tmp_path):
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 5))
    examples = islice(make_mixed_corpus(tmp_path / "gold.spacy")(nlp), 1, 11)
    texts = [eg.text for eg in examples]
    assert len(set(texts[:5])) == len(set(texts[5:])) == 5


def test_the_first_examples_show_every_label(nlp, tmp_path):
    docs = make_docs(nlp, "gold", 30)
    docs += [doc for i in range(3) for doc in make_docs(nlp, f"g{i}", 1, f"L{i}")]
    write_docs(tmp_path / "gold.spacy", docs)
    write_docs(tmp_path / "silver.spacy", make_docs(nlp, "silver", 40))
    reader = make_mixed_corpus(tmp_path / "gold.spacy", tmp_path / "silver.spacy")
    first = islice(reader(nlp), 4)
    assert {e.label_ for eg in first for e in eg.reference.ents} == {"PEST", "L0", "L1", "L2"}


def test_the_same_seed_is_the_same_order(nlp, tmp_path):
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 9))
    orders = []
    for seed in (1, 1, 2):
        examples = islice(make_mixed_corpus(tmp_path / "gold.spacy", seed=seed)(nlp), 30)
        orders.append([eg.text for eg in examples])
    assert orders[0] == orders[1] != orders[2]


def test_predicted_documents_have_the_tokens_of_the_reference(nlp, tmp_path):
    write_docs(tmp_path / "gold.spacy", make_docs(nlp, "gold", 1))
    eg = next(iter(make_mixed_corpus(tmp_path / "gold.spacy")(nlp)))
    assert [token.text for token in eg.predicted] == ["gold", "mites0", "don't"]
    assert not eg.predicted.ents and eg.predicted.text == eg.reference.text
    assert INCORRECT_KEY in eg.reference.spans


def test_a_corpus_without_documents_is_one_line(nlp, tmp_path):
    write_docs(tmp_path / "gold.spacy", [])
    with pytest.raises(LLMJudgeError, match=r"\[J650\]"):
        next(iter(make_mixed_corpus(tmp_path / "gold.spacy")(nlp)))
