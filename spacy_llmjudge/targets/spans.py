"""Spans: what spaCy's stock `spancat` and `spancat_singlelabel` predict. They may overlap and nest.

The component learns from every span that its suggester proposes: one that is no span of the document
counts against all labels. There is no way to leave a span open, so a document with a doubtful
candidate is left out of the silver.
"""

from dataclasses import dataclass
from typing import Any, Container, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc, Span, SpanGroup
from spacy.vocab import Vocab

from ..candidates import (
    INCORRECT_KEY,
    KEY,
    Candidate,
    copy_tokens,
    get_candidates,
)
from .base import Columns, Key
from .policy import SilverPolicy, is_doubtful, is_left_out, keep_judged, usable_candidates

SPANS_KEY = "sc"


@dataclass(frozen=True)
class Spans:
    """Spans in `doc.spans[spans_key]`; see `Target`.

    spans_key (str): The span group.
    single_label (bool): A span has one label at most (`spancat_singlelabel`): the labels of the same
        tokens compete. Otherwise nothing competes.
    """

    spans_key: str = SPANS_KEY
    single_label: bool = False

    name = "spans"
    factories = ("spancat", "spancat_singlelabel")
    units = "spans"
    averages = "micro"
    can_skip = False

    @classmethod
    def from_dict(cls, data: Dict[str, Any]) -> "Spans":
        return cls(**data)

    def to_dict(self) -> Dict[str, Any]:
        settings = {"spans_key": self.spans_key, "single_label": self.single_label}
        return {"target": self.name, **settings}

    def is_annotated(self, doc: Doc) -> bool:
        return self.spans_key in doc.spans

    def keys(self, doc: Doc) -> List[Key]:
        found = {(s.start, s.end, s.label_) for s in doc.spans.get(self.spans_key, ())}
        return sorted(found)

    def knows(self, doc: Doc, key: Key) -> bool:
        return self.is_annotated(doc)

    def annotate(self, doc: Doc, keys: Iterable[Key]) -> None:
        spans = [Span(doc, start, end, label=label) for start, end, label in sorted(keys)]
        doc.spans[self.spans_key] = SpanGroup(doc, name=self.spans_key, spans=spans)

    def copy(self, doc: Doc, vocab: Optional[Vocab] = None) -> Doc:
        copied = copy_tokens(doc, vocab)
        if self.is_annotated(doc):
            self.annotate(copied, self.keys(doc))
        return copied

    def keep_labels(self, doc: Doc, labels: Container[str]) -> None:
        group = doc.spans.get(self.spans_key, ())
        rows = [i for i, span in enumerate(group) if span.label_ in labels]
        if len(rows) < len(group):
            scores = group.attrs.get("scores")
            kept = [group[i] for i in rows]
            attrs = {} if scores is None else {"scores": [scores[i] for i in rows]}
            doc.spans[self.spans_key] = SpanGroup(doc, name=self.spans_key, spans=kept, attrs=attrs)

    def choose(self, table: Columns) -> np.ndarray:
        """Of several labels on the same tokens the likeliest wins, where a span has one at most; of
        equally likely ones that which sorts first."""
        n = len(table.document)
        if not self.single_label:
            return np.ones(n, dtype=bool)
        order = np.lexsort(
            (table.label, -table.probability, table.end, table.start, table.document)
        )
        first = np.ones(n, dtype=bool)
        columns = (table.document[order], table.start[order], table.end[order])
        first[1:] = np.any([c[1:] != c[:-1] for c in columns], axis=0)
        chosen = np.zeros(n, dtype=bool)
        chosen[order[first]] = True
        return chosen

    def settle(self, listed: Sequence[Candidate]) -> Optional[List[Key]]:
        """All of them; of several labels on the same tokens the one with the most support, where a span
        has one at most."""
        if not self.single_label:
            return sorted(c.key for c in listed)
        best: Dict[Tuple[int, int], Candidate] = {}
        for c in sorted(listed, key=lambda c: (-(c.support or 0.0), c.label)):
            best.setdefault((c.start, c.end), c)
        return sorted(c.key for c in best.values())

    def make_silver(
        self, doc: Doc, policy: SilverPolicy = SilverPolicy(), *, key: str = KEY
    ) -> Optional[Doc]:
        if is_left_out(doc, policy, key):
            return None
        candidates = usable_candidates(get_candidates(doc, key), policy)
        if policy.masking and any(is_doubtful(c, policy) for c in candidates):
            return None
        silver = copy_tokens(doc)
        self.annotate(silver, [c.key for c in candidates if c.decision == "accepted"])
        keep_judged(doc, silver, key)
        return silver

    def is_empty(self, doc: Doc) -> bool:
        return not doc.spans.get(self.spans_key)

    @property
    def component(self) -> str:
        return self.factories[int(self.single_label)]

    def component_settings(self, name: str) -> Dict[str, Any]:
        score = {f"training.score_weights.spans_{self.spans_key}_f": 1.0}
        return {f"components.{name}.spans_key": self.spans_key, **score}


def spans_key_of(doc: Doc) -> Optional[str]:
    """RETURNS (Optional[str]): The span group that somebody annotated, of several spaCy's own, or the first."""
    found = annotated_groups(doc)
    return SPANS_KEY if SPANS_KEY in found else next(iter(found), None)


def annotated_groups(doc: Doc) -> List[str]:
    """RETURNS (List[str]): The span groups that somebody annotated, sorted; ours do not count."""
    ours = (KEY, f"{KEY}_weak", INCORRECT_KEY)
    return sorted(name for name in doc.spans if name not in ours)
