"""The model `llmjudge.Panel.v1`: several judges answer every question, and their supports become one."""

import json
from collections import Counter
from itertools import chain, islice, repeat
from typing import Any, Callable, Dict, Iterable, List, Optional, Protocol, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc

from ..candidates import (
    RATE_AGREED,
    RATE_REFUSED,
    Candidate,
    get_candidates,
    get_status,
    set_candidates,
    set_status,
)
from ..errors import Errors, LLMJudgeError
from ..numeric import logit, sigmoid
from ..transport.messages import Prompt, Reply
from ..transport.sender import Metered, grace_of
from ..transport.tally import Counts, Tally, add_counts
from .opinions import OPTIONS
from .verdicts import clip_support

Model = Callable[[Iterable[Iterable[Any]]], Iterable[Iterable[Any]]]
# Weights are fitted with a search over which of them are 0.
LEAST, MOST = 2, 8
DECIMALS = 6
# Of several states of a document: what another run can still ask about comes first; then one answer is an answer.
_STATES = ("not_sent", "judged", "abstained")


class PanelReply(Reply):
    """What several models say to one prompt; as characters it is JSON.

    said (Dict[str, Optional[str]]): The reply of each model, by its name; None where one gave none.
    """

    said: Dict[str, Optional[str]]

    def __new__(cls, said: Dict[str, Optional[str]]) -> "PanelReply":
        self = super().__new__(cls, json.dumps(said, ensure_ascii=False))
        assert isinstance(self, cls)
        self.said = said
        return self


class Reader(Protocol):
    """A task, as far as a panel needs one."""

    spans_key: str
    lists: bool

    @property
    def labels(self) -> Tuple[str, ...]: ...

    def set_replies(self, doc: Doc, replies: List[Optional[str]]) -> None: ...


def make_panel_model(models: Dict[str, Any]) -> "Panel":
    """Make the model `llmjudge.Panel.v1`. No file is read before the first prompt.

    models (Dict[str, Model]): 2 to 8 models of spacy-llm by names of your choice, each with a ledger around it. All
        are asked about every document. What each says is kept beside the candidates, and `filter` learns from the
        held-out documents how much each counts.
    RETURNS (Panel): The model.
    """
    if not LEAST <= len(models) <= MOST:
        raise LLMJudgeError(Errors.J366.format(n=len(models), least=LEAST, most=MOST))
    for name, model in models.items():
        if not callable(model):
            raise LLMJudgeError(Errors.J368.format(name=name, found=type(model).__name__))
    return Panel(models)


class Panel:
    """Several judges of the same documents. They are asked at the same time.

    models (Dict[str, Model]): The judges by name.
    """

    def __init__(self, models: Dict[str, Model]) -> None:
        self.models: Dict[str, Any] = models

    def _first(self, name: str, default: Any) -> Any:
        found = (getattr(model, name, None) for model in self.models.values())
        return next((value for value in found if value), default)

    @property
    def salt(self) -> Optional[str]:
        """A secret for the marks of data blocks: that of the first model with a ledger."""
        salt: Optional[str] = self._first("salt", None)
        return salt

    @property
    def under_way(self) -> str:
        """What is waited for, in words."""
        return str(self._first("under_way", ""))

    @property
    def grace(self) -> float:
        """Seconds that what is under way can take to come home; see `grace_of`."""
        return grace_of(self.models.values())

    @property
    def asks_ahead(self) -> bool:
        """Whether one of them is asked in batches."""
        return bool(self._first("asks_ahead", False))

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Reply to prompts.

        prompts (Iterable[Iterable[str]]): The prompts of each document, made by a task of a judge.
        YIELDS (Iterable[str]): A PanelReply for each prompt of each document.
        """
        groups = [list(group) for group in prompts]
        for prompt in chain.from_iterable(groups):
            if not isinstance(prompt, Prompt):
                raise LLMJudgeError(Errors.J367.format(task="a task with other prompts"))
        streams = [iter(model(groups)) for model in self.models.values()]
        for group, *answers in zip(groups, *streams):
            columns = [islice(chain(answer, repeat(None)), len(group)) for answer in answers]
            yield [PanelReply(dict(zip(self.models, said))) for said in zip(*columns)]
        for _ in chain.from_iterable(streams):
            pass  # to their ends, where ledgers say what they have to say

    def ask_ahead(self, prompts: Callable[[], Iterable[Iterable[Any]]]) -> None:
        """Have replies in the ledgers before the first is wanted, of each model that is asked in batches."""
        for model in self.models.values():
            if getattr(model, "asks_ahead", False):
                model.ask_ahead(prompts)

    def usage(self) -> Counts:
        """RETURNS (Counts): What all of them did. Those with the same ledger know the cost of all in it; a budget is
        each ledger's own."""
        models = [model for model in self.models.values() if isinstance(model, Metered)]
        ledgers = [getattr(model, "path", None) for model in models]
        total = add_counts([model.usage() for model in models], ledgers) or Tally().counts()
        return {**total, "max_cost": None}


