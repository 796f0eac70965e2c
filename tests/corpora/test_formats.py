import json
from collections import Counter

import pytest
from corpora_helpers import read_examples
from english import NLP
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span

from spacy_llmjudge.errors import LLMJudgeError


def write_jsonl(path, *rows):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def read(path, counts=None, **settings):
    return list(read_examples(path, counts=counts, **settings))


def read_rows(tmp_path, *rows, **settings):
    return read(write_jsonl(tmp_path / "data.jsonl", *rows), **settings)


def error_of(tmp_path, *rows, **settings):
    with pytest.raises(LLMJudgeError) as caught:
        read_rows(tmp_path, *rows, **settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


def ents_of(doc):
    return [(ent.text, ent.label_) for ent in doc.ents]


def test_text_with_character_spans(tmp_path):
    row = {
        "text": "Rust on my roses.",
        "spans": [{"start": 11, "end": 16, "label": "PLANT"}],
    }
    (doc,) = read_rows(tmp_path, row)
    assert doc.text == "Rust on my roses."
    assert ents_of(doc) == [("roses", "PLANT")]
    assert all(token.ent_iob != 0 for token in doc)


def test_entities_as_triples(tmp_path):
    (doc,) = read_rows(tmp_path, {"text": "Rust again", "entities": [[0, 4, "DISEASE"]]})
    assert ents_of(doc) == [("Rust", "DISEASE")]


def test_prodigy_rows_with_token_dictionaries(tmp_path):
    row = {
        "text": "Rust again",
        "tokens": [
            {"text": "Rust", "start": 0, "end": 4, "id": 0, "ws": True},
            {"text": "again", "start": 5, "end": 10, "id": 1, "ws": False},
        ],
        "spans": [{"start": 0, "end": 4, "token_start": 0, "token_end": 0, "label": "DISEASE"}],
        "answer": "accept",
    }
    (doc,) = read_rows(tmp_path, row)
    assert ents_of(doc) == [("Rust", "DISEASE")]


def test_json_of_spacy_counts_characters_in_ents(tmp_path):
    doc = Doc(NLP.vocab, words=["the", "Rust", "again"])
    doc.set_ents([Span(doc, 1, 2, label="DISEASE")])
    (read_back,) = read_rows(tmp_path, doc.to_json())
    assert ents_of(read_back) == [("Rust", "DISEASE")]


def test_tokens_with_token_spans(tmp_path):
    row = {"tokens": ["do", "n't", "sand-pit", "me"], "ents": [[1, 3, "X"]]}
    (doc,) = read_rows(tmp_path, row)
    assert [token.text for token in doc] == row["tokens"]
    assert doc.text == "do n't sand-pit me"
    assert ents_of(doc) == [("n't sand-pit", "X")]


def test_token_spans_survive_double_spaces_in_the_text(tmp_path):
    row = {
        "text": "a  rose here",
        "tokens": ["a", "rose", "here"],
        "ents": [[1, 2, "PLANT"]],
    }
    (doc,) = read_rows(tmp_path, row)
    assert doc.text == "a  rose here"
    assert ents_of(doc) == [("rose", "PLANT")]


def test_annotated_without_entities_is_not_the_same_as_not_annotated(tmp_path):
    empty, raw = read_rows(tmp_path, {"text": "hello you", "spans": []}, {"text": "hello you"})
    assert empty.has_annotation("ENT_IOB") and not empty.ents
    assert not raw.has_annotation("ENT_IOB")


def test_rejected_rows_stay_in_place_without_annotation(tmp_path):
    counts = Counter()
    row = {
        "text": "Rust",
        "spans": [{"start": 0, "end": 4, "label": "X"}],
        "answer": "reject",
    }
    rejected, accepted = read_rows(tmp_path, row, {**row, "answer": "accept"}, counts=counts)
    assert not rejected.has_annotation("ENT_IOB")
    assert ents_of(accepted) == [("Rust", "X")]
    assert counts["not_accepted"] == 1


def test_byte_order_mark_crlf_and_empty_lines(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "one two"}\r\n\r\n{"text": "three"}\r\n')
    assert [doc.text for doc in read(path)] == ["one two", "three"]


@pytest.mark.parametrize(
    "text,entity",
    [
        ("\U0001f331\U0001f331 my rose \U0001f339", "rose"),
        ("cafe\u0301 rose", "cafe\u0301"),
        (
            "\u05d4\u05d5\u05e8\u05d3 \u05e9\u05dc\u05d9 \u05e0\u05d1\u05dc",
            "\u05e9\u05dc\u05d9",
        ),
        ("one\u2028rose\u0085 two", "rose"),
        ("a\u00a0rose", "rose"),
    ],
    ids=["emoji", "combining", "right_to_left", "line_separators", "no_break_space"],
)
def test_offsets_count_characters(tmp_path, text, entity):
    start = text.index(entity)
    spans = [{"start": start, "end": start + len(entity), "label": "X"}]
    path = tmp_path / "data.jsonl"
    row = json.dumps({"text": text, "spans": spans}, ensure_ascii=False)
    path.write_text(row + "\n", encoding="utf8", newline="")
    (doc,) = read(path)
    assert doc.text == text
    assert ents_of(doc) == [(entity, "X")]


def test_unknown_suffix(tmp_path):
    path = tmp_path / "data.xlsx"
    path.write_text("a,b")
    with pytest.raises(LLMJudgeError, match=r"\[J600\].*data\.xlsx.*\.jsonl"):
        read(path)


def test_unknown_way_of_misaligned(tmp_path):
    message = error_of(tmp_path, {"text": "a"}, misaligned="repair")
    assert "[J614]" in message and "'repair'" in message and "error or drop" in message


def test_line_that_is_not_json_names_file_and_line(tmp_path):
    message = error_of(tmp_path, {"text": "fine"}, "", '{"text": "cut')
    assert "[J602]" in message and "data.jsonl, line 3" in message


def test_line_that_is_not_an_object(tmp_path):
    message = error_of(tmp_path, '["text"]')
    assert "[J603]" in message and 'list ["text"]' in message


def test_nested_too_deeply(tmp_path):
    assert "line 1" in error_of(tmp_path, "[" * 200_000)


def test_row_without_text_or_tokens(tmp_path):
    message = error_of(tmp_path, {"txt": "hello", "meta": 1})
    assert "[J604]" in message and "meta, txt" in message


def test_not_utf8(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_bytes(b'{"text": "a"}\n{"text": "caf\xe9"}\n')
    with pytest.raises(LLMJudgeError, match=r"\[J601\].*line 2 is not UTF-8"):
        read(path)


@pytest.mark.parametrize(
    "row,found",
    [
        ({"text": 7}, "int 7 in 'text'"),
        ({"text": "half \ud83d of it"}, "surrogate pair at character 5"),
        ({"tokens": "a b"}, "str \"a b\" in 'tokens'"),
        ({"tokens": ["a", 3]}, "int 3 in 'tokens'"),
        ({"tokens": ["a", ""]}, "an empty token"),
        ({"tokens": ["a", {"text": "b"}]}, "in 'tokens'"),
        ({"text": "abc", "spans": {"start": 0}}, "dict"),
        ({"text": "abc", "spans": ["abc"]}, "str \"abc\" in 'spans'"),
        ({"text": "abc", "spans": [{"start": 0, "end": 3}]}, "a span with the keys start, end"),
        ({"text": "abc", "spans": [{"from": 0, "to": 3, "kind": "X"}]}, "the keys from, to, kind"),
        (
            {"text": "abc", "spans": [{"start": 0, "end": 3, "label": " "}]},
            "an empty label",
        ),
        ({"text": "abc", "spans": [{"start": "0", "end": 3, "label": "X"}]}, 'str "0"'),
        (
            {"text": "abc", "spans": [{"start": 0.0, "end": 3, "label": "X"}]},
            "float 0.0",
        ),
        (
            {"text": "abc", "spans": [{"start": True, "end": 3, "label": "X"}]},
            "bool true",
        ),
        ({"text": "abc", "entities": [[0, 3]]}, "list [0, 3]"),
        ({"text": "abc", "entities": [[0, 3, 5]]}, "int 5"),
    ],
)
def test_wrong_types(tmp_path, row, found):
    message = error_of(tmp_path, row)
    assert "[J605]" in message and "line 1" in message and found in message


@pytest.mark.parametrize("start,end", [(-1, 3), (0, 4), (2, 2), (3, 1), (10**30, 10**31)])
def test_offsets_outside_of_the_text(tmp_path, start, end):
    spans = [{"start": start, "end": end, "label": "X"}]
    message = error_of(tmp_path, {"text": "abc", "spans": spans})
    assert "[J606]" in message and f"{start}-{end}" in message and "3 characters" in message


def test_token_offsets_outside_of_the_tokens(tmp_path):
    message = error_of(tmp_path, {"tokens": ["a", "b"], "ents": [[1, 3, "X"]]})
    assert "[J606]" in message and "2 tokens" in message


def test_misaligned_span_shows_text_and_tokens(tmp_path):
    spans = [{"start": 7, "end": 11, "label": "PLANT"}]
    message = error_of(tmp_path, {"text": "my old rosebush died", "spans": spans})
    assert "[J607]" in message and "line 1" in message
    assert "'rose'" in message and "'rosebush'" in message and "--misaligned drop" in message


def test_offsets_in_bytes_are_recognised(tmp_path):
    text = "\U0001f331\U0001f331\U0001f331 fine roses everywhere"
    start = len(text[: text.index("roses")].encode("utf8"))
    spans = [{"start": start, "end": start + 5, "label": "PLANT"}]
    assert "UTF-8" in error_of(tmp_path, {"text": text, "spans": spans})


@pytest.mark.parametrize("text,start,end", [("a rose", 1, 6), ("a  rose", 2, 7), ("rose \n", 0, 6)])
def test_white_space_at_the_edges_of_a_span_is_taken_off(tmp_path, text, start, end):
    counts = Counter()
    spans = [{"start": start, "end": end, "label": "PLANT"}]
    (doc,) = read_rows(tmp_path, {"text": text, "spans": spans}, counts=counts)
    assert ents_of(doc) == [("rose", "PLANT")] and counts["trimmed"] == 1


def test_a_span_of_white_space_is_misaligned(tmp_path):
    spans = [{"start": 1, "end": 3, "label": "PLANT"}]
    assert "[J607]" in error_of(tmp_path, {"text": "a  rose", "spans": spans})


def test_dropped_misaligned_span_leaves_its_tokens_missing(tmp_path):
    counts = Counter()
    spans = [
        {"start": 3, "end": 7, "label": "X"},
        {"start": 12, "end": 17, "label": "Y"},
    ]
    row = {"text": "my rosebush likes water", "spans": spans}
    (doc,) = read_rows(tmp_path, row, misaligned="drop", counts=counts)
    assert [token.ent_iob for token in doc] == [2, 0, 3, 2]
    assert ents_of(doc) == [("likes", "Y")]
    assert counts["misaligned"] == 1


def test_overlapping_spans_are_named(tmp_path):
    spans = [{"start": 0, "end": 8, "label": "A"}, {"start": 4, "end": 8, "label": "B"}]
    message = error_of(tmp_path, {"text": "red rose", "spans": spans})
    assert "[J608]" in message and "0-8 'A' 'red rose'" in message and "4-8 'B' 'rose'" in message


def test_one_span_given_twice_is_one_span(tmp_path):
    spans = [{"start": 4, "end": 8, "label": "B"}] * 2
    (doc,) = read_rows(tmp_path, {"text": "red rose", "spans": spans})
    assert ents_of(doc) == [("rose", "B")]


def test_document_over_the_limit(tmp_path):
    message = error_of(tmp_path, {"text": "x " * 600_000})
    assert "[J609]" in message and "1200000" in message


def test_document_of_20000_tokens(tmp_path):
    spans = [{"start": 2 * 19_999, "end": 2 * 19_999 + 1, "label": "X"}]
    (doc,) = read_rows(tmp_path, {"text": "x " * 20_000, "spans": spans})
    assert len(doc) == 20_000 and doc.ents[0].start == 19_999


def test_tokens_that_do_not_spell_the_text(tmp_path):
    assert "[J610]" in error_of(tmp_path, {"text": "a b", "tokens": ["a", "c"]})


def test_documents_are_read_one_at_a_time(tmp_path):
    path = write_jsonl(tmp_path / "data.jsonl", {"text": "first"}, "broken")
    docs = read_examples(path)
    assert next(docs).text == "first"
    with pytest.raises(LLMJudgeError, match="line 2"):
        next(docs)


def test_spacy_file_keeps_words_and_entities_only(tmp_path):
    doc = Doc(
        NLP.vocab,
        words=["a", "b", "c"],
        tags=["X", "Y", "Z"],
        spaces=[True, False, False],
    )
    doc.set_ents([Span(doc, 0, 1, label="A")], missing=[Span(doc, 2, 3)], default="outside")
    doc.spans["other"] = [doc[0:2]]
    raw = Doc(NLP.vocab, words=["raw"])
    DocBin(docs=[doc, raw]).to_disk(tmp_path / "data.spacy")
    first, second = read(tmp_path / "data.spacy")
    assert first.text == doc.text and [token.ent_iob for token in first] == [3, 2, 0]
    assert not first.has_annotation("TAG") and not first.spans
    assert not second.has_annotation("ENT_IOB")


def test_truncated_spacy_file(tmp_path):
    path = tmp_path / "data.spacy"
    DocBin(docs=[Doc(NLP.vocab, words=["a"] * 50)]).to_disk(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(LLMJudgeError, match=r"\[J002\].*data\.spacy"):
        read(path)


WORDS = st.lists(
    st.text("ab\u00e9\u05d0\U0001f331'-.", min_size=1, max_size=4),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(words=WORDS, data=st.data())
def test_any_tokens_and_token_spans_are_read_as_they_are(tmp_path_factory, words, data):
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    row = {"tokens": words, "ents": [[start, end, "X"]]}
    path = write_jsonl(tmp_path_factory.mktemp("tokens") / "data.jsonl", row)
    (doc,) = read(path)
    assert [token.text for token in doc] == words
    assert [(ent.start, ent.end, ent.label_) for ent in doc.ents] == [(start, end, "X")]


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=40), data=st.data())
def test_any_text_is_read_with_any_span_on_its_tokens(tmp_path_factory, text, data):
    tokens = [token for token in NLP.make_doc(text) if not token.is_space]
    spans = []
    if tokens:
        token = data.draw(st.sampled_from(tokens))
        spans = [{"start": token.idx, "end": token.idx + len(token), "label": "X"}]
    path = write_jsonl(
        tmp_path_factory.mktemp("texts") / "data.jsonl", {"text": text, "spans": spans}
    )
    (doc,) = read(path)
    assert doc.text == text
    assert [(ent.start_char, ent.end_char) for ent in doc.ents] == [
        (span["start"], span["end"]) for span in spans
    ]


def test_a_text_file_without_tags_is_a_text_a_line(tmp_path):
    path = tmp_path / "pool.txt"
    path.write_text("\ufeffSlugs ate my hostas.\r\n\nIs neem oil safe?\n", encoding="utf8")
    docs = list(read_examples(path))
    assert [doc.text for doc in docs] == ["Slugs ate my hostas.", "", "Is neem oil safe?"]
    assert not any(doc.has_annotation("ENT_IOB") for doc in docs if len(doc))


def test_a_text_file_with_tags_is_columns(tmp_path):
    path = tmp_path / "dev.txt"
    path.write_text("Slugs B-PEST\nate O\n\nSlugs B-PEST\n", encoding="utf8")
    docs = list(read_examples(path))
    assert [[ent.text for ent in doc.ents] for doc in docs] == [["Slugs"], ["Slugs"]]
