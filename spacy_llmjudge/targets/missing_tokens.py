"""Which candidates become missing tokens: training documents of entities, made from decisions.

What is accepted becomes an entity, what is doubtful becomes missing (the parser then gets no
gradient there), and the rest is outside. Never accepted spans with everything else missing: a model
that is trained on that sees entities everywhere.
"""

from typing import List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc, Span

from ..candidates import (
    INCORRECT_KEY,
    KEY,
    Candidate,
    copy_tokens,
    get_candidates,
    get_outside,
    is_judged,
)
from .policy import SilverPolicy, is_doubtful, is_left_out, keep_judged, usable_candidates


def make_silver(
    doc: Doc, policy: SilverPolicy = SilverPolicy(), *, key: str = KEY
) -> Optional[Doc]:
    """Make a training document from a document whose candidates are decided.

    doc (Doc): The document; it stays as it is.
    policy (SilverPolicy): What becomes what.
    key (str): The key of the candidate group.
    RETURNS (Optional[Doc]): A new document with the same tokens, entities where accepted, and
        `spans["incorrect_spans"]`; None where too little of it is known, or the policy leaves it out.
    """
    if is_left_out(doc, policy, key):
        return None
    candidates = usable_candidates(get_candidates(doc, key), policy)
    accepted = [c for c in candidates if c.decision == "accepted"]
    covered = {token for c in accepted for token in range(c.start, c.end)}
    missing = _missing_tokens(doc, candidates, covered, policy, key)
    if len(missing) > policy.max_missing * len(doc):
        return None
    if missing and not accepted and not _knows_outside(doc, policy, key):
        # All it could teach is what the student thinks already: that there is little to find.
        return None
    silver = copy_tokens(doc)
    silver.set_ents(
        [Span(silver, c.start, c.end, label=c.label) for c in accepted],
        missing=[Span(silver, start, end) for start, end in _runs(missing)],
        default="outside",
    )
    keep_judged(doc, silver, key)
    if policy.negatives:
        silver.spans[INCORRECT_KEY] = [
            Span(silver, c.start, c.end, label=c.label)
            for c in _informative_negatives(candidates, missing)
        ]
    return silver


def _is_negative(candidate: Candidate) -> bool:
    return candidate.decision == "rejected" and candidate.verdict in (
        "wrong_label",
        "wrong_boundary",
    )


def _informative_negatives(candidates: Sequence[Candidate], missing: Set[int]) -> List[Candidate]:
    """Where every token of a span is known, the span is wrong already; and one that is an entity
    as well as incorrect is an error to spaCy (E868), so none may be known to be an entity."""
    return [
        c for c in candidates if _is_negative(c) and missing.intersection(range(c.start, c.end))
    ]


def _missing_tokens(
    doc: Doc,
    candidates: Sequence[Candidate],
    covered: Set[int],
    policy: SilverPolicy,
    key: str,
) -> Set[int]:
    if not policy.masking:
        return set()
    missing: Set[int] = set()
    refused: Set[int] = set()
    for candidate in candidates:
        tokens = set(range(candidate.start, candidate.end))
        if candidate.decision == "accepted":
            continue
        if _is_negative(candidate):
            # An accepted span on the same tokens is the correction: nothing is left in doubt.
            if not tokens & covered:
                missing |= tokens
        elif candidate.decision == "rejected":
            refused |= tokens
        elif is_doubtful(candidate, policy):
            missing |= tokens
    if not _knows_outside(doc, policy, key):
        outside = get_outside(doc, key)
        for token in set(range(len(doc))) - refused:
            if outside is None or outside[token] < policy.outside_cut:
                missing.add(token)
    return missing - covered


def _knows_outside(doc: Doc, policy: SilverPolicy, key: str) -> bool:
    return policy.judged_outside and is_judged(doc, key)


def _runs(tokens: Set[int]) -> List[Tuple[int, int]]:
    """RETURNS (List[Tuple[int, int]]): Start and end of every unbroken run, in order."""
    runs: List[Tuple[int, int]] = []
    for token in sorted(tokens):
        if runs and runs[-1][1] == token:
            runs[-1] = (runs[-1][0], token + 1)
        else:
            runs.append((token, token + 1))
    return runs
