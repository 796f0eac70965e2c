"""The model `llmjudge.Ledger.v1`: keeps every reply of another model, and never spends too much.

A request leaves after its reservation is on the disk, and its reply is read after that is on the disk
too: a run that is killed loses at most the replies that were under way, and pays for nothing twice.
"""

import hashlib
import json
import os
import threading
import warnings
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, Optional, Tuple, Union

from ..errors import Errors, LLMJudgeError, Warnings
from ..transport.limits import Breaker, Limits
from ..transport.messages import Reply
from ..transport.retry import Attempt, as_reply, persist
from ..transport.tally import Tally
from ..transport.workers import answer_in_order
from .foreign import ForeignModel, Model
from .prices import FREE, Price, find_price, read_prices
from .store import NANO, Claim, LedgerStore

_BYTES_PER_TOKEN = 4
_TAKEN_PAUSE = 0.05
_WARN_AT = 0.8


def make_ledger_model(
    model: Model,
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


@dataclass
class Question:
    """A prompt on its way.

    prompt (str): The prompt.
    request (bytes): What is sent.
    key (str): What its reply is found by.
    """

    prompt: str
    request: bytes
    key: str


class LedgerModel:
    """Keeps every reply of a model.

    workers (int): Requests at the same time.
    hook (Optional[Callable[[str], None]]): Called at each point where a kill could hurt: "reserved",
        "received", "committed" and "parsed".
    """

    def __init__(
        self,
        model: Model,
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
        self._model = model if hasattr(model, "send") else ForeignModel(model)
        self._prices = prices
        self._allow_unpriced = allow_unpriced
        self.workers = concurrency or self._model.concurrency
        self._rates = (requests_per_minute, tokens_per_minute)
        self._hook = hook
        self._settings = json.dumps(self._model.describe(), sort_keys=True)
        self._model_id = hashlib.sha256(self._settings.encode("ascii")).hexdigest()[:16]
        self._forget()

    def _forget(self) -> None:
        self._process: Optional[int] = None
        self._store: Optional[LedgerStore] = None
        self._price: Optional[Price] = None
        self._exhausted = False
        self._warned = False
        self._spent = 0
        self._limits = Limits(*self._rates)
        self._breaker = Breaker()
        self._tally = Tally()
        self._lock = threading.Lock()

    def __getstate__(self) -> Dict[str, Any]:
        alive = ("_process", "_store", "_limits", "_breaker", "_tally", "_lock")
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
    def salt(self) -> str:
        """A secret of this ledger that tasks mix into the marks of their data blocks."""
        return self._open().salt

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Answer prompts: from the ledger where it has the reply, else from the model.

        prompts (Iterable[Iterable[str]]): The prompts of each document.
        YIELDS (Iterable[str]): The replies of each document. A prompt that fails, or is not sent, has
            an empty one with a state and a reason.
        """
        self._open()
        self._breaker.try_again()
        questions = ([self.question(prompt) for prompt in group] for group in prompts)
        for replies in answer_in_order(
            questions, self._ask, workers=self.workers, look_up=self._look_up
        ):
            self._warn()
            yield replies
        self._warn()
        self._breaker.warn(self._model.host)

    def usage(self) -> Dict[str, Any]:
        """What this run has done so far; may be called from any thread.

        RETURNS (Dict[str, Any]): `requests`, `replied`, `stored`, `abstained` and `not_sent` by reason,
            `tokens_in`, `tokens_out`; `cost` (USD, all runs of this ledger, worst cases of requests
            under way included; None without a price) and `max_cost`.
        """
        store = self._open()
        counts = self._tally.as_dict()
        counts["cost"] = None if self._price is None else store.spent() / NANO
        counts["max_cost"] = self.max_cost
        return counts

    def close(self) -> None:
        """Close the file; the next prompt opens it again."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _open(self) -> LedgerStore:
        if self._process not in (None, os.getpid()):
            # A forked process: the file, its locks and its thread stay with the parent.
            self.close()
            self._forget()
        with self._lock:
            if self._store is not None:
                return self._store
            self._price = self._require_price()
            store = LedgerStore(self.path)
            weakref.finalize(self, LedgerStore.close, store)
            try:
                store.add_model(self._model_id, self._settings)
            except LLMJudgeError:
                store.close()
                raise
            self._store, self._process = store, os.getpid()
            self._spent = store.spent()
        if store.lost:
            warnings.warn(Warnings.JW311.format(count=store.lost, path=self.path), stacklevel=3)
        if store.rescued:
            kept, error, count = store.rescued
            text = Warnings.JW312.format(path=self.path, error=error, count=count, kept=kept)
            warnings.warn(text, stacklevel=3)
        return store

    def find_price(self) -> Optional[Price]:
        """RETURNS (Optional[Price]): The price of the model, where the table has it."""
        if self._prices is None:
            return None
        return find_price(read_prices(self._prices)[1], self._model.name)

    def bound_tokens(self, question: Question) -> Tuple[int, Optional[int]]:
        """RETURNS (Tuple[int, Optional[int]]): The most tokens in and out that it can cost, with None
        where the model sets no limit.
        """
        return self._model.bound_tokens(question.request)

    def is_kept(self, question: Question) -> bool:
        """Whether the ledger has the reply; a ledger that is not there is not made for this."""
        return self.path.exists() and self._open().find(question.key) is not None

    def _require_price(self) -> Optional[Price]:
        name, price = self._model.name, self.find_price()
        if self.max_cost is None or price is not None:
            return price
        where = "prices = null" if self._prices is None else self._prices
        if not self._allow_unpriced:
            text = Errors.J323.format(model=name, path=where, max_cost=self.max_cost)
            raise LLMJudgeError(text)
        warnings.warn(Warnings.JW314.format(model=name, max_cost=self.max_cost), stacklevel=4)
        return FREE

    def question(self, prompt: str) -> Question:
        """RETURNS (Question): What would be sent for a prompt, and what its reply is found by."""
        request = self._model.make_request(prompt)
        digest = hashlib.sha256(self._model.identify(request))
        digest.update(b"\n%d" % getattr(prompt, "sample", 0))
        return Question(prompt, request, digest.hexdigest())

    def _look_up(self, question: Question) -> Optional[Reply]:
        raw = self._store.find(question.key)
        return None if raw is None else self._read(raw, stored=True)

    def _read(self, raw: str, stored: bool) -> Reply:
        reply = self._tally.reply(self._model.parse(raw), stored)
        self._pass("parsed")
        return reply

    def _ask(self, question: Question, stop: threading.Event) -> Reply:
        if self._exhausted or self._breaker.reason:
            reason = "budget" if self._exhausted else "server_down"
            return self._tally.reply(Reply("", state="not_sent", reason=reason))
        tokens_in, tokens_out = self.bound_tokens(question)
        outcome = persist(
            lambda: self._attempt(question, stop),
            policy=self._model.policy,
            limits=self._limits,
            tokens=tokens_in // _BYTES_PER_TOKEN + (tokens_out or 0),
            host=self._model.host,
            stop=stop,
        )
        if outcome.asked:
            self._breaker.count(outcome.reason if outcome.state == "failed" else None)
        if outcome.state == "replied":
            return self._read(outcome.raw, stored=not outcome.asked)
        return self._tally.reply(as_reply(outcome, self._model.parse))

    def _attempt(self, question: Question, stop: threading.Event) -> Attempt:
        """Send one request between its two commits."""
        claim = self._reserve(question, stop)
        if isinstance(claim, Attempt):
            return claim
        self._pass("reserved")
        if not self._limits.wait_open(stop):
            self._store.release(claim.row)
            return Attempt("not_sent", reason="stopped", asked=False)
        self._tally.request()
        outcome = Attempt("failed", reason="internal")
        try:
            outcome = self._model.send(question.prompt, question.request)
            if outcome.pause_all and outcome.wait:
                # Before the commit: nobody may leave while this is on its way to the disk.
                self._limits.pause(outcome.wait)
            self._pass("received")
        finally:
            self._settle(claim.row, outcome)
        self._pass("committed")
        return outcome

    def _reserve(self, question: Question, stop: threading.Event) -> Union[Claim, Attempt]:
        """Reserve a request, or find out why it need not or must not be sent."""
        charge, budget = self._worst_case(question), None
        if self.max_cost is not None:
            budget = int(self.max_cost * NANO)
        while not stop.is_set():
            claim = self._store.reserve(question.key, self._model_id, charge, budget)
            self._spent = max(self._spent, claim.spent)
            if claim.state == "reserved":
                return claim
            if claim.state == "stored":
                return Attempt("replied", claim.reply, asked=False)
            if claim.state == "budget" and self._store.open_rows == 0:
                # Nothing is under way that could turn out cheaper than its worst case.
                self._exhausted = True
                return Attempt("not_sent", reason="budget", asked=False)
            stop.wait(_TAKEN_PAUSE)
        return Attempt("not_sent", reason="stopped", asked=False)

    def _worst_case(self, question: Question) -> int:
        if self._price is None:
            return 0
        tokens_in, tokens_out = self.bound_tokens(question)
        if tokens_out is None:
            if self.max_cost is not None and self._price != FREE:
                text = Errors.J325.format(model=self._model.name, max_cost=self.max_cost)
                raise LLMJudgeError(text)
            tokens_out = 0
        return self._price.cost(tokens_in, tokens_out)

    def _settle(self, row: int, outcome: Attempt) -> None:
        charge: Optional[int] = None if outcome.billed else 0
        tokens: Tuple[Optional[int], Optional[int]] = (None, None)
        if outcome.state == "replied":
            # Only the count is read before the commit, and where it is not there the worst case stays.
            tokens = self._model.count_tokens(outcome.raw)
            if self._price is not None and None not in tokens:
                charge = self._price.cost(*tokens)
        self._store.settle(
            row,
            "replied" if outcome.state == "replied" else "failed",
            charge=charge,
            reply=outcome.raw or None,
            reason=outcome.reason,
            status=outcome.status,
            tokens=tokens,
        )

    def _warn(self) -> None:
        """Warn of the budget from the thread of the user, whose filters may turn it into an error."""
        if self.max_cost is None or self._warned:
            return
        share = self._spent / (self.max_cost * NANO)
        if share >= _WARN_AT:
            self._warned = True
            text = Warnings.JW310.format(
                percent=100 * min(share, 1.0), max_cost=self.max_cost, path=self.path
            )
            warnings.warn(text, stacklevel=3)

    def _pass(self, point: str) -> None:
        if self._hook is not None:
            self._hook(point)
