"""What the judge tasks have in common: labels, rules, demonstrations, the template, and their state."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Any,
    Dict,
    Generic,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
)

import srsly
from spacy.tokens import Doc

from ...candidates import KEY
from ...errors import Errors, LLMJudgeError
from ...storage import read_json, write_bytes
from ...targets.base import Target
from ...transport.messages import Prompt
from ..demonstrations import ANY, CHOICES
from ..panel import PanelReply, read_panel
from ..prompts import Rule, read_rules, read_template, require_short, rules_by_label
from ..verdicts import Outcome

STATE_VERSION = 1
MIN_WINDOW = 8

# a labelled document as a task shows it
Row = TypeVar("Row", bound=Mapping[str, Any])


def split_labels(labels: Optional[Union[List[str], str]]) -> Optional[List[str]]:
    """RETURNS (Optional[List[str]]): Labels given as a list or separated by commas, as a list."""
    if isinstance(labels, str):
        return [label.strip() for label in labels.split(",") if label.strip()]
    return labels


@dataclass(frozen=True)
class TaskSettings:
    """What every task is given.

    labels (Optional[List[str]]): The labels; None takes those of the target or the demonstrations.
    label_definitions (Dict[str, str]): What a label means.
    rules (Optional[Union[Path, str]]): A text file with task rules, one `LABEL: text` a line.
    demonstrations (Optional[Union[Path, str]]): The labelled documents.
    n_demonstrations (int): How many of them a prompt shows.
    seed (int): Chooses which are shown.
    template (Optional[Union[Path, str]]): The name of one of our templates, or the path of another; None
        takes the task's own.
    window (int): Tokens that one prompt shows at most.
    salt (str): A secret that makes the mark of the data block impossible to guess.
    choose (str): How demonstrations are chosen; one of `demonstrations.CHOICES`.
    """

    labels: Optional[List[str]]
    label_definitions: Dict[str, str]
    rules: Optional[Union[Path, str]]
    demonstrations: Optional[Union[Path, str]]
    n_demonstrations: int
    seed: int
    template: Optional[Union[Path, str]]
    window: int
    salt: str
    choose: str = ANY

    def __post_init__(self) -> None:
        if self.window < MIN_WINDOW:
            raise LLMJudgeError(Errors.J207.format(found=self.window, least=MIN_WINDOW))
        if self.choose not in CHOICES:
            found = {"name": "choose", "found": self.choose, "choices": ", ".join(CHOICES)}
            raise LLMJudgeError(Errors.J241.format(**found))


class JudgeTask(Generic[Row]):
    """A task that asks about the candidates of documents. No file is read before the first document.

    spans_key (str): The key of the candidate group.
    salt (str): A secret that makes the mark of the data block impossible to guess.
    """

    file_name: str
    # the targets that a task can judge
    targets: Tuple[str, ...]
    # whether a reply says something about every candidate, also about one that it was not asked about
    lists = False
    # whether it goes on where a judge in front of it ended
    after_list = False

    def __init__(self, settings: TaskSettings, target: Target) -> None:
        self.spans_key = KEY
        self.salt = settings.salt
        self._target = target
        self._settings = settings
        self._window = settings.window
        self._given_labels = settings.labels
        self._label_definitions = settings.label_definitions
        self._clear()

    def _clear(self) -> None:
        self._rules: Optional[List[Rule]] = None
        self._rows: Optional[Tuple[Row, ...]] = None
        self._template: Optional[str] = None
        self._shown: Optional[Dict[str, Any]] = None

    def use_target(self, target: Target) -> None:
        """Judge what a corpus has labelled; settings of the config that say otherwise stay.

        RAISES (LLMJudgeError): J240 where the task cannot judge it.
        """
        if target.name not in self.targets:
            raise LLMJudgeError(
                Errors.J240.format(
                    task=type(self).__name__,
                    known=" or ".join(self.targets),
                    found=target.name,
                )
            )
        template = self.default_template
        self._target = target
        self._shown = None
        if self.default_template != template:
            self._template = None

    @property
    def target(self) -> Target:
        """What is labelled."""
        return self._target

    @property
    def labels(self) -> Tuple[str, ...]:
        """The labels as far as they are known; nothing is read for this."""
        if self._given_labels is not None:
            return tuple(self._given_labels)
        return tuple(self.labels_of(self._rows or ()))

    @property
    def prompt_template(self) -> str:
        """The template, read from its file."""
        if self._template is None:
            self._template = read_template(self._settings.template or self.default_template)
        return self._template

    @property
    def default_template(self) -> str:
        """The name of the template that is used where none is named."""
        raise NotImplementedError

    @property
    def demonstrations(self) -> Tuple[Row, ...]:
        """All labelled documents, read from their file."""
        if self._rows is None:
            path = self._settings.demonstrations
            self._rows = self.read_demonstrations(path) if path else ()
        return self._rows

    @property
    def shown(self) -> Dict[str, Any]:
        """What the template shows in every prompt: labels, rules and demonstrations."""
        if self._rules is None:
            self._rules = read_rules(self._settings.rules) if self._settings.rules else []
        rows = self.demonstrations
        if not self.labels:
            raise LLMJudgeError(Errors.J201)
        if self._shown is None:
            labels = self.labels
            require_short({label: self._label_definitions.get(label, "") for label in labels})
            self._shown = {
                "labels": {label: self._label_definitions.get(label, "") for label in labels},
                "rules": rules_by_label(self._rules, labels) if self._rules else {},
                **self.show_demonstrations(rows),
            }
        return self._shown

    def load(self) -> None:
        """Read rules, demonstrations and template, unless that was done or they came with a model."""
        self.prompt_template, self.shown  # noqa: B018

    def read_demonstrations(self, path: Union[Path, str]) -> Tuple[Row, ...]:
        """RETURNS (Tuple[Row, ...]): The labelled documents of a file."""
        raise NotImplementedError

    def labels_of(self, rows: Sequence[Row]) -> List[str]:
        """RETURNS (List[str]): The labels of labelled documents, sorted."""
        raise NotImplementedError

    def show_demonstrations(self, rows: Sequence[Row]) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What the template shows of the labelled documents."""
        raise NotImplementedError

    def make_prompts(self, doc: Doc) -> List[Prompt]:
        """RETURNS (List[Prompt]): The prompts about a document, in order."""
        raise NotImplementedError

    def set_replies(self, doc: Doc, replies: List[Optional[str]]) -> None:
        """Write what the replies to a document's prompts say into its candidate group."""
        raise NotImplementedError

    def expect_reply(self, prompt: Prompt) -> int:
        """RETURNS (int): About how many tokens a reply to a prompt has."""
        raise NotImplementedError

    def generate_prompts(
        self, docs: Iterable[Doc], context_length: Optional[int] = None
    ) -> Iterable[Tuple[Iterable[str], Iterable[Doc]]]:
        """Make the prompts about each document.

        docs (Iterable[Doc]): The documents; they are never cut, so that tokens stay where they are.
        context_length (Optional[int]): Not used: `window` bounds the prompt.
        YIELDS (Tuple[Iterable[str], Iterable[Doc]]): The prompts of a document, and the document.
        """
        self.load()
        for doc in docs:
            yield self.make_prompts(doc), [doc]

    def parse_responses(
        self, shards: Iterable[Iterable[Doc]], responses: Iterable[Iterable[str]]
    ) -> Iterable[Doc]:
        """Write the verdicts of the replies into the documents' candidate groups.

        shards (Iterable[Iterable[Doc]]): Each document, in a list of its own.
        responses (Iterable[Iterable[str]]): The replies to its prompts, in order.
        YIELDS (Doc): The documents.
        """
        self.load()
        for docs, replies in zip(shards, responses):
            (doc,) = docs
            said: List[Optional[str]] = list(replies)
            if any(isinstance(reply, PanelReply) for reply in said):
                read_panel(self, doc, said)
            else:
                self.set_replies(doc, said)
            yield doc

    def get_state(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What the prompts depend on and what came from files, as JSON."""
        self.load()
        return {
            "version": STATE_VERSION,
            "labels": list(self.labels),
            "label_definitions": self._label_definitions,
            "rules": self._rules,
            "demonstrations": list(self.demonstrations),
            "template": self._template,
        }

    def set_state(self, state: Dict[str, Any]) -> None:
        """Take over what `get_state` gave; the files are not needed any more."""
        if state.get("version") != STATE_VERSION:
            found = state.get("version")
            raise LLMJudgeError(Errors.J208.format(found=found, expected=STATE_VERSION))
        self._clear()
        self._given_labels = state["labels"]
        self._label_definitions = state["label_definitions"]
        self._rules = [(label, text) for label, text in state["rules"]]
        self._rows = tuple(state["demonstrations"])
        self._template = state["template"]

    def to_bytes(self, *, exclude: Tuple[str, ...] = ()) -> bytes:
        """Serialise the state."""
        return (srsly.json_dumps(self.get_state(), indent=2) + "\n").encode("utf8")

    def from_bytes(self, data: bytes, *, exclude: Tuple[str, ...] = ()) -> "JudgeTask[Row]":
        """Take over what `to_bytes` made."""
        self.set_state(json.loads(data.decode("utf8")))
        return self

    def to_disk(self, path: Path, *, exclude: Tuple[str, ...] = ()) -> None:
        """Write the state as one JSON file."""
        write_bytes(Path(path) / self.file_name, self.to_bytes())

    def from_disk(self, path: Path, *, exclude: Tuple[str, ...] = ()) -> "JudgeTask[Row]":
        """Read the state that `to_disk` wrote."""
        self.set_state(read_json(Path(path) / self.file_name, "Save the pipeline again."))
        return self


def read_outcome(reply: Optional[str]) -> Outcome:
    """RETURNS (Outcome): What became of a question, before what the reply says is read."""
    if not isinstance(reply, str):
        return Outcome("abstained", "no_reply")
    state = getattr(reply, "state", "replied")
    if state != "replied":
        return Outcome(state, getattr(reply, "reason", None))
    return Outcome("judged")


def is_cut_off(reply: str) -> bool:
    """RETURNS (bool): Whether a model says that a reply ended at its token limit."""
    return getattr(reply, "reason", None) == "truncated"
