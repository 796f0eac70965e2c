"""Find out from the files of a data set what is annotated: entities, spans or labels of documents."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, Optional, Tuple

from spacy.language import Language

from ..errors import Errors, LLMJudgeError, Warnings
from ..storage import read_docs
from ..targets.base import NAMES, Target, target_of
from ..targets.cats import Cats
from ..targets.ents import Ents
from ..targets.spans import SPANS_KEY, Spans, annotated_groups
from .files import Parts
from .formats import DOCBIN_SUFFIX, Part, holds_rows, read_named_rows, read_records, row_context
from .label_sets import LabelSet, collect_labels
from .lines import printable
from .overlapping import find_overlap
from .record import Choice
from .settings import ReadSettings, require_choice
from .shapes import read_row
from .split_names import GOLD

Example = Optional[Tuple[str, str]]


@dataclass(frozen=True)
class Wanted:
    """What a user says about the target; None and False leave it to the data.

    target (Optional[str]): "ents", "spans" or "cats".
    spans_key (Optional[str]): The span group of the spans.
    single_label (bool): A span has one label at most.
    exclusive (Optional[bool]): A document has exactly one label, or any number of them.
    """

    target: Optional[str] = None
    spans_key: Optional[str] = None
    single_label: bool = False
    exclusive: Optional[bool] = None

    def __post_init__(self) -> None:
        if self.target is not None:
            require_choice("target", self.target, NAMES)
        only = {"spans": self.spans_key or self.single_label, "cats": self.exclusive is not None}
        implied = [name for name, said in only.items() if said]
        if len(implied) > 1 or (implied and self.target not in (None, *implied)):
            found = self.target or implied[0]
            raise LLMJudgeError(Errors.J646.format(target=found, other=implied[-1]))

    @property
    def name(self) -> Optional[str]:
        """The target, where something that the user says names it."""
        if self.target is None and (self.spans_key or self.single_label):
            return "spans"
        return "cats" if self.target is None and self.exclusive is not None else self.target


def choose_target(parts: Parts, wanted: Wanted, nlp: Language, settings: ReadSettings) -> Target:
    """Find out what is annotated.

    The labelled set says it: spans that overlap make spans, labels without spans make labels of documents,
    all else is entities.

    parts (Parts): The sets of the data set.
    wanted (Wanted): What the user says.
    nlp (Language): For reading.
    settings (ReadSettings): For reading.
    RETURNS (Target): The target.
    """
    labelled = parts["labelled"] or Part(Path())
    if settings.label_column is not None and holds_rows(labelled.path):
        _require_column(labelled, settings.label_column)
    with warnings.catch_warnings():
        # what there is to warn of is warned of when the files are read
        warnings.simplefilter("ignore")
        name, example = _find_name(labelled, wanted, nlp, settings)
        found = collect_labels(_choices(parts, nlp, settings)) if name == "cats" else LabelSet()
    if name == "cats":
        return _make_cats(found, labelled, wanted, settings)
    if example is not None:
        first, second = example
        message = Warnings.JW610.format(path=labelled.path, first=first, second=second)
        warnings.warn(message, stacklevel=2)
    if name == "ents":
        return Ents()
    key = wanted.spans_key or _docbin_key(labelled, nlp) or SPANS_KEY
    return Spans(key, wanted.single_label)


def _find_name(
    part: Part, wanted: Wanted, nlp: Language, settings: ReadSettings
) -> Tuple[str, Example]:
    """The target, and two spans that overlap where it follows from them."""
    if wanted.name is not None:
        return wanted.name, None
    if settings.label_column is not None:
        return "cats", None
    if part.path.suffix.lower() == DOCBIN_SUFFIX:
        return target_of(read_docs(part.path, nlp.vocab)).name, None
    if not holds_rows(part.path) and not part.path.is_dir():
        return "ents", None
    has_mentions = has_choices = False
    for record in read_records(part, nlp, settings):
        if settings.overlaps == "refuse" and record.is_annotated:
            overlap = find_overlap(record)
            if overlap is not None:
                return "spans", overlap
        has_mentions = has_mentions or bool(record.mentions)
        has_choices = has_choices or record.choice is not None
    return ("cats" if has_choices and not has_mentions else "ents"), None


def _require_column(part: Part, column: str) -> None:
    """Refuse a column that no row has."""
    keys: Dict[str, None] = {}
    for _, row in read_named_rows(part):
        if column in row:
            return
        keys.update(dict.fromkeys(row))
    columns = printable(", ".join(map(str, keys)) or "none")
    found = {"where": printable(part.path), "column": column, "columns": columns}
    raise LLMJudgeError(Errors.J632.format(**found))


def _docbin_key(part: Part, nlp: Language) -> Optional[str]:
    if part.path.suffix.lower() != DOCBIN_SUFFIX:
        return None
    docs = read_docs(part.path, nlp.vocab)
    keys = sorted({key for doc in docs for key in annotated_groups(doc)})
    if len(keys) > 1 and SPANS_KEY not in keys:
        name = f"the span group of {printable(part.path)}"
        found, known = printable(" or ".join(keys)), "one of them, named with --spans-key"
        raise LLMJudgeError(Errors.J614.format(name=name, found=found, known=known))
    return SPANS_KEY if SPANS_KEY in keys else next(iter(keys), None)


def _choices(
    parts: Parts, nlp: Language, settings: ReadSettings
) -> Iterator[Tuple[str, Optional[Choice]]]:
    for split, part in parts.items():
        if part is None:
            continue
        records = read_records(part, nlp, settings)
        if split == GOLD and holds_rows(part.path):
            # its texts stand in the pool
            context = row_context(part.path, nlp, settings)
            rows = read_named_rows(part)
            records = (
                r for where, row in rows for r in read_row({"text": "", **row}, where, context)
            )
        yield from ((r.where, r.choice) for r in records if r.answer == "accept")


def _make_cats(found: LabelSet, part: Part, wanted: Wanted, settings: ReadSettings) -> Cats:
    exclusive = found.is_exclusive() if wanted.exclusive is None else wanted.exclusive
    if wanted.exclusive is None and found.is_ambiguous:
        n = sum(found.n_chosen.values())
        warnings.warn(Warnings.JW619.format(path=part.path, n=n), stacklevel=3)
    names = settings.labels or tuple(sorted(found.labels))
    if len(names) < (2 if exclusive else 1):
        listed = ", ".join(names) or "none at all"
        raise LLMJudgeError(Errors.J635.format(path=part.path, found=listed))
    return Cats(names, exclusive)
