import subprocess
import sys

from spacy_llmjudge.models.ledger_presence import announce, is_alive, presence_path, remove_dead

CODE = """
import sys
from pathlib import Path
from spacy_llmjudge.models.ledger_presence import announce, presence_path
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


def test_only_files_of_this_ledger_are_removed(tmp_path):
    announce(presence_path(tmp_path / "other.db", "run")).close()
    (tmp_path / "l.db").write_text("x")
    remove_dead(tmp_path / "l.db")
    assert sorted(file_.name for file_ in tmp_path.iterdir()) == [".other.db.run.alive", "l.db"]
