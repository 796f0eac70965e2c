"""`check` counts and warns for spans and labels of documents as it does for entities."""

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.corpora.check import check
from spacy_llmjudge.storage import write_docs
from spacy_llmjudge.targets.base import write_target
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

VOCAB = Vocab()
TARGETS = {
    "ents": Ents(),
    "spans": Spans("mine"),
    "exclusive": Cats(("A", "B")),
    "multilabel": Cats(("A", "B"), exclusive=False),
}


def spell(number):
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


def make_docs(n, name, target, *labels):
    """Different documents, each with these labels; entities and spans have a token each."""
    docs = []
    for i in range(n):
        doc = Doc(VOCAB, words=[name, spell(i), "w", "w"])
        if target.name == "cats":
            keys = [(0, 4, label) for label in labels]
        else:
            keys = [(2 + k, 3 + k, label) for k, label in enumerate(labels)]
        target.annotate(doc, keys)
        docs.append(doc)
    return docs


def both(n, name, target):
    """Documents that have both labels, or half of them one each where there is exactly one."""
    if target.name == "cats" and target.exclusive:
        half = [make_docs(n // 2, f"{name}{label}", target, label) for label in "AB"]
        return [*half[0], *half[1]]
    return make_docs(n, name, target, "A", "B")


@pytest.fixture(params=list(TARGETS))
def corpus(request, tmp_path):
    target = TARGETS[request.param]
    for split, n in (("labelled", 10), ("dev", 60), ("test", 40)):
        write_docs(tmp_path / f"{split}.spacy", both(n, split, target))
    write_docs(tmp_path / "pool.spacy", (Doc(VOCAB, words=["pool", spell(i)]) for i in range(90)))
    write_target(tmp_path, target)
    return tmp_path, target


def levels(findings, *words):
    found = [level for level, text in findings.messages if all(word in text for word in words)]
    assert len(found) == 1, findings.messages
    return found[0]


def test_a_good_corpus(corpus):
    folder, target = corpus
    findings = check(folder)
    assert {level for level, _ in findings.messages} == {"info", "good"}
    assert findings.target == target
    each = 1 if target == TARGETS["exclusive"] else 2
    assert findings.splits["dev"].mentions == findings.evidence.held_out == 60 * each
    assert levels(findings, f"right on all {60 * each} {target.units} of dev") == "good"


def test_label_gaps(corpus):
    folder, target = corpus
    write_docs(folder / "labelled.spacy", make_docs(10, "labelled", target, "A"))
    findings = check(folder)
    for split in ("dev", "test"):
        assert levels(findings, f"{split} has labels that the labelled set lacks: B") == "fail"
    if target.name == "cats":
        assert levels(findings, "No labelled text has the labels B") == "warn"


def test_rare_labels(corpus):
    folder, target = corpus
    docs = make_docs(9, "labelled", target, "A") + make_docs(2, "more", target, "B")
    write_docs(folder / "labelled.spacy", docs)
    assert levels(check(folder), "fewer than 5", "B (2)") == "warn"


def test_nothing_to_learn_from(corpus):
    folder, target = corpus
    docs = [Doc(VOCAB, words=["labelled", spell(i)]) for i in range(5)]
    write_docs(folder / "labelled.spacy", docs)
    assert levels(check(folder), f"The labelled set has no {target.units}") == "fail"


def test_evidence_counts_distinct_texts_that_the_labelled_set_lacks(corpus):
    folder, target = corpus
    labelled, dev = (both(n, name, target) for n, name in ((10, "labelled"), (60, "dev")))
    write_docs(folder / "dev.spacy", dev[:4] * 20 + labelled)
    findings = check(folder)
    each = 1 if target == TARGETS["exclusive"] else 2
    assert findings.evidence.held_out == 4 * each
    assert levels(findings, "76 documents of dev repeat") == "warn"
    assert levels(findings, "10 documents of dev are also in labelled") == "warn"
    assert levels(findings, "Too little evidence for q = 0.1") == "fail"


def test_dev_that_is_the_labelled_set_is_no_evidence(corpus):
    folder, target = corpus
    write_docs(folder / "dev.spacy", both(10, "labelled", target))
    findings = check(folder)
    assert findings.evidence.held_out == 0
    assert levels(findings, "10 documents of dev are also in labelled") == "fail"
    assert levels(findings, "no share of wrong silver can be promised") == "warn"


def test_texts_of_a_template_are_pointed_out(corpus):
    folder, target = corpus
    docs = both(20, "dev", target)
    renamed = []
    for i, doc in enumerate(docs):
        copy = Doc(VOCAB, words=["order", str(i), "w", "w"])
        target.annotate(copy, target.keys(doc))
        renamed.append(copy)
    write_docs(folder / "dev.spacy", renamed)
    assert (
        levels(check(folder), "19 texts of dev differ from another one in numbers only") == "warn"
    )


def test_labels_that_were_left_open(tmp_path):
    target = TARGETS["multilabel"]
    docs = both(10, "labelled", target)
    for doc in docs[:3]:
        target.keep_labels(doc, ["A"])
    write_docs(tmp_path / "labelled.spacy", docs)
    write_docs(tmp_path / "pool.spacy", [Doc(VOCAB, words=["pool", spell(i)]) for i in range(20)])
    write_target(tmp_path, target)
    assert levels(check(tmp_path), "3 labels of texts of labelled have no annotation") == "warn"


def test_spans_that_the_suggester_does_not_propose(tmp_path):
    target = TARGETS["spans"]
    doc = Doc(VOCAB, words=list("abcdefgh"))
    target.annotate(doc, [(0, 7, "A"), (1, 2, "B"), (0, 6, "B")])
    write_docs(tmp_path / "labelled.spacy", [doc])
    write_docs(tmp_path / "pool.spacy", [Doc(VOCAB, words=["pool"])])
    write_target(tmp_path, target)
    assert levels(check(tmp_path), "1 spans of labelled have more than 6 tokens") == "warn"


def test_spans_that_the_tokenizer_cuts(tmp_path):
    target = TARGETS["spans"]
    doc = Doc(VOCAB, words=["rose", "bush", "old"], spaces=[False, True, False])
    target.annotate(doc, [(0, 1, "A"), (0, 2, "B")])
    write_docs(tmp_path / "labelled.spacy", [doc])
    write_docs(tmp_path / "pool.spacy", [Doc(VOCAB, words=["pool"])])
    write_target(tmp_path, target)
    assert levels(check(tmp_path), "1 spans of labelled do not fall on the tokens") == "warn"
