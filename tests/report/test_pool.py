"""What a report says about the decided pool."""

from selection_helpers import decided, make_doc

from spacy_llmjudge.report.plots import Kept
from spacy_llmjudge.report.pool import MOST_SHOWN, PoolReader
from spacy_llmjudge.targets.ents import Ents

TEXT = "slugs eat my red roses, near the old gate"
RIGHT = decided(0, 1, "PEST", "accepted", 0.9)
BEATEN = decided(0, 2, "PEST", "undecided", 0.7)
WRONG = decided(3, 4, "PLANT", "undecided", 0.4, verdict="wrong_boundary")


def test_the_judge_stands_in_the_place_of_gold_where_it_answered():
    reader = PoolReader(Ents())
    reader.read(make_doc(TEXT, [RIGHT, WRONG], ents=[(0, 1, "TOOL"), (3, 4, "PLANT")]), None)
    reader.read(make_doc(TEXT, [RIGHT], ents=[(0, 1, "PEST")], state=None), None)
    found = reader.disagreements()
    assert found.documents == 1
    assert found.kinds == {"label": 1, "spurious": 1}
    assert found.confusions.rows == ["PEST", "nothing"]


def test_cuts_are_measured_on_candidates_that_win_against_their_rivals():
    reader = PoolReader(Ents())
    gold = make_doc(TEXT, ents=[(0, 1, "PEST"), (3, 5, "PLANT")])
    reader.read(make_doc(TEXT, [RIGHT, BEATEN, WRONG]), gold)
    assert reader.measure(0.1, 0.8, 1) == Kept(0.1, 1, 0.0, 2 / 3)
    assert reader.measure(0.3, 0.4, 2) == Kept(0.3, 2, 0.5, 0.5)
    assert reader.measure(0.1, None, 0) == Kept(0.1, 0)
    assert reader.measure(0.1, 0.95, 0) == Kept(0.1, 0)


def test_a_part_that_was_decided_apart_is_not_measured_with_the_rest():
    reader = PoolReader(Ents())
    gold = make_doc(TEXT, ents=[(0, 1, "PEST")])
    reader.read(make_doc(TEXT, [RIGHT], state=None), gold, is_decided_apart=True)
    assert reader.measure(0.1, 0.5, 1) == Kept(0.1, 1)


def test_the_largest_differences_are_shown_with_what_is_around_them():
    reader = PoolReader(Ents())
    for i in range(MOST_SHOWN + 5):
        candidate = RIGHT.replace(confidence=0.5 + i / 100, support=0.5)
        reader.read(make_doc(TEXT, [candidate]), None)
    largest = reader.disagreements().largest
    gaps = [one.candidate.confidence for one in largest]
    assert gaps == sorted(gaps, reverse=True) and len(gaps) == MOST_SHOWN
    assert gaps[0] == 0.5 + (MOST_SHOWN + 4) / 100
    assert largest[0].context == "[slugs] eat my red roses, near the old gate"
