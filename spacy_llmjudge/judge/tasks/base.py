"""What the judge tasks have in common: labels, rules, demonstrations, the template, and their state."""

import json
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

import srsly
from spacy.tokens import Doc

from ...candidates import KEY
from ...errors import Errors, LLMJudgeError
from ...storage import read_json, write_bytes
from ..demonstrations import Demonstration, labels_of, read_demonstrations
from ..prompts import Rule, read_rules, read_template, rules_by_label

STATE_VERSION = 1
MIN_WINDOW = 8


def split_labels(labels: Optional[Union[List[str], str]]) -> Optional[List[str]]:
    """RETURNS (Optional[List[str]]): Labels given as a list or separated by commas, as a list."""
    if isinstance(labels, str):
        return [label.strip() for label in labels.split(",") if label.strip()]
    return labels


class JudgeTask:
    """A task that asks about the candidates of documents. No file is read before the first document.

    spans_key (str): The key of the candidate group.
    salt (str): A secret that makes the mark of the data block impossible to guess.
    """

    file_name: str

    def __init__(
        self,
        *,
        labels: Optional[List[str]],
        label_definitions: Dict[str, str],
        rules: Optional[Union[Path, str]],
        demonstrations: Optional[Union[Path, str]],
        n_demonstrations: int,
        seed: int,
        template: Union[Path, str],
        window: int,
        salt: str,
    ) -> None:
        if window < MIN_WINDOW:
            raise LLMJudgeError(Errors.J207.format(found=window, least=MIN_WINDOW))
        self.spans_key = KEY
        self.salt = salt
        self._given_labels = labels
        self._label_definitions = label_definitions
        self._rules_path = rules
        self._demonstrations_path = demonstrations
        self._n_demonstrations = n_demonstrations
        self._seed = seed
        self._template_name = template
        self._window = window
        self._clear()

    def _clear(self) -> None:
        self._rules: Optional[List[Rule]] = None
        self._demonstrations: Optional[Tuple[Demonstration, ...]] = None
        self._template: Optional[str] = None
        self._fixed: Optional[Dict[str, Any]] = None

    @property
    def labels(self) -> Tuple[str, ...]:
        """The labels as far as they are known; nothing is read for this."""
        if self._given_labels is not None:
            return tuple(self._given_labels)
        return tuple(labels_of(self._demonstrations or ()))

    @property
    def prompt_template(self) -> str:
        self.load()
        return self._template

    def load(self) -> None:
        """Read rules, demonstrations and template, unless that was done or they came with a model."""
        if self._demonstrations is None:
            path = self._demonstrations_path
            self._demonstrations = read_demonstrations(path) if path else ()
        if self._rules is None:
            self._rules = read_rules(self._rules_path) if self._rules_path else []
        if self._template is None:
            self._template = read_template(self._template_name)
        if not self.labels:
            raise LLMJudgeError(Errors.J201)
        if self._fixed is None:
            labels = self.labels
            self._fixed = {
                "labels": {label: self._label_definitions.get(label, "") for label in labels},
                "rules": rules_by_label(self._rules, labels) if self._rules else {},
                **self.show_demonstrations(),
            }

    def show_demonstrations(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What the template shows of the labelled documents."""
        raise NotImplementedError

    def make_prompts(self, doc: Doc) -> List[str]:
        """RETURNS (List[str]): The prompts about a document, in order."""
        raise NotImplementedError

    def set_replies(self, doc: Doc, replies: List[Optional[str]]) -> None:
        """Write what the replies to a document's prompts say into its candidate group."""
        raise NotImplementedError

    def expect_reply(self, prompt: str) -> int:
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
            self.set_replies(doc, list(replies))
            yield doc

    def to_bytes(self, *, exclude: Tuple[str] = ()) -> bytes:
        """Serialise what the prompts depend on and what came from files."""
        self.load()
        state = {
            "version": STATE_VERSION,
            "labels": list(self.labels),
            "label_definitions": self._label_definitions,
            "rules": self._rules,
            "demonstrations": list(self._demonstrations),
            "template": self._template,
        }
        return (srsly.json_dumps(state, indent=2) + "\n").encode("utf8")

    def from_bytes(self, data: bytes, *, exclude: Tuple[str] = ()) -> "JudgeTask":
        """Take over what `to_bytes` made; the files are not needed any more."""
        return self._set_state(json.loads(data.decode("utf8")))

    def to_disk(self, path: Path, *, exclude: Tuple[str] = ()) -> None:
        """Write the state as one JSON file."""
        write_bytes(Path(path) / self.file_name, self.to_bytes())

    def from_disk(self, path: Path, *, exclude: Tuple[str] = ()) -> "JudgeTask":
        """Read the state that `to_disk` wrote."""
        return self._set_state(read_json(Path(path) / self.file_name, "Save the pipeline again."))

    def _set_state(self, state: Dict[str, Any]) -> "JudgeTask":
        if state.get("version") != STATE_VERSION:
            found = state.get("version")
            raise LLMJudgeError(Errors.J208.format(found=found, expected=STATE_VERSION))
        self._clear()
        self._given_labels = state["labels"]
        self._label_definitions = state["label_definitions"]
        self._rules = [(label, text) for label, text in state["rules"]]
        self._demonstrations = tuple(state["demonstrations"])
        self._template = state["template"]
        return self
