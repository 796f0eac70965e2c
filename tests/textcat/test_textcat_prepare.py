"""Rows become a corpus whose pool has no labels, or one line says what is wrong with them."""

import pytest
import spacy
from textcat_helpers import make_rows, write_rows

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_docs, read_json
from spacy_llmjudge.textcat.data import get_choice, read_task
from spacy_llmjudge.textcat.prepare import prepare_texts


def read(path):
    return list(read_docs(path, spacy.blank("en").vocab))


def refused(tmp_path, rows, code, **settings):
    """The message about rows; nothing is written for them."""
    path = write_rows(tmp_path / "bad.jsonl", rows)
    with pytest.raises(LLMJudgeError, match=code) as caught:
        prepare_texts(path, tmp_path / "out", **settings)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()
    return str(caught.value)


def test_the_pool_is_stripped_and_its_gold_is_apart(source, tmp_path):
    prepare_texts(source, tmp_path / "c", gold=20)
    pool, hidden = read(tmp_path / "c/pool.spacy"), read(tmp_path / "c/pool_gold.spacy")
    assert len(pool) == len(hidden) == 90
    assert all(not doc.cats for doc in pool) and all(doc.cats for doc in hidden)
    assert [doc.text for doc in pool] == [doc.text for doc in hidden]
    assert set(hidden[0].cats.values()) == {0.0, 1.0}


def test_the_evidence_is_a_sample_of_the_pool_by_the_seed(source, tmp_path):
    drawn = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        prepare_texts(source, tmp_path / name, gold=30, seed=seed)
        drawn.append({doc.text for doc in read(tmp_path / name / "evidence.spacy")})
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 30
    assert drawn[0] <= {doc.text for doc in read(tmp_path / "a/pool.spacy")}


def test_the_sample_is_not_balanced_over_labels(tmp_path):
    rows = make_rows(300, 3)
    for row in rows[:270]:
        row["label"] = "PEST"
    path = write_rows(tmp_path / "rows.jsonl", rows)
    prepare_texts(path, tmp_path / "c", gold=60)
    labels = read_json(tmp_path / "c/prepare.json")["labels"]["evidence"]
    assert labels["PEST"] >= 45


def test_texts_of_the_test_set_are_taken_out_of_the_pool(tmp_path):
    rows = make_rows()
    rows[0]["text"] = rows[-1]["text"].upper()
    rows[1]["text"] = "  "
    path = write_rows(tmp_path / "rows.jsonl", rows)
    report = prepare_texts(path, tmp_path / "c", gold=10)
    assert report["dropped"]["pool"] == {"duplicates": 1, "empty": 1}
    assert report["documents"]["pool"] == 88


def test_a_text_that_is_there_often_counts_once(tmp_path):
    """Or the evidence, which draws texts, would be no random sample of the rows."""
    rows = make_rows()
    rows[0].pop("label")
    copies = [{**rows[0], "text": rows[0]["text"].upper(), "label": "PEST"}, rows[1], rows[1]]
    path = write_rows(tmp_path / "rows.jsonl", [*rows, *copies])
    report = prepare_texts(path, tmp_path / "c", gold=90)
    assert report["dropped"]["pool"] == {"duplicates": 3} and report["documents"]["pool"] == 90
    # the row with a label stands for the others, at the place of the first
    assert read(tmp_path / "c/pool.spacy")[0].text == rows[0]["text"].upper()


def test_lists_of_labels_make_a_multilabel_task(source, tmp_path):
    prepare_texts(source, tmp_path / "c", label_column="labels")
    task = read_task(tmp_path / "c")
    assert not task.exclusive and task.factory == "textcat_multilabel"
    choices = [get_choice(doc, task) for doc in read(tmp_path / "c/test.spacy")]
    assert any(len(choice) == 2 for choice in choices)


def test_a_folder_with_rows_that_nobody_labelled(tmp_path):
    rows = make_rows()
    pool = [dict(row) for row in rows[:90]]
    for row in pool[40:]:
        del row["label"]
    write_rows(tmp_path / "data/pool.jsonl", pool)
    write_rows(tmp_path / "data/test.jsonl", rows[90:])
    report = prepare_texts(tmp_path / "data", tmp_path / "c", gold=40)
    assert report["documents"]["evidence"] == 40
    assert "41" not in refused_size(tmp_path)


def refused_size(tmp_path):
    with pytest.raises(LLMJudgeError, match="J907") as caught:
        prepare_texts(tmp_path / "data", tmp_path / "d", gold=50)
    assert "40 texts of the pool with a label" in str(caught.value)
    return str(caught.value)


def test_one_label_only(tmp_path):
    rows = [{**row, "label": "PEST"} for row in make_rows()]
    assert "only the labels: PEST" in refused(tmp_path, rows, "J904")


def test_an_empty_pool(tmp_path):
    rows = [{**row, "split": "test"} for row in make_rows()]
    assert "no document for the pool" in refused(tmp_path, rows, "J905")
    twice = rows + [{**row, "split": "pool"} for row in rows]
    assert "in the test set as well" in refused(tmp_path, twice, "J905")


@pytest.mark.parametrize("column", ["text", "split", "label"])
def test_a_missing_column_is_named_with_its_line(tmp_path, column):
    rows = make_rows()
    del rows[100][column]
    message = refused(tmp_path, rows, "J901")
    assert f"'{column}'" in message and "line 101" in message and "llm_label" in message


def test_a_line_that_is_not_json(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", make_rows())
    with path.open("a", encoding="utf8") as file_:
        file_.write('{"text": "cut o\n')
    with pytest.raises(LLMJudgeError, match="J602.*line 121"):
        prepare_texts(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labels_of_a_wrong_kind(tmp_path):
    rows = make_rows()
    rows[3]["label"] = {"a": 1}
    assert "line 4" in refused(tmp_path, rows, "J902")
    rows[3]["label"] = ["PEST"]
    assert "line 4" in refused(tmp_path, rows, "J903")
    rows[3]["label"] = "MOON"
    assert "MOON" in refused(tmp_path, rows, "J906", labels=["PEST", "WATER", "FEED"])


def test_a_failed_run_leaves_the_corpus_of_the_one_before(source, tmp_path):
    prepare_texts(source, tmp_path / "c")
    before = {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()}
    with pytest.raises(LLMJudgeError):
        prepare_texts(source, tmp_path / "c", gold=1000)
    assert {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()} == before
