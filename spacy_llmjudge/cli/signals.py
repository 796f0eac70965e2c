"""Signals that end a command as Ctrl-C does, so that replies under way are kept."""

import signal
import threading
from contextlib import contextmanager
from typing import Any, Iterator


class Stopped(KeyboardInterrupt):
    """An interruption by another signal than Ctrl-C's.

    signal (int): Its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


@contextmanager
def heed_signals() -> Iterator[None]:
    """End on SIGTERM and SIGHUP as on Ctrl-C: `docker stop`, batch systems and closed terminals send these."""

    def stop(number: int, frame: Any) -> None:
        raise Stopped(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # Whoever ignores one, as nohup does, means it.
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
