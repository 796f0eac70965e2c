"""What the answers of people make of a silver: their corrections in the place of what they found wrong."""

from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc, Span

from ..targets.base import Key, Target
from .items import Given, Item
from .tasks import latest


def apply_answers(
    docs: Sequence[Doc], items: Sequence[Item], given: Given, target: Target
) -> Iterator[Doc]:
    """Put answers about accepted spans into a silver.

    docs (Sequence[Doc]): The silver; documents with a wrong span are changed.
    items (Sequence[Item]): Spans of these documents.
    given (Given): The answers.
    target (Target): What is labelled.
    YIELDS (Doc): The documents. A wrong span that nobody corrected is left open where the target can leave it
        open; a text that must have one label and lost it goes.
    """
    changes: Dict[int, Tuple[Set[Key], Set[Key]]] = {}
    for item in items:
        if item.id in given and latest(given, item) != item.spans:
            removed, added = changes.setdefault(item.document, (set(), set()))
            removed.update(item.spans)
            added.update(latest(given, item))
    for number, doc in enumerate(docs):
        changed: Optional[Doc] = doc
        if number in changes:
            changed = _change(doc, *changes[number], target)
        if changed is not None:
            yield changed


def _change(doc: Doc, removed: Set[Key], added: Set[Key], target: Target) -> Optional[Doc]:
    keys = set(target.keys(doc)) - removed
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
        target.annotate(doc, keys | added)
        return doc
    taken = {token for start, end, _ in keys for token in range(start, end)}
    for key in sorted(added):
        tokens = set(range(key[0], key[1]))
        if not tokens & taken:
            keys.add(key)
            taken |= tokens
    open_ = sorted({i for start, end, _ in removed for i in range(start, end)} - taken)
    missing: List[Span] = [Span(doc, i, i + 1) for i in open_]
    spans = [Span(doc, start, end, label=label) for start, end, label in sorted(keys)]
    doc.set_ents(spans, missing=missing, default="unmodified")
    return doc
