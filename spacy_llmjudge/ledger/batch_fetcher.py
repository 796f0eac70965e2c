"""Batches that are under way: looked at now and then, and what they brought written down."""

import time
import warnings
from collections import Counter
from contextlib import suppress
from typing import Callable, Dict, List, Optional, Set, Tuple

from ..errors import Errors, LLMJudgeError, Warnings
from ..transport.batches import (
    CANCELLED,
    COMPLETED,
    EXPIRED,
    FAILED,
    RUNNING,
    BatchGone,
    BatchSender,
    BatchStatus,
    BatchUnknown,
    ServerDown,
)
from ..transport.messages import Reply
from ..transport.notices import Notices
from ..transport.retry import Attempt, without_reply
from .batch_rows import BatchRows, OpenBatch, age
from .paid_requests import find_charge
from .prices import Price

# Stands for a run that asks a question directly, and has its reply in a minute.
DIRECTLY = ""
# By how much a pause is longer than the one before.
_GROWTH = 1.5
# Looks at a batch in a row that may be in vain.
_PATIENCE = 10
# Seconds for which a provider that does not find a batch, or a file of it, is asked again by each run: 30 days.
_KEPT = 30 * 86_400.0
# Why a request has no answer, by how its batch ended.
_ENDS = {
    COMPLETED: "batch_no_line",
    EXPIRED: "batch_expired",
    CANCELLED: "batch_cancelled",
    FAILED: "batch_failed",
}


