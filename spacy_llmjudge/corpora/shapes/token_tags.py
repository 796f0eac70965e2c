"""Tokens with a tag each in one row, as data sets of Hugging Face have them.

Tags may be numbers, where their names are known: from the files of the data set, or from the user.
"""

from dataclasses import replace
from typing import Any, List, Optional, Sequence

from ...errors import Errors, LLMJudgeError
from ..record import Record
from ..rows import Row, read_words
from ..tags import encode_record, is_tag, make_tagged_record
from .common import RowContext, WriteSettings

# this key holds nothing else, the others may hold labels of the text
_TAG_KEY = "ner_tags"
TAG_KEYS = (_TAG_KEY, "ner", "tags", "bio_tags", "labels", "label")
_IGNORED = -100


def read(row: Row, where: str, context: RowContext) -> Optional[List[Record]]:
    """RETURNS (Optional[List[Record]]): A row of tokens and tags; None for other rows."""
    if row.get("tokens") is None and isinstance(row.get("words"), list):
        row = {**row, "tokens": row["words"]}
    words = row.get("tokens")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    key = next((k for k in TAG_KEYS if _holds_tags(row.get(k), k, words)), None)
    if key is None:
        return None
    words = read_words(row, where) or []
    tags = [_read_tag(tag, key, where, context) for tag in row[key]]
    if len(tags) != len(words):
        found = {"n_tags": len(tags), "n_tokens": len(words), "column": key}
        raise LLMJudgeError(Errors.J645.format(where=where, **found))
    text = row["text"] if isinstance(row.get("text"), str) else None
    record = make_tagged_record(where, words, tags, context.nlp.lang, text)
    return [replace(record, keys=tuple(row))]


def write(record: Record, number: int, settings: WriteSettings) -> Row:
    """RETURNS (Row): A record with a tag for each token, and its text; white space is no token here."""
    words, tags = encode_record(replace(record, unknown=()))
    return {"id": str(number), "text": record.text, "tokens": words, _TAG_KEY: tags}


def _holds_tags(value: Any, key: str, words: Sequence[str]) -> bool:
    if not isinstance(value, list) or any(isinstance(tag, (list, dict, bool)) for tag in value):
        return False
    if key == _TAG_KEY:
        return True
    strings = [tag for tag in value if isinstance(tag, str)]
    return bool(value) and len(value) == len(words) and all(map(is_tag, strings))


def _read_tag(tag: Any, key: str, where: str, context: RowContext) -> str:
    if isinstance(tag, int):
        if tag == _IGNORED:
            return "-"
        names = context.settings.tag_names or context.class_names.get(key, ())
        if not 0 <= tag < len(names):
            found = {"column": key, "tag": tag, "n": len(names)}
            raise LLMJudgeError(Errors.J639.format(where=where, **found))
        tag = names[tag]
    if not isinstance(tag, str) or not is_tag(tag):
        raise LLMJudgeError(Errors.J613.format(where=where, tag=repr(tag)[:60]))
    return tag
