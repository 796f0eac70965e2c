"""Gold without annotation is left out, and the advice fits what is in the file."""

import pytest
from corpora_helpers import quietly, write_jsonl

from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.errors import LLMJudgeError

SPAN = {"text": "Vera left", "spans": [[0, 4, "PER"]]}


def run(tmp_path, rows):
    write_jsonl(tmp_path / "labelled.jsonl", rows)
    write_jsonl(tmp_path / "pool.jsonl", [{"text": "raw"}])
    return prepare(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("extra", [{}, {"id": 3, "meta": {"a": 1}}, {"_input_hash": 7}])
def test_rows_without_any_annotation_are_told_how_to_write_none(tmp_path, extra):
    with pytest.warns(UserWarning, match=r'JW601.*1 documents.*Write "spans": \[\]'):
        report = run(tmp_path, [SPAN, {"text": "other", **extra}])
    assert report["dropped"]["labelled"] == {"without_annotation": 1}


@pytest.mark.parametrize("key", ["highlights", "ner", "Labels"])
def test_a_column_that_may_hold_annotation_is_named_instead(tmp_path, key):
    with pytest.warns(UserWarning, match=rf"JW614.*1 documents.*text, {key}") as caught:
        run(tmp_path, [SPAN, {"text": "Vera came", key: [[0, 4, "PER"]]}])
    assert "[]" not in str(caught[0].message)


def test_refused_rows_count_once_and_bring_no_advice(tmp_path):
    rows = [{**SPAN, "text": f"Vera {c}", "answer": c} for c in ("reject", "ignore")]
    report, codes = quietly(run, tmp_path, [SPAN, *rows])
    assert report["dropped"]["labelled"] == {"not_accepted": 2} and codes == []


def test_a_set_of_refused_rows_says_so(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J617\].*dropped were 1 not accepted"):
        run(tmp_path, [{**SPAN, "answer": "reject"}])


def test_empty_texts_are_counted(tmp_path):
    report = run(tmp_path, [SPAN, {"text": " \u3000", "spans": []}])
    assert report["dropped"]["labelled"] == {"empty": 1}
