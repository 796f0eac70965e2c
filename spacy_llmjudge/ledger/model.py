"""The model `llmjudge.Ledger.v1`: keeps every reply of another model, and never spends too much."""

import hashlib
import json
import os
import threading
import warnings
import weakref
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from ..errors import Errors, LLMJudgeError, Warnings
from ..transport.batches import BatchSender
from ..transport.breaker import Breaker
from ..transport.key_literals import refuse_key_literals
from ..transport.messages import Reply
from ..transport.sender import Sender
from ..transport.tally import Counts, Tally
from ..transport.workers import MARGIN, reply_in_order
from .batches import Batches
from .desk import Store, desk
from .foreign import ForeignModel, Model
from .paid_requests import PaidRequests, PendingRequest
from .prices import FREE, NANO, Price, find_price, read_prices
from .store import LedgerStore

_WARN_AT = 0.8


def make_ledger_model(
    model: Union[Model, Sender],
    path: Union[str, Path],
    max_cost: Optional[float] = None,
    prices: Optional[Union[str, Path]] = None,
    allow_unpriced: bool = False,
    concurrency: Optional[int] = None,
    requests_per_minute: Optional[float] = None,
    tokens_per_minute: Optional[float] = None,
) -> "LedgerModel":
    """Make the model `llmjudge.Ledger.v1`. The file is opened when the first prompt comes.

    model (Model): Any spacy-llm model; ours tell it of each request, others get one prompt a call.
    path (Union[str, Path]): The ledger: one SQLite file, kept over runs and never thrown away.
    max_cost (Optional[float]): US dollars that all requests in the ledger together may cost; nothing
        is sent that could exceed it.
    prices (Optional[Union[str, Path]]): A JSON table of prices.
    allow_unpriced (bool): Count the tokens of a model without a price as free.
    concurrency (Optional[int]): Requests at the same time; None takes the model's own number.
    requests_per_minute (Optional[float]): None for no limit.
    tokens_per_minute (Optional[float]): None for no limit.
    RETURNS (LedgerModel): The model.
    """
    for name, value in (
        ("max_cost", max_cost),
        ("concurrency", concurrency),
        ("requests_per_minute", requests_per_minute),
        ("tokens_per_minute", tokens_per_minute),
    ):
        if value is not None and not value > 0:
            expected = "a number above 0, or null"
            raise LLMJudgeError(Errors.J319.format(name=name, value=value, expected=expected))
    return LedgerModel(
        model,
        path,
        max_cost=max_cost,
        prices=prices,
        allow_unpriced=allow_unpriced,
        concurrency=concurrency,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
    )


