"""The model `llmjudge.Cascade.v1`: a cheap judge answers all, and a strong one where the cheap one is in doubt."""

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
    Union,
)

from ..candidates import Stated
from ..errors import Errors, LLMJudgeError
from ..storage import read_json
from ..transport.messages import Prompt
from ..transport.sender import Metered, grace_of
from ..transport.tally import Counts, Tally, add_counts
from .choices import parse_choices, read_masses, read_options
from .opinions import Opinion, combine
from .replies import parse_annotation
from .reply_json import ReplyError
from .tasks.base import is_cut_off, read_outcome
from .verdicts import clip_support

Model = Callable[[Iterable[Iterable[Any]]], Iterable[Iterable[Any]]]
Group = List[Any]

# Documents whose replies are waited for together.
_AT_ONCE = 128
_HINT = "The verb `cuts` writes it, from documents that the cheap judge has judged."


class Alone(NamedTuple):
    """What the cheap judge decides alone.

    low (float): Up to this support a candidate is rejected.
    high (float): From this support on it is accepted.
    most (int): Documents with more that count are asked about.
    target (str): What counts: what is accepted ("precision"), or all that gets a verdict.
    asked (float): The share of documents that the strong judge is expected to be asked about.
    """

    low: float
    high: float
    most: int
    target: str
    asked: float


def make_cascade_model(
    cheap: Model,
    strong: Model,
    cuts: Union[Path, str],
) -> "Cascade":
    """Make the model `llmjudge.Cascade.v1`. No file is read before the first prompt.

    cheap (Model): Any model of spacy-llm; it is asked about all documents. Its replies must state how sure they
        are, or have log-probabilities.
    strong (Model): Any model; it is asked about the documents of which the cheap one leaves a candidate open.
    cuts (Union[Path, str]): What the verb `cuts` wrote.
    RETURNS (Cascade): The model.
    """
    return Cascade(cheap, strong, cuts)


class Cascade:
    """Two judges, one after the other. Each has a ledger of its own, or the same one, around it.

    cheap (Model): Is asked about all documents.
    strong (Model): Is asked about those that the cheap one is in doubt about. What it says counts, also where
        it has no answer: then another run asks again.
    """

    def __init__(self, cheap: Model, strong: Model, cuts: Union[Path, str]) -> None:
        self.cheap = cheap
        self.strong = strong
        self._path = Path(cuts)
        self._alone: Optional[Alone] = None

    @property
    def alone(self) -> Optional[Alone]:
        """What the cheap judge decides alone; None where nothing passed."""
        if self._alone is None:
            self._alone = read_cuts(self._path)
        return self._alone

    @property
    def asked(self) -> float:
        """The share of documents that the strong judge is expected to be asked about."""
        return 1.0 if self.alone is None else self.alone.asked

    @property
    def salt(self) -> Optional[str]:
        """A secret for the marks of data blocks, where one of the two has a ledger."""
        return getattr(self.strong, "salt", None) or getattr(self.cheap, "salt", None)

    @property
    def under_way(self) -> str:
        """What is waited for, in words."""
        return getattr(self.strong, "under_way", "") or getattr(self.cheap, "under_way", "")

    @property
    def grace(self) -> float:
        """Seconds that what is under way can take to come home; see `grace_of`."""
        return grace_of((self.cheap, self.strong))

    @property
    def asks_ahead(self) -> bool:
        """Whether one of the two is asked in batches."""
        return any(getattr(model, "asks_ahead", False) for model in (self.cheap, self.strong))

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Reply to prompts.

        prompts (Iterable[Iterable[str]]): The prompts of each document.
        YIELDS (Iterable[str]): The replies of each document, all from the same judge.
        """
        for groups, replies, is_open in self._ask_cheap(prompts):
            asked = [group for group, waits in zip(groups, is_open) if waits]
            answers = iter(self.strong(asked) if asked else ())
            for reply, waits in zip(replies, is_open):
                yield list(next(answers)) if waits else reply
            for _ in answers:
                pass  # to its end, where a ledger says what it has to say

    def _ask_cheap(
        self, prompts: Iterable[Iterable[Any]]
    ) -> Iterator[Tuple[List[Group], List[Group], List[bool]]]:
        """Yield some documents' prompts, their replies, and whether the cheap judge is in doubt."""
        stream = (list(group) for group in prompts)
        while True:
            groups = list(islice(stream, _AT_ONCE))
            if not groups:
                return
            replies = [list(group) for group in self.cheap(groups)]
            is_open = [self._is_open(*pair) for pair in zip(groups, replies)]
            yield groups, replies, is_open

    def _is_open(self, prompts: Group, replies: Group) -> bool:
        """Whether the strong judge is to be asked: not where another run can still ask the cheap one."""
        if self.alone is not None and any(read_outcome(r).state == "not_sent" for r in replies):
            return False
        return not decides(self.alone, prompts, replies)

    def ask_ahead(self, prompts: Callable[[], Iterable[Iterable[Any]]]) -> None:
        """Have replies in the ledgers before the first is wanted, where a judge is asked in batches."""
        if getattr(self.cheap, "asks_ahead", False):
            self.cheap.ask_ahead(prompts)  # type: ignore[attr-defined]
        if getattr(self.strong, "asks_ahead", False):
            self.strong.ask_ahead(lambda: self._open_groups(prompts()))  # type: ignore[attr-defined]

    def _open_groups(self, prompts: Iterable[Iterable[Any]]) -> Iterator[Group]:
        for groups, _, is_open in self._ask_cheap(prompts):
            yield from (group for group, waits in zip(groups, is_open) if waits)

    def usage(self) -> Counts:
        """RETURNS (Counts): What the two judges did, as far as they count."""
        return usage_of(metered_models("", self)) or Tally().counts()


