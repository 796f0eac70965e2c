"""The judge as an annotator of whole documents: it gives their labels, and never sees ours."""

from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from spacy.tokens import Doc

from ...targets.cats import Cats
from ...transport.messages import Prompt
from ..classification import parse_classification, set_classification
from ..data_block import DEFAULT_SALT, block_text, make_nonce
from ..labelled_texts import LabelledText, read_labelled_texts, show_labelled_texts
from ..long_documents import make_windows
from ..prompts import Verbatim, compile_template
from ..replies import ReplyError
from ..verdicts import Outcome, open_candidates
from .base import JudgeTask, TaskSettings, is_cut_off, read_outcome, split_labels

TEMPLATE = "classify.v1"
# Tokens of a reply: the object, and an entry with label and confidence.
TOKENS_EMPTY, TOKENS_ENTRY = 12, 16


def make_classify_task(
    labels: Optional[Union[List[str], str]] = None,
    label_definitions: Optional[Dict[str, str]] = None,
    exclusive: Optional[bool] = None,
    rules: Optional[Union[Path, str]] = None,
    demonstrations: Optional[Union[Path, str]] = None,
    n_demonstrations: int = 16,
    seed: int = 0,
    template: Optional[Union[Path, str]] = None,
    window: int = 1000,
    salt: str = DEFAULT_SALT,
) -> "ClassifyTask":
    """Make the task `llmjudge.Classify.v1`. No file is read before the first document.

    labels (Optional[Union[List[str], str]]): The labels, as a list or separated by commas; None takes
        those of the corpus or the demonstrations.
    label_definitions (Optional[Dict[str, str]]): What a label means.
    exclusive (Optional[bool]): Whether a document has exactly one label. None: as in the corpus or the
        demonstrations.
    rules (Optional[Union[Path, str]]): A text file with task rules, one `LABEL: text` a line.
    demonstrations (Optional[Union[Path, str]]): The labelled documents, `.spacy` or `.jsonl`.
    n_demonstrations (int): How many of them a prompt shows. Models that learn from the labelled set
        get all of them, whatever is shown.
    seed (int): Chooses which are shown.
    template (Optional[Union[Path, str]]): The name of one of our templates, or the path of another; None
        takes the task's own.
    window (int): Tokens that a prompt shows at most: of a longer document it shows the beginning, and
        says so.
    salt (str): A secret that makes the mark of the data block impossible to guess.
    RETURNS (ClassifyTask): The task.
    """
    settings = TaskSettings(
        labels=split_labels(labels),
        label_definitions=label_definitions or {},
        rules=rules,
        demonstrations=demonstrations,
        n_demonstrations=n_demonstrations,
        seed=seed,
        template=template,
        window=window,
        salt=salt,
    )
    return ClassifyTask(settings, exclusive)


class ClassifyTask(JudgeTask[LabelledText]):
    """One prompt a document; the reply gives its labels, and a candidate is judged by them.

    A candidate is a label over the whole document.
    """

    file_name = "classify.json"
    lists = True
    targets = ("cats",)
    default_template = TEMPLATE

    def __init__(self, settings: TaskSettings, exclusive: Optional[bool]) -> None:
        super().__init__(settings, Cats(()))
        self._exclusive = exclusive

    @property
    def target(self) -> Cats:
        """The labels that are asked about, as far as they are known, and whether exactly one holds."""
        found = self._target if isinstance(self._target, Cats) else Cats(())
        exclusive = found.exclusive if self._exclusive is None else self._exclusive
        labels = found.labels if self._given_labels is None else tuple(self._given_labels)
        return Cats(labels, exclusive)

    def read_demonstrations(self, path: Union[Path, str]) -> Tuple[LabelledText, ...]:
        """Read labelled documents, and which labels there are where the corpus has not said it."""
        known = self._target if isinstance(self._target, Cats) and self._target.labels else None
        self._target, rows = read_labelled_texts(path, known)
        return rows

    def labels_of(self, rows: Sequence[LabelledText]) -> List[str]:
        return list(self.target.labels)

    def show_demonstrations(self, rows: Sequence[LabelledText]) -> Dict[str, Any]:
        """Labelled documents with their labels."""
        n, seed = self._settings.n_demonstrations, self._settings.seed
        shown = show_labelled_texts(rows, self.target, n, seed)
        return {"demonstrations": shown, "exclusive": self.target.exclusive}

    def make_prompts(self, doc: Doc) -> List[Prompt]:
        """Make one prompt about a document; none where it has no words."""
        windows = make_windows(doc, self._window)
        if not windows:
            return []
        text = block_text(doc, windows[0])
        is_long = len(windows) > 1
        found = open_candidates(doc, self.labels, self.spans_key, self.target)
        asked = list(dict.fromkeys(candidate.label for candidate in found))
        prompt = compile_template(self.prompt_template).render(
            text=Verbatim(text),
            nonce=make_nonce(self.salt, text),
            shown_words=windows[0].end if is_long else None,
            all_words=len(doc),
            **self.shown,
        )
        return [
            Prompt(
                prompt,
                # all of it: that is how what was said about a document is found again
                text=doc.text,
                candidates=[(0, len(doc.text), label) for label in asked],
                labels=self.shown["labels"],
                demonstrations=self.demonstrations,
                schema=make_schema(self.labels),
                exclusive=self.target.exclusive,
            )
        ]

    def set_replies(self, doc: Doc, replies: List[Optional[str]]) -> None:
        """Write verdicts, supports and proposals: which labels the reply gives."""
        target = self.target
        if not make_windows(doc, self._window):
            outcome = Outcome("not_sent", "no_words")
            set_classification(doc, outcome, None, target, self.spans_key)
            return
        reply = replies[0] if replies else None
        outcome, found = read_outcome(reply), None
        if reply is not None and outcome.state == "judged":
            try:
                found = parse_classification(
                    reply, target.labels, target.exclusive, is_cut_off(reply)
                )
            except ReplyError as error:
                outcome = Outcome("abstained", str(error))
        set_classification(doc, outcome, found, target, self.spans_key)

    def expect_reply(self, prompt: Prompt) -> int:
        """About as many labels as a labelled document has, and half as many alternatives."""
        rows = self.demonstrations
        entries = 1.5 * sum(len(row["labels"]) for row in rows) / len(rows) if rows else 1.5
        return round(TOKENS_EMPTY + TOKENS_ENTRY * entries)

    def get_state(self) -> Dict[str, Any]:
        return {**super().get_state(), "exclusive": self.target.exclusive}

    def set_state(self, state: Dict[str, Any]) -> None:
        super().set_state(state)
        self._exclusive = bool(state["exclusive"])


def make_schema(labels: Iterable[str]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The JSON schema of a reply."""
    entry = {
        "type": "object",
        "properties": {
            "label": {"type": "string", "enum": list(labels)},
            "confidence": {"type": "number"},
        },
        "required": ["label", "confidence"],
        "additionalProperties": False,
    }
    entries = {"type": "array", "items": entry}
    return {
        "type": "object",
        "properties": {"labels": entries, "alternatives": entries},
        "required": ["labels", "alternatives"],
        "additionalProperties": False,
    }