class Fetcher:
    """Fetches what batches bring.

    sender (BatchSender): Who is asked.
    rows (BatchRows): What the ledger knows of batches.
    price (Optional[Price]): What tokens cost in a batch; None where that is not known.
    notices (Notices): What the user is told of.
    hook (Callable[[str], None]): As `Batches` has it.
    ended (Dict[str, Reply]): What became of questions that get no reply, by key.
    new_keys (Set[str]): Questions that got one.
    at_most (int): Requests in the next batch.
    under_way (str): What is waited for, in words.
    """

    def __init__(
        self,
        sender: BatchSender,
        rows: BatchRows,
        price: Optional[Price],
        notices: Notices,
        hook: Callable[[str], None],
    ) -> None:
        self.ended: Dict[str, Reply] = {}
        self.new_keys: Set[str] = set()
        self.at_most = sender.max_requests
        self.under_way = ""
        # Kept here, since what a file said is known once only, and the next file may not be there yet.
        self._again = False
        self._sender = sender
        self._rows = rows
        self._price = price
        self._notices = notices
        self._hook = hook
        self.begin(afresh=True)

    def begin(self, afresh: bool) -> None:
        """Take over the batches that nobody looks after.

        afresh (bool): Whether questions that got no reply are asked again.
        """
        if afresh:
            self.ended = {}
        self._failures: Counter[str] = Counter()
        self._in_vain: Counter[str] = Counter()
        self._n_refused = 0
        self._open = {batch.run: batch for batch in self._rows.adopt()}
        self._own: Set[str] = set()

    def add(self, batch: OpenBatch) -> None:
        """Look after a batch that was just made."""
        self._own.add(batch.run)
        self._open[batch.run] = batch

    def wait_for(self, wanted: Set[str]) -> bool:
        """Wait for batches and settle them; those that nobody waits for are looked at once.

        RETURNS (bool): Whether there are questions to ask again.
        """
        pause, longest = self._sender.pauses
        self._again = DIRECTLY in wanted
        looked = set(self._open)
        while True:
            for run in looked & self._open.keys():
                self._look_at(self._open[run])
            self._notices.warn()
            strangers = (wanted - self._open.keys()) & self._rows.list_open()
            looked = (wanted & self._open.keys()) | strangers
            if not looked:
                if DIRECTLY in wanted:
                    time.sleep(pause)
                return self._again
            time.sleep(pause)
            pause = min(longest, pause * _GROWTH)
            if strangers:
                # Another run looks after them, as long as it lives.
                self._again = True
                self._notices.add(Warnings.JW365)
                self._open.update({batch.run: batch for batch in self._rows.adopt()})

    def _look_at(self, batch: OpenBatch) -> None:
        """Ask how far a batch is, and settle it at its end."""
        try:
            found = self._find(batch) if batch.batch_id is None else batch
            if found is None:
                return
            batch = found
            status = self._sender.poll(batch.batch_id or "")
            self.under_way = self._describe(batch, status)
            if status.state not in (RUNNING, FAILED) and status.n_done and not status.files:
                return self._wait_for_files(batch, status)
            if status.state != RUNNING:
                self._settle(batch, status)
            del self._in_vain[batch.run]
        except BatchGone as gone:
            self._look_for(batch, str(gone))
        except BatchUnknown as unknown:
            # The server answers, and a batch takes a day at most.
            self.under_way = f"waiting for the end of {unknown.batch_id}, which may be a lost batch"
            del self._in_vain[batch.run]
        except ServerDown as down:
            self._notices.add(down.notice)
            if self._is_in_vain(batch):
                raise

    def _is_in_vain(self, batch: OpenBatch) -> bool:
        """Count a look in vain. RETURNS (bool): Whether there were enough of them."""
        self._in_vain[batch.run] += 1
        return self._in_vain[batch.run] >= _PATIENCE

    def _wait_for_files(self, batch: OpenBatch, status: BatchStatus) -> None:
        """Replies are there, and paid for, before their files are."""
        if self._is_in_vain(batch):
            host, name = self._sender.host, batch.batch_id
            raise LLMJudgeError(Errors.J362.format(host=host, batch=name, n=status.n_done))

    def _look_for(self, batch: OpenBatch, reason: str) -> None:
        """A batch, or a file of it, is not found: this may pass, and what it brought is paid for."""
        host, name = self._sender.host, batch.batch_id
        self._notices.add(Warnings.JW363.format(host=host, batch=name))
        if not self._is_in_vain(batch):
            return
        if age(batch) < _KEPT:
            if self._sender.has_batch(name or ""):
                raise ServerDown(reason)
            if not self._sender.has_file(batch.file_id or ""):
                raise LLMJudgeError(Errors.J363.format(host=host, batch=name))
        self._notices.add(Warnings.JW364.format(host=host, batch=name))
        self._settle(batch, BatchStatus(COMPLETED))

    def _find(self, batch: OpenBatch) -> Optional[OpenBatch]:
        """Find a batch of a run that was killed before it knew its name."""
        batch_id = None
        if batch.created is not None and batch.file_id is not None:
            batch_id = self._sender.find(batch.file_id, batch.run, self._rows.list_ids())
            if batch_id is None and age(batch) < self._sender.timeout:
                # A request that was under way when the run was killed may still arrive.
                return None
        if batch_id is None:
            self._rows.release(batch.run)
            del self._open[batch.run]
            self._again = True
            return None
        self._open[batch.run] = self._rows.note(batch._replace(batch_id=batch_id))
        return self._open[batch.run]

    def _describe(self, batch: OpenBatch, status: BatchStatus) -> str:
        clock = time.strftime("%H:%M:%S")
        number = list(self._open).index(batch.run) + 1
        return (
            f"batch {number} of {len(self._open)}: {status.n_done:,} of {status.n_requests:,} requests done"
            f" at {clock}"
        )

    def _settle(self, batch: OpenBatch, status: BatchStatus) -> None:
        """Write down all that a batch brought."""
        error, has_replies = None, False
        for file_id in status.files:
            for answers in self._sender.read_answers(file_id):
                self._hook("received")
                for _, outcome in answers:
                    has_replies = has_replies or outcome.state == "replied"
                    error = error or outcome.error
                for key, outcome in self._commit(batch.run, answers):
                    self._end(key, outcome)
                self._hook("committed")
        reason = _ENDS[status.state]
        # What was not worked off is not paid; a line that is missing may be.
        charge = None if status.state == COMPLETED else 0
        left = self._rows.close(batch.run, reason, charge)
        del self._open[batch.run]
        if status.state == FAILED and left:
            self._refuse(batch, status)
        for key in left:
            # Who cancelled a batch that this run had made does not want it made again.
            state = "failed"
            if status.state == CANCELLED and batch.run in self._own:
                state = "not_sent"
            if status.state == FAILED:
                self._again = True
            else:
                self._end(key, Attempt(state, reason=reason))
        if error is not None and not has_replies:
            raise error

    def _commit(self, run: str, answers: List[Tuple[str, Attempt]]) -> List[Tuple[str, Attempt]]:
        """Write down some answers. RETURNS (List[Tuple[str, Attempt]]): Those that were waited for."""
        ends = []
        for key, outcome in answers:
            charge, notice = find_charge(self._sender, self._price, outcome)
            self._notices.add(notice)
            self._notices.add(outcome.notice)
            ends.append((key, charge, outcome))
        counted = self._rows.settle(run, ends)
        return [answer for answer, waited in zip(answers, counted) if waited]

    def _end(self, key: str, outcome: Attempt) -> None:
        """Note what becomes of a question: it has its reply, is to be asked again, or gets none."""
        if outcome.state == "replied":
            self.new_keys.add(key)
            return
        if outcome.state == "failed":
            self._failures[key] += 1
        is_failed = outcome.state == "failed" and (
            self._failures[key] < self._sender.policy.max_tries
        )
        if is_failed or outcome.state == "refitted":
            self._again = True
        else:
            self.ended[key] = without_reply(outcome)

    def _refuse(self, batch: OpenBatch, status: BatchStatus) -> None:
        """Find out what to do about a batch that never began."""
        problem = status.problem
        message = "nothing" if problem is None else problem.message
        is_full = problem is not None and "limit" in problem.text
        self._n_refused += 1
        if not is_full or self._n_refused >= self._sender.policy.max_tries:
            raise LLMJudgeError(
                Errors.J361.format(host=self._sender.host, batch=batch.batch_id, message=message)
            )
        self.at_most = max(1, self.at_most // 2)
        self._notices.add(
            Warnings.JW362.format(host=self._sender.host, n=self.at_most, message=message)
        )
        if not self._open:
            time.sleep(self._sender.pauses[1])

    def leave(self) -> None:
        """Say what becomes of the batches when somebody interrupts the run."""
        known = [batch.batch_id for batch in self._open.values() if batch.batch_id]
        if not known:
            return
        text = Warnings.JW360
        if self._sender.cancels:
            text = Warnings.JW361
            for batch_id in known:
                with suppress(ServerDown, LLMJudgeError):
                    self._sender.cancel(batch_id)
        warnings.warn(text.format(host=self._sender.host, batches=", ".join(known)), stacklevel=5)
