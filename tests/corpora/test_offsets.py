"""Spans are put on tokens as they are, or somebody is told why not."""

from collections import Counter

import pytest
from corpora_helpers import ents_of, read_file, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError

SPACES = [" ", "\n", "\t", "\u00a0", "\u3000", "\r\n", "  "]


def read(tmp_path, row, **settings):
    return read_file(write_jsonl(tmp_path / "a.jsonl", [row]), **settings)


def test_a_stated_text_is_compared_with_the_offsets(tmp_path):
    span = {"start": 5, "end": 9, "label": "X", "text": "Vera"}
    with pytest.raises(LLMJudgeError) as caught:
        read(tmp_path, {"text": "Vera left", "spans": [span]})
    message = str(caught.value)
    assert "[J638]" in message and "'Vera'" in message and "'left'" in message


def test_a_stated_text_that_is_not_there_can_be_dropped(tmp_path):
    counts = Counter()
    span = {"start": 5, "end": 9, "label": "X", "text": "Vera"}
    row = {"text": "Vera left", "spans": [span]}
    (doc,) = read(tmp_path, row, misaligned="drop", counts=counts)
    assert [token.ent_iob for token in doc] == [2, 0] and counts["misaligned"] == 1


@pytest.mark.parametrize("stated", ["Delta Works", "Delta\nWorks", " Delta  Works "])
def test_white_space_of_a_stated_text_does_not_count(tmp_path, stated):
    span = {"start": 4, "end": 15, "label": "ORG", "text": stated}
    (doc,) = read(tmp_path, {"text": "the Delta Works", "spans": [span]})
    assert ents_of(doc) == [("Delta Works", "ORG")]


@settings(max_examples=60, deadline=None)
@given(
    before=st.lists(st.sampled_from(SPACES), max_size=3),
    after=st.lists(st.sampled_from(SPACES), max_size=3),
)
def test_white_space_at_the_edges_is_taken_off_whatever_it_is(tmp_path_factory, before, after):
    left, right = "".join(before), "".join(after)
    text = f"saw {left}Vera Moss{right} there"
    spans = [{"start": 4, "end": 4 + len(left) + 9 + len(right), "label": "PER"}]
    (doc,) = read(tmp_path_factory.mktemp("trim"), {"text": text, "spans": spans})
    assert doc.text == text and ents_of(doc) == [("Vera Moss", "PER")]


@pytest.mark.parametrize("start,end", [(-2, 3), (0, 99), (5, 5), (10**30, 10**31)])
def test_spans_outside_of_the_text_can_be_dropped(tmp_path, start, end):
    counts = Counter()
    spans = [{"start": start, "end": end, "label": "X"}, {"start": 5, "end": 9, "label": "Y"}]
    row = {"text": "Vera left", "spans": spans}
    (doc,) = read(tmp_path, row, misaligned="drop", counts=counts)
    assert ents_of(doc) == [("left", "Y")] and counts["misaligned"] == 1


def test_white_space_at_the_edges_of_a_label_is_taken_off(tmp_path):
    (doc,) = read(tmp_path, {"text": "Vera left", "spans": [[0, 4, " PER "]]})
    assert ents_of(doc) == [("Vera", "PER")]


def test_one_span_with_two_spellings_of_its_label_is_one_span(tmp_path):
    (doc,) = read(tmp_path, {"text": "Vera left", "spans": [[0, 4, "PER "], [0, 5, "PER"]]})
    assert ents_of(doc) == [("Vera", "PER")]
