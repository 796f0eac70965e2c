"""The judge as a blind second annotator: it lists the entities that it sees, and never sees ours."""
import json
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

import srsly
from spacy.tokens import Doc

from ...candidates import KEY
from ...errors import Errors, LLMJudgeError
from ...models.messages import Prompt
from ...storage import read_json, write_bytes
from ..demonstrations import (
    Demonstration,
    choose_demonstrations,
    labels_of,
    near_misses,
    read_demonstrations,
)
from ..mapping import map_mentions
from ..prompts import (
    DEFAULT_SALT,
    Rule,
    compile_template,
    make_nonce,
    read_rules,
    read_template,
    rules_by_label,
)
from ..replies import ReplyError, parse_annotation
from ..verdicts import Answer, open_candidates, set_answers
from ..windows import Window, make_windows

TEMPLATE = "annotate.v1"
STATE_VERSION = 1
MIN_WINDOW = 8


def make_annotate_task(
    labels: Optional[Union[List[str], str]] = None,
    label_definitions: Optional[Dict[str, str]] = None,
    rules: Optional[Union[Path, str]] = None,
    demonstrations: Optional[Union[Path, str]] = None,
    n_demonstrations: int = 16,
    seed: int = 0,
    template: Union[Path, str] = TEMPLATE,
    window: int = 400,
    salt: str = DEFAULT_SALT,
) -> "AnnotateTask":
    """Make the task `llmjudge.Annotate.v1`. No file is read before the first document.

    labels (Optional[Union[List[str], str]]): The labels, as a list or separated by commas; None takes
        those of the demonstrations.
    label_definitions (Optional[Dict[str, str]]): What a label means.
    rules (Optional[Union[Path, str]]): A text file with task rules, one `LABEL: text` a line.
    demonstrations (Optional[Union[Path, str]]): The labelled documents, `.spacy` or `.jsonl`.
    n_demonstrations (int): How many of them a prompt shows. Models that learn from the labelled set
        get all of them, whatever is shown.
    seed (int): Chooses which are shown.
    template (Union[Path, str]): The name of one of our templates, or the path of another.
    window (int): Tokens that one prompt shows at most; longer documents are judged in pieces.
    salt (str): A secret that makes the mark of the data block impossible to guess.
    RETURNS (AnnotateTask): The task.
    """
    if isinstance(labels, str):
        labels = [label.strip() for label in labels.split(",") if label.strip()]
    if window < MIN_WINDOW:
        raise LLMJudgeError(Errors.J207.format(found=window, least=MIN_WINDOW))
    return AnnotateTask(
        labels=labels,
        label_definitions=label_definitions or {},
        rules=rules,
        demonstrations=demonstrations,
        n_demonstrations=n_demonstrations,
        seed=seed,
        template=template,
        window=window,
        salt=salt,
    )


class AnnotateTask:
    """One prompt a window; the reply lists all entities, and a candidate is judged by that list.

    spans_key (str): The key of the candidate group.
    salt (str): A secret that makes the mark of the data block impossible to guess.
    """

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
            self._fixed = self._make_fixed()

    def _make_fixed(self) -> Dict[str, Any]:
        """All that the prompts of this task have in common."""
        labels = self.labels
        shown = choose_demonstrations(
            self._demonstrations, self._n_demonstrations, self._seed
        )
        rows = []
        for row in shown:
            entities = [{"text": e["text"], "label": e["label"]} for e in row["entities"]]
            unmarked = near_misses(row, self._demonstrations)
            rows.append({"text": row["text"], "entities": entities})
            if unmarked:
                rows[-1]["unmarked"] = unmarked
        return {
            "labels": {label: self._label_definitions.get(label, "") for label in labels},
            "rules": rules_by_label(self._rules, labels) if self._rules else {},
            "demonstrations": rows,
            "near_misses": any("unmarked" in row for row in rows),
        }

    def generate_prompts(
        self, docs: Iterable[Doc], context_length: Optional[int] = None
    ) -> Iterable[Tuple[Iterable[str], Iterable[Doc]]]:
        """Make one prompt for each window of each document.

        docs (Iterable[Doc]): The documents; they are never cut, so that tokens stay where they are.
        context_length (Optional[int]): Not used: `window` bounds the prompt.
        YIELDS (Tuple[Iterable[str], Iterable[Doc]]): The prompts of a document, and the document.
        """
        self.load()
        for doc in docs:
            windows = make_windows(doc, self._window)
            yield [self._make_prompt(doc, window) for window in windows], [doc]

    def _make_prompt(self, doc: Doc, window: Window) -> Prompt:
        span = window.span(doc)
        text = span.text
        prompt = compile_template(self._template).render(
            text=text, nonce=make_nonce(self.salt, text), **self._fixed
        )
        candidates = [
            (
                doc[c.start].idx - span.start_char,
                doc[c.end - 1].idx + len(doc[c.end - 1]) - span.start_char,
                c.label,
            )
            for c in open_candidates(doc, self.labels, self.spans_key)
            if window.owns(c.start) and c.end <= window.end
        ]
        return Prompt(
            prompt,
            text=text,
            candidates=candidates,
            labels=self._fixed["labels"],
            demonstrations=self._demonstrations,
            schema=make_schema(self.labels),
        )

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
            replies = list(replies)
            windows = make_windows(doc, self._window)
            replies += [None] * (len(windows) - len(replies))
            answers = [self._read(doc, *pair) for pair in zip(windows, replies)]
            set_answers(doc, answers, self.labels, self.spans_key)
            yield doc

    def _read(self, doc: Doc, window: Window, reply: Optional[str]) -> Answer:
        if not isinstance(reply, str):
            return Answer(window, "abstained", "no_reply")
        if getattr(reply, "state", "replied") != "replied":
            return Answer(window, reply.state, reply.reason)
        try:
            annotation = parse_annotation(reply, self.labels)
        except ReplyError as error:
            return Answer(window, "abstained", str(error))
        dropped = annotation.dropped
        entities = map_mentions(doc, window, annotation.entities, dropped)
        alternatives = map_mentions(doc, window, annotation.alternatives, dropped, entities)
        return Answer(window, "judged", None, entities, alternatives, dropped)

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

    def from_bytes(self, data: bytes, *, exclude: Tuple[str] = ()) -> "AnnotateTask":
        """Take over what `to_bytes` made; the files are not needed any more."""
        return self._set_state(json.loads(data.decode("utf8")))

    def to_disk(self, path: Path, *, exclude: Tuple[str] = ()) -> None:
        """Write the state as one JSON file."""
        write_bytes(Path(path) / "annotate.json", self.to_bytes())

    def from_disk(self, path: Path, *, exclude: Tuple[str] = ()) -> "AnnotateTask":
        """Read the state that `to_disk` wrote."""
        return self._set_state(read_json(Path(path) / "annotate.json", "Save the pipeline again."))

    def _set_state(self, state: Dict[str, Any]) -> "AnnotateTask":
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


def make_schema(labels: Iterable[str]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The JSON schema of a reply."""
    entry = {
        "type": "object",
        "properties": {
            "text": {"type": "string"},
            "label": {"type": "string", "enum": list(labels)},
            "confidence": {"type": "number"},
        },
        "required": ["text", "label", "confidence"],
        "additionalProperties": False,
    }
    entries = {"type": "array", "items": entry}
    return {
        "type": "object",
        "properties": {"entities": entries, "alternatives": entries},
        "required": ["entities", "alternatives"],
        "additionalProperties": False,
    }
