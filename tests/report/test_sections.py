"""Sections of the page: numbers as they are, and warnings by label."""

import numpy as np
import pytest

from spacy_llmjudge.confidence.reliability import reliability
from spacy_llmjudge.report.plots import (
    Bin,
    Interval,
    Kept,
    draw_forest,
    draw_kept,
    draw_reliability,
)
from spacy_llmjudge.report.sections import (
    count_states,
    describe_confidence,
    describe_kept,
    describe_silver,
)

LABELS = {
    "GOOD": {"pool": 50, "accepted": 40, "held_out_over_cut": 20, "wrong_over_cut": 1},
    "BAD": {"pool": 50, "accepted": 40, "held_out_over_cut": 20, "wrong_over_cut": 9},
    "RARE": {"pool": 5, "accepted": 4, "held_out_over_cut": 3, "wrong_over_cut": 0},
    "UNSEEN": {"pool": 5, "accepted": 4},
}


def test_labels_are_warned_about_where_the_evidence_speaks_against_them():
    selection = {"labels": LABELS, "promise": {"q": 0.25}}
    (table,) = describe_silver(selection, {}).tables
    notes = {row[0]: row[1] for row in table.rows}
    assert notes["BAD"].endswith("more wrong than q") and notes["RARE"].endswith(
        "too few held out to say"
    )
    assert notes["GOOD"] == notes["UNSEEN"] == ""
    shares = {row[0]: row[5] for row in table.rows}
    assert shares == {"GOOD": "5.0", "BAD": "45.0", "RARE": "0.0", "UNSEEN": "-"}


def test_a_selector_without_q_has_no_curve():
    assert "no setting q" in describe_kept({}, [], "spans").missing
    section = describe_kept({}, [Kept(0.1, 5)], "spans")
    assert len(section.plots) == 1 and "nothing says how many" in section.lines[-1]


@pytest.mark.parametrize("is_listed", [True, False])
def test_confidence_is_shown_where_nobody_predicted_or_proposed_anything(is_listed):
    """A seed student of a few steps may predict nothing at all."""
    p, right, documents = [0.1, 0.2, 0.9], [False, False, True], np.arange(3)
    found = {
        "reliability": {"fused": reliability(p, right)},
        "reliability_listed": {"fused": reliability(p, right, documents=documents)}
        if is_listed
        else {},
    }
    section = describe_confidence(found)
    (table,) = section.tables
    (row,) = table.rows
    assert len(row) == len(table.header) and row[:2] == ("fused", "3") and len(section.plots) == 1
    assert (row[3] == "- to -") != is_listed
    assert ("as the student predicted none" in section.lines[0]) != is_listed


def test_states_of_all_sets_are_added_up():
    judge = {
        "requests": 9,
        "cost": None,
        "dev": {"judged": 2},
        "pool": {"judged": 3, "not_asked": 4},
    }
    assert count_states(judge) == {"judged": 5, "not_asked": 4}


@pytest.mark.parametrize(
    "plot",
    [
        draw_forest([Interval("seed $x$ & <b>", 0.5, 0.4, 0.6)], "F1"),
        draw_reliability("judge", [Bin(3, 0.5, 0.4)], 3),
        *draw_kept([Kept(0.1, 5, 0.05, 0.8), Kept(0.2, 0)], 0.1, "spans"),
    ],
    ids=lambda plot: plot.name,
)
def test_a_plot_has_no_style_no_date_and_no_colour_that_dark_pages_swallow(plot):
    assert plot.png.startswith(b"\x89PNG")
    for absent in ("style", "#1a1a1a", "#000000", "metadata", "Matplotlib", "<?xml"):
        assert absent not in plot.svg
    assert "currentColor" in plot.svg and 'role="img"' in plot.svg and 'aria-label="' in plot.svg


def test_letters_of_a_title_are_no_formula():
    assert (
        "seed $x$ &amp; &lt;b&gt;"
        in draw_forest([Interval("seed $x$ & <b>", 0.5, 0.4, 0.6)], "F1").svg
    )
