"""`--code`, and options that nobody knows."""

import pytest
import spacy
import typer
from cli_helpers import error_line, run
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, get_status, set_candidates
from spacy_llmjudge.cli import app
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.storage import read_docs

CODE = """
import json
from spacy_llm.registry import registry

@registry.llm_models("garden.Gnome.v1")
def make_gnome(broken: bool = False):
    def model(prompts):
        for group in prompts:
            if broken:
                raise RuntimeError("the gnome is asleep")
            yield [json.dumps({"entities": [], "alternatives": []}) for _ in group]
    return model
"""
CONFIG = """
[paths]
ledger = null

[nlp]
lang = "en"
pipeline = ["llm_judge"]

[components]

[components.llm_judge]
factory = "llm_judge"

[components.llm_judge.task]
@llm_tasks = "llmjudge.Annotate.v1"
labels = ["PLANT"]

[components.llm_judge.model]
@llm_models = "llmjudge.Ledger.v1"
path = ${paths.ledger}

[components.llm_judge.model.model]
@llm_models = "garden.Gnome.v1"
broken = false
"""
BROKEN = "--components.llm_judge.model.model.broken"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gnome.py").write_text(CODE)
    (tmp_path / "judge.cfg").write_text(CONFIG)
    nlp = spacy.blank("en")
    doc = nlp.make_doc("the roses of garden 7")
    set_candidates(doc, [Candidate(1, 2, "PLANT", 0.6)])
    target = tmp_path / "annotated" / "pool"
    process_shards([doc], target, list, fingerprint={}, shard_size=10)
    return tmp_path


def judge(folder, *args):
    settings = ["--only", "pool", "--paths.ledger", folder / "ledger.db"]
    return run(
        "judge", folder / "annotated", folder / "judged", folder / "judge.cfg", *settings, *args
    )


def commands(group):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command)
        else:
            yield name, command


def test_every_verb_that_loads_a_config_takes_code():
    found = dict(commands(typer.main.get_command(app)))
    configured = {
        n: c for n, c in found.items() if c.context_settings.get("ignore_unknown_options")
    }
    assert {"judge", "plan", "rules", "loop", "crossfit", "train", "filter"} <= set(configured)
    for name, command in configured.items():
        assert "--code" in [option for p in command.params for option in p.opts], name


def test_a_model_of_ones_own_judges(folder):
    assert "[J813]" in error_line(judge(folder))
    result = judge(folder, "--code", folder / "gnome.py")
    assert result.exit_code == 0, result.output
    (doc,) = read_docs(folder / "judged" / "pool", Vocab())
    assert get_status(doc)["state"] == "judged"
    assert (
        run(
            "plan",
            folder / "annotated",
            folder / "judge.cfg",
            "--code",
            folder / "gnome.py",
            "--paths.ledger",
            folder / "ledger.db",
        ).exit_code
        == 0
    )


def test_what_a_foreign_model_raises_is_shown(folder):
    result = judge(folder, "--code", folder / "gnome.py", BROKEN, "true")
    assert result.exit_code == 1, "its documents are asked about again"
    shown = " ".join(result.output.split())
    assert "[JW315]" in shown and "RuntimeError: the gnome is asleep" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("option", ["--nonsense", "--at-mots=3", "--x"])
def test_an_option_that_nobody_knows_is_one_line(folder, option):
    line = error_line(judge(folder, "--code", folder / "gnome.py", option))
    assert "[J334]" in line and option.partition("=")[0] in line


def test_a_setting_that_the_model_does_not_know_is_one_line(folder):
    setting = "--components.llm_judge.model.model.sleepy"
    line = error_line(judge(folder, "--code", folder / "gnome.py", setting, "true"))
    assert "[J813]" in line and "sleepy" in line


def test_code_that_fails_is_one_line(folder):
    (folder / "bad.py").write_text("1 / 0")
    assert "[J332]" in error_line(judge(folder, "--code", folder / "bad.py"))
    assert "[J001]" in error_line(judge(folder, "--code", folder / "none.py"))
