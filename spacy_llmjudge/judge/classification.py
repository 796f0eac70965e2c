"""From a reply that gives the labels of a document to verdicts on candidates, and to proposals of its own."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple

from spacy.tokens import Doc

from ..candidates import Candidate, set_candidates, set_status
from ..targets.cats import THRESHOLD, Cats
from .label_names import find_label
from .replies import ReplyError, read_confidences, read_lists
from .verdicts import Outcome, all_candidates, clip_support, describe_dropped

Shares = Dict[str, Optional[float]]


@dataclass
class Classification:
    """The labels of a document as a judge gives them.

    labels (Shares): What it gives, with the stated probability of each, 0 to 1, or None.
    alternatives (Shares): What else it considered.
    has_unknown (bool): Whether it gives a label as well that there is not.
    dropped (Counter): What it says and cannot be used, by reason.
    """

    labels: Shares
    alternatives: Shares = field(default_factory=dict)
    has_unknown: bool = False
    dropped: Counter = field(default_factory=Counter)


def parse_classification(
    reply: str, labels: Sequence[str], exclusive: bool, is_cut_off: bool = False
) -> Classification:
    """Parse a reply of the classifying kind: `{"labels": [...], "alternatives": [...]}`.

    reply (str): The reply.
    labels (Sequence[str]): The labels that were asked about.
    exclusive (bool): Whether a document has exactly one.
    is_cut_off (bool): Whether the reply ended at the token limit.
    RETURNS (Classification): What it says.
    RAISES (ReplyError): See `read_lists`; unknown_label, no_label or several_labels where it gives no
        label that there is, or not exactly one where it has to.
    """
    listed, others = read_lists(reply, "labels", is_cut_off)
    dropped: Counter = Counter()
    shares = read_confidences([*listed, *others], dropped)
    names = [_read_name(entry, labels) for entry in [*listed, *others]]
    given = _gather(names[: len(listed)], shares)
    considered = _gather(names[len(listed) :], shares[len(listed) :])
    if None in names:
        dropped["unknown_label"] += names.count(None)
    found = Classification(given, considered, None in names[: len(listed)], dropped)
    if listed and not given:
        raise ReplyError("unknown_label")
    return settle(found, labels, exclusive)


def _read_name(entry: object, labels: Sequence[str]) -> Optional[str]:
    name = entry.get("label") if isinstance(entry, dict) else entry
    return find_label(name, labels) if isinstance(name, str) else None


def _gather(names: Sequence[Optional[str]], shares: Sequence[Optional[float]]) -> Shares:
    """By label; one that is given with two probabilities has none."""
    gathered: Shares = {}
    for name, share in zip(names, shares):
        if name is not None:
            gathered[name] = share if gathered.get(name, share) == share else None
    return gathered


def settle(found: Classification, labels: Sequence[str], exclusive: bool) -> Classification:
    """Check what a reply gives against how sure it says it is.

    Where any number of labels may hold, one that is given with less than a half is a no. Where exactly
    one holds, a list of all labels with their probabilities gives the one that is over a half, and a
    probability that cannot be that of the given label is dropped.

    found (Classification): What was read.
    labels (Sequence[str]): The labels that were asked about.
    exclusive (bool): Whether a document has exactly one.
    RETURNS (Classification): What it says.
    RAISES (ReplyError): no_label, several_labels or unknown_label where there is not exactly one.
    """
    given, others = dict(found.labels), dict(found.alternatives)
    if not exclusive:
        refused = _refused(given)
    else:
        if found.has_unknown:
            raise ReplyError("unknown_label")
        refused = _find_others(given)
    given = {x: p for x, p in given.items() if x not in refused}
    others = {**{x: p for x, p in others.items() if x not in given}, **refused}
    if exclusive:
        ((label, share),) = given.items()
        rivals = [p for p in others.values() if p is not None]
        if share is not None and (share * len(labels) < 1 or share < max(rivals, default=0.0)):
            found.dropped["bad_confidence"] += 1
            given[label] = None
    return Classification(given, others, found.has_unknown, found.dropped)


def _refused(given: Shares) -> Shares:
    return {x: p for x, p in given.items() if p is not None and p < THRESHOLD}


def _find_others(given: Shares) -> Shares:
    """Of several labels where one holds, those that it is not."""
    is_list_of_all = len(given) > 1 and None not in given.values()
    refused = _refused(given) if is_list_of_all else {}
    if len(given) - len(refused) != 1:
        raise ReplyError("several_labels" if given else "no_label")
    return refused


def set_classification(
    doc: Doc,
    outcome: Outcome,
    found: Optional[Classification],
    target: Cats,
    spans_key: str,
) -> None:
    """Write verdicts, supports, proposals and the status of a document.

    doc (Doc): The document; its `doc.cats` is not touched.
    outcome (Outcome): What became of the question.
    found (Optional[Classification]): What the judge says, where it answered.
    target (Cats): The labels that were asked about.
    spans_key (str): The key of the candidate group.
    """
    judged: Dict[Tuple[int, int, str], Candidate] = {}
    for candidate in all_candidates(doc, spans_key, target):
        if candidate.label in target.labels:
            candidate = _judge(candidate, outcome, found, target.exclusive)
        judged[candidate.key] = candidate
    for label in _named(found):
        proposal = Candidate(0, len(doc), label, source="judge")
        if proposal.key not in judged:
            judged[proposal.key] = _judge(proposal, outcome, found, target.exclusive)
    set_candidates(doc, judged.values(), spans_key)
    if found is None:
        set_status(doc, outcome.state, outcome.reason, spans_key)
    else:
        # a label that nobody knows leaves open what else the document has
        state = "abstained" if found.has_unknown else "judged"
        set_status(doc, state, describe_dropped(found.dropped), spans_key)


def _named(found: Optional[Classification]) -> List[str]:
    return [] if found is None else sorted({*found.labels, *found.alternatives})


def _judge(
    candidate: Candidate, outcome: Outcome, found: Optional[Classification], exclusive: bool
) -> Candidate:
    clean = candidate.unjudged()
    if found is None:
        verdict = None if outcome.state == "not_sent" else "abstained"
        return clean.replace(verdict=verdict, reason=outcome.reason)
    label = candidate.label
    if found.has_unknown and label not in _named(found):
        return clean.replace(verdict="abstained", reason="unknown_label")
    verdict = "correct" if label in found.labels else "wrong_label" if exclusive else "not_entity"
    support = {**found.alternatives, **found.labels}.get(label)
    return clean.replace(
        verdict=verdict, support=None if support is None else clip_support(support)
    )
