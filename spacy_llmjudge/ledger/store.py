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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..errors import Errors, LLMJudgeError
from .file import PATIENCE, explain, hold, let_go, open_file, rescue_if_cut, use_tables
from .lock import announce, is_alive, open_alone, presence_path, remove_dead

NANO = 1_000_000_000
_GROUP = 256
# Space that must be free for each reply under way, before another request is sent.
_ROOM_PER_REPLY = 16_384

# Connections that a forked child inherited. Closing one there would touch the parent's locks.
_inherited: List[Any] = []
# Errors of one row's values, which are no reason to refuse the rows beside it.
_BAD_VALUES = (
    OverflowError,
    TypeError,
    ValueError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


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
        self._closed = False
        self._process = os.getpid()
        self._jobs: SimpleQueue[Optional[Tuple[Callable, Future]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._gate = threading.Lock()
        self._presence = self._reader = self._writer = self._held = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_alone(path):
                self.rescued = rescue_if_cut(path)
                self._writer = open_file(path)
                use_tables(self._writer, path)
                self._held = hold(path)
                self.lost = self._begin()
                self._reader = open_file(path)
        except (sqlite3.Error, OSError, LLMJudgeError) as error:
            self._close_connections()
            with suppress(OSError):
                presence_path(path, self.run).unlink()
            raise LLMJudgeError(explain(path, error)) from None
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
        rows = db.execute(
            "SELECT id, run FROM attempts WHERE key = ? AND state = 'reserved'", (key,)
        )
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
        try:
            disk = os.statvfs(self.path.parent)
        except OSError as error:
            raise LLMJudgeError(explain(self.path, error)) from None
        free = disk.f_bavail * disk.f_frsize
        # Some network drives tell no size at all.
        if disk.f_blocks and free < _ROOM_PER_REPLY * (self.open_rows + 1):
            text = Errors.J322.format(path=self.path, error="the disk is full")
            raise LLMJudgeError(text)

    def _commit(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        done: Future[Any] = Future()
        with self._gate:
            # Behind the end of the queue it would wait for ever.
            if self._closed:
                raise LLMJudgeError(Errors.J322.format(path=self.path, error="it was closed"))
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
        answers: List[Any] = []
        try:
            db.execute("BEGIN IMMEDIATE")
            for job, _ in group:
                try:
                    answers.append(job(db))
                except _BAD_VALUES as error:
                    answers.append(error)
            db.execute("COMMIT")
        except Exception as error:
            failure = LLMJudgeError(explain(self.path, error))
            try:
                if db.in_transaction:
                    db.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # it rolls back when the file is opened next
            for _, done in group:
                done.set_exception(failure)
            return
        for (_, done), answer in zip(group, answers):
            if isinstance(answer, Exception):
                done.set_exception(LLMJudgeError(explain(self.path, answer)))
            else:
                done.set_result(answer)

    def close(self) -> None:
        """Write what waits, and close the file. What is still under way stays open as a reservation."""
        if self._process != os.getpid():
            _inherited.append((self._writer, self._reader, self._presence))
            return
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join(PATIENCE)
        self._close_connections()
        presence_path(self.path, self.run).unlink(missing_ok=True)

    def _close_connections(self) -> None:
        with self._lock:
            for connection in (self._reader, self._writer, self._presence):
                if connection is not None:
                    connection.close()
            if self._held is not None:
                let_go(self._held)
                self._held = None


def _find(db: sqlite3.Connection, key: str) -> Optional[str]:
    rows = db.execute(
        "SELECT reply FROM attempts WHERE key = ? AND state = 'replied' ORDER BY id LIMIT 1", (key,)
    )
    row = rows.fetchone()
    return row[0] if row else None


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
