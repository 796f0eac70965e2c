"""The file of a batch while it is written."""

import tempfile

from ..transport.batches import BatchSender
from .batch_rows import name_batch


class Draft:
    """The requests of a batch, on the disk alone; the file goes with its process.

    run (str): What they are reserved under.
    lines (BinaryIO): The file.
    n_lines (int): How many they are.
    """

    def __init__(self, sender: BatchSender) -> None:
        self.run = name_batch()
        self.lines = tempfile.TemporaryFile()
        self.n_lines = 0
        self._most = sender.max_bytes
        self._size = 0

    def has_room(self, n_lines: int, size: int, at_most: int) -> bool:
        """RETURNS (bool): Whether lines go into the file; into an empty one they always do."""
        fits = self.n_lines + n_lines <= at_most and self._size + size <= self._most
        return not self.n_lines or fits

    def add(self, line: bytes) -> None:
        """Write the line of a request."""
        self.lines.write(line)
        self.n_lines += 1
        self._size += len(line)
