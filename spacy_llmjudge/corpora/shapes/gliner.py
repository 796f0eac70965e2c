"""GLiNER's training data: tokens, and spans of them whose end is their last token. We write the text as well."""

from dataclasses import replace
from typing import List, Optional

from ..record import Record
from ..rows import Row
from ..spacing import edges_of
from .common import (
    RowContext,
    WriteSettings,
    from_token_offsets,
    make_record,
    read_mentions,
)


def read(row: Row, where: str, context: RowContext) -> Optional[List[Record]]:
    """RETURNS (Optional[List[Record]]): A row of GLiNER; None for other rows."""
    words = row.get("tokenized_text")
    if not isinstance(words, list):
        return None
    plain = {"tokens": words, **({"text": row["text"]} if "text" in row else {})}
    record = make_record(plain, where, context)
    if row.get("ner") is None:
        return [record]
    inclusive = read_mentions(row["ner"], "ner", where)
    items = [replace(item, end=item.end + 1) for item in inclusive]
    mentions = from_token_offsets(items, edges_of(words, record.text), where)
    return [replace(record, mentions=mentions)]


def write(record: Record, number: int, settings: WriteSettings) -> Row:
    """RETURNS (Row): A record as GLiNER is trained on it."""
    ner = [[start, end - 1, label] for start, end, label in record.in_tokens()]
    return {"tokenized_text": list(record.words or ()), "ner": ner, "text": record.text}
