import json

import pytest

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.models.recorded import make_recorded_model
from spacy_llmjudge.transport.messages import Prompt


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


def test_a_raw_reply_may_have_its_tokens(tmp_path):
    row = {"text": "a", "response": "é!", "tokens": [["é", -0.5], ["!", -1]]}
    path = write(tmp_path / "replies.jsonl", json.dumps(row), '{"text": "b", "response": "?"}')
    (((reply,), (bare,))) = make_recorded_model(path)(
        [[Prompt("", text="a")], [Prompt("", text="b")]]
    )
    assert reply.tokens == [("é".encode(), -0.5), (b"!", -1.0)]
    assert not bare.tokens


@pytest.mark.parametrize("tokens", ["ab", [1], [["a"]], [[1, -0.5]], [["a", "x"]], 7])
def test_bad_tokens_name_file_and_line(tmp_path, tokens):
    row = json.dumps({"text": "a", "response": "a", "tokens": tokens})
    with pytest.raises(LLMJudgeError, match=r"\[J304\].*replies.jsonl, line 1"):
        make_recorded_model(write(tmp_path / "replies.jsonl", row))([[Prompt("", text="a")]])


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


LETTERS = {"A": "not_entity", "B": "correct", "C": "wrong_label", "D": "wrong_boundary"}
TURNED = {"A": "wrong_boundary", "B": "not_entity", "C": "correct", "D": "wrong_label"}


def about(text, *candidates):
    return Prompt(
        "?", text=text, candidates=candidates, verdicts=[LETTERS, TURNED][: len(candidates)]
    )


def test_recorded_verdicts_come_under_the_letters_of_the_prompt(tmp_path):
    rows = [
        {"start": 0, "end": 4, "label": "X", "verdict": "correct", "confidence": 58},
        {
            "start": 5,
            "end": 9,
            "label": "X",
            "verdict": "wrong_label",
            "confidence": 0,
            "correction": "Y",
        },
    ]
    later = [
        {
            "start": 0,
            "end": 4,
            "label": "Y",
            "verdict": "wrong_boundary",
            "correction": "rose\nfern",
        }
    ]
    path = write(
        tmp_path / "replies.jsonl",
        json.dumps({"text": " rose\nfern", "response": {"verdicts": [shift(row) for row in rows]}}),
        json.dumps({"text": "rose\nfern", "response": {"verdicts": later}}),
        json.dumps({"text": "elm", "response": "B | 7"}),
        json.dumps({"text": "oak", "response": {"entities": [], "alternatives": []}}),
    )
    prompts = [
        about("rose\nfern", (0, 4, "X"), (5, 9, "X")),
        about("\n rose\nfern", (2, 6, "Y"), (7, 11, "X")),
        about("rose\nfern", (5, 9, "Y"), (0, 4, "X")),
        about("rose\nfern", (5, 9, "Y")),
        about("elm", (0, 3, "X")),
        about("oak", (0, 3, "X")),
        Prompt("?", text="rose\nfern"),
    ]
    (found,) = make_recorded_model(path)([prompts])
    assert list(map(str, found)) == [
        "1: B | 58\n2: D | 1 | Y",
        "1: D |  | rose fern\n2: D | 1 | Y",
        "2: C | 58",
        "",
        "B | 7",
        "",
        "",
    ]
    assert [reply.reason for reply in found if not reply] == ["no_recorded_reply"] * 3


def shift(row):
    """For a text with a blank in front."""
    return {**row, "start": row["start"] + 1, "end": row["end"] + 1}


@pytest.mark.parametrize(
    "row",
    [
        {"start": 0, "end": 4, "label": "X"},
        {"start": "0", "end": 4, "label": "X", "verdict": "correct"},
        {"start": 0, "end": 4, "label": "X", "verdict": "maybe"},
        {"start": 0, "end": 4, "label": "X", "verdict": "correct", "confidence": 101},
        {"start": 0, "end": 4, "label": "X", "verdict": "correct", "confidence": "high"},
        "correct",
    ],
)
def test_bad_verdicts_name_file_and_line(row, tmp_path):
    path = write(
        tmp_path / "replies.jsonl", json.dumps({"text": "rose", "response": {"verdicts": [row]}})
    )
    with pytest.raises(LLMJudgeError, match=r"\[J304\].*replies.jsonl, line 1"):
        make_recorded_model(path)([["x"]])
