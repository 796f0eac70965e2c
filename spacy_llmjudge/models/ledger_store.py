"""The file of a ledger: one row per request, each change on the disk before the next step is taken.

One thread writes. It takes whatever waits for it as one transaction, so that many workers share the
cost of a commit. Two processes may share a file: what one has asked, the other does not ask again.
"""
import os
import secrets
import sqlite3
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..errors import Errors, LLMJudgeError
from .ledger_presence import announce, is_alive, open_alone, presence_path, remove_dead
from .ledger_rescue import is_cut, move_away, read_remains, write_remains

LAYOUT = 1
NANO = 1_000_000_000
_GROUP = 256
_LOCK_SECONDS = 60.0
# Space that must be free for each reply under way, before another request is sent.
_ROOM_PER_REPLY = 16_384

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE models (id TEXT PRIMARY KEY, settings TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    model TEXT NOT NULL,
    run TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'replied', 'failed', 'lost')),
    reason TEXT,
    status INTEGER,
    charge INTEGER NOT NULL,
    tokens_in INTEGER,
    tokens_out INTEGER,
    started TEXT NOT NULL,
    finished TEXT,
    reply TEXT
);
CREATE INDEX attempts_by_key ON attempts (key, state);
CREATE INDEX attempts_open ON attempts (run) WHERE state = 'reserved';
CREATE TABLE totals (charge INTEGER NOT NULL);
INSERT INTO totals VALUES (0);
CREATE TRIGGER charge_first AFTER INSERT ON attempts
    BEGIN UPDATE totals SET charge = charge + new.charge; END;
CREATE TRIGGER charge_again AFTER UPDATE OF charge ON attempts
    BEGIN UPDATE totals SET charge = charge + new.charge - old.charge; END;
