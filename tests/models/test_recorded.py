import json

import pytest
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.models.messages import Prompt
from spacy_llmjudge.models.recorded import make_recorded_model


def write(path, *lines):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf8")
    return path


def test_replies_are_found_by_the_text_of_the_prompt(tmp_path):
    response = {"entities": [{"text": "é", "label": "X", "confidence": 9}], "alternatives": []}
    path = write(
        tmp_path / "replies.jsonl",
        json.dumps({"text": "a", "response": response}),
        "",
        json.dumps({"text": " b\n", "response": '{"entities": [{"te'}),
        json.dumps({"text": "c", "response": "first"}),
        json.dumps({"text": "c", "response": "second"}),
    )
    model = make_recorded_model(path)
    prompts = [[Prompt("?", text="a")], [], [Prompt("?", text="b"), Prompt("??", text="c ")]]
    (first,), nothing, (truncated, last) = model(prompts)
    assert json.loads(first) == response
    assert nothing == []
    assert truncated == '{"entities": [{"te'
    assert last == "second"
    assert first.state == "replied"


def test_misses_and_plain_strings_abstain_with_a_reason(tmp_path):
    model = make_recorded_model(write(tmp_path / "replies.jsonl"))
    ((miss, plain),) = model([[Prompt("?", text="never asked"), "a plain string"]])
    assert (miss, miss.state, miss.reason) == ("", "abstained", "no_recorded_reply")
    assert (plain, plain.state, plain.reason) == ("", "abstained", "plain_prompt")


def test_the_file_is_needed_at_the_first_prompt_only(tmp_path):
    model = make_recorded_model(tmp_path / "gone.jsonl")
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*gone.jsonl"):
        model([["x"]])


@pytest.mark.parametrize(
    "line, code",
    [
        ('{"text": "a", "resp', r"\[J300\].*replies.jsonl, line 2.*not valid JSON"),
        ('{"text": "a"}', r"\[J301\].*replies.jsonl, line 2.*response"),
        ('{"response": {}}', r"\[J301\].*replies.jsonl, line 2.*text"),
        ('{"text": 3, "response": {}}', r"\[J301\].*replies.jsonl, line 2.*text"),
        ("[1]", r"\[J301\].*replies.jsonl, line 2.*text, response"),
    ],
)
def test_bad_lines_name_file_and_line(tmp_path, line, code):
    path = write(tmp_path / "replies.jsonl", '{"text": "a", "response": {}}', line)
    with pytest.raises(LLMJudgeError, match=code):
        make_recorded_model(path)([["x"]])
