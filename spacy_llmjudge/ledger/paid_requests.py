"""One paid request after the other: reserved before it leaves, and its reply committed before it is parsed.

A run that is killed loses at most the replies that were under way, and pays for nothing twice.
"""

import threading
from dataclasses import dataclass
from typing import Callable, Optional, Tuple, Union

from ..errors import Errors, LLMJudgeError, Warnings
from ..transport.breaker import Breaker
from ..transport.limits import Limits
from ..transport.messages import Reply
from ..transport.notices import Notices
from ..transport.retry import Attempt, persist, without_reply
from ..transport.sender import Sender
from ..transport.strict_json import StrictJSONError
from ..transport.tally import Tally
from .desk import Store
from .prices import FREE, NANO, Price
from .store import Claim

_BYTES_PER_TOKEN = 4
_TAKEN_PAUSE = 0.05
# Runs in which a server must fail a prompt until that is given up, and prompts that are few.
_ENOUGH_RUNS = 3
_FEW = 2


@dataclass(frozen=True)
class PendingRequest:
    """A prompt on its way.

    prompt (str): The prompt.
    request (bytes): What is sent.
    key (str): What its reply is found by.
    """

    prompt: str
    request: bytes
    key: str


class PaidRequests:
    """Sends the requests of one run on a ledger, from many threads.

    sender (Sender): Who is asked.
    store (Store): The open ledger.
    model_id (str): What the ledger calls the model.
    price (Optional[Price]): What its tokens cost; None where that is not known.
    max_cost (Optional[float]): US dollars that all requests in the ledger together may cost.
    hook (Optional[Callable[[str], None]]): Called at each point where a kill could hurt: "reserved",
        "received", "committed" and "parsed".
    """

    def __init__(
        self,
        sender: Sender,
        store: Store,
        model_id: str,
        *,
        price: Optional[Price],
        max_cost: Optional[float],
        limits: Limits,
        breaker: Breaker,
        tally: Tally,
        hook: Optional[Callable[[str], None]],
    ) -> None:
        self.spent = store.spent()
        self.notices = Notices()
        self._sender = sender
        self._store = store
        self._model_id = model_id
        self._price = price
        self._max_cost = max_cost
        self._limits = limits
        self._breaker = breaker
        self._tally = tally
        self._hook = hook
        self._exhausted = False
        self._n_missing = 0

    def look_up(self, pending: PendingRequest, is_new: bool = False) -> Optional[Reply]:
        """Find a reply without asking anybody.

        pending (PendingRequest): The request.
        is_new (bool): Whether the reply came in this run, and counts as one of it.
        RETURNS (Optional[Reply]): The reply that the ledger has.
        """
        raw = self._store.find(pending.key)
        if raw is not None:
            try:
                return self._parse(Attempt("replied", raw, asked=is_new))
            except (StrictJSONError, KeyError, TypeError):
                self._store.discard(pending.key)
                self.notices.add(Warnings.JW335.format(path=self._store.path))
        self._n_missing += 1
        return None

    def reply_to(self, pending: PendingRequest, stop: threading.Event) -> Reply:
        """Ask for one reply, with all tries that it takes.

        pending (PendingRequest): The request.
        stop (threading.Event): Set when the run ends.
        RETURNS (Reply): The reply; one without text has a state and a reason.
        """
        if self._exhausted or self._breaker.reason:
            reason = "budget" if self._exhausted else "server_down"
            return self._tally.reply(Reply("", state="not_sent", reason=reason))
        tokens_in, tokens_out = self._sender.bound_tokens(pending.request)
        outcome = persist(
            lambda: self._commit_before_parsing(pending, stop),
            policy=self._sender.policy,
            limits=self._limits,
            tokens=tokens_in // _BYTES_PER_TOKEN + (tokens_out or 0),
            host=self._sender.host,
            stop=stop,
        )
        if outcome.asked:
            failed = outcome.state in ("failed", "not_sent")
            self._breaker.count(outcome.reason if failed else None)
        if outcome.state == "replied":
            return self._parse(outcome)
        if outcome.state == "failed" and self._is_hopeless(pending):
            outcome.state = "rejected"
        return self._tally.reply(without_reply(outcome))

    def _is_hopeless(self, pending: PendingRequest) -> bool:
        """Whether a prompt failed in run after run, and not because the server was down: it answers
        others, or there are no others to tell by."""
        if not (self._breaker.is_well or self._n_missing <= _FEW):
            return False
        return self._store.count_failed_runs(pending.key) >= _ENOUGH_RUNS

    def _parse(self, outcome: Attempt) -> Reply:
        """Parse what is on the disk by now."""
        reply = self._sender.parse(outcome.raw, outcome.body)
        self._tally.reply(reply, stored=not outcome.asked)
        self._pass("parsed")
        return reply

    def _commit_before_parsing(self, pending: PendingRequest, stop: threading.Event) -> Attempt:
        """Send one request between its two commits; whoever calls this may parse what it brought."""
        claim = self._reserve(pending, stop)
        if isinstance(claim, Attempt):
            return claim
        self._pass("reserved")
        if not self._limits.wait_open(stop):
            self._store.release(claim.row)
            return Attempt("not_sent", reason="stopped", asked=False)
        self._tally.request()
        outcome = Attempt("failed", reason="internal")
        try:
            outcome = self._sender.send(pending.prompt, pending.request)
            self.notices.add(outcome.notice)
            if outcome.pause_all and outcome.wait:
                # Before the commit: nobody may leave while this is on its way to the disk.
                self._limits.pause(outcome.wait)
            self._pass("received")
        finally:
            self._commit(claim.row, outcome)
        self._pass("committed")
        return outcome

    def _reserve(self, pending: PendingRequest, stop: threading.Event) -> Union[Claim, Attempt]:
        """Reserve a request, or find out why it need not or must not be sent."""
        charge, budget = self._worst_case(pending), None
        if self._max_cost is not None:
            budget = int(self._max_cost * NANO)
        while not stop.is_set():
            claim = self._store.reserve(pending.key, self._model_id, charge, budget)
            self.spent = max(self.spent, claim.spent)
            if claim.state == "reserved":
                return claim
            if claim.state == "stored":
                return Attempt("replied", claim.reply or "", asked=False)
            if claim.state == "batch":
                # Whoever asks the model in batches gets it.
                return Attempt("not_sent", reason="in_batch", asked=False)
            if claim.state == "stopped":
                break
            if claim.state == "budget" and claim.n_open == 0:
                # Nothing is under way that could turn out cheaper than its worst case.
                self._exhausted = True
                return Attempt("not_sent", reason="budget", asked=False)
            stop.wait(_TAKEN_PAUSE)
        return Attempt("not_sent", reason="stopped", asked=False)

    def _worst_case(self, pending: PendingRequest) -> int:
        return worst_case(self._sender, self._price, self._max_cost, pending)

    def _commit(self, row: int, outcome: Attempt) -> None:
        """Write down how a request ended. Of a reply only its count of tokens was read so far, and
        where there is none the worst case stays."""
        charge, notice = find_charge(self._sender, self._price, outcome)
        self.notices.add(notice)
        self._store.settle(
            row,
            "replied" if outcome.state == "replied" else "failed",
            charge=charge,
            reply=outcome.raw or None,
            reason=outcome.reason,
            status=outcome.status,
            tokens=(outcome.usage.tokens_in, outcome.usage.tokens_out),
        )

    def _pass(self, point: str) -> None:
        if self._hook is not None:
            self._hook(point)


def worst_case(
    sender: Sender, price: Optional[Price], max_cost: Optional[float], pending: PendingRequest
) -> int:
    """RETURNS (int): What a request costs at most, nano-dollars."""
    if price is None:
        return 0
    tokens_in, tokens_out = sender.bound_tokens(pending.request)
    if tokens_out is None:
        if max_cost is not None and price != FREE:
            text = Errors.J325.format(model=sender.name, max_cost=max_cost)
            raise LLMJudgeError(text)
        tokens_out = 0
    return price.worst(tokens_in, tokens_out, sender.service_tier)


def find_charge(
    sender: Sender, price: Optional[Price], outcome: Attempt
) -> Tuple[Optional[int], str]:
    """RETURNS (Tuple[Optional[int], str]): What a request cost, nano-dollars, with None for its worst
    case; and a warning, where its price is not known."""
    charge: Optional[int] = None if outcome.billed else 0
    if outcome.state != "replied" or price is None:
        return charge, ""
    tier = outcome.usage.tier
    known = price.has_tier(tier)
    notice = "" if known else Warnings.JW333.format(host=sender.host, tier=tier)
    return price.charge(outcome.usage), notice
