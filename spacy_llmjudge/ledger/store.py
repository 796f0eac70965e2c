"""The file of a ledger: one row per request, each change on the disk before the next step is taken.

Two processes may share a file: what one has asked, the other does not ask again.
"""

import atexit
import os
import secrets
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple, Union

from ..errors import Errors, LLMJudgeError
from ..transport.batches import NO_FAULT, RUN
from ..transport.breaker import DOWN
from .file import explain, hold, let_go, open_file, rescue_if_damaged, use_tables
from .lock import announce, has_live_runs, is_alive, open_alone, presence_path, remove_dead
from .writer import GroupWriter, Job

# Space that must be free beside the replies under way, for pages that change with them.
_ROOM = 1_000_000

# What is found where a reply is no longer text.
DAMAGED = "\0"

# Connections that a forked child inherited. Closing one there would touch the parent's locks.
_inherited: List[sqlite3.Connection] = []
# Stores that are open, or not yet closed.
_open: Set["LedgerStore"] = set()


@dataclass
class Claim:
    """What became of a reservation.

    state (str): "reserved" (send it), "stored" (there is a reply), "taken" (somebody is asking just
        now, or the disk has no room beside those under way), "batch" (it waits in a batch) or "budget"
        (it does not fit); of a ledger that is kept for a cluster also "stopped" (the run ends).
    row (int): The row that was made.
    reply (Optional[str]): The stored reply.
    batch (str): What the rows of the batch are reserved under.
    spent (int): All charges so far, reservations included, in nano-dollars.
    n_open (int): Where it does not fit: requests of this run under way at that moment, which may turn out cheaper
        than their worst case.
    """

    state: str
    row: int = 0
    reply: Optional[str] = None
    batch: str = ""
    spent: int = 0
    n_open: int = 0


