"""Reads what can still be read out of a damaged ledger into a new one.

SQLite itself repairs whatever a killed process or a lost power supply leaves behind. This is for files
that were cut or overwritten from outside: an interrupted copy, a full or dying disk.
"""

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Dict, List, Tuple

_MAGIC = b"SQLite format 3\0"
_COLUMNS = (
    "id, key, model, run, state, reason, status, charge, tokens_in, tokens_out, started, finished,"
    " reply"
)


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


def read_remains(path: Path) -> Tuple[Dict[str, List[tuple]], str]:
    """Read all rows of a damaged ledger that can be read.

    path (Path): The file.
    RETURNS (Tuple[Dict[str, List[tuple]], str]): The rows of `meta`, `models` and `attempts`, and what
        was wrong.
    """
    # SQLite would fill up half a page with zeros, and so forge the reply that ends on it.
    whole = path.with_name(path.name + ".whole")
    shutil.copyfile(path, whole)
    page_size, _ = _read_header(path)
    os.truncate(whole, path.stat().st_size // page_size * page_size)
    db = sqlite3.connect(whole, isolation_level=None)
    # Without this SQLite refuses to read anything of a file that is too short.
    db.execute("PRAGMA writable_schema = ON")
    found: Dict[str, List[tuple]] = {}
    problems = ["it is shorter than it should be"]
    try:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        if ("attempts",) not in tables:
            raise sqlite3.DatabaseError("it holds the tables of another program")
        for table, columns, order in (
            ("meta", "name, value", "name"),
            ("models", "id, settings", "id"),
            ("attempts", _COLUMNS, "id"),
        ):
            rows: Dict[Any, tuple] = {}
            # From both ends: a broken page in the middle then hides neither side of it.
            for direction in ("ASC", "DESC"):
                sql = f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY {order} {direction}"
                problems += _read_until_broken(db, sql, rows)
            found[table] = [rows[key] for key in sorted(rows)]
    finally:
        db.close()
        whole.unlink()
    return found, problems[-1]


def _read_until_broken(db: sqlite3.Connection, sql: str, rows: Dict[Any, tuple]) -> List[str]:
    try:
        for row in db.execute(sql):
            if row[0] in rows:
                break
            rows[row[0]] = row
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return []


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
