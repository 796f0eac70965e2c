"""What a judge's verdicts do to the annotation that a pipeline predicted."""

from typing import Dict, List, Literal, Optional, Tuple

from spacy.tokens import Doc, Span, SpanGroup

from ..candidates import Candidate, get_candidates, is_judged
from ..targets.base import Key, Target
from ..targets.cats import Cats
from ..targets.spans import Spans

Action = Literal["annotate", "drop", "replace"]
Verdicts = Dict[Key, Optional[str]]


def act(doc: Doc, action: Action, target: Target, spans_key: str) -> None:
    """Change the annotation of a judged document.

    doc (Doc): The document. One that was not judged stays as it is.
    action (Action): "annotate" changes nothing; "drop" takes out what the judge rejects; "replace" puts
        what it confirms or lists in the place of all that it was asked about.
    target (Target): What is labelled.
    spans_key (str): The key of the candidate group.
    """
    if action == "annotate" or not is_judged(doc, spans_key):
        return
    candidates = get_candidates(doc, spans_key)
    verdicts = {candidate.key: candidate.verdict for candidate in candidates}
    listed = [c for c in candidates if c.verdict == "correct"] if action == "replace" else []
    if isinstance(target, Cats):
        _change_cats(doc, target, verdicts, listed, action)
    elif isinstance(target, Spans):
        _change_spans(doc, target, verdicts, listed, action)
    else:
        _change_ents(doc, verdicts, listed, action)


def _stays(verdict: Optional[str], action: Action) -> bool:
    """Whether what was predicted stays: what was not asked about always does."""
    return verdict is None or (action == "drop" and verdict in ("correct", "abstained"))


def _change_ents(doc: Doc, verdicts: Verdicts, listed: List[Candidate], action: Action) -> None:
    kept = [ent for ent in doc.ents if _stays(verdicts.get(_key_of(ent)), action)]
    own = {_key_of(ent): ent for ent in doc.ents}
    # Entities cannot overlap: the surest first, of equally sure ones the longest.
    for c in sorted(listed, key=lambda c: (-(c.support or 0.0), c.start - c.end, c.start)):
        if all(c.end <= span.start or span.end <= c.start for span in kept):
            kept.append(own.get(c.key) or Span(doc, c.start, c.end, label=c.label))
    doc.ents = sorted(kept, key=lambda span: span.start)


def _change_spans(
    doc: Doc, target: Spans, verdicts: Verdicts, listed: List[Candidate], action: Action
) -> None:
    key = target.spans_key
    group = doc.spans.get(key, SpanGroup(doc, name=key))
    rows = [i for i, span in enumerate(group) if _stays(verdicts.get(_key_of(span)), action)]
    kept = [group[i] for i in rows]
    attrs = {}
    scores = group.attrs.get("scores")
    if scores is not None and not listed:
        attrs["scores"] = [scores[i] for i in rows]
    known = {_key_of(span) for span in kept}
    kept += [Span(doc, c.start, c.end, label=c.label) for c in listed if c.key not in known]
    doc.spans[key] = SpanGroup(doc, name=key, spans=kept, attrs=attrs)


def _change_cats(
    doc: Doc, target: Cats, verdicts: Verdicts, listed: List[Candidate], action: Action
) -> None:
    """A rejected label gets 0. Where the judge's labels replace the others, they get 1 and those that
    it was asked about 0."""
    if action == "replace":
        given = {candidate.label for candidate in listed}
        doc.cats.update({label: float(label in given) for label in target.labels})
        return
    for (_, _, label), verdict in verdicts.items():
        if label in doc.cats and not _stays(verdict, action):
            doc.cats[label] = 0.0


def _key_of(span: Span) -> Tuple[int, int, str]:
    return (span.start, span.end, span.label_)
