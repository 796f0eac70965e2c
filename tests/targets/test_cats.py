"""Labels of documents: what competes, and what decisions make of a training document."""

import numpy as np
import pytest
from selection_helpers import decided, make_doc, make_table

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.policy import SilverPolicy

TEXT = "please send me a new pot"
ONE = Cats(("ORDER", "QUESTION", "THANKS"))
ANY = Cats(("ORDER", "QUESTION", "THANKS"), False)


def label(name, decision, p, verdict="correct"):
    return decided(0, 6, name, decision, p, verdict=verdict)


def test_the_accepted_label_is_the_only_one():
    candidates = [label("ORDER", "accepted", 0.9), label("QUESTION", "rejected", 0.1)]
    silver = ONE.make_silver(make_doc(TEXT, candidates))
    assert silver.cats == {"ORDER": 1.0, "QUESTION": 0.0, "THANKS": 0.0}


def test_a_document_without_an_accepted_label_is_left_out_where_it_has_exactly_one():
    assert ONE.make_silver(make_doc(TEXT, [label("ORDER", "undecided", 0.6)])) is None
    assert ONE.make_silver(make_doc(TEXT, [])) is None


def test_a_doubtful_label_stays_unset_where_any_number_may_hold():
    candidates = [
        label("ORDER", "accepted", 0.9),
        label("QUESTION", "undecided", 0.5),
        label("THANKS", "undecided", 0.1),
    ]
    silver = ANY.make_silver(make_doc(TEXT, candidates))
    assert silver.cats == {"ORDER": 1.0, "THANKS": 0.0}
    all_known = ANY.make_silver(make_doc(TEXT, candidates), SilverPolicy(masking=False))
    assert all_known.cats == {"ORDER": 1.0, "QUESTION": 0.0, "THANKS": 0.0}


def test_a_document_with_mostly_doubtful_labels_is_left_out():
    doubts = [label("ORDER", "undecided", 0.5), label("QUESTION", "undecided", 0.5)]
    assert ANY.make_silver(make_doc(TEXT, doubts)) is None
    assert ANY.make_silver(make_doc(TEXT, doubts), SilverPolicy(max_missing=0.9)) is not None


def test_no_label_at_all_is_an_answer_where_any_number_may_hold():
    silver = ANY.make_silver(make_doc(TEXT, [label("ORDER", "rejected", 0.05)]))
    assert not any(silver.cats.values()) and ANY.is_annotated(silver) and ANY.is_empty(silver)


def test_the_likeliest_label_wins_where_there_is_exactly_one():
    p = np.array([0.4, 0.4, 0.2, 0.7])
    table = make_table(
        p,
        document=[0, 0, 0, 1],
        start=[0] * 4,
        end=[6] * 4,
        label=[1, 0, 2, 1],
        labels=ONE.labels,
        probability=p,
    )
    assert ONE.choose(table.columns).tolist() == [False, True, False, True]
    assert ANY.choose(table.columns).tolist() == [True] * 4


def test_probabilities_and_zeros_and_ones_are_read_alike():
    doc = make_doc(TEXT)
    doc.cats = {"ORDER": 0.2, "QUESTION": 0.45, "THANKS": 0.35}
    assert ONE.keys(doc) == [(0, 6, "QUESTION")]
    assert ANY.keys(doc) == []
    doc.cats = {"ORDER": 0.0, "QUESTION": 0.0, "THANKS": 0.0}
    assert not ONE.is_annotated(doc) and ANY.is_annotated(doc)


def test_an_unset_label_is_not_known():
    doc = make_doc(TEXT)
    doc.cats = {"ORDER": 1.0}
    assert ANY.knows(doc, (0, 6, "ORDER")) and not ANY.knows(doc, (0, 6, "THANKS"))


@pytest.mark.parametrize("keys", [[], [(0, 6, "ORDER"), (0, 6, "THANKS")], [(0, 6, "RANT")]])
def test_labels_that_cannot_be_are_one_line(keys):
    with pytest.raises(LLMJudgeError, match=r"\[J413\].*please send me"):
        ONE.annotate(make_doc(TEXT), keys)


def test_what_a_judge_listed_can_stand_together():
    listed = [label("ORDER", None, None).replace(support=0.3), label("THANKS", None, None)]
    assert ONE.settle(listed) == [(0, 6, "ORDER")]
    assert ONE.settle([]) is None
    assert ANY.settle(listed) == [(0, 6, "ORDER"), (0, 6, "THANKS")] and ANY.settle([]) == []


@pytest.mark.parametrize("target, factory", [(ONE, "textcat"), (ANY, "textcat_multilabel")])
def test_the_component_follows_from_the_labels(target, factory):
    settings = target.component_settings("topics")
    assert settings["components.topics.factory"] == factory
    assert settings["components.topics.model.exclusive_classes"] is target.exclusive
    assert settings["initialize.components.topics.labels"] == list(target.labels)
