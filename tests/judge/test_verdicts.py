from collections import Counter

import pytest
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import KEY, Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.judge.long_documents import Window
from spacy_llmjudge.judge.mapping import Doubt, Reading
from spacy_llmjudge.judge.verdicts import Listing, Outcome, open_candidates, set_listings, stand
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

LABELS = ("PEST", "PLANT")
VOCAB = Vocab()


def make_doc(n=10):
    return Doc(VOCAB, words=[f"w{i}" for i in range(n)])


def judged(*entities, alternatives=(), window=Window(0, 10, 0, 10), dropped=()):
    outcome = Outcome("judged", None, Counter(dropped))
    return Listing(window, outcome, list(entities), list(alternatives))


def write(doc, *listings):
    set_listings(doc, listings, LABELS, KEY, Ents())


@pytest.mark.parametrize(
    "span, verdict",
    [
        ((2, 4, "PLANT"), "correct"),
        ((2, 4, "PEST"), "wrong_label"),
        ((2, 3, "PLANT"), "wrong_boundary"),
        ((1, 6, "PEST"), "wrong_boundary"),
        ((4, 5, "PLANT"), "not_entity"),
        ((0, 2, "PLANT"), "not_entity"),
    ],
)
def test_verdict_is_how_a_candidate_stands_to_the_list(span, verdict):
    assert stand(Candidate(*span), [Reading(2, 4, "PLANT", 0.9)]) == verdict


def test_supports_come_from_both_lists_and_are_missing_elsewhere():
    doc = make_doc()
    set_candidates(
        doc,
        [
            Candidate(0, 1, "PLANT", posterior=0.5, source="student"),
            Candidate(2, 3, "PLANT", posterior=0.4, source="student"),
            Candidate(5, 6, "PEST", posterior=0.3, source="student"),
        ],
    )
    answer = judged(
        Reading(0, 1, "PLANT", 1.0),
        Reading(8, 9, "PEST", None),
        alternatives=[Reading(2, 3, "PLANT", 0.0), Reading(0, 1, "PLANT", 0.2)],
    )
    write(doc, answer)
    found = {c.key: (c.verdict, c.support, c.source, c.posterior) for c in get_candidates(doc)}
    assert found == {
        (0, 1, "PLANT"): ("correct", 0.995, "student", 0.5),
        (2, 3, "PLANT"): ("not_entity", 0.005, "student", 0.4),
        (5, 6, "PEST"): ("not_entity", None, "student", 0.3),
        (8, 9, "PEST"): ("correct", None, "judge", None),
    }
    assert get_status(doc) == {"state": "judged", "reason": None}


def test_entities_are_the_candidates_where_there_is_no_group():
    doc = make_doc()
    doc.ents = [Span(doc, 1, 2, label="PLANT"), Span(doc, 3, 4, label="PERSON")]
    assert [c.key for c in open_candidates(doc, LABELS, KEY, Ents())] == [(1, 2, "PLANT")]
    write(doc, judged())
    plant, person = get_candidates(doc)
    assert (plant.verdict, plant.source) == ("not_entity", "student")
    assert (person.verdict, person.source) == (None, "student")
    assert [ent.label_ for ent in doc.ents] == ["PLANT", "PERSON"]


def test_judging_twice_is_judging_once():
    doc = make_doc()
    doc.ents = [Span(doc, 1, 2, label="PLANT")]
    write(doc, judged(Reading(4, 6, "PEST", 0.7)))
    write(doc, judged(Reading(1, 2, "PLANT", 0.6)))
    (candidate,) = get_candidates(doc)
    assert (candidate.key, candidate.verdict, candidate.support) == (
        (1, 2, "PLANT"),
        "correct",
        0.6,
    )


def test_a_judge_that_abstains_changes_nothing_else():
    doc = make_doc()
    set_candidates(doc, [Candidate(1, 2, "PLANT", posterior=0.5, confidence=0.6, source="student")])
    write(doc, Listing(Window(0, 10, 0, 10), Outcome("abstained", "truncated")))
    (candidate,) = get_candidates(doc)
    assert candidate == Candidate(
        1, 2, "PLANT", 0.5, 0.6, "abstained", source="student", reason="truncated"
    )
    assert get_status(doc) == {"state": "abstained", "reason": "truncated"}


def test_not_sent_leaves_candidates_without_a_verdict():
    doc = make_doc()
    set_candidates(doc, [Candidate(1, 2, "PLANT", source="student")])
    write(doc, Listing(Window(0, 10, 0, 10), Outcome("not_sent", "budget")))
    assert [(c.verdict, c.support, c.reason) for c in get_candidates(doc)] == [
        (None, None, "budget")
    ]
    assert get_status(doc) == {"state": "not_sent", "reason": "budget"}


def test_a_document_is_judged_only_where_all_of_it_was():
    doc = make_doc()
    set_candidates(doc, [Candidate(1, 2, "PLANT"), Candidate(7, 8, "PLANT")])
    first = judged(Reading(1, 2, "PLANT", 0.9), window=Window(0, 6, 0, 5))
    write(doc, first, Listing(Window(4, 10, 5, 10), Outcome("not_sent", "budget")))
    assert [c.verdict for c in get_candidates(doc)] == ["correct", None]
    # Another run can still ask about the rest.
    assert get_status(doc) == {"state": "not_sent", "reason": "budget"}


