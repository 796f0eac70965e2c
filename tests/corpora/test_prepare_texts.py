"""Labels of documents: rows become a corpus whose pool has no labels, or one line says what is wrong."""

import random
from pathlib import Path

import pytest
from corpora_helpers import quietly, read_split, said_by, write_jsonl

from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_json
from spacy_llmjudge.targets.base import find_target

TOPICS = Path(__file__).parents[2] / "assets" / "garden" / "topics.jsonl"
LABELS = ("FEED", "PEST", "WATER")
ORDER = (("labelled", 12), ("test", 15), ("pool", 60))


def spell(number):
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


def make_rows(**extra):
    rows = []
    for split, n in ORDER:
        for i in range(n):
            label = LABELS[i % 3]
            lists = [label, "PEST"] if i % 4 == 0 and label != "PEST" else [label]
            text = f"{split} note {spell(i)} about {label.lower()}"
            rows.append({"text": text, "split": split, "label": label, "labels": lists, **extra})
    return rows


def of(rows, split):
    return [row for row in rows if row["split"] == split]


@pytest.fixture
def source(tmp_path):
    return write_jsonl(tmp_path / "rows.jsonl", make_rows())


def refused(tmp_path, rows, code, **settings):
    """The message about rows; nothing is written for them."""
    path = write_jsonl(tmp_path / "bad.jsonl", rows)
    with pytest.raises(LLMJudgeError, match=rf"\[{code}\]") as caught:
        prepare(path, tmp_path / "out", **settings)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()
    return str(caught.value)


def test_the_topics_of_the_demo(tmp_path):
    report = prepare(TOPICS, tmp_path / "c")
    expected = {"labelled": 60, "dev": 100, "test": 400, "pool": 1000, "pool_gold": 1000}
    assert report["documents"] == expected and not any(report["dropped"].values())
    target = find_target(tmp_path / "c" / "pool.spacy")
    assert target.name == "cats" and target.exclusive and len(target.labels) == 8
    assert read_json(tmp_path / "c" / "prepare.json") == report


def test_the_pool_is_stripped_and_its_gold_is_apart(source, tmp_path):
    prepare(source, tmp_path / "c")
    pool, hidden = (read_split(tmp_path / "c", split) for split in ("pool", "pool_gold"))
    assert len(pool) == len(hidden) == 60
    assert all(not doc.cats for doc in pool) and all(len(doc.cats) == 3 for doc in hidden)
    assert [doc.text for doc in pool] == [doc.text for doc in hidden]
    assert set(hidden[0].cats.values()) == {0.0, 1.0}


def test_evidence_is_a_random_sample_of_the_pool_by_the_seed(source, tmp_path):
    drawn = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        report = prepare(source, tmp_path / name, holdout=20, seed=seed)
        assert report["documents"]["pool"] == report["documents"]["pool_gold"] == 40
        drawn.append({doc.text for doc in read_split(tmp_path / name, "dev")})
        assert not drawn[-1] & {doc.text for doc in read_split(tmp_path / name, "pool")}
    assert drawn[0] == drawn[1] != drawn[2] and len(drawn[0]) == 20
    assert report["settings"]["holdout"] == 20


def test_the_sample_is_not_balanced_over_labels(tmp_path):
    rows = make_rows()
    for i, row in enumerate(of(rows, "pool")):
        row["label"] = "PEST" if i < 54 else "FEED"
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    report = prepare(path, tmp_path / "c", holdout=30)
    assert report["labels"]["dev"]["PEST"] >= 22


def test_every_row_is_as_likely_to_be_held_out(tmp_path):
    path = write_jsonl(tmp_path / "rows.jsonl", make_rows())
    counts = dict.fromkeys((row["text"] for row in of(make_rows(), "pool")), 0)
    for seed in range(12):
        prepare(path, tmp_path / "c", holdout=30, seed=seed)
        for doc in read_split(tmp_path / "c", "dev"):
            counts[doc.text] += 1
    # each was drawn about 6 times of 12; none always or never but by a chance of 60 / 2048
    assert 0 < min(counts.values()) and max(counts.values()) < 12


def test_rows_of_the_pool_without_a_label(tmp_path):
    rows = make_rows()
    for row in of(rows, "pool")[20:]:
        del row["label"], row["labels"]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    report = prepare(path, tmp_path / "c", holdout=20)
    assert report["documents"]["dev"] == 20 and report["documents"]["pool"] == 40
    assert "pool_gold" not in report["documents"]
    message = refused(tmp_path, rows, "J637", holdout=21)
    assert "20 texts with gold" in message and "21" in message


@pytest.mark.parametrize("holdout", [-1, 60, 1000])
def test_holdouts_that_make_no_sense(tmp_path, holdout):
    refused(tmp_path, make_rows(), "J637", holdout=holdout)