def metered_models(name: str, model: Any) -> Dict[str, Metered]:
    """RETURNS (Dict[str, Metered]): What counts in a model: itself or, of a cascade, its judges; by dotted names."""
    if isinstance(model, Cascade):
        cheap = metered_models(f"{name}.cheap", model.cheap)
        return {**cheap, **metered_models(f"{name}.strong", model.strong)}
    return {name: model} if isinstance(model, Metered) else {}


def usage_of(models: Mapping[str, Metered]) -> Optional[Counts]:
    """RETURNS (Optional[Counts]): What several models did together; None of none."""
    ledgers = [getattr(model, "path", None) for model in models.values()]
    return add_counts([model.usage() for model in models.values()], ledgers)


def read_cuts(path: Path) -> Optional[Alone]:
    """Read what the verb `cuts` wrote.

    path (Path): The file.
    RETURNS (Optional[Alone]): None where nothing passed, so that everything is asked.
    """
    found: Dict[str, Any] = read_json(path, _HINT)
    try:
        if found["low"] is None:
            return None
        alone = Alone(
            float(found["low"]),
            float(found["high"]),
            int(found["most"]),
            str(found["target"]),
            float(found["asked"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LLMJudgeError(Errors.J365.format(path=path, error=repr(error))) from None
    if not 0 <= alone.low < alone.high <= 1:
        problem = f"low = {alone.low} is not under high = {alone.high}"
        raise LLMJudgeError(Errors.J365.format(path=path, error=problem))
    return alone


def decides(alone: Optional[Alone], prompts: List[Any], replies: List[Any]) -> bool:
    """Whether a judge decides a document alone.

    alone (Optional[Alone]): What it may decide.
    prompts (List[Any]): The prompts about the document.
    replies (List[Any]): Its replies.
    RETURNS (bool): False where a reply leaves a candidate open, does not say how sure it is, or has no answer.
    """
    stated = None if alone is None else read_stated(prompts, replies)
    if alone is None or stated is None or any(alone.low < p < alone.high for p in stated.supports):
        return False
    n_accepted = sum(p >= alone.high for p in stated.supports)
    n_counted = n_accepted if alone.target == "precision" else stated.n_verdicts
    return n_counted <= alone.most


def read_stated(prompts: List[Any], replies: List[Any]) -> Optional[Stated]:
    """Read how sure a judge is of what it names in a document.

    prompts (List[Any]): The prompts about the document.
    replies (List[Any]): Its replies.
    RETURNS (Optional[Stated]): None where one thing that is named has no number, or there is no usable answer.
    """
    if len(replies) != len(prompts):
        return None
    supports: List[Optional[float]] = []
    n_verdicts = 0
    asked: Dict[Tuple[Any, ...], List[Opinion]] = {}
    draws: Counter[Tuple[Any, ...]] = Counter()
    for prompt, reply in zip(prompts, replies):
        is_known = isinstance(prompt, Prompt) and prompt.exclusive is None
        if not is_known or read_outcome(reply).state != "judged":
            return None
        try:
            if prompt.verdicts:
                # Several draws of a question are one opinion, as in the task.
                opinions = _read_opinions(prompt, reply)
                n_verdicts += sum(opinion.correction is not None for opinion in opinions)
                for candidate, opinion in zip(prompt.candidates, opinions):
                    draw = (prompt.text, candidate, prompt.sample)
                    asked.setdefault((*draw[:2], draws[draw]), []).append(opinion)
                    draws[draw] += 1
                continue
            listed = parse_annotation(reply, list(prompt.labels), is_cut_off(reply))
        except ReplyError:
            return None
        if listed.unlabelled or listed.wordless:
            return None
        named = [*listed.entities, *listed.alternatives]
        supports += [entry.confidence for entry in named]
        n_verdicts += len(prompt.candidates) + len(named)
    supports += [combine(opinions).support for opinions in asked.values()]
    known = [clip_support(p) for p in supports if p is not None]
    return Stated(known, n_verdicts + len(asked)) if len(known) == len(supports) else None


def _read_opinions(prompt: Prompt, reply: str) -> List[Opinion]:
    """RETURNS (List[Opinion]): What a reply says of each candidate.
    RAISES (ReplyError): Where it does not answer about all of them."""
    options = read_options(prompt)
    choices = parse_choices(reply, len(prompt.candidates), is_cut_off(reply), options)
    opinions = []
    for number, meanings in enumerate(prompt.verdicts, 1):
        if number not in choices:
            raise ReplyError("no_answer")
        choice = choices[number]
        masses, coverage = read_masses(reply, getattr(reply, "logprobs", None), choice.offset)
        if masses is not None:
            masses = {meanings[letter]: mass for letter, mass in masses.items()}
        verdict = meanings[choice.letter]
        opinions.append(Opinion(verdict, masses, coverage, choice.chance, choice.correction))
    return opinions
