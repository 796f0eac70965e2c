import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.judge.stated_confidence import Stated, read_stated, to_shares


def shares(*values):
    return to_shares([read_stated(value) for value in values])


@pytest.mark.parametrize(
    "values, expected",
    [
        ((97, 30), (0.97, 0.3)),
        ((97, 1), (0.97, 0.01)),
        ((100, 0), (1.0, 0.0)),
        ((0.97, 0.3), (0.97, 0.3)),
        ((1.0, 1), (1.0, 1.0)),
        ((1.0, 0.4), (1.0, 0.4)),
        ((1, 0), (None, 0.0)),
        ((0,), (0.0,)),
        ((97, 0.5), (0.97, None)),
        (("97", "30"), (0.97, 0.3)),
        (("95%", 0.5), (0.95, 0.5)),
        (("0.9", "1.0"), (0.9, 1.0)),
        (("0.9 %",), (0.009,)),
        (("high", None, True, [90], "9e1", -1, 101), (None,) * 7),
        ((float("nan"), float("inf"), 10**400), (None, None, None)),
    ],
)
def test_the_scale_is_that_of_the_reply(values, expected):
    assert shares(*values) == pytest.approx(list(expected))


def test_a_lone_one_is_what_the_caller_says():
    assert to_shares([Stated(1.0)]) == [None]
    assert to_shares([Stated(1.0)], lone_one=0.01) == [0.01]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 100), min_size=1, max_size=6), st.booleans())
def test_both_scales_say_the_same(percent, as_words):
    """On a scale to 1 the numbers have a point; neither is taken for the other."""
    on_hundred = shares(*(str(p) if as_words else p for p in percent))
    on_one = shares(*(f"{p / 100:.2f}" if as_words else p / 100 for p in percent))
    for p, one, hundred in zip(percent, on_one, on_hundred):
        assert one == pytest.approx(p / 100)
        assert hundred in (None, pytest.approx(p / 100))
        assert hundred is not None or (p == 1 and max(percent) == 1)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=5)), max_size=6))
def test_every_share_is_a_probability(values):
    found = shares(*values)
    assert len(found) == len(values)
    assert all(share is None or 0 <= share <= 1 for share in found)
