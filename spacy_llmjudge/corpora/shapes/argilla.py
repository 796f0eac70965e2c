"""Argilla: records of version 1 (`annotation`), and of version 2 (`fields` and `responses`), nested or
as a table. Suggestions of models are no gold, nor are responses that were discarded or not submitted;
suggestions are read where they are asked for and nobody submitted a response.
"""

from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..record import Choice, Mention, Record
from ..rows import Row, shape_error, show
from .common import (
    RowContext,
    WriteSettings,
    known_scores,
    make_record,
    read_choice,
    read_mentions,
)

_VERSION_1 = ("annotation_agent", "prediction", "prediction_agent", "status")
_RESPONSES, _SUGGESTION = ".responses", ".suggestion"
# responses have somebody who gave them
_USER = "00000000-0000-0000-0000-000000000000"

# the question, the answer, what became of it, and who gave it
Response = Tuple[str, Any, str, Any]


def read(row: Row, where: str, context: RowContext) -> Optional[List[Record]]:
    """RETURNS (Optional[List[Record]]): A record of Argilla; None for other rows."""
    if "annotation" in row and any(key in row for key in _VERSION_1):
        return [_read_version_1(row, where, context)]
    responses = list(_responses(row, where))
    if not responses and "responses" not in row and not any(k.endswith(_SUGGESTION) for k in row):
        return None
    for *_, user in responses:
        if not isinstance(user, (str, int)):
            raise shape_error("users", show(user), where)
    fields = row.get("fields")
    text = fields.get("text") if isinstance(fields, dict) else None
    if text is None and isinstance(fields, dict):
        text = next((value for value in fields.values() if isinstance(value, str)), None)
    given = [r for r in responses if r[2] == "submitted"]
    if not given:
        answer = "ignore" if any(r[2] == "discarded" for r in responses) else "accept"
        suggested = list(_suggestions(row)) if answer == "accept" else []
        said: Dict[str, Any] = {"answer": answer, "unread": bool(suggested)}
        if suggested and context.settings.predictions:
            said = {"predicted": True}
            for question, value in suggested:
                said.update(_read_answer(value, question, where, context))
        return [make_record(row, where, context, text, **said)]
    answers: Dict[Any, List[Dict[str, Any]]] = {}
    # an empty list may be of spans or of labels: the other answers say which
    for question, value, _, user in sorted(given, key=lambda one: one[1] == []):
        found = _read_answer(value, question, where, context)
        # what one person says of the spans and of the labels of a text belongs together
        others = answers.setdefault(user, [])
        if others and value == []:
            others[0].update({**found, **others[0]})
            continue
        free = next((other for other in others if not other.keys() & found.keys()), None)
        if free is None:
            others.append(found)
        else:
            free.update(found)
    return [make_record(row, where, context, text, **one) for of in answers.values() for one in of]


def write(record: Record, number: int, settings: WriteSettings) -> Row:
    """Write a record of version 2, with the questions `spans` and `label`.

    record (Record): The record.
    number (int): Its number, from 1.
    settings (WriteSettings): Whether suggestions or responses are written, and who made them.
    RETURNS (Row): What `rg.Dataset.records.from_json` takes.
    """
    answers: Dict[str, Any] = {}
    if record.mentions is not None:
        answers["spans"] = [_span(mention) for mention in record.mentions]
    if record.choice is not None:
        chosen = list(record.choice.chosen)
        is_single = settings.exclusive and len(chosen) == 1
        answers["label"] = chosen[0] if is_single else chosen
    row: Row = {"id": str(number), "fields": {"text": record.text}, "metadata": {}, "vectors": {}}
    if settings.predictions:
        agent = settings.model_version
        scores: Dict[str, Any] = {
            "label": None,
            "spans": min(known_scores(record.mentions), default=None),
        }
        if record.choice is not None and record.choice.scores:
            found = list(record.choice.scores)
            scores["label"] = found[0] if isinstance(answers["label"], str) else found
        row["suggestions"] = {
            name: {"value": value, "score": scores[name], "agent": agent}
            for name, value in answers.items()
        }
        return {**row, "responses": {}, "status": "pending"}
    row["responses"] = {
        name: [{"value": value, "user_id": _USER}] for name, value in answers.items()
    }
    return {**row, "suggestions": {}, "status": "completed"}


def _span(mention: Mention) -> Row:
    span: Row = {"start": mention.start, "end": mention.end, "label": mention.label}
    return span if mention.score is None else {**span, "score": mention.score}


def _suggestions(row: Row) -> Iterator[Tuple[str, Any]]:
    nested = row.get("suggestions")
    for name, found in nested.items() if isinstance(nested, dict) else ():
        if isinstance(found, dict) and found.get("value") is not None:
            yield name, found["value"]
    for key, value in row.items():
        if key.endswith(_SUGGESTION) and value is not None:
            yield key[: -len(_SUGGESTION)], value


def _read_version_1(row: Row, where: str, context: RowContext) -> Record:
    inputs = row.get("inputs")
    text = inputs.get("text") if isinstance(inputs, dict) else None
    answer = "ignore" if row.get("status") == "Discarded" else "accept"
    said = _read_answer(row["annotation"], "annotation", where, context)
    return make_record(row, where, context, text, answer=answer, **said)


def _responses(row: Row, where: str) -> Iterator[Response]:
    nested = row.get("responses")
    if isinstance(nested, dict):
        for question, responses in nested.items():
            yield from _read_responses(question, responses)
        return
    for key, value in row.items():
        if key.endswith(_RESPONSES) and isinstance(value, list):
            statuses = row.get(f"{key}.status") or ["submitted"] * len(value)
            users = row.get(f"{key}.users") or list(range(len(value)))
            for name, found in (("status", statuses), ("users", users)):
                if not isinstance(found, list):
                    raise shape_error(f"{key}.{name}", show(found), where)
            question = key[: -len(_RESPONSES)]
            yield from ((question, *of) for of in zip(value, statuses, users))
        elif _holds_responses(value, ("value", "status")):
            yield from _read_responses(key, value)


def _read_responses(question: str, responses: Any) -> Iterator[Response]:
    """Responses of an export in JSON have no status of their own: it holds what was submitted."""
    if _holds_responses(responses, ("value",)):
        for i, one in enumerate(responses):
            status = one.get("status") or "submitted"
            yield question, one["value"], status, one.get("user_id") or i


def _holds_responses(value: Any, keys: Tuple[str, ...]) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and all(key in one for key in keys) for one in value)
    )


def _read_answer(value: Any, key: str, where: str, context: RowContext) -> Dict[str, Any]:
    if value == []:
        return {"mentions": (), "choice": Choice((), form="list")}
    if isinstance(value, list) and all(isinstance(item, (list, dict)) for item in value):
        return {"mentions": _read_spans(value, key, where)}
    return {"choice": read_choice(value, key, where, context)}


def _read_spans(items: List[Any], key: str, where: str) -> Tuple[Mention, ...]:
    """In version 1, the label comes before the offsets, and a score may come after them."""
    ordered = []
    for item in items:
        if isinstance(item, list):
            if len(item) < 3:
                raise shape_error(key, show(item), where)
            item = [item[1], item[2], item[0]]
        ordered.append(item)
    return read_mentions(ordered, key, where)
