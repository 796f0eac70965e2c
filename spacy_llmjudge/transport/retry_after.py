"""How long a server asks to wait: `Retry-After`, in all the shapes that servers write it.

Seconds, fractions of a second, milliseconds in a header of their own, a date; a field or a sentence in
the body, where there is no header. It can lie in the past, be negative, or be garbage. What cannot be
read counts as absent.
"""

import email.utils
import re
import time
from datetime import timezone
from typing import Callable, Dict, List, Mapping, Optional

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
# A field such as "retryDelay": "34s" or "retry_after_ms": 500. Quotes may be escaped, in a body in a body.
_FIELD = re.compile(
    r"""retry[-_]?(?:delay|after)(?:[-_]?(ms|milliseconds|s|seconds))?\\*"\s*:\s*\\*"?([0-9][0-9.smhd]*)""",
    re.IGNORECASE,
)
# A sentence such as "Please try again in 7m34.5s." or "Retry after 6 seconds."
_SENTENCE = re.compile(
    r"(?:try again|retry|wait)\s+(?:in|after|for)\s+(?:about\s+)?"
    r"([0-9][0-9.smhd]*)(?:\s+(milliseconds?|seconds?|minutes?|hours?|days?))?",
    re.IGNORECASE,
)
_WORDS = {"millisecond": "ms", "second": "s", "minute": "m", "hour": "h", "day": "d"}
# The moment when a limit is lifted, in seconds or milliseconds since 1970.
_RESET = re.compile(r"x-ratelimit-reset\\*\"\s*:\s*\\*\"?([0-9]{10}(?:[0-9]{3})?)\b", re.IGNORECASE)
_LONGEST_BODY = 20_000


def read_retry_after(
    headers: Mapping[str, str], body: str = "", now: Optional[float] = None
) -> Optional[float]:
    """Read how long a server asks to wait.

    headers (Mapping[str, str]): The headers of its response.
    body (str): The body, where there is no header.
    now (Optional[float]): Seconds since 1970; None takes the clock's.
    RETURNS (Optional[float]): Seconds, 0 or more; None where there is no hint that can be read.

    EXAMPLE:
        >>> read_retry_after({"Retry-After": "2.5"}), read_retry_after({"retry-after-ms": "300"})
        (2.5, 0.3)
        >>> read_retry_after({"Retry-After": "soon"}) is None
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
    reset = _reset_hint(found)
    return _read_body(body[:_LONGEST_BODY], now) if reset is None else reset


def _read_body(body: str, now: Optional[float]) -> Optional[float]:
    """The longest wait that a field or a sentence of a body asks for."""
    waits = []
    for unit, number in _FIELD.findall(body):
        waits.append(_with_unit(number, "ms" if unit.lower().startswith("m") else "s"))
    for number, word in _SENTENCE.findall(body):
        waits.append(_with_unit(number, _WORDS.get(word.lower().rstrip("s"), "s")))
    for moment in _RESET.findall(body):
        seconds = int(moment) / (1000 if len(moment) == 13 else 1)
        waits.append(max(0.0, seconds - (time.time() if now is None else now)))
    return max((wait for wait in waits if wait is not None), default=None)


def _with_unit(text: str, unit: str) -> Optional[float]:
    """Seconds, of a number that has a unit of its own or else this one."""
    # The dot may end the sentence.
    text = text.rstrip(".")
    number = _number(text)
    return _duration(text) if number is None else number * _UNITS[unit]


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
    waits: List[float] = []
    for part in text.split(","):
        wait = read(part.strip())
        if wait is None:
            return None
        waits.append(wait)
    return max(waits)


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
