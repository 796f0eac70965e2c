"""The shapes that rows have, a module for each tool: what is known of it ends here.

A shape is a function from a row to records, or to None where the row is not of that shape. One row may
hold what several annotators said, each of whom gives a record.
"""

from typing import Callable, List, Optional, Tuple

from ..record import Record
from ..rows import Row
from . import argilla, gliner, label_studio, plain, token_tags
from .common import RowContext

Shape = Callable[[Row, str, RowContext], Optional[List[Record]]]

# the first one that knows the row reads it; the last one knows all
SHAPES: Tuple[Tuple[str, Shape], ...] = (
    ("Label Studio", label_studio.read),
    ("Argilla", argilla.read),
    ("GLiNER", gliner.read),
    ("tokens and tags", token_tags.read),
    ("texts with spans or labels", plain.read),
)


def read_row(row: Row, where: str, context: RowContext) -> List[Record]:
    """Read a row.

    row (Row): The row.
    where (str): File and line, for messages.
    context (RowContext): What the row does not say.
    RETURNS (List[Record]): One record for every annotator, at least one.
    """
    return _read(row, where, context)[1]


def find_tool(row: Row, where: str, context: RowContext) -> str:
    """RETURNS (str): Whose shape a row has."""
    return _read(row, where, context)[0]


def _read(row: Row, where: str, context: RowContext) -> Tuple[str, List[Record]]:
    for tool, shape in SHAPES:
        records = shape(row, where, context)
        if records:
            return tool, records
    raise AssertionError("the last shape reads every row or raises")
