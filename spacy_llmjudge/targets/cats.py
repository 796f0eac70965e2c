"""Labels of documents: what spaCy's stock `textcat` and `textcat_multilabel` predict.

`textcat` knows no open labels: a document without an accepted label is left out. `textcat_multilabel`
learns nothing from a label that `doc.cats` does not have, so that a doubtful one stays unset.
"""

from dataclasses import dataclass
from typing import Any, Container, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..candidates import KEY, Candidate, copy_tokens, get_candidates
from ..errors import Errors, LLMJudgeError
from .base import Columns, Key
from .policy import SilverPolicy, is_doubtful, is_left_out, keep_judged, usable_candidates

THRESHOLD = 0.5


@dataclass(frozen=True)
class Cats:
    """Labels in `doc.cats`; see `Target`.

    labels (Tuple[str, ...]): All labels that there are.
    exclusive (bool): A document has exactly one of them (`textcat`), or any number
        (`textcat_multilabel`).
    """

    labels: Tuple[str, ...]
    exclusive: bool = True

    name = "cats"
    factories = ("textcat", "textcat_multilabel")
    units = "labels"
    averages = "macro"
    component = "textcat"

    @property
    def can_skip(self) -> bool:
        return not self.exclusive

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "Cats":
        return cls(tuple(data["labels"]), bool(data["exclusive"]))

    def to_dict(self) -> Dict[str, Any]:
        return {"target": self.name, "labels": list(self.labels), "exclusive": self.exclusive}

    def is_annotated(self, doc: Doc) -> bool:
        return bool(self._values(doc)) and not (
            self.exclusive and not any(self._values(doc).values())
        )

    def keys(self, doc: Doc) -> List[Key]:
        """The likeliest label of an exclusive task, those from .5 on of the other kind, be `doc.cats`
        0 and 1 or probabilities."""
        values = self._values(doc)
        if not self.is_annotated(doc) or not len(doc):
            return []
        if self.exclusive:
            return [(0, len(doc), max(values, key=values.__getitem__))]
        return [(0, len(doc), label) for label, value in values.items() if value >= THRESHOLD]

    def knows(self, doc: Doc, key: Key) -> bool:
        return self.is_annotated(doc) and (self.exclusive or key[2] in doc.cats)

    def annotate(self, doc: Doc, keys: Iterable[Key]) -> None:
        chosen = {label for _, _, label in keys}
        unknown = sorted(chosen - set(self.labels))
        if unknown or (self.exclusive and len(chosen) != 1):
            found = ", ".join(sorted(chosen)) or "no label"
            raise LLMJudgeError(
                Errors.J413.format(found=found, labels=", ".join(self.labels), text=doc.text[:60])
            )
        doc.cats = {label: float(label in chosen) for label in self.labels}

    def copy(self, doc: Doc, vocab: Optional[Vocab] = None) -> Doc:
        copied = copy_tokens(doc, vocab)
        copied.cats = dict(doc.cats)
        return copied

    def keep_labels(self, doc: Doc, labels: Container[str]) -> None:
        doc.cats = {label: value for label, value in doc.cats.items() if label in labels}

    def choose(self, table: Columns) -> np.ndarray:
        """The likeliest label of each document, where it has exactly one; of equally likely ones that
        which sorts first."""
        n = len(table.document)
        if not self.exclusive:
            return np.ones(n, dtype=bool)
        order = np.lexsort((table.label, -table.probability, table.document))
        document = table.document[order]
        first = np.ones(n, dtype=bool)
        first[1:] = document[1:] != document[:-1]
        chosen = np.zeros(n, dtype=bool)
        chosen[order[first]] = True
        return chosen

    def settle(self, listed: Sequence[Candidate]) -> Optional[List[Key]]:
        """All of them, or the one with the most support where a document has exactly one."""
        if not self.exclusive:
            return sorted(c.key for c in listed)
        best = min(listed, key=lambda c: (-(c.support or 0.0), c.label), default=None)
        return None if best is None else [best.key]

    def make_silver(
        self, doc: Doc, policy: SilverPolicy = SilverPolicy(), *, key: str = KEY
    ) -> Optional[Doc]:
        if is_left_out(doc, policy, key):
            return None
        candidates = usable_candidates(get_candidates(doc, key), policy)
        accepted = [c for c in candidates if c.decision == "accepted"]
        values = {label: 0.0 for label in self.labels}
        values.update((c.label, 1.0) for c in accepted)
        if self.exclusive and len(accepted) != 1:
            return None
        if not self.exclusive and policy.masking:
            for label in _doubtful_labels(candidates, policy):
                del values[label]
            if len(values) < (1 - policy.max_missing) * len(self.labels):
                return None
        silver = copy_tokens(doc)
        silver.cats = values
        keep_judged(doc, silver, key)
        return silver

    def is_empty(self, doc: Doc) -> bool:
        return not any(doc.cats.values())

    def component_settings(self, name: str) -> Dict[str, Any]:
        return {
            f"components.{name}.factory": self.factories[0 if self.exclusive else 1],
            f"components.{name}.model.exclusive_classes": self.exclusive,
            f"initialize.components.{name}.labels": list(self.labels),
        }

    def _values(self, doc: Doc) -> Dict[str, float]:
        return {label: float(doc.cats[label]) for label in self.labels if label in doc.cats}


def _doubtful_labels(candidates: Sequence[Candidate], policy: SilverPolicy) -> List[str]:
    return sorted({c.label for c in candidates if is_doubtful(c, policy)})


def cats_of(docs: Sequence[Doc]) -> Cats:
    """Find out which labels documents have, and whether each has exactly one.

    docs (Sequence[Doc]): Documents with `doc.cats`, at least one.
    RETURNS (Cats): The target.
    """
    labels = tuple(sorted({label for doc in docs for label in doc.cats}))
    exclusive = len(labels) > 1 and all(
        set(doc.cats) == set(labels) and sum(v >= THRESHOLD for v in doc.cats.values()) == 1
        for doc in docs
    )
    return Cats(labels, exclusive)
