"""From what an annotator's reply lists to verdicts on candidates, and to proposals of its own."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from spacy.tokens import Doc

from ..candidates import Candidate, get_candidates, set_candidates, set_status
from .mapping import Reading
from .windows import Window

LOWEST, HIGHEST = 0.005, 0.995


@dataclass
class Answer:
    """What the judge said about one window.

    window (Window): The stretch of the document.
    state (str): "judged", "abstained" or "not_sent".
    reason (Optional[str]): Why there are no verdicts.
    entities (List[Reading]): The entities it lists.
    alternatives (List[Reading]): Other readings that it considered.
    dropped (Counter): Entries that could not be used, by reason.
    """

    window: Window
    state: str
    reason: Optional[str] = None
    entities: List[Reading] = field(default_factory=list)
    alternatives: List[Reading] = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)


def open_candidates(doc: Doc, labels: Sequence[str], spans_key: str) -> List[Candidate]:
    """List the candidates that a judge is asked about.

    Without a candidate group the document's entities are the candidates. Proposals of an earlier judge
    are left out, so that judging twice is judging once.

    doc (Doc): The document.
    labels (Sequence[str]): The labels that the judge knows; candidates with others stay unjudged.
    spans_key (str): The key of the candidate group.
    RETURNS (List[Candidate]): Ordered by start, end and label.
    """
    return [c for c in all_candidates(doc, spans_key) if c.label in labels]


def all_candidates(doc: Doc, spans_key: str) -> List[Candidate]:
    """List all candidates but an earlier judge's proposals; the entities where there is no group."""
    found = [c for c in get_candidates(doc, spans_key) if c.source != "judge"]
    if spans_key in doc.spans:
        return found
    return [
        Candidate(ent.start, ent.end, ent.label_, source="student")
        for ent in doc.ents
        if ent.label_
    ]


def characters_of(doc: Doc, window: Window, candidate: Candidate) -> Tuple[int, int]:
    """RETURNS (Tuple[int, int]): Start and end of a candidate in the text of a window."""
    offset, last = doc[window.start].idx, doc[candidate.end - 1]
    return doc[candidate.start].idx - offset, last.idx + len(last) - offset


def set_answers(doc: Doc, answers: Sequence[Answer], labels: Sequence[str], spans_key: str) -> None:
    """Write verdicts, supports, proposals and the status of a document.

    doc (Doc): The document; its entities are not touched.
    answers (Sequence[Answer]): One for each window, in order; none for a document without words.
    labels (Sequence[str]): The labels that were asked about.
    spans_key (str): The key of the candidate group.
    """
    judged: Dict[Tuple[int, int, str], Candidate] = {}
    for candidate in all_candidates(doc, spans_key):
        if candidate.label in labels:
            answer = next((a for a in answers if a.window.owns(candidate.start)), None)
            candidate = _judge(candidate, answer)
        judged[candidate.key] = candidate
    for answer in answers:
        for reading in [*answer.entities, *answer.alternatives]:
            if reading.key not in judged:
                proposal = Candidate(*reading.key, source="judge")
                judged[reading.key] = _judge(proposal, answer)
    set_candidates(doc, judged.values(), spans_key)
    state, reason = summarise(answers)
    set_status(doc, state, reason, spans_key)


def _judge(candidate: Candidate, answer: Optional[Answer]) -> Candidate:
    clean = candidate.replace(verdict=None, support=None, reason=None)
    if answer is None or answer.state == "not_sent":
        return clean.replace(reason=answer.reason if answer else "no_words")
    if answer.state == "abstained":
        return clean.replace(verdict="abstained", reason=answer.reason)
    listed = {r.key: r.confidence for r in [*answer.alternatives, *answer.entities]}
    support = listed.get(candidate.key)
    if support is not None:
        support = clip_support(support)
    return clean.replace(verdict=stand(candidate, answer.entities), support=support)


def clip_support(support: float) -> float:
    """RETURNS (float): The support, never so sure that its logit would drown all else."""
    return min(max(support, LOWEST), HIGHEST)


def stand(candidate: Candidate, entities: Iterable[Reading]) -> str:
    """How a candidate stands to a list of entities.

    RETURNS (str): correct, wrong_label, wrong_boundary or not_entity.
    """
    touching = [r for r in entities if r.start < candidate.end and candidate.start < r.end]
    if candidate.key in {r.key for r in touching}:
        return "correct"
    if (candidate.start, candidate.end) in {(r.start, r.end) for r in touching}:
        return "wrong_label"
    return "wrong_boundary" if touching else "not_entity"


def summarise(answers: Sequence[Answer]) -> Tuple[str, Optional[str]]:
    """The state of a document, and its reason: judged only where the judge answered for all of it."""
    if not answers:
        return "not_sent", "no_words"
    # What another run can still ask about comes first: a document with one such window is asked again.
    for state in ("not_sent", "abstained"):
        failed = [answer for answer in answers if answer.state == state]
        if failed:
            return state, failed[0].reason
    dropped = sum((answer.dropped for answer in answers), Counter())
    if not dropped:
        return "judged", None
    return "judged", "dropped:" + ",".join(f"{k}={n}" for k, n in sorted(dropped.items()))
