"""The judge as a blind second annotator: it lists the spans that it sees, and never sees ours."""

import warnings
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Union

from spacy.tokens import Doc

from ...errors import Errors, LLMJudgeError, Warnings
from ...targets.spans import SPANS_KEY
from ...transport.messages import Prompt
from ..data_block import DEFAULT_SALT, block_text, make_nonce, place_in_block
from ..demonstrations import ANY, Demonstration, choose_demonstrations, near_misses
from ..likelihood import READINGS, Rate, make_rate
from ..long_documents import Window, make_windows
from ..mapping import REPEATS, WindowText, map_mentions
from ..prompts import Verbatim, compile_template
from ..replies import ReplyError, parse_annotation
from ..verdicts import Listing, Outcome, open_candidates, set_listings
from .base import TaskSettings, is_cut_off, read_outcome, split_labels
from .span_task import SpanTask

TEMPLATE = "annotate.v1"
OVERLAPPING_TEMPLATE = "annotate_spans.v1"
# Tokens of a reply: the object, and an entry with text, label and confidence.
TOKENS_EMPTY, TOKENS_ENTRY = 12, 24
# Entities and alternatives that are listed where no labelled document tells how many there are.
ENTRIES = 3
# Replies without log-probabilities, before it is said that they never come.
PATIENCE = 3


