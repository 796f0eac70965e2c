"""Label Studio: tasks with their annotations (JSON), and the short form of them (JSON-MIN).

What a model predicted is no gold, nor is an annotation that was cancelled.
"""

from typing import Any, Dict, List, Optional

from ...errors import Errors, LLMJudgeError
from ..record import Choice, Mention, Record
from ..rows import Row
from .common import RowContext, make_record, read_choice, read_mentions

_SHORT_KEYS = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "text"}


def read(row: Row, where: str, context: RowContext) -> Optional[List[Record]]:
    """RETURNS (Optional[List[Record]]): A task or the short form of one; None for other rows."""
    results = _results(row)
    if results is None or not isinstance(row.get("data"), dict):
        return _read_short(row, where, context)
    text = _text_of(row["data"], where)
    if not results:
        return [make_record(row, where, context, text)]
    return [make_record(row, where, context, text, **_read(r, where, context)) for r in results]


def _results(row: Row) -> Optional[List[List[Dict[str, Any]]]]:
    """The results of the annotators, but for cancelled ones; None where the row is no task."""
    annotations = row.get("annotations", row.get("completions"))
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        return None
    return [a.get("result") or [] for a in annotations if not a.get("was_cancelled")]


def _text_of(data: Row, where: str) -> str:
    if isinstance(data.get("text"), str):
        return data["text"]
    texts = [value for value in data.values() if isinstance(value, str)]
    if len(texts) != 1:
        raise LLMJudgeError(Errors.J604.format(where=where, keys=", ".join(sorted(data)) or "none"))
    return texts[0]


def _read(results: List[Dict[str, Any]], where: str, context: RowContext) -> Dict[str, Any]:
    mentions: List[Mention] = []
    labels: List[Any] = []
    for result in results:
        value = result.get("value")
        if not isinstance(value, dict):
            continue
        if "choices" in value:
            labels += value["choices"]
        elif value.get("labels") and "start" in value:
            mentions += read_mentions([value], "result", where)
    choice = read_choice(labels, "choices", where, context) if labels else None
    return {"mentions": tuple(mentions) if mentions or choice is None else None, "choice": choice}


def _read_short(row: Row, where: str, context: RowContext) -> Optional[List[Record]]:
    key = next((k for k in row if _holds_regions(row[k])), None)
    if key is not None:
        regions = [region for region in row[key] if region["labels"]]
        return [make_record(row, where, context, mentions=read_mentions(regions, key, where))]
    if "annotation_id" not in row or "annotator" not in row:
        return None
    said = {key for key, value in row.items() if value is not None}
    if said <= _SHORT_KEYS:
        # the key of the spans is left out where there are none
        return [make_record(row, where, context, mentions=())]
    choice = _read_choices(row, where, context)
    return None if choice is None else [make_record(row, where, context, choice=choice)]


def _read_choices(row: Row, where: str, context: RowContext) -> Optional[Choice]:
    """Several choices are an object, one is a string."""
    for key, value in row.items():
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            return read_choice(value["choices"], key, where, context)
    return None


def _holds_regions(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(v, dict) and isinstance(v.get("labels"), list) for v in value)
        and all("start" in v and "end" in v for v in value)
    )
