import gc
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger import file as ledger_file
from spacy_llmjudge.ledger import store as ledger_store
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.ledger.rescue import is_cut
from spacy_llmjudge.ledger.store import LedgerStore
from spacy_llmjudge.models.openai import make_openai_model


def fill(store, n, reply="reply"):
    for i in range(n):
        claim = store.reserve(f"key {i}", "model", 5, None)
        store.settle(claim.row, "replied", charge=3, reply=f"{reply} {i}")


class EndsNow:
    """A store whose writer ends in another thread just when it is looked at."""

    path = None

    @property
    def _ending(self):
        ledger_store._open.discard(self)
        return False


def test_a_ledger_is_opened_while_others_end(tmp_path):
    ledger_store._open.update(EndsNow() for _ in range(3))
    LedgerStore(tmp_path / "l.db").close()


def test_a_row_goes_from_reserved_to_replied(tmp_path):
    store = LedgerStore(tmp_path / "deep" / "l.db")
    claim = store.reserve("k", "m", 7, None)
    assert (claim.state, claim.spent, store.open_rows) == ("reserved", 7, 1)
    assert store.find("k") is None
    store.settle(claim.row, "replied", charge=4, reply="r")
    assert (store.find("k"), store.spent(), store.open_rows) == ("r", 4, 0)
    assert store.reserve("k", "m", 7, None).state == "stored"
    assert store.open_rows == 0


def test_what_is_under_way_is_taken(tmp_path):
    store, other = LedgerStore(tmp_path / "l.db"), LedgerStore(tmp_path / "l.db")
    claim = store.reserve("k", "m", 1, None)
    assert store.reserve("k", "m", 1, None).state == "taken"
    assert other.reserve("k", "m", 1, None).state == "taken"
    store.settle(claim.row, "failed", charge=0, reason="reset")
    assert other.reserve("k", "m", 1, None).state == "reserved"


def test_what_does_not_fit_the_budget_says_what_is_under_way(tmp_path):
    store = LedgerStore(tmp_path / "l.db")
    first = store.reserve("a", "m", 6, 10)
    found = store.reserve("b", "m", 6, 10)
    assert (found.state, found.spent, found.n_open) == ("budget", 6, 1)
    store.settle(first.row, "replied", charge=5, reply="r")
    # as it was then, whatever came home meanwhile
    assert found.n_open == 1 and store.reserve("b", "m", 6, 10).n_open == 0


def test_a_closed_store_leaves_its_reservations_to_the_next(tmp_path):
    store = LedgerStore(tmp_path / "l.db")
    store.reserve("k", "m", 9, None)
    store.close()
    store = LedgerStore(tmp_path / "l.db")
    assert (store.lost, store.spent()) == (1, 9)
    assert store.reserve("k", "m", 9, None).state == "reserved"
    assert store.spent() == 18


def test_nothing_but_the_file_is_left(tmp_path):
    store = LedgerStore(tmp_path / "l.db")
    fill(store, 3)
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["l.db"]


def test_a_released_reservation_costs_nothing(tmp_path):
    store = LedgerStore(tmp_path / "l.db")
    claim = store.reserve("k", "m", 9, None)
    store.release(claim.row)
    assert (store.open_rows, store.count()) == (0, {})


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    budget=st.integers(0, 100),
    steps=st.lists(
        st.tuples(st.integers(0, 30), st.none() | st.integers(0, 30), st.booleans()), max_size=12
    ),
)
def test_charges_never_pass_the_budget(tmp_path_factory, budget, steps):
    store = LedgerStore(tmp_path_factory.mktemp("l") / "l.db")
    expected, open_claims = 0, []
    for i, (charge, actual, settle) in enumerate(steps):
        claim = store.reserve(f"k{i}", "m", charge, budget)
        assert (claim.state == "reserved") == (expected + charge <= budget)
        if claim.state == "reserved":
            expected += charge
            open_claims.append((claim.row, charge))
        if settle and open_claims:
            row, reserved = open_claims.pop()
            actual = None if actual is None else min(actual, reserved)
            store.settle(row, "replied", charge=actual, reply="r")
            expected += 0 if actual is None else actual - reserved
        assert store.spent() == expected <= budget
    store.close()


@pytest.mark.parametrize("cut", [0, 5000])
def test_another_sqlite_file_is_refused_and_untouched(tmp_path, cut):
    path = tmp_path / "other.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE t (x)")
    db.execute("INSERT INTO t VALUES (?)", ("x" * 20_000,))
    db.commit()
    db.close()
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - cut])
    with pytest.raises(LLMJudgeError, match="J320.*other.db.*another program"):
        LedgerStore(path)
    assert [file_.name for file_ in tmp_path.iterdir()] == ["other.db"]
    assert path.read_bytes() == data[: len(data) - cut]


def test_a_numbered_sqlite_file_of_another_program_is_refused_and_untouched(tmp_path):
    path = tmp_path / "places.sqlite"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE bookmarks (x)")
    db.execute("PRAGMA user_version = 75")
    db.commit()
    db.close()
    data = path.read_bytes()
    with pytest.raises(LLMJudgeError, match="J320.*another program"):
        LedgerStore(path)
    assert path.read_bytes() == data


