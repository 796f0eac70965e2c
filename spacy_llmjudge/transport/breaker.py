"""When to stop sending to a server that is down."""

import threading
import warnings
from typing import Optional

from ..errors import Warnings


class Breaker:
    """Stops sending when a server fails one prompt after the other, each after all its tries.

    limit (int): Failed prompts in a row.
    """

    def __init__(self, limit: int = 64) -> None:
        self.limit = limit
        self.reason: Optional[str] = None
        self._in_a_row = 0
        self._lock = threading.Lock()

    def count(self, failure: Optional[str]) -> None:
        """Count a prompt.

        failure (Optional[str]): Why the server failed it; None where it did not.
        """
        with self._lock:
            self._in_a_row = 0 if failure is None else self._in_a_row + 1
            if self._in_a_row >= self.limit:
                self.reason = failure

    def try_again(self) -> None:
        """Let some prompts through after a stop: the next one that fails stops it again."""
        with self._lock:
            if self.reason is not None:
                self._in_a_row, self.reason = self.limit - 1, None

    def warn(self, host: str) -> None:
        """Say why prompts were not sent, if some were not.

        host (str): The server.
        """
        if self.reason is not None:
            text = Warnings.JW313.format(host=host, count=self.limit, reason=self.reason)
            warnings.warn(text, stacklevel=3)
