"""What threads have to tell the user: kept until the thread of the user, whose filters hold, can warn."""

import threading
import warnings
from collections import Counter
from typing import List

_MOST = 6


class Notices:
    """Warnings that wait. The same text comes once, and of the same code a few at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: List[str] = []
        self._seen: Counter[str] = Counter()

    def add(self, text: str) -> None:
        """Keep a warning until `warn` is called.

        text (str): It begins with its code, or is empty.
        """
        code = text.partition(" ")[0]
        with self._lock:
            self._seen[text] += 1
            if text and self._seen[text] == 1 and self._seen[code] < _MOST:
                self._seen[code] += 1
                self._waiting.append(text)

    def warn(self) -> None:
        """Warn of what has come up since the last call."""
        with self._lock:
            texts, self._waiting = self._waiting, []
        for text in texts:
            warnings.warn(text, stacklevel=3)
