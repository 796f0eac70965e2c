"""The connection to a Ray cluster: one that is named, one that runs, or one of this machine alone."""

import os
import signal
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Optional

from ..errors import Errors, LLMJudgeError
from ..stages import versions
from .calls import import_ray
from .spread import Cluster
from .worker import Setup

# what is kept in it is shards' names and counts
_OBJECT_STORE = 100_000_000


class Place(NamedTuple):
    """A Ray cluster that work is done on.

    address (Optional[str]): Host and port of its head; None: what RAY_ADDRESS says, else the cluster of which this
        machine is a part, else a new one on this machine alone, for as long as it is used.
    workers (int): How many at most; 0: one for each core, or GPU.
    """

    address: Optional[str] = None
    workers: int = 0


@contextmanager
def connect(place: Place, prepare: Callable[[], Any] = lambda: None) -> Iterator[Cluster]:
    """Use a Ray cluster for the length of a block. Nothing is connected before there is work to do.

    place (Place): The cluster.
    prepare (Callable[[], Any]): What each worker does first; a function of a module.
    YIELDS (Cluster): Its workers.
    """
    # nothing is told to anybody
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import_ray()
    setup = Setup(Path.cwd(), versions(), prepare)
    cluster = Cluster(partial(_join, place.address), setup, place.workers)
    try:
        yield cluster
    finally:
        cluster.close()


def _join(address: Optional[str]) -> bool:
    """Join a cluster, unless this process belongs to one already. RETURNS (bool): Whether it has joined."""
    ray: Any = import_ray()
    if ray.is_initialized():
        return False
    named = address or os.environ.get("RAY_ADDRESS") or None
    if named is not None and "://" in named:
        error = "a client of it cannot keep the ledger; run the command on one of its machines"
        raise LLMJudgeError(Errors.J964.format(address=named, error=error))
    quiet = {"logging_level": "error", "log_to_driver": False}
    with _own_handlers():
        try:
            ray.init(address=named or "auto", **quiet)
        except (ConnectionError, ValueError, RuntimeError, AssertionError) as error:
            if named is not None:
                text = " ".join(str(error).split())
                raise LLMJudgeError(Errors.J964.format(address=named, error=text)) from error
            own = {"object_store_memory": _OBJECT_STORE, "include_dashboard": False}
            ray.init(address="local", **own, **quiet)
    return True


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Keep the handler of a signal that Ray would put its own in the place of."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
