"""The variables of the project: a wrong one fails in the first command of each workflow."""

import re
import shutil
from pathlib import Path

import pytest
import srsly
from mistakes import error_lines, run_spacy
from weasel.util import load_project_config, split_command

ROOT = Path(__file__).parents[2]
TEMPLATE = srsly.read_yaml(ROOT / "project.yml")
# each is the next command's own business, or that of the workflow that sets it
NOT_PASSED = {"encoder", "pipe_name", "topics_q", "topics_steps"}
WRONG = {
    "name": ["my-ner", "my ner", "it's", "1", "ner_", "", "../x", "a\\b"],
    "version": ["one", "", "1 2", "v1.x"],
    "dataset": ["nope", "my data", "it's", "", "garden/nope.jsonl"],
    **dict.fromkeys(["corpus", "training", "metrics", "reports"], ["my folder", "it's", ""]),
    **dict.fromkeys(["judge", "filter"], ["nope", "my judge", "it's", "", "recorded.cfg"]),
    "config": ["configs/nope.cfg", "configs", "project.yml", "my.cfg x", ""],
    "seed_model": ["no/model", "no_package", "my model"],
    "audit": ["nope.jsonl", "my audit.jsonl"],
    "target": ["nope", "ner", "Ents"],
    "lang": ["nope", "EN", "e n"],
    "calibrator": ["nope", ""],
    "cuts": ["nope", "0,1", ".5, .6", ".5;.6"],
    "q": ["0", "1", "-1", "2", "nan", "x", "", "true"],
    "stop_share": ["1", "-.1", "x"],
    "evidence_trains": ["2", "-1", "yes"],
    "folds": ["1", "1000000", "x"],
    "gpu_id": ["-2", "x", "99"],
    "on": ["nope", "Ray", "true", ""],
    "seed": ["-1", "x", "99999999999", "0.5"],
    **dict.fromkeys(["seed_steps", "steps", "batch", "rounds"], ["0", "-1", "x", "1.5", "", "inf"]),
    **dict.fromkeys(
        ["shots", "holdout", "budget_calls", "teacher_steps", "go_on"], ["-1", "x", "1.5", ""]
    ),
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose settings are right."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    shutil.copyfile(ROOT / "project.yml", tmp_path / "project.yml")
    (tmp_path / "assets" / "garden").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def first_script(declared, workflow="selftrain"):
    first = declared["workflows"][workflow][0]
    (script,) = next(one["script"] for one in declared["commands"] if one["name"] == first)
    return script


def run_script(script):
    """Run a command of a project in this process."""
    words = split_command(script)
    assert words[:4] == ["python", "-m", "spacy", "llmjudge"]
    return run_spacy(words[4:])


def run_first_command(**variables):
    """Run the first command of the main job with these variables in place of the template's."""
    given = {**TEMPLATE["vars"], **variables}
    script = re.sub(
        r"\$\{vars\.(\w+)\}", lambda found: str(given[found[1]]), first_script(TEMPLATE)
    )
    return run_script(script)


@pytest.mark.parametrize("workflow", ["selftrain", "loop", "compare"])
def test_the_settings_of_the_template_are_right(project, workflow):
    ending = run_script(first_script(load_project_config(project), workflow))
    assert ending.code == 0 and not error_lines(ending), ending


def test_a_wrong_name_reaches_the_first_command_as_it_is_typed(project):
    config = load_project_config(project, overrides={"vars.name": "it's my ner"})
    ending = run_script(first_script(config))
    assert ending.code == 1 and "it's my ner" in error_lines(ending)[0]


def test_every_variable_is_passed_and_has_wrong_values_here():
    assert set(TEMPLATE["vars"]) == set(WRONG) | NOT_PASSED
    for name in WRONG:
        assert f'"--vars.{name}=${{vars.{name}}}"' in first_script(TEMPLATE)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_variable_fails_before_anything_is_done(project, name):
    before = sorted(project.rglob("*"))
    for value in WRONG[name]:
        ending = run_first_command(**{name: value})
        assert ending.raised is None and ending.code == 1, (value, ending)
        assert len(error_lines(ending)) == 1, (value, ending)
    assert sorted(project.rglob("*")) == before


def test_a_key_that_the_judge_needs_is_named(project, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    ending = run_first_command(judge="openai")
    assert ending.code == 0 and "OPENAI_API_KEY" in ending.output
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    assert "OPENAI_API_KEY" not in run_first_command(judge="openai").output


def test_a_judge_that_is_asked_in_batches_needs_no_cluster(project):
    pytest.importorskip("ray")
    assert run_first_command(judge="openai_batch").code == 0
    ending = run_first_command(judge="openai_batch", on="ray")
    assert ending.code == 1 and "[J1000]" in error_lines(ending)[0]
