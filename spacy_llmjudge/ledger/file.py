"""The file of a ledger as a file: opened, given its tables, read out where it was cut.

Nothing here is safe beside another process that does the same: `lock.open_alone` is.
"""

import secrets
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Callable, List, NamedTuple, Optional, Tuple

from ..errors import Errors, LLMJudgeError
from ..storage import is_out_of_files
from .rescue import PATIENCE, find_damage, move_away, read_remains, write_remains

LAYOUT = 1
# Batches that are not settled yet; ledgers from before there were any get the table when they are opened.
_BATCHES = """
CREATE TABLE IF NOT EXISTS batches (
    run TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    model TEXT NOT NULL,
    file TEXT,
    created REAL,
    batch TEXT
) WITHOUT ROWID
"""
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

# Ledgers that this process has open, by device and inode. To open and close such a file as a plain file
# would take away SQLite's locks on it, and another process could throw away the log under our feet.
_in_use: "Counter[Tuple[int, int]]" = Counter()
_lock = threading.Lock()


def open_file(path: Path, timeout: Optional[float] = None) -> sqlite3.Connection:
    """Open a ledger, or the file that shows that its run is alive; it is made where there is none."""
    patience = PATIENCE if timeout is None else timeout
    return sqlite3.connect(path, check_same_thread=False, timeout=patience, isolation_level=None)


def hold(path: Path) -> Tuple[int, int]:
    """Note that this process has a ledger open.

    RETURNS (Tuple[int, int]): What to give to `let_go`.
    """
    identity = _identify(path)
    with _lock:
        _in_use[identity] += 1
    return identity


def let_go(identity: Tuple[int, int]) -> None:
    """Note that it is closed."""
    with _lock:
        _in_use[identity] -= 1


def _identify(path: Path) -> Tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def use_tables(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables where there are none; a file of another program is left as it is.

    db (sqlite3.Connection): The open file.
    path (Path): Its path, for the message.
    """
    # Before anything is changed: the kind of log, too, is noted in the file.
    has_tables = _check_tables(db, path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    if has_tables:
        db.execute(_BATCHES)
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Where folders cannot be locked, another process may have been faster.
        if not _check_tables(db, path):
            for statement in (_BATCHES, *_statements(_SCHEMA)):
                db.execute(statement)
            db.execute("INSERT INTO meta VALUES ('salt', ?)", (secrets.token_hex(16),))
            db.execute(f"PRAGMA user_version = {LAYOUT}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _check_tables(db: sqlite3.Connection, path: Path) -> bool:
    """Whether the file has our tables; False where it has none."""
    found = db.execute("PRAGMA user_version").fetchone()[0]
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    if (found or names) and "attempts" not in names:
        raise sqlite3.DatabaseError("it holds the tables of another program")
    if found > LAYOUT:
        raise LLMJudgeError(Errors.J321.format(path=path, found=found, known=LAYOUT))
    return found == LAYOUT


def _statements(script: str) -> List[str]:
    """Cut a script into statements; `executescript` would commit the transaction that is open."""
    found, text = [], ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            found.append(text)
            text = ""
    return found


class Rescue(NamedTuple):
    """What was done about a damaged ledger.

    kept (Path): What the damaged file is called now.
    problem (str): What was wrong.
    n_requests (int): How many requests were read out of it.
    """

    kept: Path
    problem: str
    n_requests: int


def rescue_if_damaged(path: Path, others_use_it: Callable[[], bool]) -> Optional[Rescue]:
    """Make a new ledger of what one still holds that was cut or overwritten; the damaged one is kept.

    path (Path): The ledger, open nowhere in this process.
    others_use_it (Callable[[], bool]): Whether a run of another process has it open.
    RETURNS (Optional[Rescue]): None where it is whole.
    """
    if not path.exists() or _in_use[_identify(path)]:
        return None
    problem = find_damage(path)
    if problem is None:
        return None
    if others_use_it():
        error = f"it is damaged ({problem}), and a run that is alive has it open"
        raise LLMJudgeError(Errors.J326.format(path=path, error=error))
    try:
        found = read_remains(path)
    except sqlite3.DatabaseError as error:
        raise LLMJudgeError(Errors.J320.format(path=path, error=error)) from None
    kept = move_away(path)
    db = open_file(path)
    try:
        use_tables(db, path)
        return Rescue(kept, problem, write_remains(db, found))
    finally:
        db.close()


def explain(path: Path, error: Exception) -> str:
    """RETURNS (str): What went wrong with a ledger, and what to do."""
    if isinstance(error, LLMJudgeError):
        return str(error)
    if is_out_of_files(error):
        return Errors.J972
    damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, (sqlite3.OperationalError, sqlite3.ProgrammingError)
    )
    is_locked = isinstance(error, sqlite3.OperationalError) and "lock" in str(error)
    message = Errors.J326 if is_locked else Errors.J320 if damaged else Errors.J322
    if "malformed" in str(error):
        message = Errors.J335
    return message.format(path=path, error=error)
