"""Argilla: records of version 1 (`annotation`), and of version 2 (`fields` and `responses`), nested or
as a table. Suggestions of models are no gold, nor are responses that were discarded or not submitted.
"""

from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..record import Mention, Record
from ..rows import Row, shape_error, show
from .common import RowContext, make_record, read_choice, read_mentions

_VERSION_1 = ("annotation_agent", "prediction", "prediction_agent", "status")
_RESPONSES = ".responses"

# the question, the answer, and what became of it
Response = Tuple[str, Any, str]


def read(row: Row, where: str, context: RowContext) -> Optional[List[Record]]:
    """RETURNS (Optional[List[Record]]): A record of Argilla; None for other rows."""
    if "annotation" in row and any(key in row for key in _VERSION_1):
        return [_read_version_1(row, where, context)]
    responses = list(_responses(row))
    if not responses and "responses" not in row:
        return None
    fields = row.get("fields")
    text = fields.get("text") if isinstance(fields, dict) else None
    if text is None and isinstance(fields, dict):
        text = next((value for value in fields.values() if isinstance(value, str)), None)
    given = [r for r in responses if r[2] == "submitted"]
    if not given:
        answer = "ignore" if any(r[2] == "discarded" for r in responses) else "accept"
        return [make_record(row, where, context, text, answer=answer)]
    return [
        make_record(row, where, context, text, **_read_answer(value, question, where, context))
        for question, value, _ in given
    ]


def _read_version_1(row: Row, where: str, context: RowContext) -> Record:
    inputs = row.get("inputs")
    text = inputs.get("text") if isinstance(inputs, dict) else None
    answer = "ignore" if row.get("status") == "Discarded" else "accept"
    said = _read_answer(row["annotation"], "annotation", where, context)
    return make_record(row, where, context, text, answer=answer, **said)


def _responses(row: Row) -> Iterator[Response]:
    nested = row.get("responses")
    if isinstance(nested, dict):
        for question, responses in nested.items():
            yield from _read_responses(question, responses)
        return
    for key, value in row.items():
        if key.endswith(_RESPONSES) and isinstance(value, list):
            statuses = row.get(f"{key}.status") or ["submitted"] * len(value)
            question = key[: -len(_RESPONSES)]
            yield from ((question, one, status) for one, status in zip(value, statuses))
        elif _holds_responses(value, ("value", "status")):
            yield from _read_responses(key, value)


def _read_responses(question: str, responses: Any) -> Iterator[Response]:
    """Responses of an export in JSON have no status of their own: it holds what was submitted."""
    if _holds_responses(responses, ("value",)):
        for one in responses:
            yield question, one["value"], one.get("status") or "submitted"


def _holds_responses(value: Any, keys: Tuple[str, ...]) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, dict) and all(key in one for key in keys) for one in value)
    )


def _read_answer(value: Any, key: str, where: str, context: RowContext) -> Dict[str, Any]:
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
