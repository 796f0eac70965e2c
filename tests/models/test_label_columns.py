"""Columns of a file in the place of an LLM: what each cell means, and which cells nobody can read."""

import json

import pytest

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.models.label_columns import LabelColumns, read_label_columns
from spacy_llmjudge.models.recorded import make_recorded_model
from spacy_llmjudge.transport.messages import Prompt

LABELS = ["DELAY", "FARE", "SEAT"]


def read(rows, exclusive=True, **settings):
    columns = LabelColumns(**{"label": "said", "confidence": "sure", **settings})
    named = [(f"rides.jsonl, line {i}", row) for i, row in enumerate(rows, 1)]
    return read_label_columns(named, columns, LABELS, exclusive)


def row(said, sure=None, text="The tram was late"):
    return {"text": text, "said": said, "sure": sure}


def answer(reply):
    return json.loads(reply)["labels"]


@pytest.mark.parametrize(
    "sure, other, expected",
    [
        (0.9, 0.8, "90.000000%"),
        (1, 0.8, "100.000000%"),
        (90, 70, "90.000000%"),
        (1, 70, None),
        (None, 70, None),
    ],
)
def test_the_whole_column_says_which_scale_it_has(sure, other, expected):
    replies = read([row("DELAY", sure), row("FARE", other, "How much is it")])
    (entry,) = answer(replies["The tram was late"])
    assert entry["label"] == "DELAY" and entry.get("confidence") == expected


@pytest.mark.parametrize("said", [None, "-1", ["-1"]])
def test_no_answer_is_abstained(said):
    reply = read([row(said)], refusals=("-1",))["The tram was late"]
    assert (reply.state, reply.reason) == ("abstained", "refused")


def test_several_labels_only_where_there_may_be_several():
    replies = read([row(["FARE", "SEAT", "FARE"])], exclusive=False)
    assert [entry["label"] for entry in answer(replies["The tram was late"])] == ["FARE", "SEAT"]
    with pytest.raises(LLMJudgeError, match=r"J247.*line 1.*FARE, SEAT"):
        read([row(["FARE", "SEAT"])])


def test_of_rows_with_the_same_text_the_last_one_counts():
    replies = read([row("FARE"), row("SEAT", text=" The tram was late ")])
    assert [entry["label"] for entry in answer(replies["The tram was late"])] == ["SEAT"]


@pytest.mark.parametrize(
    "bad, code",
    [
        ({"text": "a", "sure": 0.4}, "J244"),
        ("a string", "J244"),
        ({"text": ["a"], "said": "FARE", "sure": 0.4}, "J245"),
        ({"text": "a", "said": 2.5, "sure": 0.4}, "J245"),
        ({"text": "a", "said": " ", "sure": 0.4}, "J245"),
        ({"text": "a", "said": "BIKE", "sure": 0.4}, "J246"),
        ({"text": "a", "said": [], "sure": 0.4}, "J247"),
        ({"text": "a", "said": "FARE", "sure": "high"}, "J248"),
        ({"text": "a", "said": "FARE", "sure": 101}, "J248"),
        ({"text": "a", "said": "FARE", "sure": True}, "J248"),
    ],
)
def test_a_cell_that_nobody_can_read_names_its_line(bad, code):
    with pytest.raises(LLMJudgeError, match=rf"{code}.*line 2"):
        read([row("FARE"), bad])


def test_the_model_answers_prompts_of_the_classifying_task_only(tmp_path):
    path = tmp_path / "rides.jsonl"
    path.write_text(json.dumps(row("SEAT", 0.7)) + "\n", encoding="utf8")
    model = make_recorded_model(path, label_column="said", confidence_column="sure")
    known = Prompt(
        "which?", text=" The tram was late", labels=dict.fromkeys(LABELS, ""), exclusive=True
    )
    unknown = Prompt("which?", text="Where is it", labels=dict.fromkeys(LABELS, ""), exclusive=True)
    ((first, second),) = model([[known, unknown]])
    assert answer(first) == [{"label": "SEAT", "confidence": "70.000000%"}]
    assert (second.state, second.reason) == ("abstained", "not_in_column")
    with pytest.raises(LLMJudgeError, match="J256.*said"):
        model([["which?"]])


def test_a_column_of_confidence_needs_one_of_labels(tmp_path):
    with pytest.raises(LLMJudgeError, match="J249"):
        make_recorded_model(tmp_path / "rides.jsonl", confidence_column="sure")
