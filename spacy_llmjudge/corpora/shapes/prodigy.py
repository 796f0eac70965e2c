"""What Prodigy adds to a row: the annotator's answer, options that were chosen, and binary questions.

A row that was rejected or ignored is no gold, nor is a prediction of ours that nobody answered: `meta` says
which these are. In a binary question about spans (`_is_binary`) only the
span that was asked about is known; in one about a label, only that label is.
"""

from typing import Any, Dict, Optional

from ..record import Choice, Record
from ..rows import Row
from .common import RowContext, WriteSettings, known_scores, region_of
from .common import read_choice as read_labels

_BINARY_VIEWS = ("classification",)
# where spans are shown and cannot be marked; versions before `_is_binary` say no more
_SHOWN_SPANS = ("ner", "spans")
_PREDICTED = "predicted"


def read_choice(row: Row, where: str, context: RowContext) -> Optional[Choice]:
    """RETURNS (Optional[Choice]): Which of the options of a row were chosen, and which were not."""
    if not isinstance(row.get("accept"), list):
        return None
    choice = read_labels(row["accept"], "accept", where, context)
    options = row.get("options")
    ids = [o.get("id") for o in options if isinstance(o, dict)] if isinstance(options, list) else []
    offered = read_labels(ids, "options", where, context)
    if choice is None or offered is None:
        return choice
    refused = tuple(label for label in offered.chosen if label not in choice.chosen)
    config = row.get("config")
    style = config.get("choice_style") if isinstance(config, dict) else None
    is_single = style == "single" and len(choice.chosen) == 1
    return Choice(choice.chosen, refused, "label" if is_single else "list")


def write(record: Record, number: int, settings: WriteSettings) -> Row:
    """Write a record as a task with its tokens and spans, and with options for the labels of the text.

    record (Record): The record.
    number (int): Its number, from 1.
    settings (WriteSettings): An annotation was accepted, a prediction has no answer yet.
    RETURNS (Row): The task.
    """
    row: Row = {"text": record.text}
    if record.words is not None:
        tokens = zip(record.words, record.edges, record.spaces)
        row["tokens"] = [
            {"text": word, "start": start, "end": end, "id": i, "ws": space}
            for i, (word, (start, end), space) in enumerate(tokens)
        ]
    if record.mentions is not None:
        row["spans"] = []
        for mention, (start, end, label) in zip(record.mentions, record.in_tokens()):
            span = {
                **region_of(mention),
                "token_start": start,
                "token_end": end - 1,
                "label": label,
            }
            row["spans"].append(span if mention.score is None else {**span, "score": mention.score})
    meta: Row = {}
    scores = known_scores(record.mentions)
    if record.choice is not None:
        row["options"] = [{"id": label, "text": label} for label in settings.labels]
        row["accept"] = list(record.choice.chosen)
        row["config"] = {"choice_style": "single" if settings.exclusive else "multiple"}
        scores += record.choice.scores
    if settings.predictions:
        meta[_PREDICTED] = settings.model_version
    if scores:
        meta["score"] = min(scores)
    if meta:
        row["meta"] = meta
    return row if settings.predictions else {**row, "answer": "accept"}


def is_prediction(row: Row) -> bool:
    """RETURNS (bool): Whether a row is a prediction that `write` made and nobody answered."""
    meta = row.get("meta")
    return isinstance(meta, dict) and _PREDICTED in meta and row.get("answer") is None


def read_answer(row: Row, choice: Optional[Choice]) -> Dict[str, Any]:
    """Read what an annotator pressed.

    row (Row): The row.
    choice (Optional[Choice]): Its label, where the question was about that.
    RETURNS (Dict[str, Any]): Of a record: `answer`, `partial`, and `choice` of a binary question.
    """
    answer = row.get("answer", "accept")
    is_partial = row.get("_is_binary", row.get("_view_id") in _SHOWN_SPANS)
    said: Dict[str, Any] = {"answer": answer, "partial": bool(is_partial)}
    is_binary = answer == "reject" or row.get("_view_id") in _BINARY_VIEWS
    if choice is not None and choice.form == "label" and "accept" not in row and is_binary:
        refused = answer == "reject"
        said["choice"] = Choice(
            () if refused else choice.chosen, choice.chosen if refused else (), "answer"
        )
        said["answer"] = "accept" if refused else answer
    return said
