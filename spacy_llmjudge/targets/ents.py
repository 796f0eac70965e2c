"""Entities: what spaCy's stock `ner` predicts. They never overlap, and tokens of a training document
may be missing."""

from dataclasses import dataclass
from typing import Any, Container, Dict, Iterable, List, Optional, Sequence, Set, Union

import numpy as np
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from ..candidates import KEY, Candidate, copy_tokens
from .base import Columns, Key
from .missing_tokens import make_silver
from .overlaps import resolve_overlaps
from .policy import SilverPolicy

_ATTRS: List[Union[int, str]] = ["ENT_IOB", "ENT_TYPE"]


@dataclass(frozen=True)
class Ents:
    """Entities in `doc.ents`; see `Target`."""

    name = "ents"
    factories = ("ner", "beam_ner")
    units = "entities"
    averages = "micro"
    can_skip = True
    component = "ner"

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "Ents":
        return cls(**data)

    def to_dict(self) -> Dict[str, Any]:
        return {"target": self.name}

    def is_annotated(self, doc: Doc) -> bool:
        return bool(doc.has_annotation("ENT_IOB"))

    def keys(self, doc: Doc) -> List[Key]:
        return [(ent.start, ent.end, ent.label_) for ent in doc.ents]

    def knows(self, doc: Doc, key: Key) -> bool:
        return all(token.ent_iob != 0 for token in doc[key[0] : key[1]])

    def annotate(self, doc: Doc, keys: Iterable[Key]) -> None:
        spans = [Span(doc, start, end, label=label) for start, end, label in keys]
        doc.set_ents(spans, default="outside")

    def copy(self, doc: Doc, vocab: Optional[Vocab] = None) -> Doc:
        copied = copy_tokens(doc, vocab)
        if self.is_annotated(doc):
            copied.from_array(_ATTRS, doc.to_array(_ATTRS))  # type: ignore[arg-type]
        return copied

    def keep_labels(self, doc: Doc, labels: Container[str]) -> None:
        doc.ents = [ent for ent in doc.ents if ent.label_ in labels]

    def choose(self, table: Columns) -> np.ndarray:
        return resolve_overlaps(table)

    def settle(self, listed: Sequence[Candidate]) -> Optional[List[Key]]:
        """The longest first, of equally long ones the first."""
        taken: Set[int] = set()
        kept = []
        for c in sorted(listed, key=lambda c: (c.start - c.end, c.start)):
            tokens = range(c.start, c.end)
            if not taken.intersection(tokens):
                taken.update(tokens)
                kept.append(c.key)
        return sorted(kept)

    def make_silver(
        self, doc: Doc, policy: SilverPolicy = SilverPolicy(), *, key: str = KEY
    ) -> Optional[Doc]:
        return make_silver(doc, policy, key=key)

    def is_empty(self, doc: Doc) -> bool:
        return all(token.ent_iob == 2 for token in doc)

    def component_settings(self, name: str) -> Dict[str, Any]:
        return {}
