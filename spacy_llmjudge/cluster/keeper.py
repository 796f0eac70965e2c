"""One actor keeps the ledgers for all workers: it grants money, keeps each reply before it is read, and holds everybody
up where a server asks for a pause.

It runs on the machine of the command, as SQLite's log must not lie on a network drive. So a reply of a worker that is
lost with its machine is in the ledger all the same, and there is nothing to merge.
"""

import os
import threading
from pathlib import Path
from typing import Any, Dict, Optional, Set, Tuple

from ..ledger.desk import Rates
from ..ledger.store import Claim, LedgerStore
from ..transport.limits import Door

# calls that it answers at the same time: those that wait for the disk are written together
AT_ONCE = 64


class Keeper:
    """Keeps ledgers and the doors of models. Its methods may be called from many threads.

    folder (str): What paths are relative to.
    """

    def __init__(self, folder: str) -> None:
        os.chdir(folder)
        self._lock = threading.Lock()
        self._stores: Dict[str, LedgerStore] = {}
        self._doors: Dict[str, Door] = {}
        # whose reservations are open
        self._open: Dict[Tuple[str, int], str] = {}
        self._gone: Set[str] = set()
        self._is_stopped = False

    def open(self, path: str, room_per_reply: int) -> str:
        """Open a ledger. RETURNS (str): Its salt."""
        with self._lock:
            if path not in self._stores:
                self._stores[path] = LedgerStore(Path(path), room_per_reply)
            return self._stores[path].salt

    def use(self, path: str, name: str, *args: Any) -> Any:
        """Call a method of a ledger that concerns no reservation."""
        return getattr(self._stores[path], name)(*args)

    def reserve(
        self, who: str, path: str, key: str, model_id: str, charge: int, budget: Optional[int]
    ) -> Claim:
        """Reserve a request for a worker; see `LedgerStore.reserve`. RETURNS (Claim): "stopped" where the run ends."""
        store = self._stores[path]
        if self._is_stopped or who in self._gone:
            return Claim("stopped")
        claim = store.reserve(key, model_id, charge, budget)
        if claim.state == "reserved":
            with self._lock:
                is_gone = who in self._gone
                if not is_gone:
                    self._open[path, claim.row] = who
            if is_gone:
                store.release(claim.row)
                claim = Claim("stopped")
        return claim

    def settle(self, path: str, row: int, state: str, values: Dict[str, Any]) -> None:
        """Note how a request ended; one of a worker that was given up has been counted as lost."""
        with self._lock:
            is_open = self._open.pop((path, row), None) is not None
        if is_open:
            self._stores[path].settle(row, state, **values)

    def release(self, path: str, row: int) -> None:
        """Take back a reservation that was not used."""
        with self._lock:
            is_open = self._open.pop((path, row), None) is not None
        if is_open:
            self._stores[path].release(row)

    def add_door(self, name: str, rates: Rates) -> None:
        """Make the door of a model, where it has none yet."""
        with self._lock:
            self._doors.setdefault(name, Door(*rates))

    def use_door(self, name: str, call: str, *args: Any) -> Any:
        """Call a method of a door."""
        return getattr(self._doors[name], call)(*args)

    def forget(self, who: str) -> None:
        """Count what a worker that died had under way as lost, though it may be paid; and let others in at doors
        where it went first."""
        with self._lock:
            self._gone.add(who)
            lost = [place for place, owner in self._open.items() if owner == who]
            for place in lost:
                del self._open[place]
        for path, row in lost:
            self._stores[path].settle(row, "lost", charge=None)
        for door in list(self._doors.values()):
            door.leave(False, who)

    def stop(self) -> None:
        """Grant nothing more; what is under way comes home."""
        self._is_stopped = True

    def close(self) -> None:
        """Close the ledgers."""
        for store in self._stores.values():
            store.close()
