import sqlite3
import threading
import warnings

import pytest
from cli_helpers import error_line, run
from loopback import Answer, Loopback, chat

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.backup import back_up
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.ledger.store import LedgerStore
from spacy_llmjudge.models.openai import make_openai_model


def fill(store, n, start=0):
    for i in range(start, start + n):
        claim = store.reserve(f"key {i}", "model", 5, None)
        store.settle(claim.row, "replied", charge=3, reply=f"reply {i}")


def test_a_copy_of_a_live_ledger_has_all_replies(tmp_path):
    """A plain copy of the file has none of them: they stand in the log."""
    store = LedgerStore(tmp_path / "l.db")
    fill(store, 50)
    plain = tmp_path / "plain.db"
    plain.write_bytes((tmp_path / "l.db").read_bytes())
    assert b"reply 49" not in plain.read_bytes()
    assert back_up(tmp_path / "l.db", tmp_path / "copies" / "copy.db") == {"replied": 50}
    fill(store, 5, start=50)
    store.close()
    assert [path.name for path in (tmp_path / "copies").iterdir()] == ["copy.db"]
    copy = LedgerStore(tmp_path / "copies" / "copy.db")
    assert [copy.find(f"key {i}") for i in range(50)] == [f"reply {i}" for i in range(50)]
    assert copy.find("key 50") is None and copy.spent() == 150
    copy.close()


def test_a_copy_can_be_made_while_a_run_writes(tmp_path):
    store = LedgerStore(tmp_path / "l.db")
    done = threading.Event()
    writer = threading.Thread(target=lambda: (fill(store, 400), done.set()))
    writer.start()
    counts = []
    while not done.is_set():
        counts.append(back_up(tmp_path / "l.db", tmp_path / "copy.db").get("replied", 0))
    writer.join()
    assert counts == sorted(counts) and back_up(tmp_path / "l.db", tmp_path / "copy.db") == {
        "replied": 400
    }
    store.close()


def test_a_copy_serves_as_a_ledger(tmp_path):
    with Loopback(lambda request: Answer(chat(request.prompt))) as server:
        model = make_ledger_model(make_openai_model(server.url, "tiny"), tmp_path / "l.db")
        prompts = [[f"p{i}"] for i in range(20)]
        first = list(model(prompts))
        back_up(tmp_path / "l.db", tmp_path / "copy.db")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            copy = make_ledger_model(make_openai_model(server.url, "tiny"), tmp_path / "copy.db")
            assert list(copy(prompts)) == first and copy.salt == model.salt
    assert len(server.requests) == 20


def test_what_is_no_ledger_is_refused(tmp_path):
    with pytest.raises(LLMJudgeError, match="J001.*none.db"):
        back_up(tmp_path / "none.db", tmp_path / "copy.db")
    (tmp_path / "notes.txt").write_text("dear diary " * 1000)
    with pytest.raises(LLMJudgeError, match="J320.*notes.txt"):
        back_up(tmp_path / "notes.txt", tmp_path / "copy.db")
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE t (x)")
    other.close()
    with pytest.raises(LLMJudgeError, match="J320.*another program"):
        back_up(tmp_path / "other.db", tmp_path / "copy.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "other.db"]


def test_a_ledger_is_not_copied_onto_itself(tmp_path):
    LedgerStore(tmp_path / "l.db").close()
    (tmp_path / "link.db").symlink_to(tmp_path / "l.db")
    for name in ("l.db", "link.db"):
        with pytest.raises(LLMJudgeError, match="J339"):
            back_up(tmp_path / "l.db", tmp_path / name)


def test_the_verb(tmp_path):
    store = LedgerStore(tmp_path / "l.db")
    fill(store, 3)
    result = run("ledger", "backup", tmp_path / "l.db", tmp_path / "copy.db")
    assert result.exit_code == 0 and "3 replied" in " ".join(result.output.split())
    again = run("ledger", "backup", tmp_path / "l.db", tmp_path / "copy.db")
    assert "[J336]" in error_line(again)
    fill(store, 1, start=3)
    forced = run("ledger", "backup", tmp_path / "l.db", tmp_path / "copy.db", "--force")
    assert "4 replied" in " ".join(forced.output.split())
    store.close()
