"""Spans that cannot stand together: refused, or one of them is kept."""

from collections import Counter

import pytest
from corpora_helpers import read_file, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.corpora.overlapping import find_overlap, settle_overlaps
from spacy_llmjudge.corpora.record import Mention, Record
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

DOC = Doc(Vocab(), words=list("abcdefgh"))
KEYS = st.lists(
    st.tuples(st.integers(0, 6), st.integers(1, 3), st.sampled_from("XY")).map(
        lambda t: (t[0], min(t[0] + t[1], 8), t[2])
    ),
    unique=True,
    max_size=6,
)


def settle(keys, policy, target=None):
    counts = Counter()
    kept = settle_overlaps(keys, DOC, target or Ents(), policy, "a.jsonl, line 1", counts)
    return kept, counts["overlapping"]


def test_refused_spans_are_named_with_what_to_do():
    with pytest.raises(LLMJudgeError) as caught:
        settle([(0, 3, "X"), (2, 4, "Y")], "refuse")
    message = str(caught.value)
    assert "[J608] a.jsonl, line 1" in message and "'a b c'" in message and "'c d'" in message
    assert "--overlaps longest" in message and "--target spans" in message


def test_longest_and_first():
    keys = [(1, 2, "X"), (0, 3, "Y"), (2, 4, "Z"), (5, 6, "X")]
    assert sorted(settle(keys, "longest")[0]) == [(0, 3, "Y"), (5, 6, "X")]
    assert settle(keys, "first") == ([(1, 2, "X"), (2, 4, "Z"), (5, 6, "X")], 1)


def test_spans_stand_together():
    keys = [(0, 3, "X"), (1, 2, "Y"), (0, 3, "Y")]
    assert sorted(settle(keys, "refuse", Spans())[0]) == sorted(keys)


def test_spans_with_one_label_have_one_label():
    keys = [(0, 3, "X"), (1, 2, "Y"), (0, 3, "Y")]
    with pytest.raises(LLMJudgeError, match=r"\[J608\]"):
        settle(keys, "refuse", Spans(single_label=True))
    assert settle(keys, "first", Spans(single_label=True)) == ([(0, 3, "X"), (1, 2, "Y")], 1)


@settings(max_examples=100, deadline=None)
@given(keys=KEYS, policy=st.sampled_from(["longest", "first"]))
def test_what_is_kept_stands_together_and_nothing_more_could_be(keys, policy):
    kept, n_dropped = settle(keys, policy)
    tokens = [i for start, end, _ in kept for i in range(start, end)]
    assert len(tokens) == len(set(tokens)) and n_dropped == len(keys) - len(kept)
    for start, end, _ in set(keys) - set(kept):
        assert set(range(start, end)) & set(tokens)


@settings(max_examples=100, deadline=None)
@given(keys=KEYS)
def test_an_overlap_is_found_where_there_is_one(keys):
    mentions = tuple(Mention(start, end, label) for start, end, label in keys)
    found = find_overlap(Record("here", "abcdefgh", mentions=mentions))
    tokens = [i for start, end, _ in keys for i in range(start, end)]
    assert (found is not None) == (len(tokens) != len(set(tokens)))


def test_what_is_left_out_is_counted(tmp_path):
    counts = Counter()
    spans = [[0, 11, "ORG"], [0, 5, "LOC"], [12, 16, "X"]]
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": "Delta Works paid", "spans": spans}])
    (doc,) = read_file(path, overlaps="longest", counts=counts)
    assert [e.text for e in doc.ents] == ["Delta Works", "paid"] and counts["overlapping"] == 1
