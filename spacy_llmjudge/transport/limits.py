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


class Door:
    """What all requests of a model share. Nothing here waits: each answer says how long to.

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
        self._lock = threading.Lock()
        self._open_at = 0.0
        self._proved = False
        self._probe: Optional[str] = None

    def take(self, tokens: int) -> float:
        """Take one request and its tokens from the rates. RETURNS (float): Seconds to wait for them."""
        wait = self._requests.take(1) if self._requests else 0.0
        return max(wait, self._tokens.take(tokens)) if self._tokens else wait

    def knock(self, who: str = "") -> str:
        """Ask for one's turn.

        who (str): The worker, so that one that died holds up nobody.
        RETURNS (str): "open", "probe" (go alone, and `leave`) or "wait" (somebody else is the probe).
        """
        with self._lock:
            if self._proved:
                return "open"
            if self._probe is not None:
                return "wait"
            self._probe = who
            return "probe"

    def open_in(self) -> float:
        """RETURNS (float): Seconds until the pause is over; not above 0 where there is none."""
        return self._open_at - time.monotonic()

    def pause(self, seconds: float) -> None:
        """Let nobody through before that many seconds have passed."""
        with self._lock:
            self._open_at = max(self._open_at, time.monotonic() + seconds)

    def leave(self, proved: bool, who: str = "") -> None:
        """Tell how a request ended; see `Limits.leave`."""
        with self._lock:
            self._proved = self._proved or proved
            if self._probe == who:
                self._probe = None


class Limits:
    """The door that every request goes through.

    One 429 pauses everybody. Until the first request has shown that the server, the key and the model
    can be used at all, nobody else goes: a wrong key costs one request, whatever the concurrency.

    requests_per_minute (Optional[float]): None for no limit.
    tokens_per_minute (Optional[float]): None for no limit.
    door (Optional[Door]): One that others go through as well, such as the workers of a cluster; it has rates of its
        own.
    """

    def __init__(
        self,
        requests_per_minute: Optional[float] = None,
        tokens_per_minute: Optional[float] = None,
        *,
        door: Optional[Door] = None,
    ) -> None:
        self._door = door or Door(requests_per_minute, tokens_per_minute)
        self._condition = threading.Condition()
        self._proved = False

    def pause(self, seconds: float) -> None:
        """Let nobody through before that many seconds have passed."""
        self._door.pause(seconds)

    def enter(self, tokens: int, stop: threading.Event) -> bool:
        """Wait for one's turn.

        tokens (int): What the request uses of the token rate.
        stop (threading.Event): Ends the wait.
        RETURNS (bool): False where the run stopped meanwhile.
        """
        wait = self._door.take(tokens)
        if wait > 0.0:
            stop.wait(wait)
        turn = "open" if self._proved else "wait"
        with self._condition:
            while turn == "wait" and not stop.is_set():
                turn = self._door.knock()
                if turn == "wait":
                    # Short steps: whoever stops the run knows nothing of this condition.
                    self._condition.wait(_STEP)
        if self.wait_open(stop):
            return True
        if turn == "probe":
            # It never left, and whoever comes in the next run would wait for it.
            self.leave(proved=False)
        return False

    def wait_open(self, stop: threading.Event) -> bool:
        """Wait while everybody is paused.

        stop (threading.Event): Ends the wait.
        RETURNS (bool): False where the run stopped meanwhile.
        """
        while not stop.is_set():
            pause = self._door.open_in()
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
            self._door.leave(proved)
            self._proved = self._proved or proved
            self._condition.notify_all()
