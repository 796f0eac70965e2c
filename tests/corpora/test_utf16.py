"""Offsets that count UTF-16 units are found out, in any language, and become characters."""

import json

import pytest
import spacy
from corpora_helpers import ents_of, quietly, read_file, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.corpora.record import Mention, Record
from spacy_llmjudge.corpora.utf16 import find_unit, from_utf16
from spacy_llmjudge.errors import LLMJudgeError

TEXTS = {
    "en": ("😂😂 we left Bergen today", "Bergen"),
    "de": ("🌱 Grüße aus Köln", "Köln"),
    "zh": ("😂今天在北京见到了他。", "北京"),
    "ar": ("😀 سافر كريم إلى القاهرة", "القاهرة"),
    "xx": ("𝒜 note from Oslo", "Oslo"),
}


def units(text):
    return len(text.encode("utf-16-le")) // 2


def row(source, words, unit="utf-16", **more):
    start = source.index(words)
    count = units if unit == "utf-16" else len
    offsets = {"start": count(source[:start]), "end": count(source[: start + len(words)])}
    return {"text": source, "spans": [{**offsets, "label": "LOC", **more}]}


@pytest.mark.parametrize("lang", TEXTS)
def test_a_stated_text_decides_in_every_language(tmp_path, lang):
    text, words = TEXTS[lang]
    path = write_jsonl(tmp_path / "a.jsonl", [row(text, words, text=words)])
    (doc,), codes = quietly(read_file, path, spacy.blank(lang))
    assert ents_of(doc) == [(words, "LOC")] and codes == ["JW612"]


@pytest.mark.parametrize("lang", ["en", "de", "ar", "xx"])
def test_tokens_decide_where_no_text_is_stated(tmp_path, lang):
    text, words = TEXTS[lang]
    path = write_jsonl(tmp_path / "a.jsonl", [row(text, words)])
    (doc,), codes = quietly(read_file, path, spacy.blank(lang))
    assert ents_of(doc) == [(words, "LOC")] and codes == ["JW612"]


def test_one_document_decides_for_all_of_its_file(tmp_path):
    """Where every character is a token, both readings fit; another row shows which is meant."""
    text, words = TEXTS["zh"]
    end = "😂😂他在北京"
    path = write_jsonl(tmp_path / "a.jsonl", [row(text, words), row(end, "北京")])
    docs, codes = quietly(read_file, path, spacy.blank("zh"))
    assert [ents_of(doc) for doc in docs] == [[("北京", "LOC")]] * 2 and codes == ["JW612"]


def test_what_fits_in_both_ways_is_read_as_characters_with_a_warning(tmp_path):
    text, words = TEXTS["zh"]
    path = write_jsonl(tmp_path / "a.jsonl", [row(text, words, "characters")])
    (doc,), codes = quietly(read_file, path, spacy.blank("zh"))
    assert ents_of(doc) == [(words, "LOC")] and codes == ["JW613"]


def test_the_user_can_say_it(tmp_path):
    text, words = TEXTS["zh"]
    path = write_jsonl(tmp_path / "a.jsonl", [row(text, words)])
    (doc,), codes = quietly(read_file, path, spacy.blank("zh"), offsets="utf-16")
    assert ents_of(doc) == [(words, "LOC")] and codes == []
    (doc,) = read_file(path, spacy.blank("zh"), offsets="characters")
    assert ents_of(doc) != [(words, "LOC")]


def test_characters_are_never_converted_against_the_evidence(tmp_path):
    """One row counts characters for sure: a row that fits as UTF-16 only is an error of its own."""
    text, words = TEXTS["en"]
    rows = [row(text, words, "characters"), row(text, words)]
    with pytest.raises(LLMJudgeError, match=r"\[J607\].*line 2.*UTF-16 units"):
        read_file(write_jsonl(tmp_path / "a.jsonl", rows))


def test_offsets_behind_the_end_give_the_hint(tmp_path):
    rows = [row("😂 Oslo", "Oslo", "characters"), row("😂😂 Oslo", "Oslo")]
    with pytest.raises(LLMJudgeError, match=r"\[J606\].*line 2.*UTF-16 units"):
        read_file(write_jsonl(tmp_path / "a.jsonl", rows))


@pytest.mark.parametrize("gold", ["pool", "pool_gold"])
def test_the_gold_of_the_pool_is_converted_too(tmp_path, gold):
    text, words = TEXTS["en"]
    labelled = {"text": "Oslo is far", "spans": [[0, 4, "LOC"]]}
    write_jsonl(tmp_path / "labelled.jsonl", [labelled])
    if gold == "pool":
        write_jsonl(tmp_path / "pool.jsonl", [row(text, words)])
    else:
        write_jsonl(tmp_path / "pool.jsonl", [{"text": text}])
        write_jsonl(tmp_path / "pool_gold.jsonl", [{"spans": row(text, words)["spans"]}])
    report, codes = quietly(prepare, tmp_path, tmp_path / "out")
    assert report["labels"]["pool_gold"] == {"LOC": 1} and codes == ["JW612"]


def test_dev_and_labelled_may_differ(tmp_path):
    text, words = TEXTS["en"]
    write_jsonl(tmp_path / "labelled.jsonl", [row(text, words)])
    write_jsonl(tmp_path / "dev.jsonl", [row("😂 off to Bergen again", "Bergen", "characters")])
    write_jsonl(tmp_path / "pool.jsonl", [{"text": "raw"}])
    report, codes = quietly(prepare, tmp_path, tmp_path / "out")
    assert report["labels"]["dev"] == {"LOC": 1} and codes == ["JW612"]


@settings(max_examples=100, deadline=None)
@given(text=st.text("a 北😀𝒜é", min_size=1, max_size=12), data=st.data())
def test_offsets_go_there_and_back(text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    counted = Mention(units(text[:start]), units(text[:end]), "X")
    assert from_utf16(counted, text) == Mention(start, end, "X")


@settings(max_examples=60, deadline=None)
@given(words=st.lists(st.sampled_from(["😀", "ab", "Oslo", "𝒜", "x"]), min_size=2, max_size=7))
def test_a_file_that_counts_characters_is_never_taken_for_utf16(words):
    """Every span lies on tokens as characters, so that nothing can be read as UTF-16 only."""
    nlp = spacy.blank("xx")
    text = " ".join(words)
    records, start = [], 0
    for word in words:
        mention = Mention(start, start + len(word), "X", text=word)
        records.append(Record("here", text, mentions=(mention,)))
        start += len(word) + 1
    assert find_unit(records, nlp).name == "characters"


def test_offsets_inside_of_a_character(tmp_path):
    assert from_utf16(Mention(1, 2, "X"), "😀a") is None
    bad = {"text": "😀a b", "spans": [{"start": 1, "end": 9, "label": "X"}]}
    with pytest.raises(LLMJudgeError, match=r"\[J606\]"):
        read_file(write_jsonl(tmp_path / "a.jsonl", [json.loads(json.dumps(bad))]))
