from itertools import permutations

import pytest

from spacy_llmjudge.judge.opinions import Judgement, Opinion, combine, count_doubts


def masses(correct, label=0.0, boundary=0.0):
    rest = 1 - correct - label - boundary
    return {
        "correct": correct,
        "wrong_label": label,
        "wrong_boundary": boundary,
        "not_entity": rest,
    }


def test_log_probabilities_come_first():
    opinion = Opinion("correct", masses(0.7, 0.2), 0.9, chance=0.3)
    assert combine([opinion]).support == pytest.approx(0.7)
    two = [opinion, Opinion("correct", masses(0.5), 1.0), Opinion("not_entity", None, 0.2)]
    assert combine(two) == Judgement("correct", pytest.approx(0.6))


def test_their_likeliest_option_is_the_verdict_whatever_letter_was_drawn():
    assert combine([Opinion("correct", masses(0.3, 0.6), 1.0)]).verdict == "wrong_label"


def test_votes_come_next():
    votes = [Opinion("correct", chance=0.9)] * 2 + [Opinion("not_entity", chance=0.1)]
    assert combine(votes) == Judgement("correct", 2.5 / 4)


def test_a_tie_accepts_least():
    assert combine([Opinion("correct"), Opinion("wrong_label")]).verdict == "wrong_label"
    assert combine([Opinion("not_entity"), Opinion("wrong_boundary")]).verdict == "not_entity"


def test_then_the_stated_probability_and_then_nothing():
    assert combine([Opinion("correct", chance=0.9)]) == Judgement("correct", 0.9)
    assert combine([Opinion("correct", None, 0.3, 0.9)]).support == 0.9
    assert combine([Opinion("wrong_label")]) == Judgement("wrong_label", None)


@pytest.mark.parametrize(
    "verdict, chance, support",
    [
        ("correct", 0.3, 0.3),
        ("correct", 0.2, None),
        ("not_entity", 0.45, 0.45),
        ("not_entity", 0.95, None),
    ],
)
def test_a_probability_that_cannot_go_with_the_verdict_was_misread(verdict, chance, support):
    opinion = Opinion(verdict, chance=chance)
    assert combine([opinion]).support == support
    assert count_doubts([opinion]) == (0, int(support is None))


def test_supports_are_never_quite_sure():
    assert combine([Opinion("correct", masses(1.0), 1.0)]).support == 0.995
    assert combine([Opinion("not_entity", chance=0.0)]).support == 0.005


def test_corrections_are_those_of_the_verdict():
    opinions = [
        Opinion("wrong_label", correction="PEST"),
        Opinion("wrong_label", correction="PEST"),
        Opinion("wrong_boundary", correction="red roses"),
    ]
    assert combine(opinions) == Judgement("wrong_label", 0.125, "PEST", 0.625)
    assert combine([Opinion("wrong_label", correction="PEST", chance=0.1)]) == Judgement(
        "wrong_label", 0.1, "PEST", None
    )


def test_the_order_of_the_opinions_does_not_matter():
    opinions = [
        Opinion("wrong_label", masses(0.1, 0.7), 0.9, correction="A"),
        Opinion("wrong_label", masses(0.3, 0.35), 0.9, correction="B"),
        Opinion("correct", masses(0.123, 0.456), 0.9),
    ]
    assert len({repr(combine(order)) for order in permutations(opinions)}) == 1


def test_low_coverage_is_counted():
    assert count_doubts([Opinion("correct", None, 0.2), Opinion("correct")]) == (1, 0)
