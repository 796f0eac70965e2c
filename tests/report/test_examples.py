"""Documents of the page: layers, kinds of error, and the reason for every span."""

import pytest
from selection_helpers import decided, make_doc

from spacy_llmjudge.report.examples import (
    MOST_ROWS,
    MOST_TEXT,
    Cuts,
    explain,
    make_silver_example,
    make_test_example,
)
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans

TEXT = "slugs eat my red roses near the old gate"
ACCEPTED = decided(0, 1, "PEST", "accepted", 0.9)
REJECTED = decided(3, 4, "PLANT", "rejected", 0.1, verdict="wrong_boundary")
UNDER = decided(3, 5, "PLANT", "undecided", 0.4)
BEATEN = decided(0, 2, "PEST", "undecided", 0.8)
UNUSED = decided(7, 9, "TOOL", None, None, source="judge")


@pytest.mark.parametrize(
    "candidate, cut, is_kept, has_silver, why",
    [
        (ACCEPTED, 0.5, True, True, "kept: 0.900 reaches the cut 0.500"),
        (ACCEPTED, None, True, True, "kept: accepted by the selector"),
        (
            ACCEPTED,
            0.5,
            False,
            False,
            "left out: 0.900 reaches the cut 0.500, but its document was left out",
        ),
        (
            REJECTED,
            0.5,
            False,
            True,
            "rejected: the judge says wrong boundary, and 0.100 is not over 0.15",
        ),
        (UNDER, 0.5, False, True, "left out: 0.400 is under the cut 0.500"),
        (BEATEN, 0.5, False, True, "left out: a likelier candidate takes its place"),
        (
            UNUSED,
            0.5,
            False,
            True,
            "left out: the selector does not use what the judge alone proposes",
        ),
        (None, 0.5, False, True, "neither student nor judge proposed it"),
    ],
)
def test_every_span_has_its_reason(candidate, cut, is_kept, has_silver, why):
    assert explain(candidate, cut, is_kept, has_silver) == why


def test_a_document_of_the_pool_shows_gold_student_and_silver():
    doc = make_doc(TEXT, [ACCEPTED, BEATEN, UNDER], ents=[(0, 1, "PEST"), (3, 4, "PLANT")])
    silver = make_doc(TEXT, ents=[(0, 1, "PEST")])
    gold = make_doc(TEXT, ents=[(0, 1, "PEST"), (3, 5, "PLANT"), (8, 9, "TOOL")])
    example = make_silver_example(doc, silver, gold, {}, Cuts(0.5), Ents())
    assert [layer.name for layer in example.layers] == ["gold", "student", "silver"]
    marked = {
        layer.name: [(piece.text, piece.begins) for piece in layer.pieces if piece.depth]
        for layer in example.layers
    }
    assert marked["gold"] == [("slugs", ["PEST"]), ("red roses", ["PLANT"]), ("gate", ["TOOL"])]
    assert marked["student"] == [("slugs", ["PEST"]), ("red", ["PLANT"])]
    assert marked["silver"] == [("slugs", ["PEST"])]
    assert [(row.kind, row.span) for row in example.rows] == [
        ("right", "slugs"),
        ("missed", "red roses"),
        ("missed", "gate"),
        ("not kept", "slugs eat"),
    ]
    assert example.rows[2].note == "in gold only; neither student nor judge proposed it"
    assert example.is_wrong


def test_documents_that_the_judge_did_not_answer_for_have_a_cut_of_their_own():
    doc = make_doc(TEXT, [UNDER], state=None)
    example = make_silver_example(doc, None, None, {}, Cuts(0.9, 0.45), Ents())
    assert example.rows[0].note == "left out: 0.400 is under the cut 0.450"
    assert "the judge gave no answer about it" in example.notes


def test_spans_may_lie_in_each_other():
    target = Spans()
    gold, said = make_doc(TEXT), make_doc(TEXT)
    target.annotate(gold, [(3, 5, "PLANT"), (3, 9, "PLACE")])
    target.annotate(said, [(3, 5, "PLANT")])
    example = make_test_example(gold, said, target)
    pieces = [(p.text, p.begins, p.depth) for p in example.layers[0].pieces if p.depth]
    assert pieces == [("red roses", ["PLACE", "PLANT"], 2), (" near the old gate", [], 1)]
    assert example.kinds == ["missed", "right"]


def test_long_documents_are_cut_around_their_first_span_and_say_what_is_not_shown():
    text = " ".join(f"w{i}" for i in range(5000))
    ents = [(i, i + 1, "A") for i in range(4000, 4000 + MOST_ROWS + 4)]
    gold, said = make_doc(text, ents=ents), make_doc(text, ents=[])
    example = make_test_example(gold, said, Ents())
    shown = "".join(piece.text for piece in example.layers[0].pieces)
    assert len(shown) == MOST_TEXT + 2 and shown.startswith("\u2026") and "w4000" in shown
    assert len(example.rows) == MOST_ROWS and "4 more spans are not shown" in example.notes
