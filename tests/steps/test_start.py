"""A project that is started from two files: its parts, its settings, and nothing where a file is no good."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import srsly
from cli_helpers import error_line, run

from spacy_llmjudge.corpora.guidelines import definitions_of, read_guidelines
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.steps.start import start_project
from spacy_llmjudge.steps.template import find_template
from spacy_llmjudge.streams import write_documents

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(small_dataset, tmp_path):
    """A labelled file, raw texts with a text a line, and a place for the project."""
    rows = map(json.loads, (small_dataset / "pool.jsonl").open(encoding="utf8"))
    raw = tmp_path / "raw.txt"
    raw.write_text("".join(row["text"] + "\n" for row in rows), encoding="utf8")
    labelled = tmp_path / "my labels.jsonl"
    shutil.copyfile(small_dataset / "labelled.jsonl", labelled)
    return labelled, raw, tmp_path / "mine"


def labels_of(path):
    rows = map(json.loads, path.read_text(encoding="utf8").splitlines())
    return {span["label"] for row in rows for span in row["spans"]}


def start(files, *args, judge="embedded"):
    return run("start", *files, "--judge", judge, *args)


def test_two_files_become_a_project(files, monkeypatch):
    labelled, raw, folder = files
    result = start(files)
    assert result.exit_code == 0, result.output
    assert (folder / "assets/data/labelled.jsonl").read_bytes() == labelled.read_bytes()
    assert (folder / "assets/data/pool.txt").read_bytes() == raw.read_bytes()
    assert sorted(p.name for p in (folder / "assets/data").iterdir()) == [
        "labelled.jsonl",
        "labels.yml",
        "pool.txt",
    ]
    guidelines = read_guidelines(folder / "assets/data/labels.yml")
    assert set(guidelines) == labels_of(labelled) and not definitions_of(guidelines)
    variables = srsly.read_yaml(folder / "project.yml")["vars"]
    assert (variables["dataset"], variables["judge"]) == ("data", "embedded")
    default = srsly.read_yaml(ROOT / "project.yml")["vars"]
    assert {name for name in default if variables[name] != default[name]} == {"dataset", "judge"}
    for name, path in find_template().items():
        if name != "project.yml":
            assert (folder / name).read_bytes() == path.read_bytes()
    printed = " ".join(result.output.split())
    assert "labelled: 60 documents" in printed and "pool: 90 documents" in printed
    assert "There is no dev set" in printed and "There is no test set" in printed
    assert result.stdout.splitlines()[-1] == (
        f"cd {folder} && python -m spacy project run selftrain"
    )


def test_a_pool_in_shards_becomes_a_project(files):
    labelled, raw, folder = files
    nlp = spacy.blank("en")
    texts = raw.read_text(encoding="utf8").splitlines()
    docs = (nlp.make_doc(f"{text} {word}") for word in ("now", "then", "again") for text in texts)
    pool = raw.with_name("pool.spacy")
    assert write_documents(pool, docs, most=0) and pool.is_dir()
    result = start((labelled, pool, folder))
    assert result.exit_code == 0, result.output
    copied = folder / "assets/data/pool.spacy"
    assert {p.name for p in copied.iterdir()} == {p.name for p in pool.iterdir()}


def test_a_folder_of_brat_becomes_a_project(files):
    _, raw, folder = files
    source = ROOT / "tests" / "corpora" / "exports" / "brat"
    result = start((source, raw, folder))
    assert result.exit_code == 0, result.output
    (copied,) = (folder / "assets/data").glob("labelled*")
    assert {p.name: p.read_bytes() for p in copied.iterdir()} == {
        p.name: p.read_bytes() for p in source.iterdir()
    }
    # what is no entity is named once
    assert result.output.count("[JW976]") == 1
    found = prepare(folder / "assets/data", folder / "corpus")["documents"]
    assert found["labelled"] == len(list(source.glob("*.txt"))) and found["pool"] == 90


def test_dev_and_test_are_taken_as_they_are(files, small_dataset):
    sets = ["--dev", small_dataset / "dev.jsonl", "--test", small_dataset / "test.jsonl"]
    result = start(files, *sets, "--target", "ents", judge="openai")
    assert result.exit_code == 0, result.output
    assets = files[2] / "assets/data"
    for name in ("dev", "test"):
        expected = (small_dataset / f"{name}.jsonl").read_bytes()
        assert (assets / f"{name}.jsonl").read_bytes() == expected
    variables = srsly.read_yaml(files[2] / "project.yml")["vars"]
    assert (variables["judge"], variables["target"]) == ("openai", "ents")
    assert "There is no dev set" not in result.output


def test_a_key_that_is_not_set_is_named(files, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert "export OPENAI_API_KEY=" in start(files, judge="openai").output
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234")
    shutil.rmtree(files[2])
    result = start(files, judge="openai")
    assert "OPENAI_API_KEY" not in result.output and "sk-secret" not in result.output


def test_a_judge_of_ones_own_and_its_replies_come_along(files, small_dataset, tmp_path):
    own = tmp_path / "recorded.cfg"
    text = (ROOT / "configs/judges/recorded.cfg").read_text(encoding="utf8")
    own.write_text("# mine\n" + text, encoding="utf8")
    result = start(files, "--replies", small_dataset / "responses.jsonl", judge=own)
    assert result.exit_code == 0, result.output
    folder = files[2]
    assert (folder / "configs/judges/my_recorded.cfg").read_bytes() == own.read_bytes()
    assert srsly.read_yaml(folder / "project.yml")["vars"]["judge"] == "my_recorded"
    replies = (small_dataset / "responses.jsonl").read_bytes()
    assert (folder / "assets/data/responses.jsonl").read_bytes() == replies


def test_columns_whose_suffix_names_a_set_can_be_found_again(tmp_path):
    (tmp_path / "eng.testa").write_text("Bern B-LOC\nis O\nold O\n\nno O\n", encoding="utf8")
    (tmp_path / "raw.txt").write_text("Bonn is new\nBasel is not\n", encoding="utf8")
    sets = {"labelled": tmp_path / "eng.testa", "pool": tmp_path / "raw.txt"}
    started = start_project(tmp_path / "p", "embedded", sets)
    report = prepare(tmp_path / "p/assets/data", tmp_path / "corpus")
    assert report["documents"] == started.report["documents"] == {"labelled": 2, "pool": 2}


def broken(files):
    files[0].write_text('{"text": "fine", "spans": []}\n{"text": "cut o\n', encoding="utf8")


def no_labels(files):
    files[0].write_text('{"text": "fine", "spans": []}\n' * 3, encoding="utf8")


def nothing_raw(files):
    files[1].write_text("\n\n", encoding="utf8")


def only_known(files):
    rows = map(json.loads, files[0].open(encoding="utf8"))
    files[1].write_text("".join(row["text"] + "\n" for row in rows), encoding="utf8")


def folder_of_files(files):
    files[1].unlink()
    files[1].mkdir()


def missing(files):
    files[1].unlink()


def another_format(files):
    files[1].rename(files[1].with_suffix(".pdf"))
    files[1].with_suffix(".pdf").rename(files[1])
    files[1].write_bytes(b"%PDF-1.7\n\x00\xff\xfe\x00binary")


@pytest.mark.parametrize(
    "spoil, expected",
    [
        (broken, "line 2"),
        (no_labels, "labelled"),
        (nothing_raw, "raw.txt"),
        (only_known, "pool"),
        (folder_of_files, "J431"),
        (missing, "J001"),
        (another_format, "raw.txt"),
    ],
)
def test_a_file_that_is_no_good_is_one_line_and_nothing_is_written(spoil, expected, files):
    spoil(files)
    line = error_line(start(files))
    assert expected in line
    assert not files[2].exists() and not list(files[2].parent.glob(".*"))


@pytest.mark.parametrize(
    "code, args, judge",
    [
        ("J840", [], "gpt"),
        ("J433", [], "recorded"),
        ("J434", ["--replies", "labels"], "embedded"),
        ("J626", ["--lang", "qq"], "embedded"),
        ("J001", ["--dev", "nope.jsonl"], "embedded"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(code, args, judge, files):
    args = [files[0] if arg == "labels" else arg for arg in args]
    assert f"[{code}]" in error_line(start(files, *args, judge=judge))
    assert not files[2].exists()


def test_nothing_is_overwritten(files):
    files[2].mkdir()
    (files[2] / "notes.txt").write_text("mine")
    assert "[J430]" in error_line(start(files))
    assert [path.name for path in files[2].iterdir()] == ["notes.txt"]
    (files[2] / "notes.txt").unlink()
    assert start(files).exit_code == 0
    assert "[J430]" in error_line(start(files))
    shutil.rmtree(files[2])
    files[2].write_text("a file")
    assert "[J430]" in error_line(start(files))
    assert files[2].read_text() == "a file"


def test_a_disk_that_fills_up_leaves_nothing(files, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copyfile", refuse)
    result = start(files)
    assert result.exit_code == 1 and "No space left" in result.stderr
    assert not files[2].exists() and not list(files[2].parent.glob(".*"))


@pytest.mark.slow
def test_the_printed_command_runs(small_dataset, files):
    """With the recorded LLM and a student that trains in seconds: two files, no dev, no test."""
    labelled, _, folder = files
    rows = list(map(json.loads, (small_dataset / "labelled.jsonl").open(encoding="utf8")))
    replies = folder.with_name("replies.jsonl")
    known = (small_dataset / "responses.jsonl").read_text(encoding="utf8")
    replies.write_text("".join(map(reply_of, rows)) + known, encoding="utf8")
    printed = start(files, "--replies", replies, judge="recorded").stdout.splitlines()[-1]
    place, _, command = printed.partition(" && ")
    assert place == f"cd {folder}"
    short = (
        "--vars.config=configs/student_cpu.cfg --vars.encoder=none --vars.seed_steps=40"
        " --vars.steps=40 --vars.folds=2 --vars.q=0.4"
    )
    done = subprocess.run(
        [sys.executable, *f"{command} . {short}".split()[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    shown = " ".join(done.stdout.split())
    assert (
        "its numbers promise nothing" in shown and "An audit of the pool gives a promise" in shown
    )
    assert "There is no test set, so that nothing says how good the last student is" in shown
    assert "F1 on the labelled set (60 documents), cross-validated" in shown
    assert (folder / "training/loop/model-best/meta.json").exists()
    assert list(folder.glob("packages/*/dist/*.whl"))
    assert not (folder / "corpus/dev.spacy").exists()
    again = subprocess.run(
        [sys.executable, *f"{command} . {short}".split()[1:]], cwd=folder, capture_output=True
    )
    assert again.returncode == 0


def reply_of(row):
    """What a recorded LLM would say about a labelled row."""
    entities = [
        {"text": row["text"][s["start"] : s["end"]], "label": s["label"], "confidence": 95}
        for s in row["spans"]
    ]
    response = {"entities": entities, "alternatives": []}
    return json.dumps({"text": row["text"], "response": response}) + "\n"
