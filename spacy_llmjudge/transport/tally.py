"""What a model has done so far, counted by all its workers."""

import threading
from collections import Counter
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple, TypedDict

from .messages import Reply


class Counts(TypedDict):
    """What was done so far.

    requests (int): Requests that left.
    replied (int): Prompts with a reply.
    stored (int): Of these, those whose reply had been kept.
    abstained (Dict[str, int]): Prompts that will never have one, by reason.
    not_sent (Dict[str, int]): Prompts that another run can ask, by reason.
    tokens_in (Optional[int]): Tokens of the new replies; None where no server counted.
    tokens_out (Optional[int]): The same.
    cost (Optional[float]): US dollars, of all runs of a ledger; None without a ledger or a price.
    max_cost (Optional[float]): Its budget, where there is one.
    """

    requests: int
    replied: int
    stored: int
    abstained: Dict[str, int]
    not_sent: Dict[str, int]
    tokens_in: Optional[int]
    tokens_out: Optional[int]
    cost: Optional[float]
    max_cost: Optional[float]


def add_counts(parts: Sequence[Counts], ledgers: Sequence[Optional[Path]]) -> Optional[Counts]:
    """Add up what several models did.

    parts (Sequence[Counts]): What each one did.
    ledgers (Sequence[Optional[Path]]): The ledger of each, which counts the cost of all models on it together;
        None for one without.
    RETURNS (Optional[Counts]): None of none.
    """
    if not parts:
        return None

    def total(name: str) -> Optional[int]:
        known = [part[name] for part in parts if part[name] is not None]  # type: ignore[literal-required]
        return sum(known) if known else None

    def money(name: str) -> Optional[float]:
        most: Dict[object, float] = {}
        for i, (part, ledger) in enumerate(zip(parts, ledgers)):
            one: object = i if ledger is None else ledger.resolve()
            if part[name] is not None:  # type: ignore[literal-required]
                most[one] = max(most.get(one, 0.0), part[name])  # type: ignore[literal-required]
        return sum(most.values()) if most else None

    return {
        "requests": total("requests") or 0,
        "replied": total("replied") or 0,
        "stored": total("stored") or 0,
        "tokens_in": total("tokens_in"),
        "tokens_out": total("tokens_out"),
        "abstained": dict(sum((Counter(part["abstained"]) for part in parts), Counter())),
        "not_sent": dict(sum((Counter(part["not_sent"]) for part in parts), Counter())),
        "cost": money("cost"),
        "max_cost": money("max_cost"),
    }


class Tally:
    """Counts requests, replies and tokens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = 0
        self._stored = 0
        self._n_counted = 0
        self._tokens: Counter[str] = Counter()
        self._ends: Counter[Tuple[str, Optional[str]]] = Counter()

    def request(self) -> None:
        """Count a request that is about to leave."""
        with self._lock:
            self._requests += 1

    def reply(self, reply: Reply, stored: bool = False) -> Reply:
        """Count how a prompt ended.

        reply (Reply): Its reply.
        stored (bool): Whether it had been kept, so that its tokens were counted when it came.
        RETURNS (Reply): The reply.
        """
        with self._lock:
            self._ends[reply.state, reply.reason] += 1
            self._stored += stored
            if not stored and reply.usage:
                self._n_counted += 1
                self._tokens.update(reply.usage)
        return reply

    def counts(self, cost: Optional[float] = None, max_cost: Optional[float] = None) -> Counts:
        """What was counted.

        cost (Optional[float]): What a ledger has spent.
        max_cost (Optional[float]): Its budget.
        RETURNS (Counts): The counts.
        """
        with self._lock:
            ends = sorted(self._ends.items(), key=str)
            n_replied = sum(n for (state, _), n in ends if state == "replied")
            # Nothing is known where there are new replies, and none says what it took.
            is_known = self._n_counted > 0 or n_replied == self._stored
            return {
                "requests": self._requests,
                "replied": n_replied,
                "stored": self._stored,
                "abstained": {str(why): n for (state, why), n in ends if state == "abstained"},
                "not_sent": {str(why): n for (state, why), n in ends if state == "not_sent"},
                "tokens_in": self._tokens["tokens_in"] if is_known else None,
                "tokens_out": self._tokens["tokens_out"] if is_known else None,
                "cost": cost,
                "max_cost": max_cost,
            }