def test_another_file_is_refused_and_untouched(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary " * 500)
    with pytest.raises(LLMJudgeError, match="J320.*notes.txt"):
        LedgerStore(path)
    assert path.read_text() == "dear diary " * 500


def test_a_value_that_fits_no_row_costs_no_other_its_row(tmp_path):
    store = LedgerStore(tmp_path / "l.db")
    rows = [store.reserve(f"k{i}", "m", 1, None).row for i in range(3)]
    gate = threading.Event()
    errors = []

    def settle(i, charge):
        try:
            store.settle(rows[i], "replied", charge=charge, reply=f"r{i}")
        except LLMJudgeError as error:
            errors.append((i, str(error)))

    # The writer is kept busy, so that all of them are one transaction.
    waiting = threading.Thread(target=lambda: store._writer.commit(lambda db: gate.wait(5)))
    threads = [threading.Thread(target=settle, args=(i, 10**30 if i == 1 else 1)) for i in range(3)]
    for thread in (waiting, *threads):
        thread.start()
    time.sleep(0.1)
    gate.set()
    for thread in (waiting, *threads):
        thread.join(5)
    assert [store.find(f"k{i}") for i in range(3)] == ["r0", None, "r2"]
    assert [(i, text[:6]) for i, text in errors] == [(1, "[J322]")]
    store.close()


def start_writers(store, most):
    """Four threads that write so often, or until they are refused; RETURNS: They, and what they were told."""
    ended = []

    def write():
        try:
            for i in range(most):
                store.add_model(f"{i}", "{}")
            ended.append("")
        except LLMJudgeError as error:
            ended.append(str(error))

    threads = [threading.Thread(target=write, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    return threads, ended


def test_nobody_waits_for_a_store_that_is_closing(tmp_path):
    """Whoever writes at that moment is told; behind the end of the queue it would wait for ever."""
    for n in range(20):
        store = LedgerStore(tmp_path / f"{n}.db")
        threads, ended = start_writers(store, 10**9)
        store.close()
        for thread in threads:
            thread.join(5)
        assert len(ended) == 4 and all("it was closed" in text for text in ended)


def left_to_the_collector(path):
    """A model that has its ledger open and waits for a garbage collection."""
    model = make_ledger_model(make_openai_model("http://127.0.0.1:9/v1", "tiny"), path)
    assert model.salt
    model.itself = model
    return model._store


def test_a_collection_while_a_ledger_is_opened_waits_for_nothing(tmp_path, monkeypatch):
    """The older model's last commit would wait for the lock of whoever collects, and the collector for it."""
    path = tmp_path / "l.db"
    gc.disable()
    older = left_to_the_collector(path)
    monkeypatch.setattr("spacy_llmjudge.ledger.store.remove_dead", lambda _: gc.collect())
    start = time.monotonic()
    try:
        newer = LedgerStore(path)
    finally:
        gc.enable()
    assert time.monotonic() - start < 5
    assert newer.reserve("k", "m", 1, None).state == "reserved"
    older._writer._thread.join(5)
    assert len(list(tmp_path.glob("*.alive"))) == 1
    newer.close()
    assert [file_.name for file_ in tmp_path.iterdir()] == ["l.db"]


@pytest.mark.parametrize("lock", ["of the store", "of the writer", "of the process"])
def test_a_collection_may_come_while_a_lock_is_held(tmp_path, lock):
    gc.disable()
    store = left_to_the_collector(tmp_path / "l.db")
    locks = (store._lock, store._writer._gate, ledger_file._lock)
    held = locks[["of the store", "of the writer", "of the process"].index(lock)]

    def collect():
        with held:
            gc.collect()

    thread = threading.Thread(target=collect, daemon=True)
    try:
        thread.start()
        thread.join(5)
    finally:
        gc.enable()
    assert not thread.is_alive()
    LedgerStore(tmp_path / "l.db").close()
    assert [file_.name for file_ in tmp_path.iterdir()] == ["l.db"]


def test_a_job_behind_the_end_is_done_or_refused(tmp_path):
    """Nobody may wait for a thread that has ended, whoever ended it."""
    for n in range(20):
        store = LedgerStore(tmp_path / f"{n}.db")
        threads, ended = start_writers(store, 200)
        store.close_soon()
        for thread in threads:
            thread.join(5)
        assert len(ended) == 4 and all("it was closed" in text for text in ended if text)


def locked_by_this_process(path):
    """Whether another process could take the file for itself alone, as the last one to close it does."""
    code = (
        "import fcntl, sys; file_ = open(sys.argv[1], 'r+b')\n"
        "try: fcntl.lockf(file_, fcntl.LOCK_EX | fcntl.LOCK_NB, 512, 0x40000000)\n"
        "except OSError: sys.exit(3)"
    )
    return subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 3


def test_a_second_store_of_a_process_takes_no_lock_from_the_first(tmp_path):
    """To open and close the file by itself would: another process could then remove the log."""
    path = tmp_path / "l.db"
    LedgerStore(path).close()
    first = LedgerStore(path)
    assert not (tmp_path / "l.db-wal").stat().st_size
    second = LedgerStore(path)
    assert locked_by_this_process(path)
    second.close()
    fill(first, 3)
    assert LedgerStore(path).find("key 2") == "reply 2"
    first.close()


@pytest.mark.skipif(os.name != "posix" or not os.geteuid(), reason="root may write anywhere")
def test_a_folder_without_write_permission_is_one_line(tmp_path):
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(0o500)
    with pytest.raises(LLMJudgeError, match="J322.*read-only.*run the same command again"):
        LedgerStore(folder / "l.db")
    LedgerStore(tmp_path / "l.db").close()


def test_a_folder_that_is_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LLMJudgeError, match="J322.*file"):
        LedgerStore(tmp_path / "file" / "l.db")


def test_a_ledger_that_another_program_locks_says_so(tmp_path, monkeypatch):
    path = tmp_path / "l.db"
    LedgerStore(path).close()
    monkeypatch.setattr("spacy_llmjudge.ledger.file.PATIENCE", 0.1)
    monkeypatch.setattr("spacy_llmjudge.ledger.rescue.PATIENCE", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LLMJudgeError, match="J326.*locked.*disk of this machine"):
        LedgerStore(path)
    other.close()
    assert [file_.name for file_ in tmp_path.iterdir()] == ["l.db"]
    LedgerStore(path).close()


def test_a_log_that_goes_while_it_is_looked_at_is_no_error(tmp_path, monkeypatch):
    """Another process closes the ledger just then."""
    path = tmp_path / "l.db"
    LedgerStore(path).close()
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: self.name.endswith("-wal") or exists(self))
    assert not is_cut(path)


def test_a_drive_that_does_not_know_its_size_is_not_full(tmp_path, monkeypatch):
    store = LedgerStore(tmp_path / "l.db")
    none = os.statvfs_result([4096, 4096, *[0] * 8])
    monkeypatch.setattr(os, "statvfs", lambda path: none)
    assert store.reserve("k", "m", 1, None).state == "reserved"

    def gone(path):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "statvfs", gone)
    with pytest.raises(LLMJudgeError, match="J322"):
        store.reserve("q", "m", 1, None)
    store.close()


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(LLMJudgeError, match="J322"):
        LedgerStore(tmp_path)


