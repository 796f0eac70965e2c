"""Labels that an LLM gave to documents before, from columns of a JSONL file, as replies of the classifying task."""

import json
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from ..errors import Errors, LLMJudgeError
from ..transport.messages import Reply


class LabelColumns(NamedTuple):
    """Where a file says what an LLM said.

    label (str): The column with a label, or a list of labels; null stands for no answer.
    confidence (Optional[str]): The column that says how sure the LLM was, from 0 to 1 or to 100; null
        where it did not say.
    refusals (Sequence[str]): Labels that stand for no answer as well, such as "-1".
    """

    label: str
    confidence: Optional[str] = None
    refusals: Sequence[str] = ()


class _Said(NamedTuple):
    labels: Optional[Tuple[str, ...]]
    confidence: Optional[float]


def read_label_columns(
    rows: Iterable[Tuple[str, Any]],
    columns: LabelColumns,
    labels: Sequence[str],
    exclusive: bool,
) -> Dict[str, Reply]:
    """Read what an LLM said of each text; of several rows for the same text the last one counts.

    rows (Iterable[Tuple[str, Any]]): Where a row stands, for messages, and what it holds.
    columns (LabelColumns): The columns.
    labels (Sequence[str]): The labels that there are.
    exclusive (bool): Whether a document has exactly one.
    RETURNS (Dict[str, Reply]): By text, without white space around it.
    """
    said: Dict[str, _Said] = {}
    for where, row in rows:
        text = _get_column(row, "text", where)
        if not isinstance(text, str):
            raise LLMJudgeError(
                Errors.J245.format(where=where, found=_show(text), column="text", kind="a string")
            )
        given = _read_labels(row, columns, labels, exclusive, where)
        sure = None
        if columns.confidence is not None:
            sure = _read_confidence(_get_column(row, columns.confidence, where), columns, where)
        said[text.strip()] = _Said(given, sure)
    numbers = [one.confidence for one in said.values() if one.confidence is not None]
    scale = 100.0 if max(numbers, default=0.0) > 1 else 1.0
    return {text: _make_reply(one, scale, exclusive, len(labels)) for text, one in said.items()}


def _get_column(row: Any, column: str, where: str) -> Any:
    if not isinstance(row, dict) or column not in row:
        found = ", ".join(sorted(row)) if isinstance(row, dict) else ""
        raise LLMJudgeError(Errors.J244.format(where=where, column=column, columns=found or "none"))
    return row[column]


def _read_labels(
    row: Any, columns: LabelColumns, labels: Sequence[str], exclusive: bool, where: str
) -> Optional[Tuple[str, ...]]:
    """The labels of a row; None where the LLM gave no answer."""
    value = _get_column(row, columns.label, where)
    if value is None:
        return None
    values: List[Any] = value if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, (str, int)) or isinstance(one, bool) or not str(one).strip():
            kind = "a label, or a list of labels"
            raise LLMJudgeError(
                Errors.J245.format(where=where, found=_show(value), column=columns.label, kind=kind)
            )
    given = tuple(dict.fromkeys(str(one).strip() for one in values))
    if set(given) & set(columns.refusals):
        return None
    for name in given:
        if name not in labels:
            known = ", ".join(labels)
            raise LLMJudgeError(Errors.J246.format(where=where, label=name, labels=known))
    if exclusive and len(given) != 1:
        found = ", ".join(given) or "no label"
        raise LLMJudgeError(Errors.J247.format(where=where, found=found, column=columns.label))
    return given


def _read_confidence(value: Any, columns: LabelColumns, where: str) -> Optional[float]:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
        raise LLMJudgeError(
            Errors.J248.format(where=where, column=columns.confidence, found=_show(value))
        )
    return float(value)


def _make_reply(said: _Said, scale: float, exclusive: bool, n_labels: int) -> Reply:
    if said.labels is None:
        return Reply("", state="abstained", reason="refused")
    share = None if said.confidence is None else said.confidence / scale
    if share is not None and share < (1 / n_labels if exclusive else 0.5):
        # So little says that it is another label, or none: no number that goes with the one it gave.
        share = None
    # With a percent sign, so that nobody has to guess the scale.
    sure = {} if share is None else {"confidence": f"{100 * share:.6f}%"}
    entries = [{"label": name, **sure} for name in said.labels]
    return Reply(json.dumps({"labels": entries, "alternatives": []}, ensure_ascii=False))


def _show(value: Any) -> str:
    return f"{type(value).__name__} {json.dumps(value)[:60]}"
