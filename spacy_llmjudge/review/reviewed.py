"""What the answers of people make of a silver: their corrections in the place of what they found wrong."""

import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Dict, Iterator, List, Optional, Sequence, Set

from spacy.tokens import Doc, Span

from ..errors import Warnings
from ..targets.base import Key, Target
from .items import Given, Item, overlap
from .tasks import latest


@dataclass
class Said:
    """What people said about the spans of a document: wrong, as they should be instead, or right as they are."""

    removed: Set[Key] = field(default_factory=set)
    added: Set[Key] = field(default_factory=set)
    confirmed: Set[Key] = field(default_factory=set)

    def contradictions(self) -> Set[Key]:
        """RETURNS (Set[Key]): Spans of two answers that share tokens, and corrections that another answer rejects."""
        said = sorted(self.added | self.confirmed)
        pairs = [(one, other) for i, one in enumerate(said) for other in said[i + 1 :]]
        found = {key for pair in pairs if overlap(pair) for key in pair}
        return found | (self.added & self.removed)


def apply_answers(
    docs: Sequence[Doc], items: Sequence[Item], given: Given, target: Target
) -> Iterator[Doc]:
    """Put answers about accepted spans into a silver.

    docs (Sequence[Doc]): The silver; documents with a wrong span are changed.
    items (Sequence[Item]): Spans of these documents.
    given (Given): The answers.
    target (Target): What is labelled.
    YIELDS (Doc): The documents. A correction takes the place of entities that nobody was asked about. A wrong
        span that nobody corrected is left open where the target can leave it open, and so are entities that
        people said and that cannot stand together, with a warning; a text that must have one label and lost it
        goes.
    """
    changes: Dict[int, Said] = defaultdict(Said)
    for item in items:
        if item.id in given:
            said, answer = changes[item.document], latest(given, item)
            if answer == item.spans:
                said.confirmed.update(item.spans)
            else:
                said.removed.update(item.spans)
                said.added.update(answer)
    n_contradictions = 0
    for number, doc in enumerate(docs):
        changed: Optional[Doc] = doc
        if number in changes and changes[number].removed:
            changed = _change(doc, changes[number], target)
            if target.name == "ents":
                n_contradictions += len(changes[number].contradictions())
        if changed is not None:
            yield changed
    if n_contradictions:
        warnings.warn(Warnings.JW952.format(n=n_contradictions), stacklevel=2)


def _change(doc: Doc, said: Said, target: Target) -> Optional[Doc]:
    removed, added = said.removed, said.added
    before = set(target.keys(doc))
    if target.name == "cats":
        # a label that is not there is open to textcat_multilabel, and no label to textcat
        cats = {
            label: value for label, value in doc.cats.items() if (0, len(doc), label) not in removed
        }
        if len(cats) < len(doc.cats) and target.to_dict()["exclusive"]:
            cats = {label: 0.0 for label in doc.cats} if added else {}
        doc.cats = {**cats, **{label: 1.0 for _, _, label in added}}
        return doc if doc.cats else None
    if target.name == "spans":
        target.annotate(doc, (before - removed) | added)
        return doc
    wrong = said.contradictions()
    keys = (said.confirmed | added) - wrong
    taken = _tokens(keys | wrong)
    keys |= {key for key in before - removed - wrong if not _tokens({key}) & taken}
    open_ = sorted(_tokens(before | wrong) - _tokens(keys))
    missing: List[Span] = [Span(doc, i, i + 1) for i in open_]
    spans = [Span(doc, start, end, label=label) for start, end, label in sorted(keys)]
    doc.set_ents(spans, missing=missing, default="unmodified")
    return doc


def _tokens(keys: Set[Key]) -> Set[int]:
    return {i for start, end, _ in keys for i in range(start, end)}
