"""The connection to a Ray cluster: one that is named, one that runs, or one of this machine alone."""

import os
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, Optional

from ..errors import Errors, LLMJudgeError
from ..stages import versions
from .calls import import_ray
from .spread import Cluster
from .worker import Setup

# what is kept in it is shards' names and counts
_OBJECT_STORE = 100_000_000


@contextmanager
def connect(
    address: Optional[str] = None,
    *,
    workers: int = 0,
    prepare: Callable[[], Any] = lambda: None,
) -> Iterator[Cluster]:
    """Use a Ray cluster for the length of a block.

    address (Optional[str]): Host and port of its head; None: what RAY_ADDRESS says, else the cluster of which this
        machine is a part, else a new one on this machine alone, which ends with the block.
    workers (int): How many at most; 0: one for each core, or GPU.
    prepare (Callable[[], Any]): What each worker does first; a function of a module.
    YIELDS (Cluster): Its workers.
    """
    # nothing is told to anybody
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_ray()
    is_ours = not ray.is_initialized()
    if is_ours:
        with _own_handlers():
            _join(ray, address)
    try:
        cluster = Cluster(Setup(Path.cwd(), versions(), prepare), workers)
        try:
            yield cluster
        finally:
            cluster.close()
    finally:
        if is_ours:
            ray.shutdown()


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Keep the handlers of signals that Ray would put its own in the place of."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)


def _join(ray: Any, address: Optional[str]) -> None:
    quiet = {"logging_level": "error", "log_to_driver": False}
    named = address or os.environ.get("RAY_ADDRESS")
    if named is not None and "://" in named:
        error = "a client of it cannot keep the ledger; run the command on one of its machines"
        raise LLMJudgeError(Errors.J964.format(address=named, error=error))
    try:
        ray.init(address=named or "auto", **quiet)
    except (ConnectionError, ValueError, RuntimeError, AssertionError) as error:
        if named is not None:
            text = " ".join(str(error).split())
            raise LLMJudgeError(Errors.J964.format(address=named, error=text)) from error
        own = {"object_store_memory": _OBJECT_STORE, "include_dashboard": False}
        ray.init(address="local", **own, **quiet)
