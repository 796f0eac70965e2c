"""How one request ended, how long to wait, and the loop that tries again.

`Retry-After` comes in many shapes: seconds, fractions of a second, milliseconds in a header of their
own, a date; it can lie in the past, be negative, or be garbage. What cannot be read counts as absent.
"""

import email.utils
import random
import re
import threading
import time
from dataclasses import dataclass
from datetime import timezone
from typing import Callable, Dict, Mapping, Optional

from ..errors import Errors, LLMJudgeError
from .limits import Limits
from .messages import Reply

MAX_BACKOFF = 30.0
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass
class Attempt:
    """How one request ended.

    state (str): "replied"; "failed" (it may be tried again); "rejected" (this prompt will never do);
        "not_sent".
    raw (str): What the server sent, without secrets.
    reason (Optional[str]): Why it did not reply, a short snake_case word.
    status (Optional[int]): The HTTP status.
    wait (Optional[float]): Seconds that the server asks to wait.
    pause_all (bool): Whether that holds for every worker.
    billed (bool): Whether the request may have to be paid.
    asked (bool): Whether the server was asked at all.
    error (Optional[LLMJudgeError]): Set where nothing more should be sent at all.
    """

    state: str
    raw: str = ""
    reason: Optional[str] = None
    status: Optional[int] = None
    wait: Optional[float] = None
    pause_all: bool = False
    billed: bool = True
    asked: bool = True
    error: Optional[LLMJudgeError] = None


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently to try.

    max_tries (int): Requests for one prompt at most.
    backoff (float): Seconds before the second try where the server gives no hint; doubles with each.
    max_wait (float): The longest wait that a server may ask for; longer ones end the run.
    """

    max_tries: int
    backoff: float
    max_wait: float

    def pause(self, n_failed: int, draw: float) -> float:
        """Exponential backoff with jitter.

        n_failed (int): Failed tries so far, at least 1.
        draw (float): A random number, 0 to 1.
        RETURNS (float): Seconds: between half and all of `backoff * 2 ** (n_failed - 1)`, capped.
        """
        longest = min(MAX_BACKOFF, self.backoff * 2 ** (n_failed - 1))
        return longest * (0.5 + 0.5 * draw)


def read_hint(headers: Mapping[str, str], now: Optional[float] = None) -> Optional[float]:
    """Read how long a server asks to wait.

    headers (Mapping[str, str]): The headers of its answer.
    now (Optional[float]): Seconds since 1970; None takes the clock's.
    RETURNS (Optional[float]): Seconds, 0 or more; None where there is no hint that can be read.

    EXAMPLE:
        >>> read_hint({"Retry-After": "2.5"}), read_hint({"retry-after-ms": "300"})
        (2.5, 0.3)
        >>> read_hint({"Retry-After": "soon"}) is None
        True
    """
    found: Dict[str, str] = {}
    for name, value in headers.items():
        # A header that comes twice, as from a proxy and from the server behind it.
        before = found.get(name.lower())
        found[name.lower()] = value.strip() if before is None else f"{before}, {value.strip()}"
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _longest(found.get(name, ""), _number)
        if milliseconds is not None:
            return max(0.0, milliseconds / 1000)
    after = found.get("retry-after")
    if after:
        seconds = _longest(after, _duration)
        if seconds is None:
            seconds = _until(after, found.get("date"), now)
        if seconds is not None:
            return max(0.0, seconds)
    return _reset_hint(found)


def _number(text: Optional[str]) -> Optional[float]:
    if text is None or not re.match(r"[+-]?[0-9]{1,12}(\.[0-9]*)?\Z", text):
        return None
    return float(text)


def _duration(text: str) -> Optional[float]:
    """Seconds, as a number or written like `1m30s`."""
    seconds = _number(text)
    if seconds is None and re.match(rf"(?:{_DURATION.pattern})+\Z", text):
        seconds = sum(float(n) * _UNITS[unit] for n, unit in _DURATION.findall(text))
    return seconds


def _longest(text: str, read: Callable[[str], Optional[float]]) -> Optional[float]:
    """The longest of the waits that stand there, None where any part of it is something else."""
    waits = [read(part.strip()) for part in text.split(",")]
    return None if None in waits else max(waits)


def _until(text: str, server_date: Optional[str], now: Optional[float]) -> Optional[float]:
    """Seconds until an HTTP date, by the server's own clock where it tells it."""
    moment = _timestamp(text)
    if moment is None:
        return None
    clock = _timestamp(server_date) if server_date else None
    if clock is None:
        clock = time.time() if now is None else now
    return moment - clock


def _timestamp(text: str) -> Optional[float]:
    try:
        moment = email.utils.parsedate_to_datetime(text)
        if moment.tzinfo is None:
            # Whoever leaves the zone out means GMT, and not the zone of this machine.
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _reset_hint(found: Mapping[str, str]) -> Optional[float]:
    """The `x-ratelimit-reset-*` durations of whichever limit is used up."""
    waits = []
    for kind in ("requests", "tokens"):
        remaining = _number(found.get(f"x-ratelimit-remaining-{kind}"))
        if remaining is None or remaining > 0:
            continue
        seconds = _duration(found.get(f"x-ratelimit-reset-{kind}", ""))
        if seconds is not None:
            waits.append(max(0.0, seconds))
    return max(waits) if waits else None


def persist(
    attempt: Callable[[], Attempt],
    *,
    policy: RetryPolicy,
    limits: Limits,
    tokens: int,
    host: str,
    stop: threading.Event,
) -> Attempt:
    """Try until there is a reply, the tries are used up, or the run stops.

    attempt (Callable[[], Attempt]): Sends one request.
    policy (RetryPolicy): How often and how patiently.
    limits (Limits): What all workers share: pauses, rates, and whether the server can be used at all.
    tokens (int): What one request uses of the token rate.
    host (str): The server, for the message.
    stop (threading.Event): Set when the run ends; waits end with it.
    RETURNS (Attempt): How the last request ended.
    """
    n_failed = 0
    outcome = Attempt("not_sent", reason="stopped", asked=False)
    while limits.enter(tokens, stop):
        outcome = Attempt("failed", reason="internal")
        try:
            outcome = attempt()
        finally:
            limits.leave(proved=outcome.asked and outcome.error is None)
        if outcome.error is not None:
            raise outcome.error
        if outcome.state != "failed":
            break
        n_failed += 1
        if outcome.wait is not None and outcome.wait > policy.max_wait:
            raise LLMJudgeError(_too_long(host, outcome.wait, policy.max_wait))
        # A hint of 0 seconds is common, and would use up the tries at once.
        pause = max(outcome.wait or 0.0, policy.pause(n_failed, random.random()))
        if outcome.pause_all:
            limits.pause(pause)
        if n_failed >= policy.max_tries:
            break
        stop.wait(pause)
    return outcome


def _too_long(host: str, seconds: float, limit: float) -> str:
    clock = time.strftime("%Y-%m-%d %H:%M", time.gmtime(time.time() + min(seconds, 1e8)))
    return Errors.J317.format(host=host, seconds=seconds, limit=limit, clock=clock)


def as_reply(outcome: Attempt, parse: Callable[[str], Reply]) -> Reply:
    """Turn the last attempt into what the task gets to see."""
    if outcome.state == "replied":
        return parse(outcome.raw)
    state = "not_sent" if outcome.state == "not_sent" else "abstained"
    return Reply("", state=state, reason=outcome.reason)
