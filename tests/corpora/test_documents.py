"""What a record says becomes the annotation of its document, and one limit holds on every path."""

import json
from collections import Counter

import pytest
import spacy
from corpora_helpers import NLP, read_file
from spacy.tokens import Doc, DocBin

from spacy_llmjudge.corpora.documents import make_doc
from spacy_llmjudge.corpora.record import Choice, Mention, Record
from spacy_llmjudge.corpora.settings import ReadSettings
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

TEXT = "Vera left Bergen"
SMALL = spacy.blank("en")
SMALL.max_length = 100


def make(target, nlp=NLP, settings=None, text=TEXT, **said):
    counts = Counter()
    doc = make_doc(
        Record("a, line 1", text, **said), nlp, target, settings or ReadSettings(), counts
    )
    return doc, {name: n for name, n in counts.items() if n}


PER = (Mention(0, 4, "PER"),)


def write(path, kind):
    """A document of 60 words, 120 characters."""
    words = ["w"] * 60
    text = " ".join(words)
    if kind == "spacy":
        DocBin(docs=[Doc(NLP.vocab, words=words)]).to_disk(path)
        return
    content = {
        "text": json.dumps({"text": text}),
        "tokens": json.dumps({"tokens": words}),
        "tags": json.dumps({"tokens": words, "ner_tags": ["O"] * 60}),
        "gliner": json.dumps({"tokenized_text": words}),
        "task": json.dumps({"data": {"text": text}, "annotations": []}),
        "json": json.dumps([{"text": text}]),
        "csv": f"text\n{text}",
        "words": "word,tag\n" + "w,O\n" * 60,
        "txt": text,
        "conll": "w O\n" * 60,
    }[kind]
    path.write_text(content + "\n")


KINDS = [
    "text",
    "tokens",
    "tags",
    "gliner",
    "task",
    "json",
    "csv",
    "words",
    "txt",
    "conll",
    "spacy",
]


@pytest.mark.parametrize("kind", KINDS)
def test_one_limit_of_length_on_every_path(tmp_path, kind):
    suffix = {"json": "json", "words": "csv"}.get(kind, kind)
    suffix = suffix if suffix in ("json", "csv", "txt", "conll", "spacy") else "jsonl"
    path = tmp_path / f"data.{suffix}"
    write(path, kind)
    assert len(read_file(path)[0]) == 60
    with pytest.raises(
        LLMJudgeError, match=r"\[J609\].*data\..* 1(19|20) characters.*limit of 100"
    ):
        read_file(path, SMALL)


@pytest.mark.parametrize(
    "said,tags",
    [
        ({"mentions": PER}, [3, 2, 2]),
        ({"mentions": ()}, [2, 2, 2]),
        ({"mentions": PER, "unknown": ((10, 16),)}, [3, 2, 0]),
        ({"mentions": PER, "partial": True}, [3, 0, 0]),
        ({}, [0, 0, 0]),
        ({"mentions": PER, "answer": "ignore"}, [0, 0, 0]),
    ],
)
def test_entities_and_missing_tokens(said, tags):
    assert [token.ent_iob for token in make(Ents(), **said)[0]] == tags


@pytest.mark.parametrize("said", [{"partial": True}, {"unknown": ((10, 16),)}])
def test_spans_cannot_be_left_open(said):
    doc, counts = make(Spans(), mentions=PER, **said)
    assert not Spans().is_annotated(doc) and counts == {"partly_known": 1}


def test_a_span_that_was_dropped_leaves_a_document_of_spans_out():
    mentions = (*PER, Mention(10, 14, "LOC"))
    doc, counts = make(Spans(), settings=ReadSettings(misaligned="drop"), mentions=mentions)
    assert not Spans().is_annotated(doc) and counts == {"misaligned": 1, "partly_known": 1}


@pytest.mark.parametrize(
    "choice,exclusive,cats",
    [
        (Choice(("A",)), True, {"A": 1.0, "B": 0.0}),
        (Choice(("A",), form="list"), False, {"A": 1.0, "B": 0.0}),
        (Choice((), form="list"), False, {"A": 0.0, "B": 0.0}),
        (Choice((), form="list"), True, {}),
        (Choice(("A",), ("B",), "scores"), False, {"A": 1.0, "B": 0.0}),
        (Choice(("A",), (), "scores"), False, {"A": 1.0}),
        (Choice(("A",), (), "scores"), True, {"A": 1.0, "B": 0.0}),
        (Choice(("A ",)), True, {"A": 1.0, "B": 0.0}),
        (None, True, {}),
    ],
)
def test_labels(choice, exclusive, cats):
    doc, _ = make(Cats(("A", "B"), exclusive), choice=choice)
    assert doc.cats == cats


def test_an_empty_text_has_no_labels():
    assert make(Cats(("A", "B")), text="", choice=Choice(("A",)))[0].cats == {}


@pytest.mark.parametrize("target", [Ents(), Spans()])
def test_labels_that_may_be_are_those_that_were_named(target):
    with pytest.raises(LLMJudgeError, match=r"\[J636\] a, line 1 has the label 'PER'"):
        make(target, settings=ReadSettings(labels=("LOC",)), mentions=PER)


def test_a_tokenizer_that_fails_is_one_line():
    nlp = spacy.blank("en")

    def fail(text):
        raise RuntimeError("Input is\ntoo long")

    nlp.tokenizer = fail
    with pytest.raises(LLMJudgeError, match=r"\[J649\] a, line 1.*RuntimeError: Input is"):
        make(Ents(), nlp)