def test_a_newer_layout_is_refused(tmp_path):
    LedgerStore(tmp_path / "l.db").close()
    db = sqlite3.connect(tmp_path / "l.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LLMJudgeError, match="J321.*layout 99"):
        LedgerStore(tmp_path / "l.db")


def copy_in_use(path: Path, target: Path, log: bytes) -> Path:
    """A copy of a ledger as a crash would leave it: the file, and so much of its log."""
    target.mkdir()
    shutil.copy(path, target / path.name)
    (target / f"{path.name}-wal").write_bytes(log)
    return target / path.name


def cut_the_log(tmp_path, step):
    path = tmp_path / "l.db"
    store = LedgerStore(path)
    fill(store, 5)
    log_path = path.with_name("l.db-wal")
    before = log_path.stat().st_size
    claim = store.reserve("last", "m", 1, None)
    middle = log_path.stat().st_size
    store.settle(claim.row, "replied", charge=1, reply="last reply")
    log = log_path.read_bytes()
    assert before < middle < len(log)
    for n in [*range(middle, len(log), step), len(log) - 1, len(log)]:
        copy = LedgerStore(copy_in_use(path, tmp_path / str(n), log[:n]))
        assert all(copy.find(f"key {i}") == f"reply {i}" for i in range(5))
        assert copy.find("last") == ("last reply" if n == len(log) else None)
        # Its request may have been paid.
        assert copy.spent() == 16
        copy.close()
        shutil.rmtree(tmp_path / str(n))


def test_a_log_that_was_cut_loses_only_the_last_transaction(tmp_path):
    cut_the_log(tmp_path, 389)


@pytest.mark.slow
def test_a_log_that_was_cut_at_any_byte(memory_path):
    cut_the_log(memory_path, 1)


@pytest.mark.parametrize("cut", [1, 100, 4095, 4096, 4097, 20_000])
def test_a_file_that_was_cut_gives_back_what_it_holds(tmp_path, cut):
    path = tmp_path / "ledger.db"
    store = LedgerStore(path)
    fill(store, 40, reply="x" * 3000)
    salt = store.salt
    store.close()
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = make_ledger_model(make_openai_model("http://127.0.0.1:9/v1", "m"), path)
        assert model.salt == salt
    assert [str(w.message)[:7] for w in caught] == ["[JW312]"]
    found = [model._store.find(f"key {i}") for i in range(40)]
    lost = sum(reply is None for reply in found)
    assert lost <= 2 + cut // 3000
    assert all(reply in (None, f"{'x' * 3000} {i}") for i, reply in enumerate(found))
    assert (tmp_path / "ledger.db.damaged-1").read_bytes() == data[:-cut]
    model.close()
