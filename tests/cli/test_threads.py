"""What OMP_WAIT_POLICY is when torch is about to be loaded, in the processes that a user starts."""

import os
import subprocess
import sys

import pytest

# Python runs this before anything else; every process writes down what it finds.
WATCH = """
import os, sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            with open(os.environ["WATCHED"], "a") as file_:
                file_.write(os.environ.get("OMP_WAIT_POLICY", "unset") + "\\n")

sys.meta_path.insert(0, Watch())
"""


@pytest.fixture
def watched(tmp_path):
    """A function that runs Python with settings of the environment: its result, and for each process the
    policy that torch was loaded with."""

    def run(*args, **settings):
        (tmp_path / "sitecustomize.py").write_text(WATCH)
        (tmp_path / "watched").write_text("")
        env = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
        env |= {"WATCHED": str(tmp_path / "watched"), "PYTHONPATH": str(tmp_path)}
        env |= {"OMP_NUM_THREADS": "2", **settings}
        command = [sys.executable, *args]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        return done, (tmp_path / "watched").read_text().split()

    return run


@pytest.mark.slow
def test_a_verb_that_trains_starts_again_with_threads_that_sleep(watched):
    done, policies = watched("-m", "spacy", "llmjudge", "train", "nope.cfg", "out")
    assert policies == ["unset", "PASSIVE"]
    assert done.returncode == 1 and done.stderr.count("[J001]") == 1 and "nope.cfg" in done.stderr


@pytest.mark.slow
def test_the_environment_overrides_it(watched):
    command = ("-m", "spacy", "llmjudge", "train", "nope.cfg", "out")
    assert watched(*command, OMP_WAIT_POLICY="ACTIVE")[1] == ["ACTIVE"]


@pytest.mark.slow
def test_one_thread_waits_for_nobody(watched):
    command = ("-m", "spacy", "llmjudge", "train", "nope.cfg", "out")
    assert watched(*command, OMP_NUM_THREADS="1")[1] == ["unset"]


@pytest.mark.slow
def test_the_steps_of_a_project_have_it_from_the_start(watched, tmp_path):
    (tmp_path / "project.yml").write_text(
        "commands:\n  - name: step\n    script: ['python -m spacy llmjudge train nope.cfg out']\n"
    )
    done, policies = watched("-m", "spacy", "project", "run", "step")
    assert policies == ["unset", "PASSIVE"]
    assert "[J001]" in done.stderr


def test_the_library_sets_it_before_torch(watched):
    assert watched("-c", "import spacy_llmjudge, torch")[1] == ["PASSIVE"]


def test_the_library_leaves_the_environment_alone_where_it_comes_too_late(watched):
    done, _ = watched(
        "-c", "import torch, os, spacy_llmjudge; print('OMP_WAIT_POLICY' in os.environ)"
    )
    assert done.stdout.split() == ["False"]
