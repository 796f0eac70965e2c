"""Files are found under their usual names, and what is not read is never passed over in silence."""

import doctest
import os

import pytest
from corpora_helpers import quietly, write_jsonl
from english import NLP

from spacy_llmjudge.corpora import split_names
from spacy_llmjudge.corpora.files import find_parts, unread_files
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.corpora.split_names import GOLD, SPLITS
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.streams import SHARD_SIZE, write_documents

NOTHING = dict.fromkeys((*SPLITS, GOLD))
ROW = {"text": "Vera left", "spans": [[0, 4, "PER"]]}
COLUMNS = "Vera B-PER\nleft O\n"


def find(folder, **given):
    parts = find_parts(folder, {**NOTHING, **given})
    return {split: part.path.name for split, part in parts.items() if part is not None}


def touch(folder, *names):
    for name in names:
        (folder / name).write_text("")


@pytest.mark.parametrize(
    "names,expected",
    [
        (["train.txt", "valid.txt", "test.txt"], ["labelled", "dev", "test"]),
        (["eng.train", "eng.testa", "eng.testb"], ["labelled", "dev", "test"]),
        (["NER-de-train.tsv", "NER-de-dev.tsv", "NER-de-test.tsv"], ["labelled", "dev", "test"]),
        (["en_ewt-ud-train.iob2", "en_ewt-ud-dev.iob2"], ["labelled", "dev"]),
        (["en-train.conll", "en-dev.conll"], ["labelled", "dev"]),
        (["labeled.jsonl", "unlabeled.txt", "validation.csv"], ["labelled", "pool", "dev"]),
        (["TRAIN.JSONL", "Devel.Conll"], ["labelled", "dev"]),
        (["train-00000-of-00001.parquet", "test-00000-of-00001-8f.parquet"], ["labelled", "test"]),
        (["labelled.json", "raw.txt", "pool_gold.jsonl"], ["labelled", "pool", "pool_gold"]),
        (["emerging.train.conll", "emerging.dev.conll"], ["labelled", "dev"]),
    ],
)
def test_usual_names(tmp_path, names, expected):
    touch(tmp_path, *names)
    assert find(tmp_path) == dict(zip(expected, names))


def test_a_name_that_only_ends_like_one_counts_where_no_file_has_the_name_itself(tmp_path):
    touch(tmp_path, "labelled.jsonl", "pool.jsonl", "replies_dev.jsonl", "my-train.jsonl")
    assert find(tmp_path) == {"labelled": "labelled.jsonl", "pool": "pool.jsonl"}


def test_a_text_file_that_ends_like_one_may_be_anything(tmp_path):
    touch(tmp_path, "a-train.conll", "notes-on-test.txt")
    assert find(tmp_path) == {"labelled": "a-train.conll"}


@pytest.mark.parametrize("names", [["dev.jsonl", "valid.csv"], ["a-dev.conll", "b-dev.conll"]])
def test_two_files_for_one_set(tmp_path, names):
    touch(tmp_path, *names)
    with pytest.raises(LLMJudgeError, match=rf"\[J616\].*{names[0]}, {names[1]}"):
        find(tmp_path)


def test_a_broken_link_is_an_error(tmp_path):
    os.symlink(tmp_path / "nowhere", tmp_path / "dev.jsonl")
    touch(tmp_path, "labelled.jsonl")
    with pytest.raises(LLMJudgeError, match=r"\[J643\].*dev\.jsonl.*dev set"):
        find(tmp_path)


def test_a_link_to_a_file_is_a_file(tmp_path):
    touch(tmp_path, "rows.jsonl")
    os.symlink(tmp_path / "rows.jsonl", tmp_path / "dev.jsonl")
    assert find(tmp_path) == {"dev": "dev.jsonl"}


def test_a_set_that_cannot_be_read_is_warned_of(tmp_path):
    touch(tmp_path, "labelled.jsonl", "dev.xlsx")
    found, codes = quietly(find, tmp_path)
    assert found == {"labelled": "labelled.jsonl"} and codes == ["JW618"]


