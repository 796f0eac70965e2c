"""What a judge will cost, before it costs anything: requests, tokens, money, time, and the first prompt."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Protocol, Sequence, Union

from spacy.tokens import Doc

from ..ledger.model import LedgerModel
from ..ledger.plan import plan_requests
from ..ledger.prices import NANO
from ..transport.messages import Prompt
from .cascade import Cascade
from .component import LLMJudge
from .panel import Panel
from .spacy_llm_textcat import TextCatJudge
from .tasks.base import JudgeTask

# A place where no ledger is: a model without one is planned as if its ledger were still to be made.
NO_LEDGER = Path(tempfile.gettempdir()) / "spacy_llmjudge" / "no" / "ledger.sqlite"

# What the two judges of a cascade need together,
_NEEDED = (
    *("requests", "tokens_in", "tokens_in_bound", "tokens_out", "tokens_out_bound"),
    *("cost", "cost_bound", "seconds", "batches"),
)
# ... and what is added up where several judges ask about the same documents.
_COUNTED = (*_NEEDED, "prompts", "stored", "candidates", "later")


class PromptMaker(Protocol):
    """A task, as far as a plan needs one."""

    def load(self) -> None: ...

    def make_prompts(self, doc: Doc) -> Sequence[str]: ...

    def expect_reply(self, prompt: Any) -> int: ...


@dataclass
class _Seen:
    documents: int = 0
    candidates: int = 0
    expected: int = 0
    first_prompt: Optional[str] = None


def plan_judging(
    docs: Iterable[Doc],
    judge: Union[LLMJudge, TextCatJudge],
    *,
    concurrency: Optional[int] = None,
    seconds_per_request: float = 2.0,
) -> Dict[str, Any]:
    """Make all prompts about some documents, send none, and add up what they will take.

    docs (Iterable[Doc]): Documents with candidates; a stream is read once and not kept.
    judge (Union[LLMJudge, TextCatJudge]): Who judges. Replies that its ledger has are not counted again; a ledger that
        is not there is not made.
    concurrency (Optional[int]): Requests at the same time; None takes what the model says.
    seconds_per_request (float): How long one takes.
    RETURNS (Dict[str, Any]): What `plan_requests` counts, and `documents`, `candidates`, `concurrency`,
        `first_prompt`, `later`: about how many requests come on top, about what a judge in front of this one
        will list, and `asked`: the share of documents that the strong judge of a cascade is expected to be
        asked about. Tokens out are as many as the task expects in a reply.
    """
    model = judge.model
    if isinstance(model, Panel):
        return _plan_panel(list(docs), judge.task, model, concurrency, seconds_per_request)
    if not isinstance(model, Cascade):
        return {**_plan(docs, judge.task, model, concurrency, seconds_per_request), "asked": 1.0}
    docs = list(docs)
    plan = _plan(docs, judge.task, model.strong, concurrency, seconds_per_request)
    for name in ("requests", "tokens_in", "tokens_out", "batches"):
        plan[name] = math.ceil(round(plan[name] * model.asked, 6))
    plan["seconds"] *= model.asked
    if plan["cost"] is not None:
        # The bound stays: of other documents than these the cheap judge may be in doubt more often.
        plan["cost"] *= model.asked
    if isinstance(model.cheap, LedgerModel):
        cheap = _plan(docs, judge.task, model.cheap, concurrency, seconds_per_request)
        _add(plan, cheap, _NEEDED)
    return {**plan, "asked": model.asked}


def _plan_panel(
    docs: List[Doc],
    task: PromptMaker,
    panel: Panel,
    concurrency: Optional[int],
    seconds_per_request: float,
) -> Dict[str, Any]:
    """Plan what the models that have a ledger, and thus may have a price, need together; all of them where none has."""
    metered = [model for model in panel.models.values() if isinstance(model, LedgerModel)]
    salted = metered[0] if metered else None
    plans = [
        _plan(docs, task, model, concurrency, seconds_per_request, salted)
        for model in metered or panel.models.values()
    ]
    # They are asked at the same time, about the same candidates.
    seconds = max(plan["seconds"] for plan in plans)
    total = {**add_plans(plans), "candidates": plans[0]["candidates"], "seconds": seconds}
    return {**total, "asked": 1.0}


def _plan(
    docs: Iterable[Doc],
    task: PromptMaker,
    model: Any,
    concurrency: Optional[int],
    seconds_per_request: float,
    salted: Optional[LedgerModel] = None,
) -> Dict[str, Any]:
    if not isinstance(model, LedgerModel):
        model = LedgerModel(model, NO_LEDGER)
    salted = salted or model
    if salted.path.exists() and isinstance(task, JudgeTask):
        # The mark of the data block, and with it every request, depends on it.
        task.salt = salted.salt
    seen = _Seen()
    plan = plan_requests(
        model,
        _watch(docs, task, seen),
        seconds_per_reply=seconds_per_request,
    ).to_dict()
    if plan["prompts"]:
        expected = round(seen.expected * plan["requests"] / plan["prompts"])
        plan["tokens_out"] = min(expected, plan["tokens_out_bound"])
    workers = concurrency or model.workers
    if not plan["batches"]:
        plan["seconds"] = -(-plan["requests"] // workers) * seconds_per_request
    price = model.find_price()
    if price is not None:
        asked = price.of_tier(model.service_tier)
        plan["cost"] = asked.cost(plan["tokens_in"], plan["tokens_out"]) / NANO
    return {
        **plan,
        "documents": seen.documents,
        "candidates": seen.candidates,
        "concurrency": workers,
        "first_prompt": seen.first_prompt,
        "later": round(seen.documents * getattr(task, "expected_listed", 0.0)),
    }


def add_plans(plans: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """Add up what several judges of the same documents will take, one after the other.

    plans (Sequence[Dict[str, Any]]): Of each judge, what `plan_judging` says.
    RETURNS (Dict[str, Any]): The first plan with the sums; no cost where that of one is not known.
    """
    total = dict(plans[0])
    for plan in plans[1:]:
        _add(total, plan, _COUNTED)
    return total


def _add(total: Dict[str, Any], plan: Dict[str, Any], names: Sequence[str]) -> None:
    for name in names:
        known = (total[name], plan[name])
        total[name] = None if None in known else sum(known)


def _watch(docs: Iterable[Doc], task: PromptMaker, seen: _Seen) -> Iterator[List[str]]:
    """Make the prompts about each document, and count what they are about."""
    task.load()
    for doc in docs:
        prompts = task.make_prompts(doc)
        seen.documents += 1
        for prompt in prompts:
            seen.candidates += len(prompt.candidates) if isinstance(prompt, Prompt) else 0
            seen.expected += task.expect_reply(prompt)
            seen.first_prompt = seen.first_prompt or str(prompt)
        yield list(prompts)
