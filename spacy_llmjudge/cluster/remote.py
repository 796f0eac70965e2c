"""What the ledger and the pace of a model are in a worker: calls of the keeper, which has them."""

from pathlib import Path
from typing import Any, Optional

from ..ledger.desk import Desk, Rates
from ..ledger.file import Rescue
from ..ledger.store import Claim
from ..transport.limits import Door, Limits
from .calls import ask_keeper


def make_desk(keeper: Any, who: str) -> Desk:
    """RETURNS (Desk): That of a worker.

    keeper (ActorHandle): The actor `Keeper`.
    who (str): The worker.
    """

    def make_limits(name: str, rates: Rates) -> Limits:
        return Limits(door=RemoteDoor(keeper, who, name, rates))

    return Desk(lambda path, room: RemoteStore(keeper, who, path, room), make_limits)


class RemoteStore:
    """A ledger that the keeper has open; see `LedgerStore`."""

    # the command, which opened it before, has said what there is to say
    lost = 0
    rescued: Optional[Rescue] = None

    def __init__(self, keeper: Any, who: str, path: Path, room_per_reply: int) -> None:
        self.path = path
        self._keeper = keeper
        self._who = who
        self.salt: str = ask_keeper(keeper.open.remote(str(path), room_per_reply))

    def _use(self, name: str, *args: Any) -> Any:
        return ask_keeper(self._keeper.use.remote(str(self.path), name, *args))

    def find(self, key: str) -> Optional[str]:
        reply: Optional[str] = self._use("find", key)
        return reply

    def discard(self, key: str) -> None:
        self._use("discard", key)

    def spent(self) -> int:
        return int(self._use("spent"))

    def count_failed_runs(self, key: str) -> int:
        return int(self._use("count_failed_runs", key))

    def add_model(self, model_id: str, settings: str) -> None:
        self._use("add_model", model_id, settings)

    def reserve(self, key: str, model_id: str, charge: int, budget: Optional[int]) -> Claim:
        args = (self._who, str(self.path), key, model_id, charge, budget)
        claim: Claim = ask_keeper(self._keeper.reserve.remote(*args))
        return claim

    def settle(self, row: int, state: str, **values: Any) -> None:
        ask_keeper(self._keeper.settle.remote(str(self.path), row, state, values))

    def release(self, row: int) -> None:
        ask_keeper(self._keeper.release.remote(str(self.path), row))

    def close(self) -> None:
        """The keeper closes it, when all workers are done."""

    def close_soon(self) -> None:
        """As `close`."""


class RemoteDoor(Door):
    """The door that all workers go through; see `Door`."""

    def __init__(self, keeper: Any, who: str, name: str, rates: Rates) -> None:
        super().__init__()
        self._keeper = keeper
        self._who = who
        self._name = name
        self._has_rates = any(rates)
        ask_keeper(keeper.add_door.remote(name, rates))

    def _use(self, call: str, *args: Any) -> Any:
        return ask_keeper(self._keeper.use_door.remote(self._name, call, *args))

    def take(self, tokens: int) -> float:
        return float(self._use("take", tokens)) if self._has_rates else 0.0

    def knock(self, who: str = "") -> str:
        return str(self._use("knock", self._who))

    def open_in(self) -> float:
        return float(self._use("open_in"))

    def pause(self, seconds: float) -> None:
        self._use("pause", seconds)

    def leave(self, proved: bool, who: str = "") -> None:
        self._use("leave", proved, self._who)