def test_files_that_were_not_read_are_listed(tmp_path):
    names = ["labelled.jsonl", "pool.txt", "more.csv", "eng.testa", "a.xlsx", "notes.md", "b.json"]
    touch(tmp_path, *names)
    os.symlink(tmp_path / "nowhere", tmp_path / "gone.jsonl")
    read = [str(tmp_path / name) for name in names[:2]]
    assert unread_files(tmp_path, read) == [
        "a.xlsx",
        "b.json",
        "eng.testa",
        "gone.jsonl",
        "more.csv",
    ]


def test_the_error_about_a_missing_set_says_what_is_there(tmp_path):
    touch(tmp_path, "ner_dataset.csv", "b.xlsx", "c.json")
    with pytest.raises(LLMJudgeError, match=r"\[J615\].*b\.xlsx, c\.json, ner_dataset\.csv"):
        prepare(tmp_path, tmp_path / "out")


ROWS = [
    {**ROW, "split": "train"},
    {"text": "Vera came", "spans": [[0, 4, "PER"]], "split": "validation"},
    {"text": "raw one", "split": "unlabelled"},
    {"text": "raw two", "split": "pool"},
]


def test_one_file_whose_rows_name_their_set(tmp_path):
    path = write_jsonl(tmp_path / "rows.jsonl", ROWS)
    report = prepare(path, tmp_path / "out")
    assert report["documents"] == {"labelled": 1, "dev": 1, "pool": 2}
    assert report["settings"]["files"]["pool"] == str(path)


def test_a_folder_with_one_such_file(tmp_path):
    write_jsonl(tmp_path / "data" / "rows.jsonl", ROWS)
    assert prepare(tmp_path / "data", tmp_path / "out")["documents"]["pool"] == 2


def test_the_column_can_be_named(tmp_path):
    rows = [{**row, "part": row["split"], "split": "x"} for row in ROWS]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    assert prepare(path, tmp_path / "out", split_column="part")["documents"]["dev"] == 1


def test_a_row_without_its_set_is_named(tmp_path):
    path = write_jsonl(tmp_path / "rows.jsonl", [*ROWS, {"text": "x", "meta": 1}])
    with pytest.raises(LLMJudgeError, match=r"\[J632\].*line 5 has no column 'split'.*text, meta"):
        prepare(path, tmp_path / "out")


def test_rows_of_other_sets_are_warned_of(tmp_path):
    rows = [*ROWS, {"text": "x", "split": "extra"}, {"text": "y", "split": "extra"}]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    with pytest.warns(UserWarning, match=r"JW617.*'extra' \(2\)"):
        assert prepare(path, tmp_path / "out")["documents"]["pool"] == 2


@pytest.mark.parametrize("name", ["all.jsonl", "all.conll", "all.csv"])
def test_one_file_without_that_column_is_the_labelled_set(tmp_path, name):
    path = tmp_path / name
    if name.endswith("jsonl"):
        write_jsonl(path, [{"text": f"Vera {c}", "spans": [[0, 4, "PER"]]} for c in "abcd"])
    elif name.endswith("conll"):
        path.write_text("\n".join(f"Vera B-PER\n{c} O\n" for c in "abcd"))
    else:
        path.write_text("word,tag\n" + "".join(f"Vera,B-PER\n{c},O\n,\n" for c in "abcd"))
    report = prepare(path, tmp_path / "out", shots=2)
    assert report["documents"] == {"labelled": 2, "pool": 2, "pool_gold": 2}


def test_examples_in_docstrings():
    result = doctest.testmod(split_names)
    assert result.attempted and not result.failed


def test_shards_in_the_place_of_a_file_are_read(tmp_path):
    write_jsonl(tmp_path / "data" / "labelled.jsonl", [ROW])
    shards = tmp_path / "data" / "pool.spacy"
    write_documents(shards, (NLP.make_doc(f"raw {i}") for i in range(SHARD_SIZE)), most=1)
    assert shards.is_dir()
    (tmp_path / "data" / "more.spacy").mkdir()
    report = prepare(tmp_path / "data", tmp_path / "a")
    assert report["documents"]["pool"] == SHARD_SIZE
    assert unread_files(tmp_path / "data", report["settings"]["files"].values()) == ["more.spacy"]
    report = prepare(tmp_path / "data" / "labelled.jsonl", tmp_path / "b", pool=shards)
    assert report["documents"]["pool"] == SHARD_SIZE
