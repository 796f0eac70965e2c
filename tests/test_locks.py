"""A lock on an output: one run at a time, free again when its process is gone."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from spacy_llmjudge import locks
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.locks import alone
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.training.student import train_student

HOLD = """
import sys, time
from pathlib import Path
from spacy_llmjudge.locks import alone
with alone(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold():
    """A function that lets another process hold an output; they are all killed at the end."""
    processes = []

    def start(output):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(output)], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "locked\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def prepare_corpus(output, dataset, corpus):
    prepare(dataset, output)


def train(output, dataset, corpus):
    paths = {f"paths.{key}": str(corpus / f"{key}.spacy") for key in ("dev",)}
    train_student("configs/student_cpu.cfg", output, overrides=paths)


def annotate_or_judge(output, dataset, corpus):
    process_shards([], output, list, fingerprint={})


@pytest.mark.parametrize(
    "write, locked",
    [(prepare_corpus, "out/prepare.json"), (train, "out"), (annotate_or_judge, "out")],
)
def test_the_second_of_two_runs_ends_with_one_line(
    write, locked, hold, small_dataset, small_corpus, tmp_path, monkeypatch
):
    monkeypatch.chdir(os.path.dirname(os.path.dirname(__file__)))
    process = hold(tmp_path / locked)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LLMJudgeError, match=rf"\[J113\].*process {process.pid} on") as caught:
        write(tmp_path / "out", small_dataset, small_corpus)
    assert "\n" not in str(caught.value) and sorted(tmp_path.rglob("*")) == before


def test_the_lock_of_a_killed_process_is_free(hold, tmp_path):
    process = hold(tmp_path / "out")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / ".out.lock").exists()
    with alone(tmp_path / "out"):
        pass
    assert not list(tmp_path.iterdir())


def test_another_thread_is_another_run(tmp_path):
    found = []

    def enter():
        try:
            with alone(tmp_path / "out"):
                found.append("entered")
        except LLMJudgeError as error:
            found.append(error.code)

    with alone(tmp_path / "out"), alone(tmp_path / "out"):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    enter()
    assert found == ["J113", "entered"]


def test_two_names_of_one_folder_are_one(hold, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    hold(tmp_path / "out")
    with pytest.raises(LLMJudgeError, match=r"\[J113\]"), alone(tmp_path / "link"):
        pass


def test_many_processes_never_write_at_once(tmp_path):
    code = """
import os, sys, time
from pathlib import Path
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.locks import alone
folder, entered = Path(sys.argv[1]), 0
deadline = time.monotonic() + 2
while time.monotonic() < deadline:
    try:
        with alone(folder / "out"):
            (folder / "inside").touch(exist_ok=False)
            time.sleep(0.001)
            (folder / "inside").unlink()
            entered += 1
    except LLMJudgeError:
        time.sleep(0.0005)
print(entered)
"""
    started = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    printed = [process.communicate()[0] for process in started]
    assert all(process.returncode == 0 for process in started)
    assert sum(map(int, printed)) > 3


def refuse(*args):
    raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("owner, is_free", [("alive", False), ("dead", True), ("elsewhere", True)])
def test_without_locks_the_process_that_is_named_counts(tmp_path, monkeypatch, owner, is_free):
    monkeypatch.setattr(fcntl, "flock", refuse)
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    pid = done.pid if owner == "dead" else os.getppid()
    host = "other-machine" if owner == "elsewhere" else socket.gethostname()
    (tmp_path / ".out.lock").write_text(f"process {pid} on {host}")
    if is_free:
        with alone(tmp_path / "out"):
            assert f"process {os.getpid()} on" in (tmp_path / ".out.lock").read_text()
    else:
        with pytest.raises(LLMJudgeError, match=r"\[J113\]"), alone(tmp_path / "out"):
            pass


def test_where_nothing_can_be_written_nothing_is_locked(tmp_path, monkeypatch):
    monkeypatch.setattr(locks.os, "open", refuse)
    with alone(tmp_path / "out"):
        pass
    assert not list(tmp_path.iterdir())


def test_folders_that_were_made_for_a_lock_go(tmp_path):
    with pytest.raises(RuntimeError), alone(tmp_path / "a" / "b" / "out"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())
