"""JSON: a row a line, a list of rows, or an object that holds them."""

import json

import pytest
from corpora_helpers import ents_of, read_file

from spacy_llmjudge.corpora.rows import read_json_rows, read_rows
from spacy_llmjudge.errors import LLMJudgeError

PAIR = ["Vera left", {"entities": [[0, 4, "PER"]]}]
ROWS = [{"text": "Vera left", "spans": [[0, 4, "PER"]]}, {"text": "b", "spans": []}]


def write(tmp_path, text, name):
    path = tmp_path / name
    path.write_text(text, encoding="utf8")
    return path


@pytest.mark.parametrize("name", ["data.json", "data.jsonl", "data.ndjson", "DATA.JSON"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_of_rows(tmp_path, name, indent):
    first, second = read_file(write(tmp_path, json.dumps(ROWS, indent=indent), name))
    assert ents_of(first) == [("Vera", "PER")] and second.has_annotation("ENT_IOB")


@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_rows_in_lines(tmp_path, name):
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    assert [doc.text for doc in read_file(write(tmp_path, text, name))] == ["Vera left", "b"]


@pytest.mark.parametrize(
    "data",
    [
        [PAIR, PAIR],
        {"classes": ["PER"], "annotations": [PAIR, None, PAIR]},
        {"data": [{"text": PAIR[0], **PAIR[1]}] * 2},
    ],
)
def test_pairs_of_spacy_v2(tmp_path, data):
    docs = read_file(write(tmp_path, json.dumps(data), "train.json"))
    assert [ents_of(doc) for doc in docs] == [[("Vera", "PER")]] * 2


def test_pairs_in_lines(tmp_path):
    path = write(tmp_path, (json.dumps(PAIR) + "\n") * 2, "train.jsonl")
    assert [where[-6:] for where, _ in read_rows(path)] == ["line 1", "line 2"]
    assert ents_of(read_file(path)[1]) == [("Vera", "PER")]


def test_one_row_alone(tmp_path):
    rows = list(read_json_rows(write(tmp_path, json.dumps(ROWS[0], indent=1), "a.json")))
    assert rows == [(f"{tmp_path}/a.json, row 1", ROWS[0])]
    task = {"id": 1, "data": {"text": "a"}, "annotations": [{"result": []}]}
    assert [row for _, row in read_json_rows(write(tmp_path, json.dumps(task), "b.json"))] == [task]


@pytest.mark.parametrize(
    "text,code", [("[1, 2]", "J603"), ("7", "J603"), ("{", "J602"), ("", "J602")]
)
def test_json_that_holds_no_rows(tmp_path, text, code):
    with pytest.raises(LLMJudgeError, match=rf"\[{code}\].*a\.json"):
        read_file(write(tmp_path, text, "a.json"))


def test_the_row_of_an_error_is_named(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J604\].*a\.json, row 2"):
        read_file(write(tmp_path, json.dumps([ROWS[0], {"txt": "b"}]), "a.json"))
