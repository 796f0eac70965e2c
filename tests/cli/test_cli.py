"""The command line: user errors are one line and exit code 1, nothing is left half-written."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import error_line, run

from spacy_llmjudge.cli import app

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"


def test_every_verb_has_help():
    assert run("--help").exit_code == 0
    for command in app.registered_commands:
        result = run(command.name, "--help")
        assert result.exit_code == 0 and len(result.output) > 100, command.name


def test_prepare_and_check(small_dataset, tmp_path):
    result = run("prepare", small_dataset, tmp_path / "corpus", "--metrics", tmp_path / "m")
    assert result.exit_code == 0
    assert "pool.spacy: 90 documents" in " ".join(result.output.split())
    assert json.loads((tmp_path / "m" / "seconds.json").read_text())["prepare"] > 0
    assert run("check", tmp_path / "corpus").exit_code == 0


@pytest.mark.parametrize(
    "verb, args",
    [
        ("prepare", ["nope", "out"]),
        ("check", ["nope"]),
        ("train", ["nope.cfg", "out"]),
        ("calibrate", ["nope", "dev.spacy", "out.json"]),
        ("annotate", ["nope", "c.json", "corpus", "out"]),
        ("judge", ["nope", "out", str(CONFIGS / "judges" / "recorded.cfg")]),
        ("filter", ["nope", "gold.spacy", "out.spacy", str(CONFIGS / "filter.cfg")]),
        ("cuts", ["nope", "gold.spacy", "out.json"]),
        ("label", ["nope", "out.spacy"]),
        ("evaluate", ["nope.spacy", "seed=model", "--metrics", "out"]),
        ("summary", ["nope"]),
        ("package", ["nope", "out"]),
    ],
)
def test_a_missing_input_is_one_line(verb, args, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "nope" in error_line(run(verb, *args)) or verb in ("annotate",)
    assert not any(tmp_path.iterdir())


def test_a_broken_line_is_named(small_dataset, tmp_path):
    source = tmp_path / "data"
    source.mkdir()
    for name in ("labelled.jsonl", "dev.jsonl", "test.jsonl"):
        (source / name).write_bytes((small_dataset / name).read_bytes())
    (source / "pool.jsonl").write_text('{"text": "fine"}\n{"text": "cut o\n', encoding="utf8")
    line = error_line(run("prepare", source, tmp_path / "corpus"))
    assert "pool.jsonl" in line and "line 2" in line
    assert not list((tmp_path / "corpus").glob("*"))


def test_a_model_argument_without_a_name_is_one_line(tmp_path):
    line = error_line(run("evaluate", "test.spacy", "model", "--metrics", tmp_path))
    assert "[J809]" in line and "NAME=PIPELINE" in line


@pytest.mark.parametrize("models", [["a=m", "a=n"], ["../a=m"], ["a/b=m"], [".=m"], ["a b=m"]])
def test_names_of_models_are_words_and_stand_once(models, tmp_path):
    done = run("evaluate", "test.spacy", *models, "--metrics", tmp_path / "metrics")
    assert f"[J809] '{models[-1]}'" in error_line(done) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("cuts", ["a,b", "0.5,2"])
def test_cuts_that_are_no_cuts_are_one_line(cuts, tmp_path):
    args = ["unjudged", tmp_path, tmp_path, CONFIGS / "student_cpu.cfg", tmp_path / "out"]
    assert "[J810]" in error_line(run(*args, "--cuts", cuts))


def test_a_calibrator_that_does_not_exist_is_one_line(small_student, small_corpus, tmp_path):
    args = [small_student, small_corpus / "dev.spacy", tmp_path / "c.json"]
    result = run("calibrate", *args, "--calibrator", "guess")
    assert result.exit_code == 1 and "guess" in error_line(result)
    assert not (tmp_path / "c.json").exists()


def test_a_config_with_an_unknown_setting_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    args = ["judged", "gold.spacy", "silver.spacy", CONFIGS / "filter.cfg"]
    line = error_line(run("filter", *args, "--selector.wrong", "1"))
    assert "[J813]" in line and "wrong" in line
    assert not any(tmp_path.iterdir())


def test_a_language_that_spacy_lacks_is_one_line(small_dataset, tmp_path):
    assert "[J626]" in error_line(run("prepare", small_dataset, tmp_path / "out", "--lang", "qq"))
    assert not (tmp_path / "out").exists()


def test_init_writes_the_template(tmp_path):
    assert run("init", tmp_path / "mine").exit_code == 0
    for name in ("project.yml", "configs/student.cfg", "configs/judges/recorded.cfg"):
        assert (tmp_path / "mine" / name).read_bytes() == (ROOT / name).read_bytes()


def test_init_does_not_overwrite(tmp_path):
    (tmp_path / "project.yml").write_text("mine")
    assert "[J807]" in error_line(run("init", tmp_path))
    assert (tmp_path / "project.yml").read_text() == "mine"
    assert run("init", tmp_path, "--force").exit_code == 0


@pytest.mark.parametrize("is_there", [True, False])
def test_a_full_disk_leaves_no_half_template_and_the_same_command_works_then(
    tmp_path, limit_files, is_there
):
    folder = tmp_path / "mine"
    if is_there:
        folder.mkdir()
    limit_files(2000)
    line = error_line(run("init", folder))
    limit_files(None)
    assert "[J003]" in line and folder.exists() == is_there and not list(folder.glob("*"))
    assert run("init", folder).exit_code == 0


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_nothing(small_dataset, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    command = ["llmjudge", "prepare", str(small_dataset), str(tmp_path / "corpus")]
    done = subprocess.run(
        [sys.executable, "-m", "spacy", *command],
        preexec_fn=limit,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "[J003]" in done.stderr and "Traceback" not in done.stderr
    assert not [path for path in (tmp_path / "corpus").rglob("*") if path.is_file()]


def test_importing_the_package_imports_nothing():
    code = "import sys; import spacy_llmjudge; print('spacy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False"


def test_the_summary_says_what_is_known_without_a_test_set(tmp_path):
    from spacy_llmjudge.steps.evaluate import summarise_without_test
    from spacy_llmjudge.targets.ents import Ents

    scores = {"documents": 60, "p": 0.5, "r": 0.25, "f": 1 / 3, "f_low": 0.3, "f_high": 0.4}
    nothing = {"documents": 0, **dict.fromkeys(("p", "r", "f", "f_low", "f_high"))}
    held_out = {"crossfitted": True, "documents": 60, "student": scores, "judge": nothing}
    metrics = tmp_path / "round-1"
    metrics.mkdir()
    (metrics / "held_out.json").write_text(json.dumps(held_out))
    (tmp_path / "loop.json").write_text(json.dumps({"metrics": "round-1"}))
    summarise_without_test(metrics, Ents(), metrics)
    result = run("summary", tmp_path)
    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    assert "There is no test set" in shown and "Students on the test set" not in shown
    assert "F1 on the labelled set (60 documents), cross-validated" in shown
    assert "33.3 (30.0 to 40.0)" in shown and "own labels - (- to -)" in shown
