"""Rows as we write them ourselves, and those of Prodigy, doccano and spaCy, which are like them.

`text` (or `tokens`), with `spans`, `entities` or `ents`, and `label`, `labels` or `cats`.
"""

from typing import Any, Dict, List, Optional, Tuple

from ..record import Choice, Mention, Record
from ..rows import Row, shape_error, show
from . import prodigy
from .common import (
    RowContext,
    from_token_offsets,
    make_record,
    read_choice,
    read_mentions,
    token_edges,
)

SPAN_KEYS = ("spans", "entities", "ents", "annotations")
LABEL_KEYS = ("label", "labels", "cats")


def read(row: Row, where: str, context: RowContext) -> Optional[List[Record]]:
    """RETURNS (Optional[List[Record]]): The row."""
    mentions = _read_mentions(row, where, context)
    choice = _read_choice(row, where, context)
    said: Dict[str, Any] = {"mentions": mentions, "choice": choice}
    said.update(prodigy.read_answer(row, choice if mentions is None else None))
    return [make_record(row, where, context, **said)]


def _read_mentions(row: Row, where: str, context: RowContext) -> Optional[Tuple[Mention, ...]]:
    key = next((k for k in SPAN_KEYS if row.get(k) not in (None, {})), None)
    if key is None:
        # doccano keeps spans where others keep labels
        found = (k for k in LABEL_KEYS[:2] if isinstance(row.get(k), list) and _has_offsets(row[k]))
        key = next(found, None)
    if key is None:
        return None
    items = row[key]
    if isinstance(items, dict) and all(isinstance(group, list) for group in items.values()):
        # span groups by their names, as in spaCy's dictionaries
        items = [item for group in items.values() for item in group]
    mentions = read_mentions(items, key, where)
    # dictionaries are Prodigy's and spaCy's JSON, in characters; `ents` as lists are in tokens
    if key == "ents" and not all(isinstance(item, dict) for item in items):
        record = make_record(row, where, context)
        return from_token_offsets(mentions, token_edges(row, record, where, context), where)
    return mentions


def _has_offsets(items: List[Any]) -> bool:
    """Whether a list under `label` holds spans; an empty one may hold none of them as well."""
    return all(isinstance(item, (list, dict)) for item in items)


def _read_choice(row: Row, where: str, context: RowContext) -> Optional[Choice]:
    column = context.settings.label_column
    if column is not None:
        return read_choice(row.get(column), column, where, context)
    accepted = prodigy.read_choice(row, where, context)
    if accepted is not None:
        return accepted
    for key in LABEL_KEYS:
        value = row.get(key)
        if isinstance(value, list) and value and _has_offsets(value):
            continue
        if isinstance(value, dict) and key != "cats":
            raise shape_error(key, show(value), where)
        if value is not None:
            return read_choice(value, key, where, context)
    return None
