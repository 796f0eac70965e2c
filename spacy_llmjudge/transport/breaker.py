"""When to stop sending to a server that is down: by the share of prompts that it failed, and by time."""

import threading
import time
import warnings
from collections import deque
from typing import Callable, Deque, Optional

from ..errors import Warnings

# Failures that tell of the server, and not of the prompt that met them.
DOWN = ("refused", "tls", "http_429", "http_502", "http_503", "http_504", "http_529")


class Breaker:
    """Counts prompts, each after all its tries, and stops the rest when the server seems to be down.

    It stops when of the last `window` prompts at least `share` failed, or when no prompt had an answer
    for `silence` seconds, in which at least `least` failed in a way that tells of the server.

    window (int): Prompts that are looked back on, most of which must be there.
    share (float): Of them, 0 to 1.
    silence (float): Seconds.
    least (int): Prompts.
    clock (Callable[[], float]): Seconds that only grow.
    """

    def __init__(
        self,
        window: int = 40,
        share: float = 0.9,
        silence: float = 30.0,
        least: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.reason: Optional[str] = None
        self._window = window
        self._share = share
        self._silence = silence
        self._least = least
        self._clock = clock
        self._failed: Deque[bool] = deque(maxlen=window)
        self._n_down = 0
        self._last_answer: Optional[float] = None
        self._on_trial = False
        self._lock = threading.Lock()

    @property
    def is_well(self) -> bool:
        """Whether the server answers most prompts, so that one failure may be about its prompt."""
        with self._lock:
            return sum(self._failed) * 2 < len(self._failed)

    def count(self, failure: Optional[str]) -> None:
        """Count a prompt.

        failure (Optional[str]): Why the server failed it; None where it did not.
        """
        with self._lock:
            now = self._clock()
            self._failed.append(failure is not None)
            if failure is None:
                self._n_down, self._last_answer, self._on_trial = 0, now, False
                return
            is_down = failure in DOWN
            self._n_down += is_down
            if self._last_answer is None:
                # From the first failure on, where there was no answer at all.
                self._last_answer = now
            is_silent = self._n_down >= self._least and now - self._last_answer >= self._silence
            if is_silent or self._is_failing() or (self._on_trial and is_down):
                self.reason = failure

    def _is_failing(self) -> bool:
        n_failed, n = sum(self._failed), len(self._failed)
        return n >= 0.75 * self._window and n_failed >= self._share * n

    def try_again(self) -> None:
        """Let some prompts through after a stop: the next one that finds the server down stops it again."""
        with self._lock:
            if self.reason is not None:
                self.reason = None
                self._failed.clear()
                self._on_trial = True

    def warn(self, host: str) -> None:
        """Say why prompts were not sent, if some were not.

        host (str): The server.
        """
        if self.reason is not None:
            text = Warnings.JW313.format(host=host, reason=self.reason)
            warnings.warn(text, stacklevel=3)
