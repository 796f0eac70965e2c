import doctest
from pathlib import Path

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge import storage
from spacy_llmjudge.corpora import check as module
from spacy_llmjudge.corpora.check import check
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.errors import LLMJudgeError

GARDEN = Path(__file__).parents[2] / "assets" / "garden"
VOCAB = Vocab()


def make_docs(n, *tags, name="text"):
    """`n` different documents with the tags, a token each, and an empty one to tell them apart."""
    return [
        Doc(VOCAB, words=[name, spell(i), *("w" * len(tags))], ents=["O", "O", *tags])
        for i in range(n)
    ]


def spell(number):
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


def write(folder, **splits):
    for split, docs in splits.items():
        storage.write_docs(folder / f"{split}.spacy", docs)
    return folder


@pytest.fixture
def corpus(tmp_path):
    return write(
        tmp_path,
        labelled=make_docs(6, "B-A", "B-B", name="labelled"),
        dev=make_docs(30, "B-A", "B-B", name="dev"),
        test=make_docs(30, "B-A", "B-B", name="test"),
        pool=[Doc(VOCAB, words=["pool", str(i)]) for i in range(50)],
    )


def levels(report, *words):
    found = [level for level, text in report.messages if all(word in text for word in words)]
    assert len(found) == 1, report.messages
    return found[0]


def test_garden_corpus_is_good(tmp_path):
    prepare(GARDEN, tmp_path / "corpus")
    report = check(tmp_path / "corpus")
    assert {level for level, _ in report.messages} == {"info", "good"}
    found = report.splits
    assert found["labelled"].documents == 60 and found["labelled"].mentions == 115
    assert found["pool"].documents == 1000 and found["pool"].mentions == 0
    assert 0.1 < found["test"].empty_share < 0.25
    assert report.evidence.held_out == 206


def test_good_corpus(corpus):
    assert {level for level, _ in check(corpus).messages} == {"info", "good"}


def test_missing_corpus(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*Run `prepare` first"):
        check(tmp_path / "nowhere")


def test_missing_pool(corpus):
    (corpus / "pool.spacy").unlink()
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*pool\.spacy"):
        check(corpus)


@pytest.mark.parametrize("q", [0, 1, -0.1, 10])
def test_q_that_is_no_share(corpus, q):
    with pytest.raises(LLMJudgeError, match=r"\[J624\]"):
        check(corpus, q=q)


def test_label_gaps(corpus):
    write(corpus, dev=make_docs(30, "B-A", "B-C", name="dev"))
    report = check(corpus)
    assert levels(report, "dev", "the labelled set lacks: C") == "fail"
    assert levels(report, "dev has no mention of B") == "warn"


def test_few_mentions(corpus):
    docs = make_docs(6, "B-A", name="labelled") + make_docs(2, "B-B", name="more")
    write(corpus, labelled=docs)
    assert levels(check(corpus), "fewer than 5", "B (2)") == "warn"


def test_evidence_too_small_for_q(corpus):
    write(corpus, dev=make_docs(4, "B-A", "B-B", name="dev"))
    report = check(corpus, q=0.1)
    assert levels(report, "Too little evidence for q = 0.1", "all 8 entities") == "fail"
    assert report.evidence.smallest_share == pytest.approx(1 / 0.9)
    assert levels(check(corpus, q=0.2), "55.6%") == "warn"


def test_smallest_share_is_where_conformal_selection_begins(corpus):
    # Of m candidates, k with no held-out error among them are kept where m <= q (n + 1) k.
    report = check(corpus, q=0.1)
    n, share = 60, report.evidence.smallest_share
    m = 1000
    assert m <= 0.1 * (n + 1) * (share * m) + 1e-9
    assert not m <= 0.1 * (n + 1) * (0.99 * share * m)
    assert levels(report, "16.4%", "all 60 entities") == "good"


def test_no_dev(corpus):
    (corpus / "dev.spacy").unlink()
    assert levels(check(corpus), "There is no dev set") == "warn"


def test_no_test(corpus):
    (corpus / "test.spacy").unlink()
    assert levels(check(corpus), "There is no test set") == "warn"


def test_overlaps(corpus):
    write(corpus, test=make_docs(3, "B-A", "B-B", name="dev"))
    assert levels(check(corpus), "3 documents of test are also in dev") == "warn"


def test_repeated_pool_documents(corpus):
    write(corpus, pool=[Doc(VOCAB, words=["pool", str(i % 40)]) for i in range(50)])
    assert levels(check(corpus), "10 documents of pool repeat") == "info"


def test_empty_pool(corpus):
    write(corpus, pool=[])
    assert levels(check(corpus), "The pool is empty") == "fail"


def test_pool_smaller_than_labelled(corpus):
    write(corpus, pool=[Doc(VOCAB, words=["pool"])])
    assert levels(check(corpus), "smaller than the labelled set") == "warn"


def test_labelled_without_entities(corpus):
    write(corpus, labelled=make_docs(6, "O", name="labelled"))
    assert levels(check(corpus), "The labelled set has no entities") == "fail"


def test_share_of_documents_without_entities(corpus):
    docs = make_docs(20, "B-A", "B-B", name="dev") + make_docs(20, "O", "O", name="none")
    write(corpus, dev=docs)
    assert levels(check(corpus), "0% of the labelled", "50% of dev") == "warn"


def test_entities_that_the_tokenizer_cuts(corpus):
    odd = Doc(VOCAB, words=["a", "rose", "bush"], spaces=[True, False, False])
    odd.set_ents([odd.char_span(2, 6, label="A")], default="outside")
    plain = Doc(VOCAB, words=["a", "rose"], ents=["O", "B-A"])
    write(corpus, dev=make_docs(30, "B-A", "B-B", name="dev") + [odd, plain])
    report = check(corpus)
    assert report.splits["dev"].misaligned == 1
    assert levels(report, "1 entities of dev", "'en' tokenizer") == "warn"


def test_tokens_without_annotation(corpus):
    docs = make_docs(6, "B-A", "B-B", name="labelled")
    docs[0].set_ents(docs[0].ents, missing=[docs[0][0:1]], default="outside")
    write(corpus, labelled=docs)
    assert levels(check(corpus), "1 tokens of labelled have no annotation") == "warn"


@pytest.mark.parametrize("length,level", [(600, "info"), (20_000, "warn")])
def test_document_over_the_window(corpus, length, level):
    write(corpus, pool=[Doc(VOCAB, words=["w"] * length)] * 10)
    report = check(corpus, window=512)
    assert levels(report, f"pool has {length} tokens, the encoder reads 512") == level
    assert not [
        m for _, m in check(corpus, window=length).messages if "window" in m or "reads" in m
    ]


def test_examples_in_docstrings():
    result = doctest.testmod(module)
    assert result.attempted and not result.failed
