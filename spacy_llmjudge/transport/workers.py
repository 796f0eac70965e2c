"""Many prompts at once, replies in order: a crew of threads for the length of one stream.

The threads are daemons, so that no reply that never comes can hold up the end of the process.
"""

import threading
import time
import warnings
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from queue import SimpleQueue
from typing import (
    Callable,
    Deque,
    Generic,
    Iterable,
    Iterator,
    List,
    Optional,
    Tuple,
    TypeVar,
    Union,
)

from ..errors import Warnings
from .messages import Reply

GRACE = 3.0
# Seconds that a reply needs from its last byte to the disk.
MARGIN = 1.0
_AHEAD = 4
# Seconds after which it is said what is waited for, and interruptions after which it is not any more.
_QUIET = 1.0
_ENOUGH = 2
# A prompt, or what a ledger makes of it.
T = TypeVar("T")
Slot = Union[Reply, "Future[Reply]"]


def reply_in_order(
    groups: Iterable[Iterable[T]],
    ask: Callable[[T, threading.Event], Reply],
    *,
    workers: int,
    look_up: Optional[Callable[[T], Optional[Reply]]] = None,
    grace: float = GRACE,
) -> Iterator[List[Reply]]:
    """Ask many prompts at once and yield their replies in the order of the prompts.

    Reads ahead by a few prompts a worker and no further, so that memory does not grow with the
    stream. An error in `ask` ends the stream. Whatever ends it, an interruption too, requests that
    are under way may be paid for: they get as long as they can take to come home, and another
    interruption does not change that; two more do.

    groups (Iterable[Iterable[T]]): The prompts of each document.
    ask (Callable[[T, threading.Event], Reply]): Finds the reply to one prompt; gets an event that is
        set when the stream ends.
    workers (int): How many threads.
    look_up (Optional[Callable[[T], Optional[Reply]]]): Finds replies that need no thread.
    grace (float): Seconds that a request under way can take when the stream ends early.
    YIELDS (List[Reply]): The replies of each document.
    """
    crew: _Crew[T] = _Crew(ask, workers)
    waiting: Deque[List[Slot]] = deque()
    most = workers * _AHEAD
    try:
        for group in groups:
            slots: List[Slot] = []
            for prompt in group:
                found = look_up(prompt) if look_up else None
                slots.append(crew.submit(prompt) if found is None else found)
            waiting.append(slots)
            while waiting and (
                crew.behind >= most or len(waiting) >= most or _are_done(waiting[0])
            ):
                yield crew.collect(waiting.popleft())
        while waiting:
            yield crew.collect(waiting.popleft())
    finally:
        crew.close(grace)


def _are_done(slots: List[Slot]) -> bool:
    return all(not isinstance(slot, Future) or slot.done() for slot in slots)


class _Crew(Generic[T]):
    def __init__(self, ask: Callable[[T, threading.Event], Reply], size: int) -> None:
        self._ask = ask
        self._size = size
        self._jobs: SimpleQueue[Optional[Tuple[T, Future[Reply]]]] = SimpleQueue()
        self._threads: List[threading.Thread] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._open: Deque[Future[Reply]] = deque()
        self._error: Optional[BaseException] = None
        self._n_busy = 0
        self.behind = 0

    def submit(self, prompt: T) -> "Future[Reply]":
        future: Future[Reply] = Future()
        with self._lock:
            self._open.append(future)
            if self._error is not None:
                future.set_exception(self._error)
        self.behind += 1
        if len(self._threads) < min(self._size, self.behind):
            thread = threading.Thread(target=self._work, name="llmjudge-worker", daemon=True)
            thread.start()
            self._threads.append(thread)
        self._jobs.put((prompt, future))
        return future

    def collect(self, slots: List[Slot]) -> List[Reply]:
        replies = []
        for slot in slots:
            if isinstance(slot, Future):
                replies.append(slot.result())
                self.behind -= 1
                with self._lock:
                    self._open.popleft()
            else:
                replies.append(slot)
        return replies

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            prompt, future = job
            if self._stop.is_set():
                continue
            self._count_busy(1)
            try:
                reply = self._ask(prompt, self._stop)
            except BaseException as error:
                self._fail(error)
                continue
            finally:
                self._count_busy(-1)
            try:
                future.set_result(reply)
            except InvalidStateError:
                pass  # the stream failed meanwhile, and told whoever waits

    def _fail(self, error: BaseException) -> None:
        """Tell whoever waits for a reply at once, instead of when its turn comes."""
        self._stop.set()
        with self._lock:
            if self._error is None:
                self._error = error
            for future in self._open:
                if not future.done():
                    try:
                        future.set_exception(self._error)
                    except InvalidStateError:
                        pass  # its reply came in between

    def _count_busy(self, change: int) -> None:
        with self._lock:
            self._n_busy += change

    def close(self, grace: float) -> None:
        """End the threads; what is under way comes home first."""
        if self.behind:
            self._stop.set()
        for _ in self._threads:
            self._jobs.put(None)
        start = time.monotonic()
        n_interrupts, is_told = 0, False
        while any(t.is_alive() for t in self._threads) and time.monotonic() - start < grace:
            try:
                if not is_told and time.monotonic() - start > _QUIET:
                    is_told = True
                    self._tell(grace)
                time.sleep(0.02)
            except KeyboardInterrupt:
                n_interrupts += 1
                if n_interrupts >= _ENOUGH:
                    raise

    def _tell(self, grace: float) -> None:
        with suppress(Exception):
            # The terminal may be gone, and the replies come home all the same.
            text = Warnings.JW334.format(count=self._n_busy, seconds=grace)
            warnings.warn(text, stacklevel=4)
