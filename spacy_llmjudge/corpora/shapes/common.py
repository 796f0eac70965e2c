"""What the shapes share: the text of a row, lists of spans, cells with labels."""

from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

from spacy.language import Language

from ...errors import Errors, LLMJudgeError
from ..lines import printable
from ..record import Choice, Mention, Record
from ..rows import TEXT_KEYS, Row, range_error, read_words, require_string, shape_error, show
from ..settings import ReadSettings
from ..spacing import edges_of, join_words, spell

_STARTS, _ENDS, _LABELS = ("start", "start_offset"), ("end", "end_offset"), ("label", "labels")


@dataclass(frozen=True)
class RowContext:
    """What a row does not say.

    nlp (Language): Its tokenizer cuts texts; its language says what stands between tokens.
    settings (ReadSettings): How files are read.
    class_names (Dict[str, Tuple[str, ...]]): Names of classes that are numbers, by column.
    """

    nlp: Language
    settings: ReadSettings = ReadSettings()
    class_names: Dict[str, Tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class WriteSettings:
    """How records are written.

    predictions (bool): They are what a model said, to be corrected by a person; else they are annotations.
    model_version (str): The name of that model.
    labels (Tuple[str, ...]): All labels of the texts as a whole, where they have some.
    exclusive (bool): A text has exactly one of these.
    span_labels (Tuple[str, ...]): All labels of spans that people may need, sorted.
    """

    predictions: bool = False
    model_version: str = "spacy_llmjudge"
    labels: Tuple[str, ...] = ()
    exclusive: bool = False
    span_labels: Tuple[str, ...] = ()


def region_of(mention: Mention) -> Row:
    """RETURNS (Row): Where a mention stands, and its words."""
    return {"start": mention.start, "end": mention.end, "text": mention.text}


def known_scores(mentions: Optional[Sequence[Mention]]) -> List[float]:
    """RETURNS (List[float]): How probable a model thinks those mentions of which it says so."""
    return [m.score for m in mentions or () if m.score is not None]


def make_record(row: Row, where: str, context: RowContext, text: Any = None, **said: Any) -> Record:
    """Make a record of the text and tokens of a row.

    row (Row): Has one of TEXT_KEYS, or `tokens`, or both.
    where (str): File and line, for messages.
    context (RowContext): What the row does not say.
    text (Any): The text, where it stands elsewhere.
    said: What somebody said about it, by the names of the record.
    RETURNS (Record): The record.
    """
    words = read_words(row, where)
    key, found = next(((k, row[k]) for k in TEXT_KEYS if row.get(k) is not None), ("text", None))
    text = found if text is None else text
    keys = tuple(row)
    if text is None:
        if words is None:
            listed = ", ".join(sorted(map(str, row))) or "none"
            raise LLMJudgeError(Errors.J604.format(where=where, keys=listed))
        joined, spaces = join_words(words, context.nlp.lang)
        return Record(where, joined, tuple(words), spaces, keys=keys, **said)
    text = require_string(text, key, where)
    if words is None:
        return Record(where, text, keys=keys, **said)
    spelled, spaces = spell(words, text, where)
    return Record(where, text, spelled, spaces, keys=keys, **said)


def read_mentions(items: Any, key: str, where: str) -> Tuple[Mention, ...]:
    """Read a list of spans with offsets into the text.

    items (Any): Dictionaries with `start`, `end` and `label` (or `labels`), or [start, end, label].
    key (str): Where they stand in the row, for messages.
    where (str): File and line, for messages.
    RETURNS (Tuple[Mention, ...]): One for every label of a span.
    """
    if not isinstance(items, list):
        raise shape_error(key, show(items), where)
    return tuple(mention for item in items for mention in _read_mention(item, key, where))


def from_token_offsets(
    items: Sequence[Mention], edges: Sequence[Tuple[int, int]], where: str
) -> Tuple[Mention, ...]:
    """RETURNS (Tuple[Mention, ...]): Mentions whose offsets count tokens, by characters."""
    found = []
    for item in items:
        if not 0 <= item.start < item.end <= len(edges):
            raise range_error(where, item.start, item.end, item.label, len(edges), "tokens")
        start, end = edges[item.start][0], edges[item.end - 1][1]
        found.append(replace(item, start=start, end=end))
    return tuple(found)


def token_edges(row: Row, record: Record, where: str, context: RowContext) -> List[Tuple[int, int]]:
    """RETURNS (List[Tuple[int, int]]): Where the tokens of a row are; those of the tokenizer where it has none."""
    words = read_words(row, where)
    if words is None:
        words = [token.text for token in context.nlp.make_doc(record.text)]
    return edges_of(words, record.text)


def read_choice(value: Any, key: str, where: str, context: RowContext) -> Optional[Choice]:
    """Read a cell with a label, a list of labels, or a value for each label.

    value (Any): The cell; None, and a number under 0 that stands for a class, are none.
    key (str): Its column, for messages.
    where (str): File and line, for messages.
    context (RowContext): Knows names of classes.
    RETURNS (Optional[Choice]): The labels.
    """
    if isinstance(value, dict):
        return _read_scores(value, key, where)
    names = context.class_names.get(key, ())
    if value is None or (names and value == -1):
        return None
    values = value if isinstance(value, list) else [value]
    labels = [_read_label(one, key, where, names) for one in values]
    return Choice(tuple(dict.fromkeys(labels)), form="list" if isinstance(value, list) else "label")


def _read_mention(item: Any, key: str, where: str) -> List[Mention]:
    text = score = None
    if isinstance(item, dict):
        start, end, labels = (_first(item, names) for names in (_STARTS, _ENDS, _LABELS))
        text = item.get("text") if isinstance(item.get("text"), str) else None
        if start is None or end is None or labels is None:
            keys = printable(", ".join(map(str, item))[:80] or "none")
            raise shape_error(key, f"a span with the keys {keys}", where)
        found = item.get("score")
        score = found if isinstance(found, float) else None
    elif isinstance(item, (list, tuple)) and len(item) == 3:
        start, end, labels = item
    else:
        raise shape_error(key, show(item), where)
    if type(start) is not int or type(end) is not int:
        raise shape_error(key, f"the offsets {show(start)} and {show(end)}", where)
    labels = labels if isinstance(labels, list) else [labels]
    for label in labels:
        if not require_string(label, key, where).strip():
            raise shape_error(key, "an empty label", where)
    return [Mention(start, end, label, text, score) for label in labels]


def _first(item: Dict[str, Any], names: Sequence[str]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _read_label(value: Any, key: str, where: str, names: Sequence[str]) -> str:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if is_number and 0 <= value < len(names):
        return names[value]
    if not (is_number or isinstance(value, str)) or not str(value).strip():
        raise LLMJudgeError(Errors.J633.format(where=where, found=show(value), column=key))
    return require_string(str(value), key, where)


def _read_scores(value: Dict[str, Any], key: str, where: str) -> Choice:
    for label, score in value.items():
        good = isinstance(score, (int, float)) and 0 <= score <= 1
        if not good or not require_string(label, key, where).strip():
            raise LLMJudgeError(Errors.J633.format(where=where, found=show(value), column=key))
    chosen = tuple(label for label, score in value.items() if score >= 0.5)
    refused = tuple(label for label, score in value.items() if score < 0.5)
    return Choice(chosen, refused, "scores", tuple(float(value[label]) for label in chosen))
