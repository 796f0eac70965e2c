"""Replies or labels that an LLM gave before, from a file, found by the text they are about."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from ..errors import Errors, LLMJudgeError
from ..storage import read_json_lines, require_file
from ..transport.in_process import InProcess
from ..transport.messages import Prompt, Reply, Token
from .label_columns import LabelColumns, read_label_columns
from .verdict_lines import Finding, write_verdict_lines

_VERDICTS = ("correct", "wrong_label", "wrong_boundary", "not_entity")

Candidate = Tuple[int, int, str]


@dataclass
class Recording:
    """What was recorded for one text.

    reply (Optional[str]): A reply to its prompt.
    is_raw (bool): Whether that is the reply as the LLM wrote it, which may answer any task.
    tokens (Optional[List[Token]]): What a raw reply is made of.
    verdicts (Dict[Candidate, Finding]): Verdicts by start character, end character and label.
    """

    reply: Optional[str] = None
    is_raw: bool = False
    tokens: Optional[List[Token]] = None
    verdicts: Dict[Candidate, Finding] = field(default_factory=dict)


def make_recorded_model(
    path: Union[Path, str],
    label_column: Optional[str] = None,
    confidence_column: Optional[str] = None,
    refusals: Sequence[str] = (),
) -> "RecordedModel":
    """Make the model `llmjudge.Recorded.v1`. The file is read when the first prompt comes.

    path (Union[Path, str]): A JSONL file with rows `{"text": ..., "response": ...}`. A response is a raw
        reply (a string), what the annotating task reads (`{"entities": ..., "alternatives": ...}`), or
        verdicts for the verifying task: `{"verdicts": [{"start", "end", "label", "verdict", "confidence",
        "correction"}]}` with characters of the text, a confidence of 0 to 100 that the candidate is
        correct, and the last two where there are any.
        A row with a raw reply may have `tokens`, `[[text, log-probability]]`, that it is made of.
    label_column (Optional[str]): Instead of replies, for the classifying task: the column with the label
        that the LLM gave to `text`, or with a list of labels; null where it gave none.
    confidence_column (Optional[str]): The column that says how sure it was, from 0 to 1 or to 100.
    refusals (Sequence[str]): Labels that stand for no answer, such as "-1".
    RETURNS (RecordedModel): The model.
    """
    columns = None
    if label_column is not None:
        columns = LabelColumns(label_column, confidence_column, tuple(refusals))
    elif confidence_column is not None or refusals:
        raise LLMJudgeError(Errors.J249)
    return RecordedModel(path, columns)


class RecordedModel(InProcess):
    """Gives a prompt what was recorded for its text; abstains where nothing was.

    A prompt about candidates, whose verdicts have letters of their own in each prompt, gets the recorded
    verdicts under the letters that it gave them.
    """

    def __init__(self, path: Union[Path, str], columns: Optional[LabelColumns] = None) -> None:
        self._path = Path(path)
        self._columns = columns
        self._labelled: Optional[Dict[str, Reply]] = None
        self._recordings: Optional[Dict[str, Recording]] = None

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What tells this model from others, as JSON."""
        named = {"class": "spacy_llmjudge.models.recorded:RecordedModel"}
        return named if self._columns is None else {**named, **self._columns._asdict()}

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Find the replies to prompts.

        prompts (Iterable[Iterable[str]]): The prompts of each document.
        RETURNS (Iterable[Iterable[str]]): The replies, in the same order.
        """
        if self._columns is not None:
            columns = self._columns
            return [[self._find_labels(prompt, columns) for prompt in of_doc] for of_doc in prompts]
        if self._recordings is None:
            self._recordings = read_replies(self._path)
        known = self._recordings
        return [[_find_reply(prompt, known) for prompt in of_doc] for of_doc in prompts]

    def _find_labels(self, prompt: str, columns: LabelColumns) -> Reply:
        if not isinstance(prompt, Prompt) or prompt.exclusive is None:
            raise LLMJudgeError(Errors.J256.format(column=columns.label))
        if self._labelled is None:
            path = require_file(self._path, "It should hold the texts and the LLM's labels.")
            lines = ((f"{path}, line {number}", row) for number, row in _read_lines(path))
            self._labelled = read_label_columns(
                lines, columns, list(prompt.labels), prompt.exclusive
            )
        missing = Reply("", state="abstained", reason="not_in_column")
        return self._labelled.get(prompt.text.strip(), missing)


def _find_reply(prompt: str, recordings: Dict[str, Recording]) -> Reply:
    if not isinstance(prompt, Prompt):
        return Reply("", state="abstained", reason="plain_prompt")
    recording = recordings.get(prompt.text.strip(), Recording())
    reply = recording.reply
    if prompt.verdicts:
        reply = _write_verdicts(prompt, recording) or (reply if recording.is_raw else None)
    if reply is None:
        return Reply("", state="abstained", reason="no_recorded_reply")
    return Reply(reply, tokens=recording.tokens if reply is recording.reply else None)


def _write_verdicts(prompt: Prompt, recording: Recording) -> str:
    # The recorded characters count from the first one that is no white space.
    offset = len(prompt.text) - len(prompt.text.lstrip())
    keys = [(start - offset, end - offset, label) for start, end, label in prompt.candidates]
    return write_verdict_lines([recording.verdicts.get(key) for key in keys], prompt.verdicts)


def read_replies(path: Path) -> Dict[str, Recording]:
    """Read recorded replies; of several for the same text, or the same candidate, the last one counts.

    path (Path): The JSONL file.
    RETURNS (Dict[str, Recording]): By text, without white space around it.
    """
    path = require_file(path, 'It should hold recorded replies, one {"text", "response"} a line.')
    recordings: Dict[str, Recording] = {}
    for number, row in _read_lines(path):
        missing = _missing_fields(row)
        if missing:
            fields = ", ".join(missing)
            raise LLMJudgeError(Errors.J301.format(path=path, line=number, fields=fields))
        recording = recordings.setdefault(row["text"].strip(), Recording())
        try:
            _add(recording, row)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            found = f"{type(error).__name__}: {error}"
            raise LLMJudgeError(Errors.J304.format(path=path, line=number, error=found)) from error
    return recordings


def _read_lines(path: Path) -> Iterator[Tuple[int, Any]]:
    for number, row in read_json_lines(path):
        if isinstance(row, Exception):
            raise LLMJudgeError(Errors.J300.format(path=path, line=number, error=row)) from row
        yield number, row


def _add(recording: Recording, row: Dict[str, Any]) -> None:
    response, text = row["response"], row["text"]
    if isinstance(response, str):
        recording.reply, recording.is_raw = response, True
        tokens = row.get("tokens") or ()
        recording.tokens = [Token(said.encode("utf8"), float(value)) for said, value in tokens]
        return
    offset = len(text) - len(text.lstrip())
    rows = response.get("verdicts", ()) if isinstance(response, dict) else ()
    for row in rows:
        key = (row["start"] - offset, row["end"] - offset, row["label"])
        recording.verdicts[key] = _read_finding(row)
    if not rows or "entities" in response:
        recording.reply, recording.is_raw = json.dumps(response, ensure_ascii=False), False


def _read_finding(row: Dict[str, Any]) -> Finding:
    if row["verdict"] not in _VERDICTS:
        raise ValueError(f"the verdict {row['verdict']!r} is none of {', '.join(_VERDICTS)}")
    confidence = row.get("confidence")
    if confidence is not None and not 0 <= confidence <= 100:
        raise ValueError(f"the confidence {confidence!r} is not 0 to 100")
    correction = row.get("correction")
    chance = None if confidence is None else confidence / 100
    return Finding(row["verdict"], chance, None if correction is None else str(correction))


def _missing_fields(row: object) -> List[str]:
    if not isinstance(row, dict):
        return ["text", "response"]
    missing = [name for name in ("text", "response") if row.get(name) is None]
    if "text" not in missing and not isinstance(row["text"], str):
        missing.append("text")
    return missing
