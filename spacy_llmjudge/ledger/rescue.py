"""Reads what can still be read out of a damaged ledger into a new one.

SQLite itself repairs whatever a killed process or a lost power supply leaves behind. This is for files
that were cut or overwritten from outside: an interrupted copy, a full or dying disk.
"""

import os
import shutil
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

# Seconds that one process waits for another.
PATIENCE = 60.0
_MAGIC = b"SQLite format 3\0"
_COLUMNS = (
    "id, key, model, run, state, reason, status, charge, tokens_in, tokens_out, started, finished,"
    " reply"
)


def find_damage(path: Path) -> Optional[str]:
    """Find out whether a ledger was cut, or a page of it overwritten; all of it is read for this.

    path (Path): The file.
    RETURNS (Optional[str]): What is wrong; None where it is whole, or no SQLite file at all.
    """
    if is_cut(path):
        return "it is shorter than it should be"
    if not _read_header(path)[1]:
        return None
    db = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)
    try:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        return None if found == "ok" else " ".join(found.split())
    except sqlite3.DatabaseError as error:
        if "lock" in str(error):
            raise
        return str(error)
    finally:
        db.close()


def is_cut(path: Path) -> bool:
    """Whether a ledger file is shorter than its own header says.

    path (Path): The file.
    RETURNS (bool): False where there is no file, or where a write-ahead log may hold the rest.
    """
    if not path.exists() or _has_log(path):
        return False
    page_size, n_pages = _read_header(path)
    # Looked at again: whoever writes the log into the file begins with the header.
    return path.stat().st_size < page_size * n_pages and not _has_log(path)


def _has_log(path: Path) -> bool:
    try:
        return path.with_name(path.name + "-wal").stat().st_size > 0
    except FileNotFoundError:
        return False  # or another process has just closed the ledger


def _read_header(path: Path) -> Tuple[int, int]:
    """The size of a page and the number of pages, 0 where this is no SQLite file."""
    with path.open("rb") as file_:
        header = file_.read(100)
    if len(header) < 100 or not header.startswith(_MAGIC):
        return 1, 0
    page_size = int.from_bytes(header[16:18], "big")
    return 65536 if page_size == 1 else page_size, int.from_bytes(header[28:32], "big")


def move_away(path: Path) -> Path:
    """Rename a damaged ledger with its side files.

    path (Path): The file.
    RETURNS (Path): Where it is now.
    """
    number = 1
    while path.with_name(f"{path.name}.damaged-{number}").exists():
        number += 1
    kept = path.with_name(f"{path.name}.damaged-{number}")
    path.replace(kept)
    for suffix in ("-wal", "-shm"):
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.replace(kept.with_name(kept.name + suffix))
    return kept


def read_remains(path: Path) -> Dict[str, List[tuple]]:
    """Read all rows of a damaged ledger that can be read.

    path (Path): The file.
    RETURNS (Dict[str, List[tuple]]): The rows of `meta`, `models`, `batches` and `attempts`.
    """
    whole = path.with_name(path.name + ".whole")
    shutil.copyfile(path, whole)
    log, log_of_whole = (file_.with_name(file_.name + "-wal") for file_ in (path, whole))
    if log.exists():
        shutil.copyfile(log, log_of_whole)
    # SQLite would fill up half a page with zeros, and so forge the reply that ends on it.
    page_size, _ = _read_header(path)
    os.truncate(whole, path.stat().st_size // page_size * page_size)
    db = sqlite3.connect(whole, isolation_level=None)
    # Without this SQLite refuses to read anything of a file that is too short.
    db.execute("PRAGMA writable_schema = ON")
    found: Dict[str, List[tuple]] = {}
    try:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if ("attempts",) not in tables:
            raise sqlite3.DatabaseError("it holds the tables of another program")
        for table, columns, order in (
            ("meta", "name, value", "name"),
            ("models", "id, settings", "id"),
            ("batches", "run, owner, model, file, created, batch", "run"),
            ("attempts", _COLUMNS, "id"),
        ):
            if (table,) not in tables:
                continue
            rows: Dict[Any, tuple] = {}
            # From both ends: a broken page in the middle then hides neither side of it.
            ends = []
            for direction in ("ASC", "DESC"):
                sql = f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY {order} {direction}"
                ends.append(_read_until_broken(db, sql, rows))
            if table == "attempts":
                _read_between(db, ends, rows)
            found[table] = [rows[key] for key in sorted(rows)]
    finally:
        db.close()
        for file_ in (whole, log_of_whole, whole.with_name(whole.name + "-shm")):
            file_.unlink(missing_ok=True)
    return found


def _read_until_broken(db: sqlite3.Connection, sql: str, rows: Dict[Any, tuple]) -> Any:
    """Add rows until one cannot be read, or is known. RETURNS (Any): The key of the last one."""
    last = None
    with suppress(sqlite3.DatabaseError):
        for row in db.execute(sql):
            last = row[0]
            if last in rows:
                break
            rows[last] = row
    return last


def _read_between(db: sqlite3.Connection, ends: List[Any], rows: Dict[Any, tuple]) -> None:
    """Look for the rows between two broken pages, one by one."""
    first, last = ends
    for key in range((first or 0) + 1, last or 0):
        if key not in rows:
            with suppress(sqlite3.DatabaseError):
                for row in db.execute(f"SELECT {_COLUMNS} FROM attempts WHERE id = ?", (key,)):
                    rows[key] = row


def write_remains(db: sqlite3.Connection, found: Dict[str, List[tuple]]) -> int:
    """Write rows into a new ledger that has its tables and nothing else.

    RETURNS (int): How many requests.
    """
    db.execute("BEGIN IMMEDIATE")
    for table, rows in found.items():
        for row in rows:
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)
    db.execute("COMMIT")
    return len(found["attempts"])
