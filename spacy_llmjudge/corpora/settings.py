"""How files are read, where the files themselves do not say."""

from dataclasses import dataclass
from typing import Optional, Tuple

from ..errors import Errors, LLMJudgeError

CHOICES = {
    "misaligned": ("error", "drop"),
    "overlaps": ("refuse", "longest", "first"),
    "offsets": ("auto", "characters", "utf-16"),
}


@dataclass(frozen=True)
class ReadSettings:
    """How files are read.

    misaligned (str): What happens to a span that does not fall on tokens: "error", or "drop", which
        leaves its tokens missing.
    overlaps (str): What happens to spans of one document that cannot stand together: "refuse", or
        keep the "longest" or the one that is listed "first".
    offsets (str): What offsets count: "characters", "utf-16" units as JavaScript does, or "auto": what
        the file shows.
    label_column (Optional[str]): The column with the label of a text, or with a list of labels.
    labels (Tuple[str, ...]): The labels that there may be; empty for any.
    tag_names (Tuple[str, ...]): The names of tags that are numbers, from 0.
    predictions (bool): What a model predicted is read where no person said anything.
    """

    misaligned: str = "error"
    overlaps: str = "refuse"
    offsets: str = "auto"
    label_column: Optional[str] = None
    labels: Tuple[str, ...] = ()
    tag_names: Tuple[str, ...] = ()
    predictions: bool = False

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            require_choice(name, getattr(self, name), known)


def require_choice(name: str, found: str, known: Tuple[str, ...]) -> None:
    """Refuse a setting that is none of those that are known."""
    if found not in known:
        choices = f"{', '.join(known[:-1])} or {known[-1]}"
        raise LLMJudgeError(Errors.J614.format(name=name, found=repr(found), known=choices))