class LedgerModel:
    """Keeps every reply of a model.

    workers (int): Requests at the same time.
    hook (Optional[Callable[[str], None]]): Called at each point where a kill could hurt: "reserved",
        "received", "committed" and "parsed".
    """

    def __init__(
        self,
        model: Union[Model, Sender],
        path: Union[str, Path],
        *,
        max_cost: Optional[float] = None,
        prices: Optional[Union[str, Path]] = None,
        allow_unpriced: bool = False,
        concurrency: Optional[int] = None,
        requests_per_minute: Optional[float] = None,
        tokens_per_minute: Optional[float] = None,
        hook: Optional[Callable[[str], None]] = None,
    ) -> None:
        self.path = Path(path)
        self.max_cost = max_cost
        self._model: Sender = model if isinstance(model, Sender) else ForeignModel(model)
        self.batch_sender = self._model if isinstance(self._model, BatchSender) else None
        self._prices = prices
        self._allow_unpriced = allow_unpriced
        self.workers = concurrency or self._model.concurrency
        self._rates = (requests_per_minute, tokens_per_minute)
        self._hook = hook
        refuse_key_literals(self._model.describe(), self._model.name)
        self._settings = json.dumps(self._model.describe(), sort_keys=True)
        self._model_id = hashlib.sha256(self._settings.encode("ascii")).hexdigest()[:16]
        self._forget()

    def _forget(self) -> None:
        self._process: Optional[int] = None
        self._store: Optional[Store] = None
        self._requests: Optional[PaidRequests] = None
        self._batches: Optional[Batches] = None
        self._price: Optional[Price] = None
        self._warned = False
        self._limits = desk().make_limits(self._model_id, self._rates)
        self._breaker = Breaker()
        self._tally = Tally()
        self._lock = threading.Lock()

    def __getstate__(self) -> Dict[str, Any]:
        alive = (
            "_process",
            "_store",
            "_requests",
            "_limits",
            "_breaker",
            "_tally",
            "_lock",
            "_batches",
        )
        return {name: value for name, value in vars(self).items() if name not in alive}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def __repr__(self) -> str:
        return f"LedgerModel(model={self._model.name!r}, path={str(self.path)!r})"

    @property
    def context_length(self) -> Optional[int]:
        return self._model.context_length

    @property
    def service_tier(self) -> Optional[str]:
        return self._model.service_tier

    @property
    def salt(self) -> str:
        """A secret of this ledger that tasks mix into the marks of their data blocks."""
        return self._open()[0].salt

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Reply to prompts: from the ledger where it has the reply, else from the model.

        prompts (Iterable[Iterable[str]]): The prompts of each document.
        YIELDS (Iterable[str]): The replies of each document. A prompt that fails, or is not sent, has
            an empty one with a state and a reason.
        """
        _, requests = self._open()
        if self._batches is not None:
            yield from self._reply_by_batches(prompts, requests, self._batches)
            return
        self._breaker.try_again()
        pending = ([self.pending(prompt) for prompt in group] for group in prompts)
        stream = reply_in_order(
            pending,
            requests.reply_to,
            workers=self.workers,
            look_up=requests.look_up,
            grace=self.grace,
        )
        for replies in stream:
            self._warn(requests)
            yield replies
        self._warn(requests)
        self._breaker.warn(self._model.host)

    @property
    def grace(self) -> float:
        """Seconds that a request under way can take to come home."""
        return self._model.timeout + MARGIN

    @property
    def asks_ahead(self) -> bool:
        """Whether the model is asked in batches, so that it should have all questions at once."""
        return self.batch_sender is not None

    def ask_ahead(self, prompts: Callable[[], Iterable[Iterable[str]]]) -> None:
        """Have the replies to all prompts of a run in the ledger before the first is wanted, where the model is
        asked in batches; nothing is done for others, or where all replies are there.

        prompts (Callable[[], Iterable[Iterable[str]]]): Makes the prompts of each document, as often as it is
            called.
        """
        _, requests = self._open()
        if self._batches is not None:
            self._batches.answer(
                lambda: (self.pending(prompt) for group in prompts() for prompt in group),
                ahead=True,
            )
            self._warn(requests)

    def _reply_by_batches(
        self, prompts: Iterable[Iterable[str]], requests: PaidRequests, batches: Batches
    ) -> Iterator[List[Reply]]:
        for groups in batches.split(prompts):
            asked = [[self.pending(prompt) for prompt in group] for group in groups]
            flat = [one for group in asked for one in group]
            missing = [
                one for one in flat if not self.is_kept(one) and not batches.is_asked(one.key)
            ]
            if missing:
                batches.answer(partial(list, missing))
            for group in asked:
                yield [self._find_reply(one, requests, batches) for one in group]
            self._warn(requests)

    def _find_reply(self, one: PendingRequest, requests: PaidRequests, batches: Batches) -> Reply:
        reply = requests.look_up(one, is_new=one.key in batches.new_keys)
        batches.new_keys.discard(one.key)
        return self._tally.reply(batches.why_not(one.key)) if reply is None else reply

    @property
    def under_way(self) -> str:
        """What is waited for, in words; nothing where replies come one by one."""
        return "" if self._batches is None else self._batches.under_way

    def usage(self) -> Counts:
        """What this run has done so far, and what all runs of this ledger have cost, with the worst cases
        of requests under way; may be called from any thread.

        RETURNS (Counts): The counts.
        """
        store, _ = self._open()
        cost = None if self._price is None else store.spent() / NANO
        return self._tally.counts(cost, self.max_cost)

    def close(self) -> None:
        """Close the file; the next prompt opens it again."""
        if self._store is not None:
            self._store.close()
            self._store = self._requests = self._batches = None

    def _open(self) -> Tuple[Store, PaidRequests]:
        if self._process not in (None, os.getpid()):
            # A forked process: the file, its locks and its thread stay with the parent.
            self.close()
            self._forget()
        with self._lock:
            if self._store is not None and self._requests is not None:
                return self._store, self._requests
            self._price = self._require_price()
            store = desk().open_store(self.path, self._model.max_reply_bytes)
            weakref.finalize(self, store.close_soon).atexit = False
            try:
                store.add_model(self._model_id, self._settings)
            except LLMJudgeError:
                store.close()
                raise
            requests = PaidRequests(
                self._model,
                store,
                self._model_id,
                price=self._price,
                max_cost=self.max_cost,
                limits=self._limits,
                breaker=self._breaker,
                tally=self._tally,
                hook=self._hook,
            )
            if self.batch_sender is not None and isinstance(store, LedgerStore):
                self._batches = Batches(
                    self.batch_sender,
                    store,
                    self._model_id,
                    price=self._price,
                    max_cost=self.max_cost,
                    tally=self._tally,
                    notices=requests.notices,
                    hook=self._hook,
                )
            self._store, self._requests, self._process = store, requests, os.getpid()
        if store.lost:
            warnings.warn(Warnings.JW311.format(count=store.lost, path=self.path), stacklevel=3)
        if store.rescued:
            rescue = store.rescued
            text = Warnings.JW312.format(
                path=self.path, error=rescue.problem, count=rescue.n_requests, kept=rescue.kept
            )
            warnings.warn(text, stacklevel=3)
        return store, requests

    def find_price(self) -> Optional[Price]:
        """RETURNS (Optional[Price]): The price of the model, where the table has it."""
        if self._prices is None:
            return None
        price = find_price(read_prices(self._prices)[1], self._model.name)
        if price is None or self.batch_sender is None:
            return price
        return price.in_batch(self.batch_sender.price_share)

    def bound_tokens(self, pending: PendingRequest) -> Tuple[int, Optional[int]]:
        """RETURNS (Tuple[int, Optional[int]]): The most tokens in and out that it can cost, with None
        where the model sets no limit.
        """
        return self._model.bound_tokens(pending.request)

    def is_kept(self, pending: PendingRequest) -> bool:
        """Whether the ledger has the reply; a ledger that is not there is not made for this."""
        return self.path.exists() and self._open()[0].find(pending.key) is not None

    def _require_price(self) -> Optional[Price]:
        name, tier, price = self._model.name, self._model.service_tier, self.find_price()
        if self.max_cost is None or (price is not None and price.has_tier(tier)):
            return price
        where = "prices = null" if self._prices is None else self._prices
        if price is not None:
            raise LLMJudgeError(Errors.J331.format(model=name, path=where, tier=tier))
        if not self._allow_unpriced:
            text = Errors.J323.format(model=name, path=where, max_cost=self.max_cost)
            raise LLMJudgeError(text)
        warnings.warn(Warnings.JW314.format(model=name, max_cost=self.max_cost), stacklevel=4)
        return FREE

    def pending(self, prompt: str) -> PendingRequest:
        """RETURNS (PendingRequest): What would be sent for a prompt, and what its reply is found by."""
        request = self._model.make_request(prompt)
        digest = hashlib.sha256(self._model.identify(request))
        digest.update(b"\n%d" % getattr(prompt, "sample", 0))
        return PendingRequest(prompt, request, digest.hexdigest())

    def _warn(self, requests: PaidRequests) -> None:
        """Warn from the thread of the user, whose filters may turn it into an error."""
        requests.notices.warn()
        if self.max_cost is None or self._warned:
            return
        spent = max(requests.spent, 0 if self._batches is None else self._batches.spent)
        share = spent / (self.max_cost * NANO)
        if share >= _WARN_AT:
            self._warned = True
            text = Warnings.JW310.format(
                percent=100 * min(share, 1.0), max_cost=self.max_cost, path=self.path
            )
            warnings.warn(text, stacklevel=3)