def make_annotate_task(
    labels: Optional[Union[List[str], str]] = None,
    label_definitions: Optional[Dict[str, str]] = None,
    rules: Optional[Union[Path, str]] = None,
    demonstrations: Optional[Union[Path, str]] = None,
    n_demonstrations: int = 16,
    choose: str = ANY,
    overlapping: Optional[bool] = None,
    student_spans_key: str = SPANS_KEY,
    repeats: str = "abstain",
    likelihood: Optional[str] = None,
    seed: int = 0,
    template: Optional[Union[Path, str]] = None,
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
    choose (str): Which of them: "any" that have the label in question, or of these the most "ambiguous": with
        words that carry one label here and another, or none, there.
    overlapping (Optional[bool]): Whether spans may overlap and nest. None: where the corpus has spans,
        and not where it has entities.
    student_spans_key (str): The span group whose spans are judged where they may overlap and there are
        no candidates.
    repeats (str): Words that the reply lists once may stand in the text more often. "abstain" takes the
        first place that fits and leaves the others open; "all" takes them all; "listed" takes the list
        at its word: the others are none.
    likelihood (Optional[str]): Read how likely the model found each entry that it wrote, from the
        log-probabilities of its tokens, as an input of the fusion beside the stated confidence: "mean" of
        the tokens of words and label, "least" of them, or "label" alone. None asks for no
        log-probabilities.
    seed (int): Chooses which demonstrations are shown.
    template (Optional[Union[Path, str]]): The name of one of our templates, or the path of another; None
        takes the one for entities, or that for overlapping spans.
    window (int): Tokens that one prompt shows at most; longer documents are judged in pieces.
    salt (str): A secret that makes the mark of the data block impossible to guess.
    RETURNS (AnnotateTask): The task.
    """
    if repeats not in REPEATS:
        choices = ", ".join(REPEATS)
        raise LLMJudgeError(Errors.J241.format(name="repeats", found=repeats, choices=choices))
    if likelihood is not None and likelihood not in READINGS:
        choices = ", ".join(READINGS)
        raise LLMJudgeError(
            Errors.J241.format(name="likelihood", found=likelihood, choices=choices)
        )
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
        choose=choose,
    )
    return AnnotateTask(settings, repeats, overlapping, student_spans_key, likelihood)


class AnnotateTask(SpanTask):
    """One prompt a window; the reply lists all spans, and a candidate is judged by that list."""

    file_name = "annotate.json"
    lists = True

    def __init__(
        self,
        settings: TaskSettings,
        repeats: str,
        overlapping: Optional[bool],
        student_spans_key: str,
        likelihood: Optional[str] = None,
    ) -> None:
        super().__init__(settings, overlapping, student_spans_key)
        self._repeats = repeats
        self._likelihood = likelihood
        # replies without log-probabilities, until one has some
        self._n_bare: Optional[int] = 0

    @property
    def default_template(self) -> str:
        return OVERLAPPING_TEMPLATE if self.overlapping else TEMPLATE

    def show_demonstrations(self, rows: Sequence[Demonstration]) -> Dict[str, Any]:
        """Labelled documents with all their entities, and the words that look like some."""
        n, seed = self._settings.n_demonstrations, self._settings.seed
        choose = self._settings.choose
        shown: List[Dict[str, Any]] = []
        for row in choose_demonstrations(rows, n, seed, choose):
            entities = [{"text": e["text"], "label": e["label"]} for e in row["entities"]]
            unmarked = near_misses(row, rows)
            shown.append({"text": row["text"], "entities": entities})
            if unmarked:
                shown[-1]["unmarked"] = unmarked
        return {"demonstrations": shown, "near_misses": any("unmarked" in row for row in shown)}

    def make_prompts(self, doc: Doc) -> List[Prompt]:
        """Make one prompt for each window of a document."""
        return [self._make_prompt(doc, window) for window in make_windows(doc, self._window)]

    def _make_prompt(self, doc: Doc, window: Window) -> Prompt:
        text = block_text(doc, window)
        prompt = compile_template(self.prompt_template).render(
            text=Verbatim(text), nonce=make_nonce(self.salt, text), **self.shown
        )
        candidates = [
            (*place_in_block(doc, window, c), c.label)
            for c in open_candidates(doc, self.labels, self.spans_key, self.target)
            if window.owns(c.start) and c.end <= window.end
        ]
        return Prompt(
            prompt,
            text=text,
            candidates=candidates,
            labels=self.shown["labels"],
            demonstrations=self.demonstrations,
            schema=make_schema(self.labels),
            logprobs=self._likelihood is not None,
        )

    def set_replies(self, doc: Doc, replies: List[Optional[str]]) -> None:
        """Write verdicts, supports and proposals: how each candidate stands to what is listed."""
        windows = make_windows(doc, self._window)
        replies = replies + [None] * (len(windows) - len(replies))
        listings = [self._read(doc, *pair) for pair in zip(windows, replies)]
        set_listings(doc, listings, self.labels, self.spans_key, self.target)

    def _read(self, doc: Doc, window: Window, reply: Optional[str]) -> Listing:
        outcome = read_outcome(reply)
        if reply is None or outcome.state != "judged":
            return Listing(window, outcome)
        try:
            rate = None if self._likelihood is None else self._make_rate(reply, self._likelihood)
            annotation = parse_annotation(reply, self.labels, is_cut_off(reply), rate)
        except ReplyError as error:
            return Listing(window, Outcome("abstained", str(error)))
        text = WindowText(doc, window)
        dropped = annotation.dropped
        mapped = map_mentions(
            text,
            [*annotation.entities, *annotation.unlabelled],
            dropped,
            overlapping=self.overlapping,
            repeats=self._repeats,
        )
        if annotation.entities and not mapped.readings:
            # a list of which nothing stands in the text is no list of this text
            reason = next((r for r in ("not_in_text", "off_tokens") if dropped[r]), "repeated")
            return Listing(window, Outcome("abstained", reason))
        others = map_mentions(
            text, annotation.alternatives, dropped, taken=mapped.readings, overlapping=True
        )
        return Listing(
            window,
            Outcome("judged", None, dropped),
            [r for r in mapped.readings if window.owns(r.start)],
            [r for r in others.readings if window.owns(r.start)],
            mapped.doubts,
            mapped.lost or ("wrong_type" if annotation.wordless else None),
            self.overlapping,
        )

    def _make_rate(self, reply: str, reading: str) -> Optional[Rate]:
        rate = make_rate(reply, reading)
        if rate is not None:
            self._n_bare = None
        elif self._n_bare is not None:
            self._n_bare += 1
            if self._n_bare == PATIENCE:
                warnings.warn(Warnings.JW340.format(reading=reading, n=PATIENCE), stacklevel=2)
        return rate

    def expect_reply(self, prompt: Prompt) -> int:
        """About as many entries as a labelled document has entities, and half as many alternatives."""
        rows = self.demonstrations
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
