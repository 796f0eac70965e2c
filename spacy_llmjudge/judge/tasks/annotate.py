"""The judge as a blind second annotator: it lists the entities that it sees, and never sees ours."""

from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Union

from spacy.tokens import Doc

from ...transport.messages import Prompt
from ..demonstrations import choose_demonstrations, near_misses
from ..mapping import map_mentions
from ..prompts import DEFAULT_SALT, compile_template, make_nonce
from ..replies import ReplyError, parse_annotation
from ..verdicts import Answer, characters_of, open_candidates, set_answers
from ..windows import Window, make_windows
from .base import JudgeTask, split_labels

TEMPLATE = "annotate.v1"
# Tokens of a reply: the object, and an entry with text, label and confidence.
TOKENS_EMPTY, TOKENS_ENTRY = 12, 24
# Entities and alternatives that are listed where no labelled document tells how many there are.
ENTRIES = 3


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
    return AnnotateTask(
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


class AnnotateTask(JudgeTask):
    """One prompt a window; the reply lists all entities, and a candidate is judged by that list."""

    file_name = "annotate.json"

    def show_demonstrations(self) -> Dict[str, Any]:
        """Labelled documents with all their entities, and the words that look like some."""
        shown = choose_demonstrations(self._demonstrations, self._n_demonstrations, self._seed)
        rows = []
        for row in shown:
            entities = [{"text": e["text"], "label": e["label"]} for e in row["entities"]]
            unmarked = near_misses(row, self._demonstrations)
            rows.append({"text": row["text"], "entities": entities})
            if unmarked:
                rows[-1]["unmarked"] = unmarked
        return {"demonstrations": rows, "near_misses": any("unmarked" in row for row in rows)}

    def make_prompts(self, doc: Doc) -> List[str]:
        """Make one prompt for each window of a document."""
        return [self._make_prompt(doc, window) for window in make_windows(doc, self._window)]

    def _make_prompt(self, doc: Doc, window: Window) -> Prompt:
        text = window.span(doc).text
        prompt = compile_template(self._template).render(
            text=text, nonce=make_nonce(self.salt, text), **self._fixed
        )
        candidates = [
            (*characters_of(doc, window, c), c.label)
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

    def set_replies(self, doc: Doc, replies: List[Optional[str]]) -> None:
        """Write verdicts, supports and proposals: how each candidate stands to what is listed."""
        windows = make_windows(doc, self._window)
        replies = replies + [None] * (len(windows) - len(replies))
        answers = [self._read(doc, *pair) for pair in zip(windows, replies)]
        set_answers(doc, answers, self.labels, self.spans_key)

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

    def expect_reply(self, prompt: str) -> int:
        """About as many entries as a labelled document has entities, and half as many alternatives."""
        rows = self._demonstrations
        entries = 1.5 * sum(len(r["entities"]) for r in rows) / len(rows) if rows else ENTRIES
        return round(TOKENS_EMPTY + TOKENS_ENTRY * entries)


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
