import shutil
import sqlite3
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.models.ledger import make_ledger_model
from spacy_llmjudge.models.ledger_store import LedgerStore
from spacy_llmjudge.models.openai import make_openai_model


def fill(store, n, reply="reply"):
    for i in range(n):
        claim = store.reserve(f"key {i}", "model", 5, None)
        store.settle(claim.row, "replied", charge=3, reply=f"{reply} {i}")


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


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    assert len(path.read_bytes()) == len(data) - cut


def test_another_file_is_refused_and_untouched(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("dear diary " * 500)
    with pytest.raises(LLMJudgeError, match="J320.*notes.txt"):
        LedgerStore(path)
    assert path.read_text() == "dear diary " * 500


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
def test_a_log_that_was_cut_at_any_byte(tmp_path):
    cut_the_log(tmp_path, 5)


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
