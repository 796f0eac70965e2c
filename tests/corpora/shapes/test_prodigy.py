"""Answers to binary questions: what was asked about is known, the rest is not."""

import pytest
from corpora_helpers import NLP, ents_of, read_file, records_of, write_jsonl

from spacy_llmjudge.targets.cats import Cats

TEXT = "Vera left Bergen with Tom."
BERGEN = {"start": 10, "end": 16, "label": "LOC"}


def read(tmp_path, *rows, target=None, counts=None):
    return read_file(write_jsonl(tmp_path / "rows.jsonl", rows), target=target, counts=counts)


def test_all_other_tokens_of_a_binary_answer_are_missing(tmp_path):
    row = {"text": TEXT, "spans": [BERGEN], "_is_binary": True, "answer": "accept"}
    (doc,) = read(tmp_path, row)
    assert ents_of(doc) == [("Bergen", "LOC")]
    assert [token.ent_iob for token in doc] == [0, 0, 3, 0, 0, 0]


def test_a_manual_answer_is_about_all_tokens(tmp_path):
    (doc,) = read(tmp_path, {"text": TEXT, "spans": [BERGEN], "answer": "accept"})
    assert [token.ent_iob for token in doc] == [2, 2, 3, 2, 2, 2]


@pytest.mark.parametrize("answer", ["reject", "ignore"])
def test_a_refused_row_counts_once(tmp_path, answer):
    from collections import Counter

    counts = Counter()
    row = {"text": TEXT, "spans": [BERGEN], "answer": answer, "_is_binary": True}
    (doc,) = read(tmp_path, row, counts=counts)
    assert not doc.has_annotation("ENT_IOB") and counts["not_accepted"] == 1


@pytest.mark.parametrize(
    "row,chosen,refused",
    [
        ({"label": "FEED", "answer": "reject"}, (), ("FEED",)),
        ({"label": "FEED", "answer": "accept", "_view_id": "classification"}, ("FEED",), ()),
    ],
)
def test_a_binary_answer_about_a_label(row, chosen, refused):
    (record,) = records_of({"text": TEXT, **row})
    assert (record.choice.chosen, record.choice.refused) == (chosen, refused)
    assert record.choice.form == "answer"


def test_a_rejected_label_is_known_to_be_wrong_and_nothing_else_is(tmp_path):
    target = Cats(("FEED", "PEST"), exclusive=False)
    rows = [{"text": TEXT, "label": "FEED", "answer": answer} for answer in ("reject", "ignore")]
    rejected, ignored = read(tmp_path, *rows, target=target)
    assert rejected.cats == {"FEED": 0.0} and ignored.cats == {}


def test_a_rejected_label_of_an_exclusive_task_leaves_the_text_without_one(tmp_path):
    target = Cats(("FEED", "PEST"), exclusive=True)
    (doc,) = read(tmp_path, {"text": TEXT, "label": "FEED", "answer": "reject"}, target=target)
    assert doc.cats == {}


def test_options_that_were_not_chosen_are_labels_too():
    row = {"text": TEXT, "accept": ["A"], "options": [{"id": "A"}, {"id": "B"}], "answer": "accept"}
    (record,) = records_of(row)
    assert record.choice.chosen == ("A",) and record.choice.refused == ("B",)


def test_rejected_choices_are_no_gold(tmp_path):
    row = {"text": TEXT, "accept": ["A"], "answer": "reject"}
    (doc,) = read(tmp_path, row, target=Cats(("A", "B"), exclusive=True))
    assert doc.cats == {} and doc.vocab is NLP.vocab


def test_a_prediction_of_ours_is_gold_when_it_was_answered():
    row = {"text": TEXT, "spans": [BERGEN], "meta": {"predicted": "round-1"}}
    (record,) = records_of(row)
    assert record.unread and record.mentions is None
    (record,) = records_of(row, predictions=True)
    assert record.predicted and len(record.mentions) == 1
    (record,) = records_of({**row, "answer": "accept"})
    assert not record.unread and not record.predicted and len(record.mentions) == 1
    # other meta data says nothing of that
    (record,) = records_of({**row, "meta": {"score": 0.5}})
    assert not record.unread and len(record.mentions) == 1


@pytest.mark.parametrize("view,known", [("ner", 1), ("spans", 1), ("ner_manual", 6)])
def test_before_there_was_a_flag_the_view_says_whether_the_question_was_binary(
    tmp_path, view, known
):
    row = {"text": TEXT, "spans": [BERGEN], "answer": "accept", "_view_id": view}
    (doc,) = read(tmp_path, row)
    assert sum(token.ent_iob != 0 for token in doc) == known and len(doc) == 6
    (doc,) = read(tmp_path, {**row, "_is_binary": False})
    assert all(token.ent_iob for token in doc)
