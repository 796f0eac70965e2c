"""Which runs on a ledger are alive: each holds a lock that the system takes away on any death.

A process number would not do: after a restart of a container the next process has the same.
"""

import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, List

from ..errors import Errors, LLMJudgeError
from .file import PATIENCE, open_file

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_TICK = 0.01


def presence_path(path: Path, run: str) -> Path:
    """RETURNS (Path): The file that a run on a ledger holds locked."""
    return path.with_name(f".{path.name}.{run}.alive")


def announce(path: Path) -> sqlite3.Connection:
    """Lock a file for as long as this process lives. SQLite knows how on every system.

    path (Path): The file; it stays empty.
    RETURNS (sqlite3.Connection): Holds the lock until it is closed.
    """
    # Another run may just be looking whether it is locked.
    db = open_file(path)
    db.execute("BEGIN EXCLUSIVE")
    return db


@contextmanager
def open_alone(path: Path) -> Iterator[None]:
    """Keep other threads and processes from opening a ledger in the meantime; they wait.

    SQLite itself does not wait where two processes turn a new file into one with a write-ahead log: one
    of them fails at once. And a file that another process is just making looks like one that was cut.
    The lock is on the folder, so that nothing is left behind; it ends with its process.

    path (Path): The ledger.
    """
    if fcntl is None:
        lock = path.with_name(f".{path.name}.opening")
        db = announce(lock)
        try:
            yield
        finally:
            db.close()
            with suppress(OSError):
                lock.unlink()  # Windows leaves it where somebody else has it open
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        _lock(folder, path)
        yield
    finally:
        with suppress(OSError):
            # A process that was forked meanwhile has the folder open, too.
            fcntl.flock(folder, fcntl.LOCK_UN)
        os.close(folder)


def _lock(folder: int, path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                error = f"another process has been opening it for {PATIENCE:.0f} seconds"
                raise LLMJudgeError(Errors.J326.format(path=path, error=error)) from None
            time.sleep(_TICK)
        except OSError:
            return  # a file system without such locks; SQLite has its own


def is_alive(path: Path) -> bool:
    """Whether a process holds the lock on a file."""
    if not path.exists():
        return False
    db = open_file(path, timeout=0.0)
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
    for file_ in _runs(path):
        if not is_alive(file_):
            file_.unlink(missing_ok=True)


def has_live_runs(path: Path) -> bool:
    """RETURNS (bool): Whether any run on a ledger is alive."""
    return any(is_alive(file_) for file_ in _runs(path))


def _runs(path: Path) -> List[Path]:
    before, after = presence_path(path, "\0").name.split("\0")
    names = [(file_, file_.name) for file_ in path.parent.iterdir()]
    return [file_ for file_, n in names if n.startswith(before) and n.endswith(after)]
