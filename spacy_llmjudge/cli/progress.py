"""Progress bars, a spinner, and what the judge is doing in one line while it does it."""

import sys
import threading
import time
import warnings
from collections import Counter
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Optional

from spacy.tokens import Doc

from ..errors import LLMJudgeError
from ..transport.sender import Metered
from ..transport.tally import Counts
from .printer import msg

_EVERY = 0.5
# Ends that need nobody's attention: there was nothing to ask.
_NOTHING = {"no_words", "no_candidates"}


@contextmanager
def progress_bar(
    total: Optional[int], text: str, unit: str = "doc"
) -> Iterator[Callable[[int], Any]]:
    """A progress bar; a counter where nobody knows the total.

    YIELDS (Callable[[int], Any]): To be called with the number of units that are done.
    """
    from tqdm import tqdm

    with tqdm(total=total, desc=text, unit=unit, leave=False, mininterval=0.3) as bar:
        yield bar.update


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Show that work is under way where no count of it is known; nothing where nobody looks."""
    if sys.stdout.isatty():
        with msg.loading(text):
            yield
    else:
        yield


class Meter:
    """Counts what a judge has done with the documents of one split that it is asked about, and shows it.

    text (str): What comes first in the line.
    """

    def __init__(self, text: str) -> None:
        self._total = 0
        self._text = text
        self._model: Any = None
        self._kept = self._judged = self._in_shard = 0
        self._ends: Dict[str, Counter] = {"abstained": Counter(), "not_sent": Counter()}
        self._start = time.monotonic()

    def watch(self, judge: Any, total: int) -> None:
        """Watch a component, from its first document on.

        judge (LLMJudge): The component. A model that counts what it does has `usage`.
        total (int): Documents that it is asked about.
        """
        judge.on_judged = self._count
        self._total = total
        self._model = judge.model
        self._start = time.monotonic()

    def _count(self, doc: Doc) -> None:
        from ..candidates import get_status

        self._judged += 1
        self._in_shard += 1
        status = get_status(doc)
        if status["state"] in self._ends and status["reason"] not in _NOTHING:
            self._ends[status["state"]][status["reason"]] += 1

    def shard(self, n_docs: int) -> None:
        """Count a shard; its documents were judged now, or in an earlier run."""
        self._kept += n_docs - min(self._in_shard, n_docs)
        self._in_shard = 0

    def line(self) -> str:
        """RETURNS (str): Documents done, abstained and not sent by reason, tokens, money, time left."""
        done = self._kept + self._judged
        parts = [f"{self._text}: {done} of {self._total} docs"]
        for state, reasons in self._ends.items():
            if reasons:
                found = ", ".join(f"{n} {why}" for why, n in reasons.most_common())
                parts.append(f"{state.replace('_', ' ')} {sum(reasons.values())} ({found})")
        usage = self._usage()
        if usage is not None:
            parts += [describe_tokens(usage), describe_money(usage)]
        # Such as a batch, of which nobody knows how long it takes.
        waits = getattr(self._model, "under_way", "")
        parts.append(waits or f"{self._left(done)} left")
        return " | ".join(parts)

    def _usage(self) -> Optional[Counts]:
        try:
            return self._model.usage() if isinstance(self._model, Metered) else None
        except LLMJudgeError:
            # Such as a model without a price: whoever asks it meets the same, and ends with it.
            return None

    def _left(self, done: int) -> str:
        if not self._judged:
            return "?"
        # By what was judged in this run: what was kept from an earlier one took no time.
        seconds = (time.monotonic() - self._start) / self._judged * (self._total - done)
        minutes, seconds = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"


def describe_tokens(usage: Counts) -> str:
    """RETURNS (str): Tokens in and out, as far as the server counts them."""
    if usage["tokens_in"] is None or usage["tokens_out"] is None:
        return "tokens unknown"
    return f"tokens {usage['tokens_in']:,} in, {usage['tokens_out']:,} out"


def describe_money(usage: Counts) -> str:
    """RETURNS (str): What a ledger has spent and reserved, and its budget where there is one."""
    if usage["cost"] is None:
        return "cost unknown"
    budget = "" if usage["max_cost"] is None else f" of {usage['max_cost']:g}"
    return f"{usage['cost']:.4f}{budget} USD"


@contextmanager
def live(meter: Meter, every: float = _EVERY) -> Iterator[None]:
    """Show a meter on stderr until the block ends; it also moves while no document is finished.

    meter (Meter): The meter.
    every (float): Seconds between two looks.
    """
    from tqdm import tqdm

    stop = threading.Event()
    with tqdm(total=0, bar_format="{desc}", leave=False) as bar:

        def show() -> None:
            before = ""
            while not stop.wait(every):
                line = meter.line()
                if line != before:
                    bar.set_description_str(line)
                before = line

        def warn(*args: Any, **settings: Any) -> None:
            # A warning gets a line of its own, and the meter stays under it.
            with bar.external_write_mode():
                shown(*args, **settings)

        shown, warnings.showwarning = warnings.showwarning, warn
        thread = threading.Thread(target=show, name="llmjudge-meter", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            warnings.showwarning = shown
            bar.set_description_str(meter.line())
