"""The formats that documents are written in, and what each of them can hold."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, FrozenSet, List, Sequence

from .columns import format_columns
from .record import Record
from .shapes import argilla, brat, gliner, label_studio, plain, prodigy, token_tags
from .shapes.common import WriteSettings
from .tables import format_csv, write_parquet

Write = Callable[[Record, int, WriteSettings], Any]


@dataclass(frozen=True)
class Format:
    """A format.

    name (str): What users call it.
    suffixes (FrozenSet[str]): Of its files; none for a folder.
    write (Write): Makes a row of a record.
    holds (FrozenSet[str]): What it can say: "spans", spans that "overlap", "labels" of texts, tokens that are
        "missing", "predictions" apart from annotations, and offsets in "utf-16" units, which its tool may count.
    """

    name: str
    suffixes: FrozenSet[str]
    write: Write
    holds: FrozenSet[str]


def _format(name: str, suffixes: str, write: Write, holds: str) -> Format:
    return Format(name, frozenset(suffixes.split()), write, frozenset(holds.split()))


def _write_nothing(record: Record, number: int, settings: WriteSettings) -> Record:
    return record


_ROWS = "spans overlap labels"
_ALL = (
    _format("jsonl", ".jsonl", plain.write, f"{_ROWS} open"),
    _format("prodigy", ".jsonl", prodigy.write, f"{_ROWS} predictions"),
    _format("label-studio", ".json", label_studio.write, f"{_ROWS} predictions utf-16"),
    _format("label-studio-min", ".json", label_studio.write_short, f"{_ROWS} utf-16"),
    _format("doccano", ".jsonl", plain.write_doccano, f"{_ROWS} utf-16"),
    _format("doccano-relation", ".jsonl", plain.write_doccano_relation, "spans overlap utf-16"),
    _format("argilla", ".json .jsonl", argilla.write, f"{_ROWS} predictions utf-16"),
    _format("hf", ".jsonl .parquet", token_tags.write, "spans"),
    _format("brat", "", _write_nothing, "spans overlap"),
    _format("conll", ".conll .bio .iob .iob2 .bioes .txt", _write_nothing, "spans missing"),
    _format("csv", ".csv", plain.write_cells, _ROWS),
    _format("spacy-v2", ".json", plain.write_tuple, "spans labels open"),
    _format("gliner", ".json", gliner.write, "spans overlap"),
)
FORMATS: Dict[str, Format] = {format_.name: format_ for format_ in _ALL}


def write_records(
    records: Sequence[Record], path: Path, format_: Format, settings: WriteSettings, scheme: str
) -> None:
    """Write records.

    records (Sequence[Record]): The records, with tokens.
    path (Path): The file; for brat the folder, which is made.
    format_ (Format): The format.
    settings (WriteSettings): How rows are made.
    scheme (str): Of tags in columns: one of `tags.SCHEMES`.
    """
    if format_.name == "brat":
        brat.write_folder(records, path, settings.span_labels)
        return
    if format_.name == "conll":
        _write_text(path, "".join(format_columns(record, scheme) for record in records))
        return
    rows: List[Any] = [
        format_.write(record, number, settings) for number, record in enumerate(records, start=1)
    ]
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        write_parquet(rows, path)
    elif suffix == ".csv":
        _write_text(path, format_csv(rows))
    elif suffix == ".json":
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        _write_text(path, f"[\n{lines}\n]\n")
    else:
        _write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf8"))
