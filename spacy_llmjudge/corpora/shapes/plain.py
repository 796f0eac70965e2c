"""Rows as we write them ourselves, and those of Prodigy, doccano and spaCy, which are like them.

`text` (or `tokens`), with `spans`, `entities` or `ents`, and `label`, `labels` or `cats`.
"""

from dataclasses import replace
from typing import Any, Dict, List, Optional, Tuple

from ..record import Choice, Mention, Record
from ..rows import Row, shape_error, show
from . import prodigy
from .common import (
    RowContext,
    WriteSettings,
    from_token_offsets,
    make_record,
    read_choice,
    read_mentions,
    region_of,
    token_edges,
)

SPAN_KEYS = ("spans", "entities", "ents", "annotations")
LABEL_KEYS = ("label", "labels", "cats")


def read(row: Row, where: str, context: RowContext) -> Optional[List[Record]]:
    """RETURNS (Optional[List[Record]]): The row."""
    is_predicted = prodigy.is_prediction(row)
    if is_predicted and not context.settings.predictions:
        return [make_record(row, where, context, unread=True)]
    mentions = _read_mentions(row, where, context)
    choice = _read_choice(row, where, context)
    said: Dict[str, Any] = {"mentions": mentions, "choice": choice, "predicted": is_predicted}
    said.update(prodigy.read_answer(row, choice if mentions is None else None))
    return [make_record(row, where, context, **said)]


def write(record: Record, number: int, settings: WriteSettings) -> Row:
    """RETURNS (Row): A record in our own shape, with its tokens."""
    row: Row = {"text": record.text}
    if record.words is not None:
        row["tokens"] = list(record.words)
    if record.mentions is not None:
        row["spans"] = [_scored(region_of(mention), mention) for mention in record.mentions]
    return {**row, **_cats(record)}


def write_cells(record: Record, number: int, settings: WriteSettings) -> Row:
    """RETURNS (Row): A record in our own shape, as a row of a table: without tokens, and with a cell for every
    column."""
    row = write(replace(record, words=None), number, settings)
    labels: Any = None if record.choice is None else list(record.choice.chosen)
    if labels is not None and settings.exclusive and len(labels) == 1:
        labels = labels[0]
    return {"text": record.text, "spans": row.get("spans"), "label": labels}


def write_tuple(record: Record, number: int, settings: WriteSettings) -> List[Any]:
    """RETURNS (List[Any]): A record as spaCy v2 was trained on it: the text, and what is in it."""
    said: Dict[str, Any] = _cats(record)
    if record.mentions is not None:
        said["entities"] = [[m.start, m.end, m.label] for m in record.mentions]
    return [record.text, said]


def write_doccano(record: Record, number: int, settings: WriteSettings) -> Row:
    """RETURNS (Row): A record as doccano imports and exports it, with `label`; where there are spans and labels
    of the text, with `entities` and `cats`."""
    row: Row = {"id": number, "text": record.text}
    spans = [[m.start, m.end, m.label] for m in record.mentions or ()]
    if record.choice is None:
        return {**row, "label": spans, "Comments": []} if record.mentions is not None else row
    chosen = list(record.choice.chosen)
    if record.mentions is None:
        return {**row, "label": chosen, "Comments": []}
    return {**row, "entities": spans, "cats": chosen, "Comments": []}


def write_doccano_relation(record: Record, number: int, settings: WriteSettings) -> Row:
    """RETURNS (Row): A record of a project of doccano with relations, none of which we know."""
    spans = [
        {"id": i, "label": m.label, "start_offset": m.start, "end_offset": m.end}
        for i, m in enumerate(record.mentions or ())
    ]
    return {"id": number, "text": record.text, "entities": spans, "relations": [], "Comments": []}


def _scored(row: Row, mention: Mention) -> Row:
    return {
        **row,
        "label": mention.label,
        **({} if mention.score is None else {"score": mention.score}),
    }


def _cats(record: Record) -> Row:
    """What is known of the labels of a text, with how probable a model thinks them."""
    choice = record.choice
    if choice is None:
        return {}
    scores = choice.scores or (1.0,) * len(choice.chosen)
    return {"cats": {**dict(zip(choice.chosen, scores)), **dict.fromkeys(choice.refused, 0.0)}}


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
