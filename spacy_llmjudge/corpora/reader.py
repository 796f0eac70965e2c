"""Read the sets of a data set as documents, and count what is dropped on the way."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Dict, List

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError, Warnings
from ..targets.base import Target
from .annotators import merge_repeated
from .documents import make_doc
from .duplicates import normalise
from .formats import Part, read_records, warn_of_repairs
from .label_spellings import warn_of_spellings
from .lines import printable
from .record import Record
from .settings import ReadSettings
from .split_names import SPLITS

# columns that hold no annotation
_NEUTRAL = {"text", "tokens", "id", "meta", "split", "answer"}


class Reader:
    """Reads gold, and makes documents of records.

    nlp (Language): Its tokenizer cuts plain text.
    target (Target): What is annotated.
    settings (ReadSettings): How files are read.
    """

    def __init__(self, nlp: Language, target: Target, settings: ReadSettings) -> None:
        self.nlp = nlp
        self.target = target
        self.settings = settings
        self.dropped: Dict[str, Counter] = {split: Counter() for split in SPLITS}
        self._labels: Counter = Counter()

    def read_gold(self, part: Part, split: str) -> List[Doc]:
        """Read documents that are of use only with annotation, and not empty.

        Of a text that is there several times one document stays. The test set keeps what was annotated twice
        in the same way: it is no evidence, and has to be comparable.
        """
        counts = self.dropped[split]
        docs = []
        without: List[Record] = []
        for record in read_records(part, self.nlp, self.settings, self.target):
            if not normalise(record.text):
                counts["empty"] += 1
                continue
            n_left_out = counts["not_accepted"] + counts["partly_known"]
            doc = self.make_doc(record, split)
            if self.target.is_annotated(doc):
                docs.append(doc)
                self._count_labels(record)
            elif record.unread:
                counts["only_predicted"] += 1
            elif n_left_out == counts["not_accepted"] + counts["partly_known"]:
                counts["without_annotation"] += 1
                without.append(record)
        warn_of_repairs(part.path, counts["repaired_tags"])
        if counts["only_predicted"]:
            found = {"path": part.path, "n": counts["only_predicted"]}
            warnings.warn(Warnings.JW950.format(**found), stacklevel=2)
        if without:
            self._warn_of_missing(part, split, without)
        if not docs:
            raise self.empty_error(part.path, split)
        return merge_repeated(
            docs, self.target, counts, printable(part.path), keep_equal=split == "test"
        )

    def make_doc(self, record: Record, split: str) -> Doc:
        """RETURNS (Doc): The document of a record; what is dropped of it counts for a set."""
        return make_doc(record, self.nlp, self.target, self.settings, self.dropped[split])

    def warn_of_labels(self, source: Path) -> None:
        """Warn where labels of the gold that was read look like spellings of one."""
        warn_of_spellings(self._labels, printable(source))

    def empty_error(self, path: Path, split: str) -> LLMJudgeError:
        """RETURNS (LLMJudgeError): The error about a file of which nothing is left, and why."""
        counts = {name: n for name, n in self.dropped[split].items() if n}
        listed = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
        reason = f"dropped were {listed}" if listed else "it is empty"
        return LLMJudgeError(Errors.J617.format(path=path, split=split, reason=reason))

    def _count_labels(self, record: Record) -> None:
        if self.target.name == "cats" and record.choice is not None:
            self._labels.update((*record.choice.chosen, *record.choice.refused))
        elif self.target.name != "cats":
            self._labels.update(mention.label for mention in record.mentions or ())

    def _warn_of_missing(self, part: Part, split: str, without: List[Record]) -> None:
        """Say how to annotate nothing only where there is no column that may hold the annotation."""
        found = {"path": part.path, "n": len(without), "split": split}
        others = [key for key in without[0].keys if key not in _NEUTRAL and key[:1] != "_"]
        if self.target.name == "cats" or others:
            keys = printable(", ".join(map(str, without[0].keys)) or "none")
            message = Warnings.JW614.format(units=self.target.units, keys=keys, **found)
        else:
            message = Warnings.JW601.format(**found)
        warnings.warn(message, stacklevel=3)