"""

# Connections that a forked child inherited. Closing one there would touch the parent's locks.
_inherited: List[Any] = []


@dataclass
class Claim:
    """The answer to a reservation.

    state (str): "reserved" (send it), "stored" (there is a reply), "taken" (somebody is asking just
        now) or "budget" (it does not fit).
    row (int): The row that was made.
    reply (Optional[str]): The stored reply.
    spent (int): All charges so far, reservations included, in nano-dollars.
    """

    state: str
    row: int = 0
    reply: Optional[str] = None
    spent: int = 0


class LedgerStore:
    """An open ledger file.

    path (Path): The file; it is made where there is none.
    lost (int): Requests without a reply that runs left behind which were killed.
    rescued (Optional[Tuple[Path, str, int]]): Where the file was cut: what it is called now, what was
        wrong, and how many requests were read out of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = secrets.token_hex(8)
        self.open_rows = 0
        self.rescued: Optional[Tuple[Path, str, int]] = None
        self._closed = False
        self._process = os.getpid()
        self._jobs: "SimpleQueue[Optional[Tuple[Callable, Future]]]" = SimpleQueue()
        self._lock = threading.Lock()
        self._presence = self._reader = self._writer = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_alone(path):
                if is_cut(path):
                    self.rescued = _rescue(path)
                self._writer = _open(path)
                _prepare(self._writer, path)
                self.lost = self._begin()
                self._reader = _open(path)
        except (sqlite3.Error, OSError) as error:
            self._close_connections()
            raise LLMJudgeError(_explain(path, error)) from None
        self._thread = threading.Thread(target=self._write, name="llmjudge-ledger", daemon=True)
        self._thread.start()

    @property
    def salt(self) -> str:
        """A secret of this ledger, the same for all runs."""
        with self._lock:
            rows = self._reader.execute("SELECT value FROM meta WHERE name = 'salt'")
            return rows.fetchone()[0]

    def find(self, key: str) -> Optional[str]:
        """RETURNS (Optional[str]): The reply to a request, if there is one."""
        with self._lock:
            return _find(self._reader, key)

    def spent(self) -> int:
        """RETURNS (int): All charges so far, reservations included, in nano-dollars."""
        with self._lock:
            return self._reader.execute("SELECT charge FROM totals").fetchone()[0]

    def count(self) -> Dict[str, int]:
        """RETURNS (Dict[str, int]): Rows by state."""
        with self._lock:
            rows = self._reader.execute("SELECT state, COUNT(*) FROM attempts GROUP BY state")
            return dict(rows.fetchall())

    def add_model(self, model_id: str, settings: str) -> None:
        """Note which model the rows are about."""
        values = (model_id, settings)
        self._commit(lambda db: db.execute("INSERT OR IGNORE INTO models VALUES (?, ?)", values))

    def reserve(self, key: str, model_id: str, charge: int, budget: Optional[int]) -> Claim:
        """Reserve a request; when this returns "reserved", the reservation is on the disk.

        key (str): The request.
        model_id (str): Who is asked.
        charge (int): What it costs at worst, in nano-dollars.
        budget (Optional[int]): The most that all rows together may cost.
        RETURNS (Claim): Whether to send it.
        """
        self._check_room()
        with self._lock:
            self.open_rows += 1
        claim = None
        try:
            claim = self._commit(lambda db: self._claim(db, key, model_id, charge, budget))
        finally:
            if claim is None or claim.state != "reserved":
                with self._lock:
                    self.open_rows -= 1
        return claim

    def settle(
        self,
        row: int,
        state: str,
        *,
        charge: Optional[int],
        reply: Optional[str] = None,
        reason: Optional[str] = None,
        status: Optional[int] = None,
        tokens: Tuple[Optional[int], Optional[int]] = (None, None),
    ) -> None:
        """Note how a request ended; when this returns, it is on the disk.

        row (int): The row of its reservation.
        state (str): "replied" or "failed".
        charge (Optional[int]): What it cost; None keeps what was reserved.
        reply (Optional[str]): What came back.
        reason (Optional[str]): Why it failed.
        status (Optional[int]): The HTTP status.
        tokens (Tuple[Optional[int], Optional[int]]): Tokens in and out.
        """
        values = (state, reason, status, charge, *tokens, _now(), reply, row)
        try:
            self._commit(
                lambda db: db.execute(
                    "UPDATE attempts SET state = ?, reason = ?, status = ?,"
                    " charge = COALESCE(?, charge), tokens_in = ?, tokens_out = ?,"
                    " finished = ?, reply = ? WHERE id = ?",
                    values,
                )
            )
        finally:
            with self._lock:
                self.open_rows -= 1

    def release(self, row: int) -> None:
        """Take back a reservation that was not used."""
        try:
            self._commit(lambda db: db.execute("DELETE FROM attempts WHERE id = ?", (row,)))
        finally:
            with self._lock:
                self.open_rows -= 1

    def _claim(
        self, db: sqlite3.Connection, key: str, model_id: str, charge: int, budget: Optional[int]
    ) -> Claim:
        reply = _find(db, key)
        if reply is not None:
            return Claim("stored", reply=reply)
        rows = db.execute("SELECT id, run FROM attempts WHERE key = ? AND state = 'reserved'", (key,))
        for row, run in rows.fetchall():
            if run == self.run or is_alive(presence_path(self.path, run)):
                return Claim("taken")
            db.execute("UPDATE attempts SET state = 'lost' WHERE id = ?", (row,))
        spent = db.execute("SELECT charge FROM totals").fetchone()[0]
        if budget is not None and spent + charge > budget:
            return Claim("budget", spent=spent)
        made = db.execute(
            "INSERT INTO attempts (key, model, run, state, charge, started)"
            " VALUES (?, ?, ?, 'reserved', ?, ?)",
            (key, model_id, self.run, charge, _now()),
        )
        return Claim("reserved", row=made.lastrowid, spent=spent + charge)

    def _begin(self) -> int:
        """Announce this run, mark what killed runs left open, and count that.

        All under the ledger's own lock: a run that starts at the same time could take this one, which
        has its file but not yet the lock on it, for dead.
        """
        db = self._writer
        db.execute("BEGIN IMMEDIATE")
        self._presence = announce(presence_path(self.path, self.run))
        remove_dead(self.path)
        open_runs = db.execute("SELECT DISTINCT run FROM attempts WHERE state = 'reserved'")
        count = 0
        for (run,) in open_runs.fetchall():
            if not is_alive(presence_path(self.path, run)):
                sql = "UPDATE attempts SET state = 'lost' WHERE run = ? AND state = 'reserved'"
                count += db.execute(sql, (run,)).rowcount
        db.execute("COMMIT")
        return count

    def _check_room(self) -> None:
        """Stop before a request whose reply would find the disk full."""
        if not hasattr(os, "statvfs"):
            return
        disk = os.statvfs(self.path.parent)
        if disk.f_bavail * disk.f_frsize < _ROOM_PER_REPLY * (self.open_rows + 1):
            text = Errors.J322.format(path=self.path, error="the disk is full")
            raise LLMJudgeError(text)

    def _commit(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        if self._closed:
            raise LLMJudgeError(Errors.J322.format(path=self.path, error="it was closed"))
        done: "Future[Any]" = Future()
        self._jobs.put((job, done))
        return done.result()

    def _write(self) -> None:
        ending = False
        while not ending:
            group = [self._jobs.get()]
            try:
                while len(group) < _GROUP:
                    group.append(self._jobs.get_nowait())
            except Empty:
                pass
            ending = None in group
            self._write_group([job for job in group if job is not None])

    def _write_group(self, group: List[Tuple[Callable, Future]]) -> None:
        db = self._writer
        try:
            db.execute("BEGIN IMMEDIATE")
            answers = [job(db) for job, _ in group]
            db.execute("COMMIT")
        except Exception as error:
            failure = LLMJudgeError(_explain(self.path, error))
            try:
                if db.in_transaction:
                    db.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # it rolls back when the file is opened next
            for _, done in group:
                done.set_exception(failure)
            return
        for (_, done), answer in zip(group, answers):
            done.set_result(answer)

    def close(self) -> None:
        """Write what waits, and close the file. What is still under way stays open as a reservation."""
        if self._process != os.getpid():
            _inherited.append((self._writer, self._reader, self._presence))
            return
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        self._thread.join(_LOCK_SECONDS)
        self._close_connections()
        presence_path(self.path, self.run).unlink(missing_ok=True)

    def _close_connections(self) -> None:
        for connection in (self._reader, self._writer, self._presence):
            if connection is not None:
                connection.close()


def _open(path: Path, **settings: Any) -> sqlite3.Connection:
    settings = {"timeout": _LOCK_SECONDS, "isolation_level": None, **settings}
    return sqlite3.connect(path, check_same_thread=False, **settings)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("BEGIN IMMEDIATE")
    try:
        found = db.execute("PRAGMA user_version").fetchone()[0]
        tables = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if found == 0 and tables:
            raise sqlite3.DatabaseError("it holds the tables of another program")
        if found > LAYOUT:
            raise LLMJudgeError(Errors.J321.format(path=path, found=found, known=LAYOUT))
        if found == 0:
            for statement in _statements(_SCHEMA):
                db.execute(statement)
            db.execute("INSERT INTO meta VALUES ('salt', ?)", (secrets.token_hex(16),))
            db.execute(f"PRAGMA user_version = {LAYOUT}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        db.close()
        raise


def _rescue(path: Path) -> Tuple[Path, str, int]:
    """Make a new ledger of what a damaged one still holds; the damaged one is kept."""
    found, problem = read_remains(path)
    kept = move_away(path)
    db = _open(path)
    try:
        _prepare(db, path)
        return kept, problem, write_remains(db, found)
    finally:
        db.close()


def _statements(script: str) -> List[str]:
    """Cut a script into statements; `executescript` would commit the transaction that is open."""
    found, text = [], ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            found.append(text)
            text = ""
    return found


def _find(db: sqlite3.Connection, key: str) -> Optional[str]:
    rows = db.execute(
        "SELECT reply FROM attempts WHERE key = ? AND state = 'replied' ORDER BY id LIMIT 1", (key,)
    )
    row = rows.fetchone()
    return row[0] if row else None


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _explain(path: Path, error: Exception) -> str:
    if isinstance(error, LLMJudgeError):
        return str(error)
    damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    )
    message = Errors.J320 if damaged else Errors.J322
    return message.format(path=path, error=error)
