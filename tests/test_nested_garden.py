"""The nested corpus: derived spans, replies that are derived in the same way, and a corpus of spans."""

import json

import nested_garden
import pytest
from corpora_helpers import quietly
from nested_garden import Span, nest, nest_reply

from spacy_llmjudge.corpora.check import check
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.targets.base import find_target
from spacy_llmjudge.targets.spans import Spans


def spans_in(text, *marked):
    spans = []
    for words, label in marked:
        start = text.index(words)
        spans.append(Span(start, start + len(words), label))
    return spans


@pytest.mark.parametrize(
    "text,marked,added",
    [
        (
            "spider mites on my monstera",
            [("spider mites", "PEST"), ("monstera", "PLANT")],
            ["CASE"],
        ),
        ("my Autumn Bliss raspberries", [("Autumn Bliss raspberries", "PLANT")], ["VARIETY"]),
        ("rust. Roses bloom", [("rust", "DISEASE"), ("Roses", "PLANT")], []),
        ("rust is all over my old rose", [("rust", "DISEASE"), ("rose", "PLANT")], []),
        ("neem oil on roses", [("neem oil", "PRODUCT"), ("roses", "PLANT")], []),
        ("my Acer Palmatum", [("Acer Palmatum", "PLANT")], []),
    ],
)
def test_what_is_added(text, marked, added):
    spans = spans_in(text, *marked)
    found = nest(text, spans)
    assert [span.label for span in found if span not in spans] == added


def test_a_reply_is_nested_as_the_gold_is():
    text = "Rust on the rose, rust on the Autumn Bliss apples"
    response = {
        "entities": [
            {"text": "Rust", "label": "DISEASE", "confidence": 90},
            {"text": "rose", "label": "PLANT", "confidence": 70},
            {"text": "Autumn Bliss apples", "label": "PLANT", "confidence": 60},
            {"text": "nowhere", "label": "PEST", "confidence": 50},
        ],
        "alternatives": [],
    }
    listed = nest_reply(text, response)["entities"]
    assert [(e["text"], e["label"], e["confidence"]) for e in listed] == [
        ("Rust on the rose", "CASE", 70),
        ("Rust", "DISEASE", 90),
        ("rose", "PLANT", 70),
        ("Autumn Bliss apples", "PLANT", 60),
        ("Autumn Bliss", "VARIETY", 60),
        ("nowhere", "PEST", 50),
    ]


def test_the_corpus_has_nested_spans_and_a_reply_for_every_text(tmp_path):
    nested_garden.write_corpus(tmp_path / "in")
    report, codes = quietly(prepare, tmp_path / "in", tmp_path / "out")
    assert codes == ["JW610"] and find_target(tmp_path / "out" / "pool.spacy") == Spans()
    assert report["documents"]["labelled"] == 60 and report["documents"]["pool_gold"] == 1000
    for split in ("labelled", "dev", "test", "pool_gold"):
        assert min(report["labels"][split][label] for label in ("CASE", "VARIETY")) >= 3
    assert not [text for level, text in check(tmp_path / "out").messages if level == "fail"]
    lines = (tmp_path / "in" / "responses.jsonl").read_text(encoding="utf8").splitlines()
    replies = {row["text"]: row["response"]["entities"] for row in map(json.loads, lines)}
    asked = (tmp_path / "in" / "pool.jsonl").read_text(encoding="utf8").splitlines()
    assert {json.loads(line)["text"] for line in asked} <= set(replies)
    assert sum(e["label"] == "CASE" for listed in replies.values() for e in listed) > 100