def test_what_can_still_be_asked_counts_before_what_never_will_be_answered():
    doc = make_doc()
    windows = [Window(0, 6, 0, 5), Window(4, 10, 5, 10)]
    ends = [("abstained", "not_json"), ("not_sent", "http_503")]
    write(doc, *(Listing(window, Outcome(*end)) for window, end in zip(windows, ends)))
    assert get_status(doc) == {"state": "not_sent", "reason": "http_503"}


def test_document_without_words_is_not_sent():
    doc = Doc(VOCAB, words=[" "])
    write(doc)
    assert get_status(doc) == {"state": "not_sent", "reason": "no_words"}


def test_dropped_entries_are_counted_in_the_reason():
    doc = make_doc()
    halves = Window(0, 6, 0, 5), Window(4, 10, 5, 10)
    listings = [
        judged(window=halves[0], dropped={"unknown_label": 1}),
        judged(window=halves[1], dropped={"unknown_label": 2, "not_in_text": 1}),
    ]
    write(doc, *listings)
    assert get_status(doc)["reason"] == "dropped:not_in_text=1,unknown_label=3"


@pytest.mark.parametrize(
    "span, verdict",
    [
        ((2, 6, "PLACE"), "correct"),
        ((3, 4, "PLANT"), "correct"),
        ((2, 6, "PLANT"), "wrong_label"),
        ((2, 5, "PLACE"), "wrong_boundary"),
        ((2, 4, "PLANT"), "wrong_boundary"),
        # only spans with another label are there: they may stand beside it
        ((4, 6, "PLANT"), "not_entity"),
        ((5, 8, "PEST"), "not_entity"),
        ((6, 8, "PLACE"), "not_entity"),
    ],
)
def test_where_spans_overlap_one_with_another_label_is_no_other_boundary(span, verdict):
    listed = [Reading(2, 6, "PLACE", 0.9), Reading(3, 4, "PLANT", 0.8)]
    assert stand(Candidate(*span), listed, overlapping=True) == verdict


def test_the_span_group_gives_the_candidates_where_spans_are_labelled():
    doc = make_doc()
    doc.ents = [Span(doc, 1, 2, label="PLANT")]
    doc.spans["sc"] = [Span(doc, 3, 6, label="PLANT"), Span(doc, 4, 5, label="PEST")]
    found = open_candidates(doc, LABELS, KEY, Spans("sc"))
    assert [c.key for c in found] == [(3, 6, "PLANT"), (4, 5, "PEST")]


def doubtful(*doubts, lost=None, overlapping=False):
    entities = [Reading(2, 4, "PLANT", 0.9)]
    outcome = Outcome("judged", None, Counter(not_in_text=1))
    window = Window(0, 10, 0, 10)
    return Listing(
        window, outcome, entities, [Reading(8, 9, "PEST", 0.2)], [*doubts], lost, overlapping
    )


SPANS = [(2, 4, "PLANT"), (2, 4, "PEST"), (3, 5, "PLANT"), (6, 7, "PEST"), (8, 9, "PEST")]


@pytest.mark.parametrize(
    "listing, verdicts",
    [
        (doubtful(), "correct wrong_label wrong_boundary not_entity not_entity"),
        # nothing that touches a listed entity can be the one that was lost
        (
            doubtful(lost="not_in_text"),
            "correct wrong_label wrong_boundary abstained not_entity",
        ),
        (
            doubtful(lost="not_in_text", overlapping=True),
            "correct abstained abstained abstained not_entity",
        ),
        (
            doubtful(Doubt(4, 7, "unknown_label")),
            "correct wrong_label abstained abstained not_entity",
        ),
        (
            doubtful(Doubt(2, 3, "off_tokens")),
            "correct abstained wrong_boundary not_entity not_entity",
        ),
    ],
)
def test_what_the_list_leaves_open_has_no_verdict(listing, verdicts):
    doc = make_doc()
    set_candidates(doc, [Candidate(*span, source="student") for span in SPANS])
    write(doc, listing)
    found = get_candidates(doc)
    assert [c.verdict for c in found] == [
        verdict for _, verdict in sorted(zip(SPANS, verdicts.split()))
    ]
    assert all((c.reason is not None) == (c.verdict == "abstained") for c in found)
    whole = listing.lost is None and not listing.doubts
    expected = "judged" if whole else "abstained"
    assert get_status(doc) == {"state": expected, "reason": "dropped:not_in_text=1"}


def test_words_that_are_listed_once_leave_the_document_judged():
    doc = make_doc()
    set_candidates(doc, [Candidate(6, 7, "PLANT")])
    write(doc, doubtful(Doubt(6, 7, "listed_once")))
    assert get_candidates(doc)[1].verdict == "abstained"
    assert get_status(doc)["state"] == "judged"
