"""From what an annotator's reply lists to verdicts on candidates, and to proposals of its own."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from spacy.tokens import Doc

from ..candidates import Candidate, get_candidates, set_candidates, set_status
from ..targets.base import Target
from .long_documents import Window
from .mapping import LISTED_ONCE, Doubt, Reading, touch

LOWEST, HIGHEST = 0.005, 0.995


@dataclass
class Outcome:
    """What became of something that a judge was asked.

    state (str): "judged", "abstained" or "not_sent".
    reason (Optional[str]): Why there are no verdicts.
    dropped (Counter): What the reply says and cannot be used, by reason.
    """

    state: str
    reason: Optional[str] = None
    dropped: Counter = field(default_factory=Counter)


@dataclass
class Listing:
    """What the judge lists for one window.

    window (Window): The stretch of the document.
    outcome (Outcome): What became of the question.
    entities (List[Reading]): The spans it lists.
    alternatives (List[Reading]): Other readings that it considered.
    doubts (List[Doubt]): Tokens of which it says something that cannot be used.
    lost (Optional[str]): Why a span that it lists may be anywhere; None where all were found.
    overlapping (bool): Whether spans may overlap and nest.
    """

    window: Window
    outcome: Outcome
    entities: List[Reading] = field(default_factory=list)
    alternatives: List[Reading] = field(default_factory=list)
    doubts: List[Doubt] = field(default_factory=list)
    lost: Optional[str] = None
    overlapping: bool = False

    def summarise(self) -> Outcome:
        """RETURNS (Outcome): What became of the question for the document as a whole: a list of which a
        span could not be used is no complete annotation."""
        is_whole = self.lost is None and all(d.reason == LISTED_ONCE for d in self.doubts)
        if self.outcome.state != "judged" or is_whole:
            return self.outcome
        return Outcome("abstained", describe_dropped(self.outcome.dropped))


def open_candidates(
    doc: Doc, labels: Sequence[str], spans_key: str, target: Target, proposed: bool = False
) -> List[Candidate]:
    """List the candidates that a judge is asked about.

    Without a candidate group the document's own annotation gives the candidates. Proposals of an
    earlier judge are left out, so that judging twice is judging once, unless this one goes on where the
    earlier one ended.

    doc (Doc): The document.
    labels (Sequence[str]): The labels that the judge knows; candidates with others stay unjudged.
    spans_key (str): The key of the candidate group.
    target (Target): What is labelled.
    proposed (bool): Whether an earlier judge's proposals are candidates.
    RETURNS (List[Candidate]): Ordered by start, end and label.
    """
    return [c for c in all_candidates(doc, spans_key, target, proposed) if c.label in labels]


def all_candidates(
    doc: Doc, spans_key: str, target: Target, proposed: bool = False
) -> List[Candidate]:
    """List all candidates but, unless they are wanted, an earlier judge's proposals; what the document
    says where there is no group."""
    if spans_key in doc.spans:
        return [c for c in get_candidates(doc, spans_key) if proposed or c.source != "judge"]
    return [Candidate(*key, source="student") for key in target.keys(doc) if key[2]]


def set_listings(
    doc: Doc,
    listings: Sequence[Listing],
    labels: Sequence[str],
    spans_key: str,
    target: Target,
) -> None:
    """Write verdicts, supports, proposals and the status of a document.

    doc (Doc): The document; its own annotation is not touched.
    listings (Sequence[Listing]): One for each window, in order; none for a document without words.
    labels (Sequence[str]): The labels that were asked about.
    spans_key (str): The key of the candidate group.
    target (Target): What is labelled.
    """
    judged: Dict[Tuple[int, int, str], Candidate] = {}
    for candidate in all_candidates(doc, spans_key, target):
        if candidate.label in labels:
            listing = next((a for a in listings if a.window.owns(candidate.start)), None)
            candidate = _judge(candidate, listing)
        judged[candidate.key] = candidate
    for listing in listings:
        for reading in [*listing.entities, *listing.alternatives]:
            if reading.key not in judged:
                proposal = Candidate(*reading.key, source="judge")
                judged[reading.key] = _judge(proposal, listing)
    set_candidates(doc, judged.values(), spans_key)
    state, reason = summarise([listing.summarise() for listing in listings])
    set_status(doc, state, reason, spans_key)


def _judge(candidate: Candidate, listing: Optional[Listing]) -> Candidate:
    clean = candidate.unjudged()
    if listing is None or listing.outcome.state == "not_sent":
        return clean.replace(reason=listing.outcome.reason if listing else "no_words")
    if listing.outcome.state == "abstained":
        return clean.replace(verdict="abstained", reason=listing.outcome.reason)
    listed = {reading.key: reading for reading in [*listing.alternatives, *listing.entities]}
    verdict = stand(candidate, listing.entities, listing.overlapping)
    doubt = None if candidate.key in listed else _find_doubt(candidate, verdict, listing)
    if doubt is not None:
        return clean.replace(verdict="abstained", reason=doubt)
    found = listed.get(candidate.key)
    if found is None:
        return clean.replace(verdict=verdict)
    support = None if found.confidence is None else clip_support(found.confidence)
    return clean.replace(verdict=verdict, support=support, likelihood=found.likelihood)


def _find_doubt(candidate: Candidate, verdict: str, listing: Listing) -> Optional[str]:
    """Why the list does not say whether a candidate is right; None where it does."""
    for doubt in listing.doubts:
        if touch((candidate.start, candidate.end), (doubt.start, doubt.end)):
            return doubt.reason
    # Where spans do not overlap, what touches a listed one cannot be the one that was lost.
    return listing.lost if listing.overlapping or verdict == "not_entity" else None


def clip_support(support: float) -> float:
    """RETURNS (float): The support, never so sure that its logit would drown all else."""
    return min(max(support, LOWEST), HIGHEST)


def stand(candidate: Candidate, entities: Iterable[Reading], overlapping: bool = False) -> str:
    """How a candidate stands to a list of spans.

    candidate (Candidate): The candidate.
    entities (Iterable[Reading]): The list.
    overlapping (bool): Whether spans may overlap: one with another label is then no other boundary of
        the candidate.
    RETURNS (str): correct, wrong_label, wrong_boundary or not_entity.
    """
    place = (candidate.start, candidate.end)
    touching = [r for r in entities if touch(place, (r.start, r.end))]
    if candidate.key in {r.key for r in touching}:
        return "correct"
    if place in {(r.start, r.end) for r in touching}:
        return "wrong_label"
    rivals = [r for r in touching if not overlapping or r.label == candidate.label]
    return "wrong_boundary" if rivals else "not_entity"


def add_opinion(listed: Candidate, asked: Candidate) -> Candidate:
    """Add what a question about a candidate brought to what a list says of it.

    listed (Candidate): As the judge that lists left it.
    asked (Candidate): The same candidate as the answer to the question has it.
    RETURNS (Candidate): The first with the support of the second as its likelihood; the second where
        the list says nothing about it.
    """
    if listed.verdict in (None, "abstained"):
        return asked
    if asked.verdict in (None, "abstained") or asked.support is None:
        return listed
    return listed.replace(likelihood=asked.support)


def summarise(outcomes: Sequence[Outcome]) -> Tuple[str, Optional[str]]:
    """The state of a document, and its reason: judged only where the judge answered for all of it."""
    if not outcomes:
        return "not_sent", "no_words"
    # What another run can still ask about comes first: a document with one such window is asked again.
    for state in ("not_sent", "abstained"):
        failed = [outcome for outcome in outcomes if outcome.state == state]
        if failed:
            return state, failed[0].reason
    dropped = sum((outcome.dropped for outcome in outcomes), Counter())
    return "judged", describe_dropped(dropped)


def describe_dropped(dropped: Counter) -> Optional[str]:
    """RETURNS (Optional[str]): Such as "dropped:repeated=1"; None where nothing was dropped."""
    counts = ",".join(f"{reason}={n}" for reason, n in sorted(dropped.items()))
    return f"dropped:{counts}" if counts else None
