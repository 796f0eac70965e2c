"""What asking would cost, before anything is asked."""

from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterable, Optional, Set

from .model import LedgerModel
from .prices import NANO

# English text has about four bytes to a token; bytes are the bound, and this is the guess.
_BYTES_PER_TOKEN = 4


@dataclass
class Plan:
    """How much a run would ask, spend and take.

    prompts (int): Prompts.
    stored (int): Of these, how many the ledger can answer, or are asked twice.
    requests (int): Requests, where none fails.
    tokens_in (int): A guess from the length of the requests.
    tokens_in_bound (int): No tokenizer makes more.
    tokens_out (int): A guess, as told.
    tokens_out_bound (int): Every reply at its longest.
    cost (Optional[float]): US dollars for the guesses; None without a price.
    cost_bound (Optional[float]): US dollars for the bounds.
    seconds (float): At the model's concurrency; 0 where it is asked in batches.
    batches (int): Into how many batches they go; 0 where they are sent one by one.
    window (Optional[str]): How long a batch may take.
    price_share (float): What a request costs in one, as a share of its price.
    first_request (Optional[str]): The first request that would be sent, as it would be sent.
    """

    prompts: int = 0
    stored: int = 0
    requests: int = 0
    tokens_in: int = 0
    tokens_in_bound: int = 0
    tokens_out: int = 0
    tokens_out_bound: int = 0
    cost: Optional[float] = None
    cost_bound: Optional[float] = None
    seconds: float = 0.0
    batches: int = 0
    window: Optional[str] = None
    price_share: float = 1.0
    first_request: Optional[str] = None

    def to_dict(self) -> Dict[str, Any]:
        return asdict(self)


def plan_requests(
    model: LedgerModel,
    prompts: Iterable[Iterable[str]],
    *,
    tokens_per_reply: int = 100,
    seconds_per_reply: float = 2.0,
) -> Plan:
    """Count what a model would have to ask for. Nothing is sent, and no key is needed.

    model (LedgerModel): The model in its ledger.
    prompts (Iterable[Iterable[str]]): The prompts of each document.
    tokens_per_reply (int): A guess.
    seconds_per_reply (float): A guess.
    RETURNS (Plan): The plan.
    """
    plan = Plan()
    n_bytes = 0
    seen: Set[str] = set()
    for group in prompts:
        for prompt in group:
            plan.prompts += 1
            pending = model.pending(prompt)
            if pending.key in seen or model.is_kept(pending):
                plan.stored += 1
                continue
            seen.add(pending.key)
            bound_in, bound_out = model.bound_tokens(pending)
            plan.requests += 1
            plan.tokens_in += len(pending.request) // _BYTES_PER_TOKEN
            plan.tokens_in_bound += bound_in
            plan.tokens_out += min(tokens_per_reply, bound_out or tokens_per_reply)
            plan.tokens_out_bound += bound_out or tokens_per_reply
            if plan.first_request is None:
                plan.first_request = pending.request.decode("utf8")
            n_bytes += len(pending.request)
    batch = model.batch_sender
    if batch is not None:
        by_size = -(-n_bytes // batch.max_bytes)
        plan.batches = max(-(-plan.requests // batch.max_requests), by_size)
        plan.window, plan.price_share = batch.window, batch.price_share
    else:
        plan.seconds = plan.requests * seconds_per_reply / model.workers
    price = model.find_price()
    if price is not None:
        asked = price.of_tier(model.service_tier)
        plan.cost = asked.cost(plan.tokens_in, plan.tokens_out) / NANO
        plan.cost_bound = (
            price.worst(plan.tokens_in_bound, plan.tokens_out_bound, model.service_tier) / NANO
        )
    return plan
