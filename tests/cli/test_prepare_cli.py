"""The verbs `prepare` and `check` on the command line."""

import json
import shutil
from pathlib import Path

import pytest
from cli_helpers import error_line, run
from corpora_helpers import write_jsonl

from spacy_llmjudge.storage import read_json

GARDEN = Path(__file__).parents[2] / "assets" / "garden"
LABELLED = [
    {"text": "rose blooms", "spans": [[0, 4, "PLANT"]]},
    {"text": "rust came", "spans": [[0, 5, "PEST"]]},
]
POOL = [{"text": f"raw {c}"} for c in "abcd"]


def test_topics_become_a_corpus_with_one_argument(tmp_path):
    done = run("prepare", GARDEN / "topics.jsonl", tmp_path / "topics")
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (tmp_path / "topics").glob("[!.]*"))
    assert names == [
        "dev.spacy",
        "labelled.spacy",
        "pool.spacy",
        "pool_gold.spacy",
        "prepare.json",
        "target.json",
        "test.spacy",
    ]
    assert "1000 documents" in done.output and "60 labels" in done.output
    found = run("check", tmp_path / "topics")
    assert found.exit_code == 0, found.output
    assert "100 labels of dev" in " ".join(found.output.split())


def test_what_was_not_read_is_listed(tmp_path):
    write_jsonl(tmp_path / "in" / "labelled.jsonl", LABELLED)
    write_jsonl(tmp_path / "in" / "pool.jsonl", POOL)
    shutil.copy(GARDEN / "rules.txt", tmp_path / "in")
    (tmp_path / "in" / "dataset_info.json").write_text('{"features": {}}', encoding="utf8")
    done = run("prepare", tmp_path / "in", tmp_path / "out")
    assert "Not read: rules.txt\n" in done.output
    assert "white space taken off the edges of 1 spans" in " ".join(done.output.split())


@pytest.mark.parametrize(
    "args,target",
    [
        (["--target", "spans", "--spans-key", "mine"], {"target": "spans", "spans_key": "mine"}),
        (["--single-label"], {"target": "spans", "single_label": True}),
        (["--target", "ents"], {"target": "ents"}),
    ],
)
def test_the_target_can_be_named(tmp_path, args, target):
    write_jsonl(tmp_path / "in" / "labelled.jsonl", LABELLED)
    write_jsonl(tmp_path / "in" / "pool.jsonl", POOL)
    assert run("prepare", tmp_path / "in", tmp_path / "out", *args).exit_code == 0
    assert read_json(tmp_path / "out" / "target.json").items() >= target.items()


TEXTS = [{"text": "a", "topic": "Money, or loans"}, {"text": "b", "topic": "C++"}]


@pytest.mark.parametrize(
    "args,labels,exclusive",
    [
        ([], ["C++", "Money, or loans"], True),
        (["--multilabel"], ["C++", "Money, or loans"], False),
        (["--labels", '"Money, or loans", C++, Other'], ["Money, or loans", "C++", "Other"], True),
    ],
)
def test_labels_of_texts(tmp_path, args, labels, exclusive):
    write_jsonl(tmp_path / "in" / "labelled.jsonl", TEXTS)
    write_jsonl(tmp_path / "in" / "pool.jsonl", POOL)
    done = run("prepare", tmp_path / "in", tmp_path / "out", "--label-column", "topic", *args)
    assert done.exit_code == 0, done.output
    expected = {"target": "cats", "labels": labels, "exclusive": exclusive}
    assert read_json(tmp_path / "out" / "target.json") == expected


def test_numbers_as_tags_with_names(tmp_path):
    write_jsonl(tmp_path / "train.jsonl", [{"tokens": ["rose", "blooms"], "ner_tags": [1, 0]}])
    write_jsonl(tmp_path / "pool.jsonl", POOL)
    assert "[J639]" in error_line(run("prepare", tmp_path, tmp_path / "out"))
    done = run("prepare", tmp_path, tmp_path / "out", "--tag-names", "O,B-PLANT")
    assert done.exit_code == 0 and "1 entities" in done.output


@pytest.mark.parametrize(
    "args,code",
    [
        (["--target", "tokens"], "J614"),
        (["--overlaps", "none"], "J614"),
        (["--offsets", "bytes"], "J614"),
        (["--misaligned", "keep"], "J614"),
        (["--target", "ents", "--exclusive"], "J646"),
        (["--label-column", "topic"], "J632"),
        (["--holdout", "3"], "J637"),
        (["--lang", "zz"], "J626"),
        (["--labels", "PLANT"], "J636"),
        (["--shots", "-1"], "J621"),
    ],
)
def test_mistakes_are_one_line_and_nothing_is_written(tmp_path, args, code):
    write_jsonl(tmp_path / "in" / "labelled.jsonl", LABELLED)
    write_jsonl(tmp_path / "in" / "pool.jsonl", POOL)
    assert f"[{code}]" in error_line(run("prepare", tmp_path / "in", tmp_path / "out", *args))
    assert not (tmp_path / "out").exists()


def test_a_name_that_would_steer_the_terminal_is_shown_as_it_is(tmp_path):
    folder = tmp_path / "a\x1b[31m\nb"
    folder.mkdir()
    (folder / "labelled.jsonl").write_text(json.dumps({"txt": "\x1b]0;x\x07"}) + "\n")
    line = error_line(run("prepare", folder, tmp_path / "out"))
    assert "\x1b[31m" not in line and r"a\x1b[31m b" in line and "[J622]" in line


def test_check_fails_where_a_run_cannot_do_what_it_is_for(tmp_path):
    write_jsonl(tmp_path / "in" / "labelled.jsonl", LABELLED)
    write_jsonl(tmp_path / "in" / "dev.jsonl", [{"text": "tulip", "spans": [[0, 5, "PLANT"]]}])
    write_jsonl(tmp_path / "in" / "pool.jsonl", POOL)
    assert run("prepare", tmp_path / "in", tmp_path / "out").exit_code == 0
    done = run("check", tmp_path / "out")
    assert done.exit_code == 1 and "Too little evidence" in done.output