def read_panel(task: Reader, doc: Doc, replies: Sequence[Optional[str]]) -> None:
    """Write what a panel says of a document into its candidate group.

    task (Reader): The task that asked.
    doc (Doc): The document.
    replies (Sequence[Optional[str]]): The replies to its prompts, in order.
    """
    names = next(list(reply.said) for reply in replies if isinstance(reply, PanelReply))
    said = {
        name: [reply.said[name] if isinstance(reply, PanelReply) else reply for reply in replies]
        for name in names
    }
    found = _read_each(task, doc, said)
    if task.lists:
        # What one of them proposes, the lists of the others judge as well.
        named = {c.key: c for candidates, _ in found.values() for c in candidates}
        asked = [candidate.replace(source="student") for candidate in named.values()]
        set_candidates(doc, asked, task.spans_key)
        found = {
            name: ([c.replace(source=named[c.key].source) for c in candidates], status)
            for name, (candidates, status) in _read_each(task, doc, said).items()
        }
    opinions: Dict[Tuple[int, int, str], Dict[str, Candidate]] = {}
    for name, (candidates, _) in found.items():
        for candidate in candidates:
            opinions.setdefault(candidate.key, {})[name] = candidate
    merged = [
        merge(held) if key[2] in task.labels else held[names[0]] for key, held in opinions.items()
    ]
    kept = [c for c in merged if c.source != "judge" or c.verdict is not None]
    set_candidates(doc, kept, task.spans_key)
    statuses = [status for _, status in found.values()]
    status = min(statuses, key=lambda status: _STATES.index(status["state"]))
    set_status(doc, status["state"], status["reason"], task.spans_key)


def _read_each(
    task: Reader, doc: Doc, said: Dict[str, List[Optional[str]]]
) -> Dict[str, Tuple[List[Candidate], Dict[str, Any]]]:
    """The candidates and the status of the document, as each model alone would leave them."""
    found = {}
    for name, replies in said.items():
        task.set_replies(doc, replies)
        key = task.spans_key
        found[name] = (get_candidates(doc, key), get_status(doc, key))
    return found


def merge(held: Dict[str, Candidate]) -> Candidate:
    """Merge what several models say of one candidate.

    The support is the equal pool, the mean of the log-odds, of all that answered; a verdict without a number has the
    rate that stands where nothing was held out. What they said alone is kept, for the fusion to weigh.

    held (Dict[str, Candidate]): The candidate as each model leaves it, by its name.
    RETURNS (Candidate): Unjudged where one of them was not asked, abstained where all are.

    EXAMPLE:
        >>> one = Candidate(0, 1, "X", verdict="correct", support=0.9)
        >>> merge({"a": one, "b": one.replace(support=0.5)}).support
        0.75
        >>> merge({"a": one, "b": one.replace(verdict="abstained", support=None)}).support
        0.9
    """
    first = next(iter(held.values()))
    waiting = next((c for c in held.values() if c.verdict is None), None)
    counted = {name: c for name, c in held.items() if c.verdict != "abstained"}
    if waiting is not None or not counted:
        return waiting or first
    supports = [_support(candidate) for candidate in counted.values()]
    pooled = float(np.round(sigmoid(logit(np.array(supports)).mean()), DECIMALS))
    negative = Counter(c.verdict for c in counted.values() if c.verdict != "correct")
    verdict = max(OPTIONS, key=lambda option: (negative[option], -OPTIONS.index(option)))
    if pooled > 0.5 or not negative:
        verdict = "correct"
    is_bare = all(c.support is None for c in counted.values())
    return first.replace(
        verdict=verdict,
        support=None if is_bare else clip_support(pooled),
        likelihood=None,
        reason=None,
        opinions={name: [c.verdict, c.support] for name, c in counted.items()},
    )


def _support(candidate: Candidate) -> float:
    if candidate.support is not None:
        return candidate.support
    return RATE_AGREED if candidate.verdict == "correct" else RATE_REFUSED
