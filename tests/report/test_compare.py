"""Kinds of error, and confusions."""

from hypothesis import given
from hypothesis import strategies as st

from spacy_llmjudge.report.compare import (
    NOTHING,
    OTHER_BOUNDARY,
    confusion_of,
    count_confusions,
    find_differences,
)

GOLD = [(0, 2, "A"), (3, 4, "B"), (5, 7, "A"), (8, 9, "B")]
SAID = [(0, 2, "A"), (3, 4, "A"), (6, 7, "A"), (9, 10, "B")]
keys = st.sets(st.tuples(st.integers(0, 6), st.integers(7, 9), st.sampled_from("AB")))


def test_every_kind_of_error_is_told_from_the_others():
    kinds = [d.kind for d in find_differences(GOLD, SAID)]
    assert kinds == ["right", "label", "boundary", "missed", "spurious"]


@given(keys, keys)
def test_every_key_is_in_exactly_one_difference(gold, said):
    found = find_differences(gold, said)
    assert sorted(d.gold for d in found if d.gold) == sorted(gold)
    assert sorted(d.said for d in found if d.said) == sorted(said)
    assert {d.gold for d in found if d.kind == "right"} == gold & said


def test_confusions_count_by_what_should_have_been_said():
    found = count_confusions(map(confusion_of, find_differences(GOLD, SAID)))
    assert found.rows == ["A", "B", NOTHING]
    assert found.columns == ["A", "B", OTHER_BOUNDARY, NOTHING]
    assert found.counts == [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 0, 0]]
