"""How one request ended, and the loop that tries again."""

import random
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Optional

from ..errors import Errors, LLMJudgeError
from .limits import Limits
from .messages import Reply
from .usage import UNKNOWN, Usage

MAX_BACKOFF = 30.0


@dataclass
class Attempt:
    """How one request ended.

    state (str): "replied"; "failed" (it may be tried again); "refitted" (it was refused, and the next
        one is written in another way); "rejected" (this prompt will never do); "not_sent".
    raw (str): What the server sent, without secrets.
    body (Any): What `raw` was decoded to, where that is a reply.
    usage (Usage): The tokens that it says it used.
    reason (Optional[str]): Why it did not reply, a short snake_case word.
    status (Optional[int]): The HTTP status.
    wait (Optional[float]): Seconds that the server asks to wait.
    pause_all (bool): Whether that holds for every worker.
    billed (bool): Whether the request may have to be paid.
    asked (bool): Whether the server was asked at all.
    error (Optional[LLMJudgeError]): Set where nothing more should be sent at all.
    notice (str): A warning for the user.
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
    body: Any = None
    usage: Usage = UNKNOWN
    notice: str = ""


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
            # One that is written in another way now has not shown yet that this way will do.
            proved = outcome.asked and outcome.error is None and outcome.state != "refitted"
            limits.leave(proved)
        if outcome.error is not None:
            raise outcome.error
        if outcome.state == "refitted":
            continue
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


def without_reply(outcome: Attempt) -> Reply:
    """What the task gets to see of a prompt that has no reply.

    A prompt that was rejected will never have one: the model abstains. All else says nothing about the
    prompt, so that another run asks again.

    outcome (Attempt): How its last request ended.
    RETURNS (Reply): Without text, with a state and a reason.
    """
    state = "abstained" if outcome.state == "rejected" else "not_sent"
    return Reply("", state=state, reason=outcome.reason)