class LedgerStore:
    """An open ledger file.

    path (Path): The file; it is made where there is none.
    room_per_reply (int): Bytes that must be free for each reply under way.
    lost (int): Requests without a reply that runs left behind which were killed.
    rescued (Optional[Rescue]): What was done about a damaged file.
    """

    def __init__(self, path: Path, room_per_reply: int = 100_000) -> None:
        self.path = path
        self._room_per_reply = room_per_reply
        self.run = secrets.token_hex(8)
        self.open_rows = 0
        self._closed = self._ending = False
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._connections: List[sqlite3.Connection] = []
        self._held: Optional[Tuple[int, int]] = None
        for store in [one for one in list(_open) if one._ending and one.path == path]:
            store.close()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open_alone(path):
                self.rescued = rescue_if_damaged(path, lambda: has_live_runs(path))
                db = self._keep_open(open_file(path))
                use_tables(db, path)
                self._held = hold(path)
                self.lost = self._begin(db)
                self._reader = self._keep_open(open_file(path))
        except (sqlite3.Error, OSError, LLMJudgeError) as error:
            self._close_connections()
            with suppress(OSError):
                presence_path(path, self.run).unlink()
            raise LLMJudgeError(explain(path, error)) from None
        _open.add(self)
        self._writer = GroupWriter(db, path, self._end)

    def _keep_open(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        self._connections.append(connection)
        return connection

    @property
    def salt(self) -> str:
        """A secret of this ledger, the same for all runs."""
        with self._lock:
            rows = self._reader.execute("SELECT value FROM meta WHERE name = 'salt'")
            return rows.fetchone()[0]

    def find(self, key: str) -> Optional[str]:
        """RETURNS (Optional[str]): The reply to a request, if there is one, damaged or not."""
        with self._lock, self._explained():
            return _find(self._reader, key)

    def discard(self, key: str) -> None:
        """Forget the reply to a request, which was damaged; its request stays paid."""
        sql = "UPDATE attempts SET state = 'lost' WHERE key = ? AND state = 'replied'"
        self._writer.commit(lambda db: db.execute(sql, (key,)))

    def spent(self) -> int:
        """RETURNS (int): All charges so far, reservations included, in nano-dollars."""
        with self._lock, self._explained():
            return self._reader.execute("SELECT charge FROM totals").fetchone()[0]

    def count(self) -> Dict[str, int]:
        """RETURNS (Dict[str, int]): Rows by state."""
        with self._lock:
            rows = self._reader.execute("SELECT state, COUNT(*) FROM attempts GROUP BY state")
            return dict(rows.fetchall())

    def count_failed_runs(self, key: str) -> int:
        """RETURNS (int): In how many runs a request failed in a way that may be its prompt's fault."""
        reasons = ("internal", "no_key", *DOWN, *NO_FAULT)
        marks = ", ".join("?" * len(reasons))
        sql = (
            "SELECT COUNT(DISTINCT run) FROM attempts WHERE key = ? AND state = 'failed'"
            f" AND COALESCE(reason, '') NOT IN ({marks})"
        )
        with self._lock:
            return self._reader.execute(sql, (key, *reasons)).fetchone()[0]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite says of a damaged file into one line."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise LLMJudgeError(explain(self.path, error)) from None

    def commit(self, job: Job) -> Any:
        """Do something to the file, and wait until it is on the disk. RETURNS (Any): What the job returned."""
        return self._writer.commit(job)

    def add_model(self, model_id: str, settings: str) -> None:
        """Note which model the rows are about."""
        values = (model_id, settings)
        self._writer.commit(
            lambda db: db.execute("INSERT OR IGNORE INTO models VALUES (?, ?)", values)
        )

    def reserve(self, key: str, model_id: str, charge: int, budget: Optional[int]) -> Claim:
        """Reserve a request; when this returns "reserved", the reservation is on the disk.

        key (str): The request.
        model_id (str): Who is asked.
        charge (int): What it costs at worst, in nano-dollars.
        budget (Optional[int]): The most that all rows together may cost.
        RETURNS (Claim): Whether to send it.
        """
        with self._lock:
            self.open_rows += 1
            n_open = self.open_rows
        claim: Optional[Claim] = None
        try:
            if not self._has_room(n_open):
                # When those under way are home, there may be room again.
                return Claim("taken")
            claim = self._writer.commit(
                lambda db: self.claim(db, key, model_id, charge, budget, self.run)
            )
            return claim
        finally:
            if claim is None or claim.state != "reserved":
                with self._lock:
                    self.open_rows -= 1

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
        values = (state, reason, status, charge, *tokens, now(), reply, row)
        try:
            self._writer.commit(
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
            self._writer.commit(lambda db: remove_rows(db, "id = ?", row))
        finally:
            with self._lock:
                self.open_rows -= 1

    def claim(
        self,
        db: sqlite3.Connection,
        key: str,
        model_id: str,
        charge: int,
        budget: Optional[int],
        run: str,
    ) -> Claim:
        """Reserve a request inside of a commit, in the name of a run or of a batch."""
        reply = _find(db, key)
        if reply is not None:
            return Claim("stored", reply=reply)
        rows = db.execute(
            "SELECT id, run FROM attempts WHERE key = ? AND state = 'reserved'", (key,)
        )
        for row, other in rows.fetchall():
            if other.startswith(RUN):
                return Claim("batch", batch=other)
            if other == self.run or is_alive(presence_path(self.path, other)):
                return Claim("taken")
            db.execute("UPDATE attempts SET state = 'lost' WHERE id = ?", (row,))
        spent = db.execute("SELECT charge FROM totals").fetchone()[0]
        if budget is not None and spent + charge > budget:
            sql = "SELECT COUNT(*) FROM attempts WHERE run = ? AND state = 'reserved'"
            n_open = db.execute(sql, (self.run,)).fetchone()[0]
            return Claim("budget", spent=spent, n_open=n_open)
        made = db.execute(
            "INSERT INTO attempts (key, model, run, state, charge, started)"
            " VALUES (?, ?, ?, 'reserved', ?, ?)",
            (key, model_id, run, charge, now()),
        )
        return Claim("reserved", row=made.lastrowid or 0, spent=spent + charge)

    def _begin(self, db: sqlite3.Connection) -> int:
        """Announce this run, mark what killed runs left open, and count that.

        All under the ledger's own lock: a run that starts at the same time could take this one, which
        has its file but not yet the lock on it, for dead.
        """
        db.execute("BEGIN IMMEDIATE")
        self._keep_open(announce(presence_path(self.path, self.run)))
        remove_dead(self.path)
        open_runs = db.execute("SELECT DISTINCT run FROM attempts WHERE state = 'reserved'")
        count = 0
        for (run,) in open_runs.fetchall():
            # What waits in a batch is not lost with the run that made it.
            if not run.startswith(RUN) and not is_alive(presence_path(self.path, run)):
                sql = "UPDATE attempts SET state = 'lost' WHERE run = ? AND state = 'reserved'"
                count += db.execute(sql, (run,)).rowcount
        db.execute("COMMIT")
        return count

    def _has_room(self, n_open: int) -> bool:
        """Whether no reply under way would find the disk full; an error where not even one has room."""
        if not hasattr(os, "statvfs"):
            return True
        try:
            disk = os.statvfs(self.path.parent)
        except OSError as error:
            raise LLMJudgeError(explain(self.path, error)) from None
        free = disk.f_bavail * disk.f_frsize
        needed = _ROOM + self._room_per_reply * n_open
        # Some network drives tell no size at all.
        if not disk.f_blocks or free >= needed:
            return True
        if n_open > 1:
            return False
        why = f"its disk has {free:,} bytes left, and a reply may take {needed:,}"
        raise LLMJudgeError(Errors.J322.format(path=self.path, error=why))

    def close(self) -> None:
        """Write what waits, and close the file. What is still under way stays open as a reservation."""
        if self._process != os.getpid():
            _inherited.extend(self._connections)
            return
        if self._closed:
            return
        self._closed = True
        self._writer.close()

    def close_soon(self) -> None:
        """Close the file, without waiting for it; takes no lock, so that a garbage collection may call it."""
        self._ending = True
        self._writer.end()

    def _end(self) -> None:
        self._close_connections()
        presence_path(self.path, self.run).unlink(missing_ok=True)
        _open.discard(self)

    def _close_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()
            if self._held is not None:
                let_go(self._held)
                self._held = None


@atexit.register
def _close_all() -> None:
    for store in list(_open):
        store.close()


def _find(db: sqlite3.Connection, key: str) -> Optional[str]:
    rows = db.execute(
        "SELECT reply FROM attempts WHERE key = ? AND state = 'replied' ORDER BY id LIMIT 1", (key,)
    )
    try:
        row = rows.fetchone()
    except sqlite3.OperationalError as error:
        if "UTF-8" not in str(error):
            raise
        # No reply was ever kept like this.
        return DAMAGED
    return row[0] if row else None


def remove_rows(db: sqlite3.Connection, where: str, value: Union[int, str]) -> None:
    """Remove rows inside of a commit, and what they cost from the sum of all charges."""
    db.execute(f"UPDATE attempts SET charge = 0 WHERE {where}", (value,))
    db.execute(f"DELETE FROM attempts WHERE {where}", (value,))


def now() -> str:
    """RETURNS (str): The time, as rows note it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
