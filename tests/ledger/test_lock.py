import errno
import subprocess
import sys
import threading

import pytest

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.lock import (
    announce,
    is_alive,
    open_alone,
    presence_path,
    remove_dead,
)

CODE = """
import sys
from pathlib import Path
from spacy_llmjudge.ledger.lock import announce, presence_path
held = announce(presence_path(Path(sys.argv[1]), "other"))
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_run_is_alive_until_it_lets_go(tmp_path):
    path = presence_path(tmp_path / "l.db", "run")
    assert not is_alive(path)
    held = announce(path)
    assert is_alive(path)
    held.close()
    assert not is_alive(path)


@pytest.mark.slow
def test_a_killed_process_is_dead(tmp_path):
    ledger = tmp_path / "l[1].db"
    command = [sys.executable, "-c", CODE, str(ledger)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "locked\n"
    path = presence_path(ledger, "other")
    assert is_alive(path)
    remove_dead(ledger)
    assert path.exists()
    other.kill()
    other.communicate()
    assert not is_alive(path)
    remove_dead(ledger)
    assert not path.exists()


OPENS = """
import sys, time
from pathlib import Path
from spacy_llmjudge.ledger.lock import open_alone
with open_alone(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
def test_one_process_opens_at_a_time_and_a_killed_one_holds_up_nobody(tmp_path, monkeypatch):
    ledger = tmp_path / "l.db"
    command = [sys.executable, "-c", OPENS, str(ledger)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "in\n"
    monkeypatch.setattr("spacy_llmjudge.ledger.lock.PATIENCE", 0.1)
    with pytest.raises(LLMJudgeError, match="J326.*l.db.*another process"):
        with open_alone(ledger):
            pass
    other.kill()
    other.communicate()
    with open_alone(ledger):
        pass
    assert list(tmp_path.iterdir()) == []


def test_threads_open_one_at_a_time(tmp_path):
    inside, most = [], []

    def enter():
        for _ in range(20):
            with open_alone(tmp_path / "l.db"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(most) == 80 and set(most) == {1}


def test_a_file_system_without_locks_is_left_to_sqlite(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("spacy_llmjudge.ledger.lock.fcntl.flock", refuse)
    with open_alone(tmp_path / "l.db"):
        pass


def test_without_locks_on_folders_a_file_is_the_lock(tmp_path, monkeypatch):
    """As on Windows."""
    monkeypatch.setattr("spacy_llmjudge.ledger.lock.fcntl", None)
    with open_alone(tmp_path / "l.db"):
        assert is_alive(tmp_path / ".l.db.opening")
    assert list(tmp_path.iterdir()) == []


def test_only_files_of_this_ledger_are_removed(tmp_path):
    announce(presence_path(tmp_path / "other.db", "run")).close()
    (tmp_path / "l.db").write_text("x")
    remove_dead(tmp_path / "l.db")
    assert sorted(file_.name for file_ in tmp_path.iterdir()) == [".other.db.run.alive", "l.db"]
