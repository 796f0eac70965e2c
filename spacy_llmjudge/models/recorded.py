"""Replies that an LLM gave before, from a file, found by the text they are about."""
import json
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Union

from ..errors import Errors, LLMJudgeError
from ..storage import require_file
from .messages import Reply


def make_recorded_model(path: Union[Path, str]) -> "RecordedModel":
    """Make the model `llmjudge.Recorded.v1`. The file is read when the first prompt comes.

    path (Union[Path, str]): A JSONL file with rows `{"text": ..., "response": ...}`.
    RETURNS (RecordedModel): The model.
    """
    return RecordedModel(path)


class RecordedModel:
    """Answers a prompt with what was recorded for its text; abstains where nothing was."""

    def __init__(self, path: Union[Path, str]) -> None:
        self._path = Path(path)
        self._replies: Optional[Dict[str, str]] = None

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        """Answer prompts.

        prompts (Iterable[Iterable[str]]): The prompts of each document.
        RETURNS (Iterable[Iterable[str]]): The replies, in the same order.
        """
        if self._replies is None:
            self._replies = read_replies(self._path)
        return [[self._answer(prompt) for prompt in of_doc] for of_doc in prompts]

    def _answer(self, prompt: str) -> Reply:
        text = getattr(prompt, "text", None)
        if text is None:
            return Reply("", state="abstained", reason="plain_prompt")
        reply = self._replies.get(text.strip())
        if reply is None:
            return Reply("", state="abstained", reason="no_recorded_reply")
        return Reply(reply)


def read_replies(path: Path) -> Dict[str, str]:
    """Read recorded replies; of several for the same text the last one counts.

    path (Path): The JSONL file. A response that is a string is a raw reply, anything else is JSON.
    RETURNS (Dict[str, str]): Reply by text, without white space around the text.
    """
    path = require_file(path, "It should hold recorded replies, one {\"text\", \"response\"} a line.")
    replies: Dict[str, str] = {}
    with path.open(encoding="utf8") as file_:
        for number, line in enumerate(file_, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise LLMJudgeError(Errors.J300.format(path=path, line=number, error=error)) from error
            missing = _missing_fields(row)
            if missing:
                fields = ", ".join(missing)
                raise LLMJudgeError(Errors.J301.format(path=path, line=number, fields=fields))
            response = row["response"]
            if not isinstance(response, str):
                response = json.dumps(response, ensure_ascii=False)
            replies[row["text"].strip()] = response
    return replies


def _missing_fields(row: object) -> List[str]:
    if not isinstance(row, dict):
        return ["text", "response"]
    missing = [name for name in ("text", "response") if row.get(name) is None]
    if "text" not in missing and not isinstance(row["text"], str):
        missing.append("text")
    return missing
