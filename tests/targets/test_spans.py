"""Spans that overlap and nest: what competes, and what decisions make of a training document."""

import numpy as np
import pytest
from selection_helpers import decided, make_doc, make_table

from spacy_llmjudge.candidates import is_judged
from spacy_llmjudge.targets.policy import SilverPolicy
from spacy_llmjudge.targets.spans import Spans

TEXT = "yellow leaves on my old rose bush"
NESTED = [
    decided(0, 7, "SYMPTOM", "accepted", 0.9),
    decided(5, 7, "PLANT", "accepted", 0.8),
    decided(6, 7, "PLANT", "rejected", 0.1, verdict="wrong_boundary"),
]


def test_nested_spans_are_kept_together():
    silver = Spans().make_silver(make_doc(TEXT, NESTED))
    assert Spans().keys(silver) == [(0, 7, "SYMPTOM"), (5, 7, "PLANT")]
    assert is_judged(silver) and not silver.ents


def test_a_document_with_a_doubtful_candidate_is_left_out():
    doubt = decided(1, 2, "PLANT", "undecided", 0.4)
    assert Spans().make_silver(make_doc(TEXT, [*NESTED, doubt])) is None
    sure = SilverPolicy(doubt_cut=0.5)
    assert Spans().make_silver(make_doc(TEXT, [*NESTED, doubt]), sure) is not None
    open_ = SilverPolicy(masking=False)
    assert Spans().make_silver(make_doc(TEXT, [*NESTED, doubt]), open_) is not None


def test_what_nobody_knows_the_probability_of_is_doubtful():
    unknown = decided(1, 2, "PLANT", None, None)
    assert Spans().make_silver(make_doc(TEXT, [unknown])) is None


def test_a_document_in_which_nothing_is_accepted_teaches_that_there_is_nothing():
    silver = Spans().make_silver(make_doc(TEXT, NESTED[2:]))
    assert Spans().is_annotated(silver) and Spans().is_empty(silver)


def test_documents_that_nobody_judged_can_be_left_out():
    doc = make_doc(TEXT, NESTED, state=None)
    assert Spans().make_silver(doc) is not None
    assert Spans().make_silver(doc, SilverPolicy(unjudged=False)) is None


def columns(single):
    table = make_table(
        np.array([0.9, 0.4, 0.6, 0.6, 0.6]),
        document=[0, 0, 0, 0, 1],
        start=[0, 0, 0, 0, 0],
        end=[2, 2, 1, 1, 1],
        label=[0, 1, 1, 0, 0],
        labels=("A", "B"),
        probability=np.array([0.9, 0.4, 0.6, 0.6, 0.6]),
    )
    return Spans(single_label=single).choose(table.columns).tolist()


def test_nothing_competes_where_a_span_may_have_any_number_of_labels():
    assert columns(False) == [True] * 5


def test_the_labels_of_the_same_tokens_compete_where_a_span_has_one():
    assert columns(True) == [True, False, False, True, True]


def test_what_a_judge_listed_can_stand_together():
    listed = [
        decided(0, 2, "A", None, None).replace(support=0.6),
        decided(0, 2, "B", None, None).replace(support=0.9),
        decided(1, 2, "A", None, None),
    ]
    assert len(Spans().settle(listed)) == 3
    assert Spans(single_label=True).settle(listed) == [(0, 2, "B"), (1, 2, "A")]
    assert Spans().settle([]) == []


@pytest.mark.parametrize("single, factory", [(False, "spancat"), (True, "spancat_singlelabel")])
def test_the_component_follows_from_the_labels(single, factory):
    target = Spans("mine", single)
    assert target.component == factory and factory in target.factories
    settings = target.component_settings("spancat")
    assert settings["components.spancat.spans_key"] == "mine"
    assert settings["training.score_weights.spans_mine_f"] == 1.0