def test_a_holdout_beside_a_dev_set(tmp_path):
    rows = [*make_rows(), {"text": "one", "split": "dev", "label": "FEED"}]
    assert "there is one" in refused(tmp_path, rows, "J647", holdout=5)


def test_a_holdout_of_a_pool_of_spans(tmp_path):
    rows = [{"text": f"Vera {spell(i)}", "spans": [[0, 4, "PER"]]} for i in range(20)]
    rows += [{"text": f"no {spell(i)}", "spans": []} for i in range(20)]
    write_jsonl(tmp_path / "labelled.jsonl", [{"text": "Vera left", "spans": [[0, 4, "PER"]]}])
    write_jsonl(tmp_path / "pool.jsonl", [{"text": row["text"]} for row in rows])
    write_jsonl(tmp_path / "pool_gold.jsonl", [{"spans": row["spans"]} for row in rows])
    report = prepare(tmp_path, tmp_path / "out", holdout=10)
    assert report["documents"] == {"labelled": 1, "dev": 10, "pool": 30, "pool_gold": 30}
    assert any(not said for _, said in said_by(tmp_path / "out", "dev"))
    raw = [{"text": row["text"], "spans": []} for row in rows]
    write_jsonl(tmp_path / "pool.jsonl", raw)
    (tmp_path / "pool_gold.jsonl").unlink()
    with pytest.raises(LLMJudgeError, match=r"\[J637\].*has 0 texts with gold"):
        prepare(tmp_path, tmp_path / "out", holdout=10)


def test_texts_of_the_test_set_are_taken_out_of_the_pool(tmp_path):
    rows = make_rows()
    pool, test = of(rows, "pool"), of(rows, "test")
    pool[0]["text"] = test[-1]["text"].upper()
    pool[1]["text"] = "  "
    report = prepare(write_jsonl(tmp_path / "rows.jsonl", rows), tmp_path / "c")
    assert report["dropped"]["pool"] == {"duplicates": 1, "empty": 1}
    assert report["documents"]["pool"] == 58


def test_texts_of_the_test_set_are_taken_out_of_dev(tmp_path):
    """In the end the student learns from dev as well."""
    rows = make_rows()
    rows += [{**row, "split": "dev"} for row in of(rows, "test")[:4]]
    rows.append({"text": "dev alone", "split": "dev", "label": "FEED"})
    report = prepare(write_jsonl(tmp_path / "rows.jsonl", rows), tmp_path / "c")
    assert report["documents"]["dev"] == 1 and report["dropped"]["dev"] == {"duplicates": 4}


def test_a_text_that_is_there_often_counts_once(tmp_path):
    """Or what is held out, which are texts, would be no random sample of the pool."""
    rows = make_rows()
    pool = of(rows, "pool")
    copies = [{**pool[0], "text": pool[0]["text"].upper()}, pool[1], pool[1]]
    del pool[0]["label"], pool[0]["labels"]
    report = prepare(
        write_jsonl(tmp_path / "rows.jsonl", [*rows, *copies]), tmp_path / "c", holdout=30
    )
    assert report["dropped"]["pool"] == {"duplicates": 3}
    assert report["documents"]["pool"] == 30
    # the row with a label stands for the others
    texts = {doc.text for split in ("dev", "pool") for doc in read_split(tmp_path / "c", split)}
    assert copies[0]["text"] in texts and pool[0]["text"] not in texts


def test_lists_of_labels_may_be_true_at_once(source, tmp_path):
    prepare(source, tmp_path / "c", label_column="labels")
    target = find_target(tmp_path / "c" / "pool.spacy")
    assert (
        not target.exclusive
        and target.component_settings("t")["components.t.factory"] == "textcat_multilabel"
    )
    assert any(len(labels) == 2 for _, labels in said_by(tmp_path / "c", "test"))


def test_a_folder_with_a_file_for_each_set(tmp_path):
    rows = make_rows()
    for split, _ in ORDER:
        write_jsonl(tmp_path / "data" / f"{split}.jsonl", of(rows, split))
    assert prepare(tmp_path / "data", tmp_path / "c")["documents"]["pool"] == 60


def test_shots_of_labels(source, tmp_path):
    report = prepare(source, tmp_path / "c", shots=2)
    assert report["labels"]["labelled"] == dict.fromkeys(LABELS, 2)
    assert report["dropped"]["labelled"] == {"not_sampled": 6}


def test_texts_in_any_order_make_the_same_target(tmp_path):
    rows = make_rows()
    random.Random(0).shuffle(rows)
    prepare(write_jsonl(tmp_path / "rows.jsonl", rows), tmp_path / "c")
    assert find_target(tmp_path / "c" / "pool.spacy").labels == LABELS


