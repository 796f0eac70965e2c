"""Which runs on a ledger are alive: each holds a lock that the system takes away on any death.

A process number would not do: after a restart of a container the next process has the same.
"""
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator


def presence_path(path: Path, run: str) -> Path:
    """RETURNS (Path): The file that a run on a ledger holds locked."""
    return path.with_name(f".{path.name}.{run}.alive")


def announce(path: Path) -> sqlite3.Connection:
    """Lock a file for as long as this process lives. SQLite knows how on every system.

    path (Path): The file; it stays empty.
    RETURNS (sqlite3.Connection): Holds the lock until it is closed.
    """
    # Another run may just be looking whether it is locked.
    db = _open(path, timeout=60.0)
    db.execute("BEGIN EXCLUSIVE")
    return db


@contextmanager
def open_alone(path: Path) -> Iterator[None]:
    """Keep other processes from opening a ledger in the meantime; they wait.

    SQLite itself does not wait where two processes turn a new file into one with a write-ahead log: one
    of them fails at once. And a file that another process is just making looks like one that was cut.

    path (Path): The ledger.
    """
    db = announce(path.with_name(f".{path.name}.opening"))
    try:
        yield
    finally:
        db.close()


def is_alive(path: Path) -> bool:
    """Whether a process holds the lock on a file."""
    if not path.exists():
        return False
    db = _open(path, timeout=0.0)
    try:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
        return False
    except sqlite3.OperationalError:
        return True
    finally:
        db.close()


def remove_dead(path: Path) -> None:
    """Remove the files of runs that are dead.

    path (Path): The ledger.
    """
    before, after = presence_path(path, "\0").name.split("\0")
    for file_ in path.parent.iterdir():
        name = file_.name
        if name.startswith(before) and name.endswith(after) and not is_alive(file_):
            file_.unlink(missing_ok=True)


def _open(path: Path, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
