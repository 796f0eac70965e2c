"""The verbs of `textcat`: a whole run in a few seconds a student, and user errors as one line."""

import shlex
import sys
from pathlib import Path

import cli_helpers
import pytest
import spacy
from cli_helpers import error_line
from textcat_helpers import make_rows, write_rows

from spacy_llmjudge.cli.textcat import textcat_app
from spacy_llmjudge.storage import read_json

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / "configs"


def run(*args):
    return cli_helpers.run("textcat", *args)


def test_every_verb_has_help():
    for command in textcat_app.registered_commands:
        result = run(command.name, "--help")
        assert result.exit_code == 0 and len(result.output) > 100, command.name


@pytest.mark.parametrize(
    "args",
    [
        ["prepare", "nope", "out"],
        ["features", "nope", "encoder", "out"],
        ["judge", "nope", "out", "--from", "x.jsonl"],
        ["denoise", "nope", "judged", "features", "out"],
        ["train", CONFIGS / "textcat_cpu.cfg", "nope", "out"],
        ["evaluate", "nope", "judged", "denoised", "--metrics", "out"],
        ["package", "nope", "out"],
        ["summary", "nope"],
    ],
)
def test_a_missing_input_is_one_line(args, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "nope" in error_line(run(*args))
    assert not any(tmp_path.iterdir())


def test_a_function_that_is_not_registered_is_one_line(corpus, tmp_path):
    text = (CONFIGS / "judges" / "textcat.cfg").read_text()
    (tmp_path / "judge.cfg").write_text(text.replace("spacy.TextCat.v3", "spacy.TextCat.v99"))
    line = error_line(run("judge", corpus, tmp_path / "out", "--config", tmp_path / "judge.cfg"))
    assert "spacy.TextCat.v99" in line and "[J813]" in line


def test_labels_come_from_one_place(corpus, tmp_path):
    assert "[J920]" in error_line(run("judge", corpus, tmp_path / "j"))


def test_the_command_that_goes_on_can_be_copied(corpus, tmp_path, monkeypatch):
    report = {"pool": {"judged": 3, "not_sent: budget": 2}, "labels": {"PEST": 3}}
    monkeypatch.setattr("spacy_llmjudge.textcat.judge.judge_texts", lambda *args, **kwargs: report)
    arguments = ["llmjudge", "textcat", "judge", "my corpus", "out", "--from", "x.jsonl"]
    monkeypatch.setattr(sys, "argv", ["spacy", *arguments])
    result = run("judge", corpus, tmp_path / "j", "--from", "x.jsonl")
    assert result.exit_code == 1 and "2 documents were not asked about" in result.output
    assert shlex.split(result.stderr.splitlines()[-1]) == ["python", "-m", "spacy", *arguments]


def test_a_broken_line_leaves_nothing(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", make_rows(6, 3))
    path.write_text(path.read_text() + "{cut\n", encoding="utf8")
    assert "line 10" in error_line(run("prepare", path, tmp_path / "c"))
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("kind", ["exclusive", "multilabel"])
def test_a_student_is_trained_measured_and_packaged(kind, corpus, multilabel_corpus, tmp_path):
    corpus = corpus if kind == "exclusive" else multilabel_corpus
    judged, features = corpus / "judged", corpus / "features"
    assert (
        run("denoise", corpus, judged, features, tmp_path / "d", "--allow-missing").exit_code == 0
    )
    labels = tmp_path / "d/stacking/pool.spacy"
    model = tmp_path / "t/model-best"
    args = ["train", CONFIGS / "textcat_cpu.cfg", corpus, tmp_path / "t", "--labels", labels]
    done = run(*args, "--training.max_steps", 40)
    assert done.exit_code == 0, done.output
    assert "trained before" in run(*args, "--training.max_steps", 40).output
    nlp = spacy.load(model)
    factory = nlp.get_pipe_meta("textcat").factory
    assert factory == ("textcat" if kind == "exclusive" else "textcat_multilabel")
    cats = nlp("note 1: about aphids").cats
    assert set(cats) == {"FEED", "PEST", "WATER"}
    metrics = tmp_path / "m"
    done = run(
        "evaluate", corpus, judged, tmp_path / "d", f"stacking={model}", "--metrics", metrics
    )
    assert done.exit_code == 0, done.output
    summary = read_json(metrics / "summary.json")
    assert "stacking" in summary["comparisons"]["stacking (spaCy)"]
    assert summary["rows"]["stacking (spaCy)"]["test"]["accuracy"]["value"] > 0.5
    assert "LLM alone" in run("summary", metrics).output
    if kind == "exclusive":
        done = run("package", model, tmp_path / "p", "--metrics", metrics)
        assert done.exit_code == 0, done.output
        meta = read_json(next(tmp_path.glob("p/*/meta.json")))
        assert meta["performance"]["cats_acc"] > 0.5
