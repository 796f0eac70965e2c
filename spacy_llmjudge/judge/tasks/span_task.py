"""What the tasks about spans of the text share: entities, or spans that may overlap and nest."""

from pathlib import Path
from typing import List, Optional, Sequence, Tuple, Union

from ...targets.ents import Ents
from ...targets.spans import SPANS_KEY, Spans
from ..demonstrations import Demonstration, labels_of, read_demonstrations
from .base import JudgeTask, TaskSettings


class SpanTask(JudgeTask[Demonstration]):
    """A task about the spans of a text.

    overlapping (bool): Whether spans may overlap and nest.
    """

    targets = ("ents", "spans")

    def __init__(
        self,
        settings: TaskSettings,
        overlapping: Optional[bool] = None,
        student_spans_key: str = SPANS_KEY,
    ) -> None:
        super().__init__(settings, Spans(student_spans_key) if overlapping else Ents())
        self._overlapping = overlapping

    @property
    def overlapping(self) -> bool:
        """As the config says; where it does not, as what is labelled is."""
        return self.target.name == "spans" if self._overlapping is None else self._overlapping

    def read_demonstrations(self, path: Union[Path, str]) -> Tuple[Demonstration, ...]:
        return read_demonstrations(path, self.target)

    def labels_of(self, rows: Sequence[Demonstration]) -> List[str]:
        return labels_of(rows)
