"""The file of answers: nothing confirmed is lost, and nothing counts twice."""

import json

import pytest

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.review.answers import Answers

FACTS = {"task": "certify", "frame": "f", "planned": 5}
SPANS = ((0, 1, "PEST"),)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "review" / "certify.jsonl"


def test_answers_are_there_after_a_restart(path):
    answers = Answers(path, FACTS)
    answers.add("answer", "one", "ann", SPANS)
    answers.add("answer", "one", "bo", ())
    answers.add("draft", "two", "ann", SPANS)
    answers.add("skip", "three", "ann")
    again = Answers(path, FACTS)
    assert again.given == {"one": {"ann": SPANS, "bo": ()}}
    assert again.drafts == {("two", "ann"): SPANS}
    assert again.skipped["ann"] == ["three"]
    assert again.last_of("ann") == "one" and again.last_of("cy") is None


def test_the_last_answer_of_a_person_counts_and_an_equal_one_is_not_written(path):
    answers = Answers(path, FACTS)
    for spans in (SPANS, SPANS, ()):
        answers.add("answer", "one", "ann", spans)
    assert answers.given == {"one": {"ann": ()}}
    assert len(path.read_text().splitlines()) == 3


def test_undo_takes_back_what_was_said_last(path):
    answers = Answers(path, FACTS)
    answers.add("answer", "one", "ann", SPANS)
    answers.add("answer", "two", "ann", SPANS)
    answers.add("undo", "two", "ann")
    assert answers.last_of("ann") == "one"
    assert list(Answers(path, FACTS).given) == ["one"]


def test_a_skipped_item_that_is_answered_is_skipped_no_more(path):
    answers = Answers(path, FACTS)
    answers.add("skip", "one", "ann")
    answers.add("answer", "one", "ann", SPANS)
    assert answers.skipped["ann"] == []


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_line_that_a_killed_server_began_goes(path, cut):
    answers = Answers(path, FACTS)
    answers.add("answer", "one", "ann", SPANS)
    whole = path.read_bytes()
    answers.add("answer", "two", "ann", SPANS)
    path.write_bytes(path.read_bytes()[:-cut])
    again = Answers(path, FACTS)
    assert list(again.given) == ["one"] and path.read_bytes() == whole
    again.add("answer", "three", "ann", SPANS)
    assert list(Answers(path, FACTS).given) == ["one", "three"]


def test_a_file_that_was_killed_in_its_first_line_begins_again(path):
    path.parent.mkdir()
    path.write_text('{"task": "cer')
    assert Answers(path, FACTS).given == {}
    assert json.loads(path.read_text()) == FACTS


@pytest.mark.parametrize("change", [{"frame": "another"}, {"task": "gold"}])
def test_answers_about_something_else_are_refused(path, change):
    Answers(path, FACTS)
    with pytest.raises(LLMJudgeError, match="J931"):
        Answers(path, {**FACTS, **change})


def test_the_plan_stays_as_it_was(path):
    Answers(path, FACTS)
    assert Answers(path, {**FACTS, "planned": 9}).facts["planned"] == 5


@pytest.mark.parametrize(
    "line",
    ["[]", "{}", '{"kind": "answer"}', '{"kind":"answer","item":"x","by":"y","spans":[1]}', "x"],
)
def test_a_line_that_is_none_is_named(path, line):
    Answers(path, FACTS)
    with path.open("a") as file_:
        file_.write(line + "\n")
    with pytest.raises(LLMJudgeError, match="line 2"):
        Answers(path, FACTS)
    path.write_text(line + "\n")
    with pytest.raises(LLMJudgeError, match="line 1"):
        Answers(path, FACTS)


def test_an_answer_that_a_full_disk_cuts_leaves_nothing(path, limit_files):
    answers = Answers(path, FACTS)
    answers.add("answer", "one", "ann", SPANS)
    whole = path.read_bytes()
    limit_files(len(whole) + 20)
    with pytest.raises(LLMJudgeError, match="J003"):
        answers.add("answer", "two", "ann", SPANS)
    limit_files(None)
    assert path.read_bytes() == whole
    answers.add("answer", "three", "ann", SPANS)
    assert list(Answers(path, FACTS).given) == ["one", "three"]


def test_a_whole_answer_behind_half_a_line_counts(path):
    answers = Answers(path, FACTS)
    answers.add("answer", "one", "ann", SPANS)
    with path.open("a") as file_:
        file_.write('{"at": 1.5, "by": "an')
    answers.add("answer", "two", "ann", SPANS)
    answers.add("answer", "three", "ann", SPANS)
    with pytest.warns(UserWarning, match="JW951.*line 3"):
        again = Answers(path, FACTS)
    assert list(again.given) == ["one", "two", "three"]
