import os
import subprocess
import sys
import threading
from pathlib import Path

import catalogue
import pytest
import spacy
from spacy import registry
from spacy.tokens import Doc
from thinc.api import Config

from spacy_llmjudge.registries import answering, make_pipeline, only_factories


@pytest.fixture
def asked():
    registry = catalogue.create("llmjudge_tests", "things", entry_points=True)
    registry.register("known", func=1)
    return registry


def test_a_registry_answers_with_what_it_was_given_until_the_block_ends(asked):
    with pytest.raises(KeyError):
        with answering(asked, {"other": 2}):
            assert asked.get_all() == {"other": 2}
            raise KeyError
    assert asked.get_all() == {"known": 1}


def test_other_threads_get_the_usual_answer(asked):
    found = []
    with answering(asked, {"other": 2}):
        thread = threading.Thread(target=lambda: found.append(asked.get_all()))
        thread.start()
        thread.join()
    assert found == [{"known": 1}]


def test_what_asks_may_change_the_answer_it_got(asked):
    with answering(asked, {"other": 2}):
        asked.get_all().clear()
        assert asked.get_all() == {"other": 2}


def test_a_pipeline_is_made_with_the_factories_that_are_named_and_no_others():
    with only_factories("calibrated_confidence", "sentencizer"):
        assert set(registry._entry_point_factories.get_all()) == {"calibrated_confidence"}
        nlp = spacy.blank("en")
        nlp.add_pipe("sentencizer")
        nlp.add_pipe("calibrated_confidence")
    assert {"transformer", "llm", "llm_judge"} <= set(registry._entry_point_factories.get_all())


def test_the_pipeline_of_a_config_has_its_components(tmp_path):
    trained = spacy.blank("en")
    trained.add_pipe("sentencizer")
    trained.to_disk(tmp_path / "trained")
    config = {
        "nlp": {"lang": "en", "pipeline": ["own", "taken"]},
        "components": {
            "own": {"factory": "sentencizer"},
            "taken": {"source": str(tmp_path / "trained"), "component": "sentencizer"},
        },
    }
    assert make_pipeline(Config(config)).pipe_names == ["own", "taken"]
    config["nlp"]["pipeline"].remove("taken")
    del config["components"]["taken"]
    nlp = make_pipeline(Config(config))
    assert nlp.pipe_names == ["own"] and isinstance(nlp("a word"), Doc)


PACKAGE = """
import spacy
from spacy.language import Language

@Language.component("package_a")
def one(doc):
    return doc

@Language.component("package_b")
def two(doc):
    return doc

@spacy.registry.scorers("package.Scorer.v1")
def make():
    return lambda examples: {}
"""
LOAD = """
import sys
from spacy_llmjudge.training.student import load_student
load_student(sys.argv[1])
"""


@pytest.mark.slow
@pytest.mark.parametrize("change", ["factory", "function"])
def test_what_a_package_registers_beside_its_entry_points_is_found(change, tmp_path):
    """As `spacy.load` finds it, in a process that has not imported the package."""
    (tmp_path / "package.py").write_text(PACKAGE)
    about = tmp_path / "package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[spacy_factories]\npackage_a = package:one\n")
    student = spacy.blank("en")
    student.add_pipe("sentencizer", name="b")
    student.to_disk(tmp_path / "student")
    made = {
        "factory": {"factory": "package_b"},
        "function": {"factory": "sentencizer", "scorer": {"@scorers": "package.Scorer.v1"}},
    }
    config = Config(student.config)
    config["components"] = {"b": made[change]}
    config.to_disk(tmp_path / "student" / "config.cfg")
    command = [sys.executable, "-c", LOAD, tmp_path / "student"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


WITHOUT = """
import sys
from pathlib import Path
from spacy_llmjudge.confidence.pipeline import add_confidence
from spacy_llmjudge.training.run import train
from spacy_llmjudge.training.student import load_student
student, config, corpus, output = sys.argv[1:]
paths = {"paths.gold": f"{corpus}/labelled.spacy", "paths.dev": f"{corpus}/dev.spacy"}
train(Path(config), Path(output), -1, {**paths, "training.max_steps": 1})
nlp = load_student(student)
add_confidence(nlp, "ner")
print(nlp("Slugs ate my hostas").spans["llmjudge"].attrs.keys())
print([name for name in ("spacy_transformers", "transformers", "spacy_llm") if name in sys.modules])
"""


@pytest.mark.slow
def test_a_student_without_a_transformer_is_made_and_used_without_transformers(
    small_student, small_corpus, tmp_path
):
    """They take as long to import as spaCy itself."""
    config = Path(__file__).parents[1] / "configs" / "student_cpu.cfg"
    command = [sys.executable, "-c", WITHOUT, small_student, config, small_corpus, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
