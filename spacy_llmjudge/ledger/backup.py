"""A copy of a ledger, also of one that runs write to: a plain copy would miss what stands in its log."""

import sqlite3
from pathlib import Path
from typing import Dict

from ..errors import Errors, LLMJudgeError
from ..storage import require_file
from .file import explain, open_file
from .rescue import find_damage

# Pages that are copied before a run that writes gets its turn.
_PAGES = 1000


def back_up(path: Path, output: Path) -> Dict[str, int]:
    """Copy a ledger into a new file, which is whole or not there.

    path (Path): The ledger; runs may be writing to it.
    output (Path): The copy; what is there is overwritten.
    RETURNS (Dict[str, int]): The requests in the copy, by state.
    """
    require_file(path, "Name the ledger, such as ledger/judge.sqlite.")
    if output.exists() and output.samefile(path):
        raise LLMJudgeError(Errors.J339.format(path=path))
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        counts = _copy(path, partial)
        damage = find_damage(partial)
        if damage is not None:
            raise LLMJudgeError(Errors.J335.format(path=path, error=damage))
        partial.replace(output)
        return counts
    except (sqlite3.Error, OSError) as error:
        raise LLMJudgeError(explain(path, error)) from None
    finally:
        partial.unlink(missing_ok=True)


def _copy(path: Path, partial: Path) -> Dict[str, int]:
    source, target = open_file(path), open_file(partial)
    try:
        if not source.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempts'").fetchone():
            raise sqlite3.DatabaseError("it holds the tables of another program")
        source.backup(target, pages=_PAGES)
        # One file that can be copied further as it is.
        target.execute("PRAGMA journal_mode = DELETE")
        rows = target.execute("SELECT state, COUNT(*) FROM attempts GROUP BY state")
        return dict(rows.fetchall())
    finally:
        target.close()
        source.close()
