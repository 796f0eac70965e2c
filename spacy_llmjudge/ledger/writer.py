"""One thread that commits: whatever waits for it becomes one transaction, so that many workers share its cost."""

import sqlite3
import threading
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Callable, List, Optional, Tuple

from ..errors import Errors, LLMJudgeError
from .file import PATIENCE, explain

Job = Callable[[sqlite3.Connection], Any]

_GROUP = 256
# Errors of one row's values, which are no reason to refuse the rows beside it.
_BAD_VALUES = (
    OverflowError,
    TypeError,
    ValueError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


class GroupWriter:
    """Commits jobs in groups; when `commit` returns, the job is on the disk.

    db (sqlite3.Connection): The connection that writes.
    path (Path): The file, for messages.
    on_end (Callable[[], None]): Called by the thread when nothing more will be committed.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, on_end: Callable[[], None]) -> None:
        self._db = db
        self._path = path
        self._on_end = on_end
        self._closed = False
        self._gate = threading.Lock()
        self._jobs: SimpleQueue[Optional[Tuple[Job, Future[Any]]]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="llmjudge-ledger", daemon=True)
        self._thread.start()

    def commit(self, job: Job) -> Any:
        """Do something to the file, and wait until it is on the disk.

        job (Job): Gets the connection.
        RETURNS (Any): What the job returned.
        """
        done: Future[Any] = Future()
        with self._gate:
            # Behind the end of the queue it would wait for ever.
            if self._closed:
                raise LLMJudgeError(Errors.J322.format(path=self._path, error="it was closed"))
            self._jobs.put((job, done))
        return done.result()

    def end(self) -> None:
        """Have the thread commit what waits, and end. This takes no lock and waits for nothing: a garbage
        collection may call it at any moment, from a thread that holds any lock.
        """
        self._jobs.put(None)

    def close(self) -> None:
        """Commit what waits, and wait for the end of the thread."""
        with self._gate:
            self._closed = True
        self.end()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        group: List[Optional[Tuple[Job, Future[Any]]]] = []
        while None not in group:
            group = [self._jobs.get(), *self._waiting()]
            self._write_group([job for job in group if job is not None])
        with self._gate:
            self._closed = True
        while late := [job for job in self._waiting() if job is not None]:
            self._write_group(late)
        self._on_end()

    def _waiting(self) -> List[Optional[Tuple[Job, "Future[Any]"]]]:
        """RETURNS (List[Optional[Tuple[Job, Future[Any]]]]): What waits just now, a group of it at most."""
        group: List[Optional[Tuple[Job, Future[Any]]]] = []
        try:
            while len(group) < _GROUP:
                group.append(self._jobs.get_nowait())
        except Empty:
            pass
        return group

    def _write_group(self, group: List[Tuple[Job, "Future[Any]"]]) -> None:
        if not group:
            return
        results: List[Any] = []
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job, _ in group:
                try:
                    results.append(job(self._db))
                except _BAD_VALUES as error:
                    results.append(error)
            self._db.execute("COMMIT")
        except Exception as error:
            failure = LLMJudgeError(explain(self._path, error))
            try:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # it rolls back when the file is opened next
            for _, done in group:
                done.set_exception(failure)
            return
        for (_, done), result in zip(group, results):
            if isinstance(result, Exception):
                done.set_exception(LLMJudgeError(explain(self._path, result)))
            else:
                done.set_result(result)
