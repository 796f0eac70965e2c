"""Questions that are answered by a provider's batches: reserved before they are uploaded, fetched by the batch's name.

A run that is killed loses nothing: the next one finds the batches in the ledger, or by the list of the server
where it was killed while a batch was being made, and fetches what they brought.
"""

import time
import warnings
from typing import Callable, Iterable, Iterator, List, Optional, Set, Tuple

from spacy.util import minibatch

from ..errors import LLMJudgeError, Warnings
from ..transport.batches import BatchSender, BatchUnknown, ServerDown
from ..transport.messages import Reply
from ..transport.notices import Notices
from ..transport.tally import Tally
from .batch_draft import Draft
from .batch_fetcher import DIRECTLY, Fetcher
from .batch_rows import BatchRows, OpenBatch
from .paid_requests import PendingRequest, worst_case
from .prices import NANO, Price
from .store import Claim, LedgerStore

# Requests that are reserved in one commit.
_GROUP = 256

Questions = Callable[[], Iterable[PendingRequest]]


class Batches:
    """Asks the questions of one run by batches.

    sender (BatchSender): Who is asked.
    store (LedgerStore): The open ledger.
    model_id (str): What it calls the model.
    price (Optional[Price]): What tokens cost in a batch; None where that is not known.
    max_cost (Optional[float]): US dollars that all requests in the ledger together may cost.
    hook (Optional[Callable[[str], None]]): Called at each point where a kill could hurt: "reserved",
        "uploaded", "creating", "created", "received" and "committed".
    """

    def __init__(
        self,
        sender: BatchSender,
        store: LedgerStore,
        model_id: str,
        *,
        price: Optional[Price],
        max_cost: Optional[float],
        tally: Tally,
        notices: Notices,
        hook: Optional[Callable[[str], None]],
    ) -> None:
        self.spent = store.spent()
        self._sender = sender
        self._rows = BatchRows(store, model_id)
        self._price = price
        self._max_cost = max_cost
        self._tally = tally
        self._notices = notices
        self._hook = hook or (lambda point: None)
        self._fetcher = Fetcher(sender, self._rows, price, notices, self._hook)
        self._rest: Optional[Reply] = None
        self._is_ahead = False

    @property
    def new_keys(self) -> Set[str]:
        """The keys of replies that came in this run, and were not wanted so far."""
        return self._fetcher.new_keys

    @property
    def under_way(self) -> str:
        """What is waited for, in words."""
        return self._fetcher.under_way

    def answer(self, questions: Questions, ahead: bool = False) -> None:
        """Have the replies to questions in the ledger, as far as they can be had; this takes hours.

        questions (Questions): Makes them, as often as it is called. They are not kept here.
        ahead (bool): Whether these are all questions of a run: those that have no reply then are not asked
            again when they are wanted.
        """
        self._fetcher.begin(afresh=ahead or not self._is_ahead)
        self._is_ahead = ahead or self._is_ahead
        self._rest = None
        try:
            again = True
            while again and self._rest is None:
                is_short, wanted = self._submit(questions)
                again = self._fetcher.wait_for(wanted)
                if is_short and not again and not wanted:
                    self._rest = Reply("", state="not_sent", reason="budget")
                again = again or is_short
        except ServerDown as down:
            self._notices.add(down.notice)
            warnings.warn(
                Warnings.JW313.format(host=self._sender.host, reason=down.reason), stacklevel=5
            )
            self._rest = Reply("", state="not_sent", reason=down.reason)
        except KeyboardInterrupt:
            self._fetcher.leave()
            raise
        finally:
            self._fetcher.under_way = ""
            # Nobody looks at what is still under way until the next call, which may be that of another run.
            self._rows.leave()
            self._notices.warn()

    def why_not(self, key: str) -> Reply:
        """RETURNS (Reply): What became of a question that the ledger has no reply to."""
        # A reply without text is false.
        known = self._fetcher.ended.get(key, self._rest)
        return Reply("", state="not_sent", reason="in_batch") if known is None else known

    def is_asked(self, key: str) -> bool:
        """RETURNS (bool): Whether a question was asked ahead, in vain."""
        return self._is_ahead and (key in self._fetcher.ended or self._rest is not None)

    def split(self, groups: Iterable[Iterable[str]]) -> Iterator[List[List[str]]]:
        """Cut a stream of prompts into parts that fit into a batch.

        groups (Iterable[Iterable[str]]): The prompts of each document.
        YIELDS (List[List[str]]): Those of some documents.
        """
        part: List[List[str]] = []
        n = 0
        for group in groups:
            part.append(list(group))
            n += len(part[-1])
            if n >= self._sender.max_requests:
                yield part
                part, n = [], 0
        if part:
            yield part

    def _submit(self, questions: Questions) -> Tuple[bool, Set[str]]:
        """Reserve, upload and start what is not answered yet.

        RETURNS (Tuple[bool, Set[str]]): Whether the budget was too small for all of it, and the batches that
            hold a part of it.
        """
        wanted: Set[str] = set()
        draft = Draft(self._sender)
        is_short = False
        try:
            for group in minibatch(self._missing(questions), min(_GROUP, self._fetcher.at_most)):
                lines = [self._sender.write_line(one.key, one.request) for one in group]
                size = sum(map(len, lines))
                if not draft.has_room(len(lines), size, self._fetcher.at_most):
                    full, draft = draft, Draft(self._sender)
                    self._send(full)
                claims = self._claim(draft.run, group)
                for claim, line in zip(claims, lines):
                    if claim.state == "reserved":
                        draft.add(line)
                        wanted.add(draft.run)
                    elif claim.state == "batch":
                        wanted.add(claim.batch)
                    elif claim.state == "taken":
                        wanted.add(DIRECTLY)
                if claims and claims[-1].state == "budget":
                    is_short = True
                    break
        except BaseException:
            self._rows.release(draft.run)
            draft.lines.close()
            raise
        self._send(draft)
        return is_short, wanted

    def _missing(self, questions: Questions) -> Iterator[PendingRequest]:
        seen: Set[str] = set()
        for one in questions():
            if one.key not in seen and one.key not in self._fetcher.ended:
                seen.add(one.key)
                yield one

    def _claim(self, run: str, group: List[PendingRequest]) -> List[Claim]:
        budget = None if self._max_cost is None else int(self._max_cost * NANO)
        wanted = [
            (one.key, worst_case(self._sender, self._price, self._max_cost, one)) for one in group
        ]
        claims = self._rows.claim(run, wanted, budget)
        self.spent = max(self.spent, *(claim.spent for claim in claims))
        return claims

    def _send(self, draft: Draft) -> None:
        """Upload a file and have a batch made of it; each step is written down before the next."""
        batch = OpenBatch(draft.run)
        try:
            if not draft.n_lines:
                return
            self._hook("reserved")
            self._fetcher.under_way = f"uploading {draft.n_lines:,} requests"
            file_id = self._sender.upload(draft.lines, f"{draft.run}.jsonl")
            batch = self._rows.note(batch._replace(file_id=file_id))
            self._hook("uploaded")
        except BaseException:
            # Nothing that costs anything is there yet.
            self._rows.release(draft.run)
            raise
        finally:
            draft.lines.close()
        batch = self._rows.note(batch._replace(created=time.time()))
        self._hook("creating")
        for _ in range(draft.n_lines):
            self._tally.request()
        try:
            batch_id = self._sender.create(file_id, batch.run, self._rows.list_ids())
        except BatchUnknown:
            # It is looked for until that is known.
            return self._fetcher.add(batch)
        except LLMJudgeError:
            # The server said no.
            self._rows.release(batch.run)
            raise
        self._fetcher.add(self._rows.note(batch._replace(batch_id=batch_id)))
        self._hook("created")
