"""What a model has done so far, counted by all its workers."""

import threading
from collections import Counter
from typing import Any, Dict

from .messages import Reply


class Tally:
    """Counts requests, replies and tokens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = 0
        self._stored = 0
        self._tokens: Counter[str] = Counter()
        self._ends: Counter[tuple] = Counter()

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
            if not stored:
                self._tokens.update(reply.usage)
        return reply

    def as_dict(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): `requests`, `replied` (of which `stored` had been kept),
        `abstained` and `not_sent` by reason, `tokens_in` and `tokens_out`.
        """
        with self._lock:
            ends = sorted(self._ends.items(), key=str)
            counts: Dict[str, Any] = {
                "requests": self._requests,
                "replied": sum(n for (state, _), n in ends if state == "replied"),
                "stored": self._stored,
                "tokens_in": self._tokens["tokens_in"],
                "tokens_out": self._tokens["tokens_out"],
            }
        for name in ("abstained", "not_sent"):
            counts[name] = {str(why): n for (state, why), n in ends if state == name}
        return counts
