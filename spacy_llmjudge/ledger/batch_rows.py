"""Batches in a ledger: requests that stay reserved when the run that sent them ends, until they are settled."""

import secrets
import sqlite3
import time
from typing import List, NamedTuple, Optional, Sequence, Set, Tuple

from ..transport.batches import RUN
from ..transport.retry import Attempt
from .lock import is_alive, presence_path
from .store import Claim, LedgerStore, now, remove_rows

_SETTLE = (
    "UPDATE attempts SET state = ?, reason = ?, status = ?, charge = COALESCE(?, charge), tokens_in = ?,"
    " tokens_out = ?, finished = ?, reply = ? WHERE key = ? AND run = ? AND state = 'reserved'"
)


class OpenBatch(NamedTuple):
    """A batch that is not settled.

    run (str): What its requests are reserved under.
    file_id (Optional[str]): Its file on the server, once that is there.
    created (Optional[float]): Seconds since 1970 when the server was asked to make it.
    batch_id (Optional[str]): What the server calls it, once that is known.
    """

    run: str
    file_id: Optional[str] = None
    created: Optional[float] = None
    batch_id: Optional[str] = None


class BatchRows:
    """What a ledger knows of the batches of one model.

    store (LedgerStore): The open ledger.
    model_id (str): What it calls the model.
    """

    def __init__(self, store: LedgerStore, model_id: str) -> None:
        self._store = store
        self._model_id = model_id

    def claim(
        self, run: str, wanted: Sequence[Tuple[str, int]], budget: Optional[int]
    ) -> List[Claim]:
        """Reserve requests for a batch; when this returns, the reservations are on the disk.

        run (str): The batch, see `name_batch`.
        wanted (Sequence[Tuple[str, int]]): Keys, and what each costs at worst.
        budget (Optional[int]): The most that all rows together may cost.
        RETURNS (List[Claim]): What became of each, up to the first that does not fit the budget.
        """

        def job(db: sqlite3.Connection) -> List[Claim]:
            claims: List[Claim] = []
            for key, charge in wanted:
                claims.append(self._store.claim(db, key, self._model_id, charge, budget, run))
                if claims[-1].state == "budget":
                    break
            if any(claim.state == "reserved" for claim in claims):
                sql = "INSERT OR IGNORE INTO batches (run, owner, model) VALUES (?, ?, ?)"
                db.execute(sql, (run, self._store.run, self._model_id))
            return claims

        found: List[Claim] = self._store.commit(job)
        return found

    def note(self, batch: OpenBatch) -> OpenBatch:
        """Write down how far a batch has come. RETURNS (OpenBatch): The batch."""
        sql = "UPDATE batches SET file = ?, created = ?, batch = ? WHERE run = ?"
        values = (batch.file_id, batch.created, batch.batch_id, batch.run)
        self._store.commit(lambda db: db.execute(sql, values))
        return batch

    def adopt(self) -> List[OpenBatch]:
        """RETURNS (List[OpenBatch]): The batches that no other run looks after; this one does from now on."""

        def job(db: sqlite3.Connection) -> List[OpenBatch]:
            sql = "SELECT owner, run, file, created, batch FROM batches WHERE model = ?"
            found = []
            for owner, *rest in db.execute(sql, (self._model_id,)).fetchall():
                presence = presence_path(self._store.path, owner)
                if owner in ("", self._store.run) or not is_alive(presence):
                    found.append(OpenBatch(*rest))
                    sql = "UPDATE batches SET owner = ? WHERE run = ?"
                    db.execute(sql, (self._store.run, rest[0]))
            return found

        batches: List[OpenBatch] = self._store.commit(job)
        return batches

    def leave(self) -> None:
        """Let any run adopt the batches that this one looks after."""
        sql = "UPDATE batches SET owner = '' WHERE owner = ? AND model = ?"
        values = (self._store.run, self._model_id)
        self._store.commit(lambda db: db.execute(sql, values))

    def list_open(self) -> Set[str]:
        """RETURNS (Set[str]): All batches that are not settled, whoever looks after them."""
        runs = self._store.commit(lambda db: db.execute("SELECT run FROM batches").fetchall())
        return {run for (run,) in runs}

    def list_ids(self) -> Set[str]:
        """RETURNS (Set[str]): What servers call the batches that are not settled, as far as that is known."""
        sql = "SELECT batch FROM batches WHERE batch IS NOT NULL"
        rows = self._store.commit(lambda db: db.execute(sql).fetchall())
        return {batch_id for (batch_id,) in rows}

    def settle(self, run: str, ends: Sequence[Tuple[str, Optional[int], Attempt]]) -> List[bool]:
        """Note how requests of a batch ended; when this returns, it is on the disk.

        run (str): The batch.
        ends (Sequence[Tuple[str, Optional[int], Attempt]]): Keys, what each cost (None keeps the worst case),
            and how it ended.
        RETURNS (List[bool]): Whether each waited in the batch; of two answers to one the first counts.
        """

        def job(db: sqlite3.Connection) -> List[bool]:
            counted = []
            for key, charge, end in ends:
                state = "replied" if end.state == "replied" else "failed"
                tokens = (end.usage.tokens_in, end.usage.tokens_out)
                values = (state, end.reason, end.status, charge, *tokens, now(), end.raw or None)
                counted.append(db.execute(_SETTLE, (*values, key, run)).rowcount > 0)
            return counted

        waited: List[bool] = self._store.commit(job)
        return waited

    def close(self, run: str, reason: str, charge: Optional[int]) -> List[str]:
        """Settle a batch as a whole: what has no answer by now will not get one from it.

        run (str): The batch.
        reason (str): Why.
        charge (Optional[int]): What each of these costs; None keeps the worst case.
        RETURNS (List[str]): Their keys.
        """

        def job(db: sqlite3.Connection) -> List[str]:
            where = "WHERE run = ? AND state = 'reserved'"
            keys = [key for (key,) in db.execute(f"SELECT key FROM attempts {where}", (run,))]
            db.execute(
                "UPDATE attempts SET state = 'failed', reason = ?, charge = COALESCE(?, charge),"
                f" finished = ? {where}",
                (reason, charge, now(), run),
            )
            db.execute("DELETE FROM batches WHERE run = ?", (run,))
            return keys

        keys: List[str] = self._store.commit(job)
        return keys

    def release(self, run: str) -> None:
        """Take back the reservations of a batch that the server never got."""

        def job(db: sqlite3.Connection) -> None:
            remove_rows(db, "state = 'reserved' AND run = ?", run)
            db.execute("DELETE FROM batches WHERE run = ?", (run,))

        self._store.commit(job)


def name_batch() -> str:
    """RETURNS (str): What the requests of a new batch are reserved under."""
    return f"{RUN}{secrets.token_hex(12)}"


def age(batch: OpenBatch) -> float:
    """RETURNS (float): Seconds since the server was asked to make a batch."""
    return time.time() - (batch.created or 0.0)
