import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import KEY, Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.judge.classification import (
    Classification,
    parse_classification,
    set_classification,
)
from spacy_llmjudge.judge.replies import ReplyError
from spacy_llmjudge.judge.verdicts import Outcome
from spacy_llmjudge.targets.cats import Cats

LABELS = ("FEED", "PEST", "WATER")


def write(given, alternatives=()):
    rows = [[dict(zip(("label", "confidence"), e)) for e in part] for part in (given, alternatives)]
    return json.dumps(dict(zip(("labels", "alternatives"), rows)))


def read(reply, exclusive=True, **settings):
    found = parse_classification(reply, LABELS, exclusive, **settings)
    return found.labels, found.alternatives, dict(found.dropped)


@pytest.mark.parametrize(
    "reply, expected",
    [
        (write([("PEST", 90)], [("FEED", 8)]), ({"PEST": 0.9}, {"FEED": 0.08}, {})),
        (write([("pest", 0.9)]), ({"PEST": 0.9}, {}, {})),
        ('{"labels": ["PEST"]}', ({"PEST": None}, {}, {})),
        ('{"labels": [{"label": "PEST"}], "alternatives": null}', ({"PEST": None}, {}, {})),
        # all labels with their probabilities, of which one is over a half
        (
            write([("PEST", 90), ("FEED", 5), ("WATER", 5)]),
            ({"PEST": 0.9}, {"FEED": 0.05, "WATER": 0.05}, {}),
        ),
        (write([("PEST", 90)], [("OTHER", 8)]), ({"PEST": 0.9}, {}, {"unknown_label": 1})),
        # less than chance, or less than another label: no probability of the one that was given
        (write([("PEST", 20)]), ({"PEST": None}, {}, {"bad_confidence": 1})),
        (
            write([("PEST", 40)], [("FEED", 60)]),
            ({"PEST": None}, {"FEED": 0.6}, {"bad_confidence": 1}),
        ),
        (write([("PEST", "high")]), ({"PEST": None}, {}, {"bad_confidence": 1})),
        (write([("PEST", 90)], [("PEST", 10)]), ({"PEST": 0.9}, {}, {})),
        (write([("PEST", 90), ("PEST", 90)]), ({"PEST": 0.9}, {}, {})),
    ],
)
def test_one_label_holds(reply, expected):
    assert read(reply) == expected


@pytest.mark.parametrize(
    "reply, reason",
    [
        (write([]), "no_label"),
        (write([("PEST", 90), ("FEED", 80)]), "several_labels"),
        (write([("PEST", 60), ("FEED", None)]), "several_labels"),
        ('{"labels": ["PEST", "FEED"]}', "several_labels"),
        (write([("PEST", 30), ("FEED", 40)]), "several_labels"),
        (write([("OTHER", 90)]), "unknown_label"),
        (write([("PEST", 90), ("OTHER", 5)]), "unknown_label"),
        ('{"labels": "PEST"}', "wrong_shape"),
        ('{"label": "PEST", "confidence": 90}', "wrong_shape"),
        ("PEST 90", "not_json"),
        (write([("PEST", 90)])[:-3], "truncated"),
    ],
)
def test_where_one_label_holds_all_else_is_no_answer(reply, reason):
    with pytest.raises(ReplyError, match=f"^{reason}$"):
        read(reply)


@pytest.mark.parametrize(
    "reply, expected",
    [
        (write([]), ({}, {}, {})),
        (write([("PEST", 90), ("FEED", 70)]), ({"PEST": 0.9, "FEED": 0.7}, {}, {})),
        # a label that is given with 5 is a no
        (write([("PEST", 90), ("FEED", 5)]), ({"PEST": 0.9}, {"FEED": 0.05}, {})),
        (write([("PEST", 0.9), ("FEED", 0.05)]), ({"PEST": 0.9}, {"FEED": 0.05}, {})),
        (write([("PEST", 1), ("FEED", 0)]), ({"PEST": None}, {"FEED": 0.0}, {"bad_confidence": 1})),
        (write([("PEST", 90), ("PEST", 70)]), ({"PEST": None}, {}, {})),
        (write([("PEST", 90), ("OTHER", 90)]), ({"PEST": 0.9}, {}, {"unknown_label": 1})),
    ],
)
def test_any_number_of_labels_may_hold(reply, expected):
    assert read(reply, exclusive=False) == expected


def judged(target, outcome, found, *candidates):
    doc = Doc(Vocab(), words=["aphids", "again"])
    set_candidates(doc, [Candidate(0, 2, label, source="student") for label in candidates])
    set_classification(doc, outcome, found, target, KEY)
    rows = {c.label: (c.verdict, c.support, c.source) for c in get_candidates(doc)}
    return rows, get_status(doc)


def test_the_label_that_is_given_is_correct_and_all_others_are_wrong_labels():
    found = Classification({"PEST": 0.9}, {"FEED": 0.08})
    rows, status = judged(Cats(LABELS), Outcome("judged"), found, "FEED", "WATER")
    assert rows == {
        "PEST": ("correct", 0.9, "judge"),
        "FEED": ("wrong_label", 0.08, "student"),
        "WATER": ("wrong_label", None, "student"),
    }
    assert status == {"state": "judged", "reason": None}


def test_where_any_number_may_hold_what_is_not_given_is_none():
    found = Classification({"PEST": 1.0}, {"FEED": 0.0})
    rows, _ = judged(Cats(LABELS, False), Outcome("judged"), found, "PEST", "WATER")
    assert rows == {
        "PEST": ("correct", 0.995, "student"),
        "FEED": ("not_entity", 0.005, "judge"),
        "WATER": ("not_entity", None, "student"),
    }


def test_an_unknown_label_leaves_open_what_is_not_given():
    found = Classification({"PEST": 0.9}, {}, has_unknown=True)
    rows, status = judged(Cats(LABELS, False), Outcome("judged"), found, "PEST", "WATER")
    assert rows == {"PEST": ("correct", 0.9, "student"), "WATER": ("abstained", None, "student")}
    assert status["state"] == "abstained"


@pytest.mark.parametrize("state, verdict", [("abstained", "abstained"), ("not_sent", None)])
def test_no_answer_is_no_verdict(state, verdict):
    rows, status = judged(Cats(LABELS), Outcome(state, "why"), None, "PEST")
    assert rows == {"PEST": (verdict, None, "student")}
    assert status == {"state": state, "reason": "why"}


ENTRIES = st.lists(
    st.tuples(
        st.sampled_from([*LABELS, "pest", "OTHER"]),
        st.one_of(st.none(), st.integers(0, 100), st.floats(0, 1), st.just("high")),
    ),
    max_size=4,
)


@settings(max_examples=500, deadline=None)
@given(ENTRIES, ENTRIES, st.booleans())
def test_every_reply_gives_labels_that_go_with_its_numbers_or_none(given_, others, exclusive):
    try:
        found = parse_classification(write(given_, others), LABELS, exclusive)
    except ReplyError as error:
        assert str(error) in ("no_label", "several_labels", "unknown_label")
        return
    assert {*found.labels, *found.alternatives} <= set(LABELS)
    assert not set(found.labels) & set(found.alternatives)
    stated = [share for share in found.labels.values() if share is not None]
    if exclusive:
        rivals = [share for share in found.alternatives.values() if share is not None]
        assert len(found.labels) == 1
        assert all(share >= max([1 / 3, *rivals]) for share in stated)
    else:
        assert all(share >= 0.5 for share in stated)
