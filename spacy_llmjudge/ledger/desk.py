"""Where the ledgers of this process are: in files of its own, or with somebody who keeps them for a whole cluster."""

from pathlib import Path
from typing import Callable, NamedTuple, Optional, Protocol, Tuple

from ..transport.limits import Limits
from .file import Rescue
from .store import Claim, LedgerStore

# requests and tokens a minute
Rates = Tuple[Optional[float], Optional[float]]


class Store(Protocol):
    """What a model needs of a ledger; see `LedgerStore`, which is one."""

    path: Path
    lost: int
    rescued: Optional[Rescue]

    @property
    def salt(self) -> str: ...

    def find(self, key: str) -> Optional[str]: ...

    def discard(self, key: str) -> None: ...

    def spent(self) -> int: ...

    def count_failed_runs(self, key: str) -> int: ...

    def add_model(self, model_id: str, settings: str) -> None: ...

    def reserve(self, key: str, model_id: str, charge: int, budget: Optional[int]) -> Claim: ...

    def settle(
        self,
        row: int,
        state: str,
        *,
        charge: Optional[int],
        reply: Optional[str] = None,
        reason: Optional[str] = None,
        status: Optional[int] = None,
        tokens: Tuple[Optional[int], Optional[int]] = (None, None),
    ) -> None: ...

    def release(self, row: int) -> None: ...

    def close(self) -> None: ...

    def close_soon(self) -> None: ...


class Desk(NamedTuple):
    """How a process comes to its ledgers.

    open_store (Callable[[Path, int], Store]): Opens one, with the bytes that must be free for each reply.
    make_limits (Callable[[str, Rates], Limits]): The pace of a model, by what the ledger calls it.
    """

    open_store: Callable[[Path, int], Store]
    make_limits: Callable[[str, Rates], Limits]


OWN = Desk(LedgerStore, lambda model_id, rates: Limits(*rates))
_now = [OWN]


def use_desk(desk: Desk) -> None:
    """Let all ledgers that this process opens from now on be those of another desk."""
    _now[0] = desk


def desk() -> Desk:
    """RETURNS (Desk): How this process comes to its ledgers."""
    return _now[0]
