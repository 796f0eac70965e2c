"""What all workers of a model share: pauses, rates, and the first request, which goes alone."""

import threading
import time
from typing import Callable, Optional

_STEP = 0.25


class TokenBucket:
    """Lets through at most so many units a minute; who comes too early is told how long to wait.

    In any stretch of t seconds at most `rate * t + burst` units start, and whoever came first goes
    first: units are taken at once, as a debt, and the wait is the time until the debt is paid.

    per_minute (float): Units a minute.
    clock (Callable[[], float]): Seconds that only grow.

    EXAMPLE:
        >>> bucket = TokenBucket(60, clock=lambda: 0.0)
        >>> bucket.take(1), bucket.take(1), bucket.take(2)
        (0.0, 1.0, 3.0)
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = per_minute / 60.0
        self.burst = max(1.0, self.rate)
        self._clock = clock
        self._level = self.burst
        self._then = clock()
        self._lock = threading.Lock()

    def take(self, units: float) -> float:
        """Take units.

        units (float): How many.
        RETURNS (float): Seconds to wait before using them.
        """
        with self._lock:
            self._refill()
            self._level -= units
            return max(0.0, -self._level / self.rate)

    def _refill(self) -> None:
        now = self._clock()
        self._level = min(self.burst, self._level + (now - self._then) * self.rate)
        self._then = now


class Limits:
    """The door that every request goes through.

    One 429 pauses everybody. Until the first request has shown that the server, the key and the model
    can be used at all, nobody else goes: a wrong key costs one request, whatever the concurrency.

    requests_per_minute (Optional[float]): None for no limit.
    tokens_per_minute (Optional[float]): None for no limit.
    """

    def __init__(
        self,
        requests_per_minute: Optional[float] = None,
        tokens_per_minute: Optional[float] = None,
    ) -> None:
        self._requests = TokenBucket(requests_per_minute) if requests_per_minute else None
        self._tokens = TokenBucket(tokens_per_minute) if tokens_per_minute else None
        self._condition = threading.Condition()
        self._open_at = 0.0
        self._proved = False
        self._probing = False

    def pause(self, seconds: float) -> None:
        """Let nobody through before that many seconds have passed."""
        with self._condition:
            self._open_at = max(self._open_at, time.monotonic() + seconds)

    def enter(self, tokens: int, stop: threading.Event) -> bool:
        """Wait for one's turn.

        tokens (int): What the request uses of the token rate.
        stop (threading.Event): Ends the wait.
        RETURNS (bool): False where the run stopped meanwhile.
        """
        wait = self._requests.take(1) if self._requests else 0.0
        if self._tokens:
            wait = max(wait, self._tokens.take(tokens))
        if wait > 0.0:
            stop.wait(wait)
        with self._condition:
            while not self._proved and self._probing and not stop.is_set():
                # Short steps: whoever stops the run knows nothing of this condition.
                self._condition.wait(_STEP)
            is_probe = not stop.is_set() and not self._proved
            self._probing = self._probing or is_probe
        if self.wait_open(stop):
            return True
        if is_probe:
            # It never left, and whoever comes in the next run would wait for it.
            self.leave(proved=False)
        return False

    def wait_open(self, stop: threading.Event) -> bool:
        """Wait while everybody is paused.

        stop (threading.Event): Ends the wait.
        RETURNS (bool): False where the run stopped meanwhile.
        """
        while not stop.is_set():
            pause = self._open_at - time.monotonic()
            if pause <= 0.0:
                return True
            stop.wait(pause)
        return False

    def leave(self, proved: bool) -> None:
        """Tell how the request ended.

        proved (bool): Whether it showed that the server can be used, even if it failed this time.
        """
        if self._proved:
            return
        with self._condition:
            self._probing = False
            self._proved = self._proved or proved
            self._condition.notify_all()