def test_one_label_only(tmp_path):
    rows = [{**row, "label": "PEST"} for row in make_rows()]
    assert "only the labels: PEST" in refused(tmp_path, rows, "J635")


def test_an_empty_pool(tmp_path):
    rows = [row for row in make_rows() if row["split"] != "pool"]
    refused(tmp_path, rows, "J622")
    twice = rows + [{**row, "split": "pool"} for row in of(rows, "test")]
    assert "15 duplicates" in refused(tmp_path, twice, "J617")


def test_a_column_that_is_missing_is_named(tmp_path):
    rows = make_rows()
    message = refused(tmp_path, rows, "J632", label_column="topic")
    assert "'topic'" in message and "text, split, label, labels" in message
    del rows[20]["split"]
    message = refused(tmp_path, rows, "J632")
    assert "line 21" in message and "'split'" in message
    rows = make_rows()
    del rows[20]["text"]
    assert "line 21" in refused(tmp_path, rows, "J604")


def test_gold_rows_without_a_label_are_left_out_with_a_warning(tmp_path):
    rows = make_rows()
    rows[0]["label"] = rows[0]["labels"] = None
    rows[1]["label"] = rows[1]["labels"] = None
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    with pytest.warns(UserWarning, match=r"JW614.*2 documents without labels.*--label-column"):
        report = prepare(path, tmp_path / "c", label_column="label")
    assert report["documents"]["labelled"] == 10
    assert report["dropped"]["labelled"] == {"without_annotation": 2}


def test_a_line_that_is_not_json(tmp_path):
    path = write_jsonl(tmp_path / "rows.jsonl", make_rows())
    with path.open("a", encoding="utf8") as file_:
        file_.write('{"text": "cut o\n')
    with pytest.raises(LLMJudgeError, match=r"J602.*line 88"):
        prepare(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("label", [{"a": "x"}, "", " ", True, 1.5, ["PEST", {"a": 1}], [None]])
def test_labels_of_a_wrong_kind(tmp_path, label):
    rows = make_rows()
    rows[3]["label"] = label
    assert "line 4" in refused(tmp_path, rows, "J633", label_column="label")


def test_strings_and_lists_of_labels(tmp_path):
    rows = make_rows()
    rows[3]["label"] = ["PEST"]
    message = refused(tmp_path, rows, "J644")
    assert "line 4" in message and "line 1" in message and "--exclusive" in message
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    assert prepare(path, tmp_path / "c", exclusive=True)["documents"]["labelled"] == 12


def test_a_label_that_is_none_of_those_that_are_named(tmp_path):
    rows = make_rows()
    rows[3]["label"] = "MOON"
    message = refused(tmp_path, rows, "J636", labels=LABELS)
    assert "line 4" in message and "MOON" in message


def test_two_labels_where_there_is_one(tmp_path):
    message = refused(tmp_path, make_rows(), "J634", label_column="labels", exclusive=True)
    assert "FEED, PEST" in message and "--multilabel" in message


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_label_that_the_labelled_set_lacks(tmp_path, split):
    rows = [*make_rows(), {"text": "a new thing", "split": split, "label": "MOON"}]
    assert "MOON" in refused(tmp_path, rows, "J618")
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    report = prepare(path, tmp_path / "c", ignore_unseen_labels=True)
    assert report["labels"][split]["MOON"] == 1
    named = prepare(path, tmp_path / "d", labels=[*LABELS, "MOON"])
    assert named["settings"]["labels"] == [*LABELS, "MOON"]


def test_a_failed_run_leaves_the_corpus_of_the_one_before(source, tmp_path):
    prepare(source, tmp_path / "c")
    before = {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()}
    with pytest.raises(LLMJudgeError):
        prepare(source, tmp_path / "c", holdout=1000)
    assert {path.name: path.read_bytes() for path in (tmp_path / "c").iterdir()} == before


def test_answers_of_several_rows_about_one_text_add_up(tmp_path):
    """Binary questions of Prodigy: a row for each label."""
    said = [("a", "FEED", "accept"), ("a", "PEST", "reject"), ("b", "PEST", "accept")]
    said += [("b", "FEED", "ignore"), ("c", "FEED", "reject")]
    rows = [
        {"text": t, "label": label, "answer": a, "_view_id": "classification"}
        for t, label, a in said
    ]
    write_jsonl(tmp_path / "labelled.jsonl", rows)
    write_jsonl(tmp_path / "pool.jsonl", [{"text": "raw"}])
    report, codes = quietly(prepare, tmp_path, tmp_path / "out")
    docs = read_split(tmp_path / "out", "labelled")
    assert [doc.cats for doc in docs] == [{"FEED": 1.0, "PEST": 0.0}, {"PEST": 1.0}, {"FEED": 0.0}]
    assert report["dropped"]["labelled"] == {"duplicates": 1, "not_accepted": 1} and not codes
