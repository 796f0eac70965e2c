"""Label Studio: tasks with their annotations (JSON), and the short form of them (JSON-MIN).

What a model predicted is no gold, nor is an annotation that was cancelled. Predictions are read where they are
asked for and no person said anything, of several the last one.
"""

from typing import Any, Dict, List, Optional, Sequence
from xml.sax.saxutils import quoteattr

from ...errors import Errors, LLMJudgeError
from ..lines import printable
from ..record import Choice, Mention, Record
from ..rows import Row, shape_error, show
from .common import (
    RowContext,
    WriteSettings,
    known_scores,
    make_record,
    read_choice,
    read_mentions,
    region_of,
)

_SHORT_KEYS = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "text"}
# under these keys stands where something lies that is no text
_MEDIA = {"audio", "image", "pdf", "video"}


def read(row: Row, where: str, context: RowContext) -> Optional[List[Record]]:
    """RETURNS (Optional[List[Record]]): A task or the short form of one; None for other rows."""
    results = _results(row)
    if results is None or not isinstance(row.get("data"), dict):
        return _read_short(row, where, context)
    text = _text_of(row["data"], where)
    if row.get("annotations") and not results:
        # all of them were skipped
        return [make_record(row, where, context, text, answer="ignore")]
    if results:
        return [make_record(row, where, context, text, **_read(r, where, context)) for r in results]
    predicted = row.get("predictions") or []
    if not isinstance(predicted, list):
        raise shape_error("predictions", show(predicted), where)
    predictions = [p for p in predicted if isinstance(p, dict)]
    if not predictions or not context.settings.predictions:
        return [make_record(row, where, context, text, unread=bool(predictions))]
    said = _read(predictions[-1].get("result") or [], where, context)
    return [make_record(row, where, context, text, predicted=True, **said)]


def write(record: Record, number: int, settings: WriteSettings) -> Row:
    """Write a record as a task.

    record (Record): The record.
    number (int): Its number, from 1.
    settings (WriteSettings): Whether it is a prediction or an annotation, and who made it.
    RETURNS (Row): A task with one prediction, or with one annotation.
    """
    results: List[Row] = []
    for mention in record.mentions or ():
        value = {**region_of(mention), "labels": [mention.label]}
        results.append(_result(number, len(results), "label", "labels", value, mention.score))
    if record.choice is not None:
        choice = record.choice
        score = max(choice.scores, default=None)
        value = {"choices": list(choice.chosen)}
        results.append(_result(number, len(results), "choice", "choices", value, score))
    task: Row = {"id": number, "data": {"text": record.text}}
    if settings.predictions:
        scores = [*known_scores(record.mentions), *(record.choice.scores if record.choice else ())]
        prediction = {"model_version": settings.model_version, "result": results}
        # the tool sorts tasks by it: the least certain part of a text says how much it needs a look
        task["predictions"] = [{**prediction, **({"score": min(scores)} if scores else {})}]
    elif results or record.mentions is not None:
        task["annotations"] = [{"id": number, "was_cancelled": False, "result": results}]
    return task


def write_short(record: Record, number: int, settings: WriteSettings) -> Row:
    """RETURNS (Row): A record in the short form, which has no place for predictions and scores."""
    row: Row = {"id": number, "text": record.text, "annotator": 1, "annotation_id": number}
    if record.mentions:
        row["label"] = [{**region_of(m), "labels": [m.label]} for m in record.mentions]
    if record.choice is not None:
        row["choice"] = {"choices": list(record.choice.chosen)}
    return row


def interface(labels: Sequence[str], choices: Sequence[str], single: bool) -> str:
    """RETURNS (str): The labelling interface of a project that takes what `write` gives."""
    lines = ["<View>", '  <Text name="text" value="$text"/>']
    if labels:
        lines.append('  <Labels name="label" toName="text">')
        lines += [f"    <Label value={quoteattr(label)}/>" for label in labels]
        lines.append("  </Labels>")
    if choices:
        how = "single" if single else "multiple"
        lines.append(f'  <Choices name="choice" toName="text" choice="{how}">')
        lines += [f"    <Choice value={quoteattr(label)}/>" for label in choices]
        lines.append("  </Choices>")
    return "\n".join([*lines, "</View>"])


def _result(number: int, i: int, name: str, kind: str, value: Row, score: Optional[float]) -> Row:
    result = {"id": f"{number}-{i}", "from_name": name, "to_name": "text", "type": kind}
    return {**result, "value": value, **({} if score is None else {"score": score})}


def _results(row: Row) -> Optional[List[Any]]:
    """The results of the annotators, but for cancelled ones; None where the row is no task."""
    # a task that was made outside of the tool may have predictions only
    nothing: Optional[List[Any]] = [] if isinstance(row.get("predictions"), list) else None
    annotations = row.get("annotations", row.get("completions", nothing))
    if not isinstance(annotations, list) or not all(isinstance(a, dict) for a in annotations):
        return None
    said = [a for a in annotations if not a.get("was_cancelled")]
    # of several one may be marked as the right one
    right = [a for a in said if a.get("ground_truth") is True] or said
    return [a.get("result") or [] for a in right]


def _text_of(data: Row, where: str) -> str:
    if isinstance(data.get("text"), str):
        return data["text"]
    texts = [value for key, value in data.items() if isinstance(value, str) and key not in _MEDIA]
    if len(texts) != 1:
        raise LLMJudgeError(Errors.J604.format(where=where, keys=", ".join(sorted(data)) or "none"))
    return texts[0]


def _read(results: Any, where: str, context: RowContext) -> Dict[str, Any]:
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise shape_error("result", show(results), where)
    mentions: List[Mention] = []
    labels: Optional[List[Any]] = None
    for result in results:
        value = result.get("value")
        if not isinstance(value, dict):
            continue
        if "choices" in value:
            if not isinstance(value["choices"], list):
                raise shape_error("choices", show(value["choices"]), where)
            labels = [*(labels or ()), *value["choices"]]
        elif value.get("labels") and "start" in value:
            scored = {**value, "score": result.get("score")}
            mentions += read_mentions([scored], "result", where)
        elif any(key.endswith("labels") and value[key] for key in value):
            kind = printable(next(key for key in value if key.endswith("labels") and value[key]))
            raise shape_error("result", f"a region of the kind {kind}", where)
    choice = None if labels is None else read_choice(labels, "choices", where, context)
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
