"""Silver: training documents made from decisions.

What is accepted becomes an entity, what is doubtful becomes missing (the parser then gets no
gradient there), and the rest is outside. Never accepted spans with everything else missing: a model
that is trained on that sees entities everywhere.
"""

from dataclasses import dataclass, fields
from typing import Any, List, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc, Span

from ..candidates import (
    INCORRECT_KEY,
    KEY,
    Candidate,
    copy_tokens,
    get_candidates,
    get_outside,
    is_judged,
    set_status,
)
from ..errors import Errors, LLMJudgeError
from .guarantees import clopper_pearson_upper

# Under this probability a negative verdict holds, and no candidate raises doubt about its tokens.
REJECTION_CUT = 0.15


@dataclass(frozen=True)
class SilverPolicy:
    """How decisions become training documents. The switches are for ablations.

    masking (bool): Doubtful tokens are missing; False: they are outside.
    negatives (bool): Spans with a wrong label or boundary are kept as incorrect spans.
    proposals (bool): Use what only the judge saw, where it overlaps no candidate of the student.
    corrections (bool): Use what only the judge saw, where it overlaps one.
    doubt_cut (float): A candidate that is neither accepted nor rejected is doubtful over this probability.
    outside_cut (float): A token is outside where the student gives that at least this probability.
    judged_outside (bool): In a document that the judge read, tokens that nobody lists are outside,
        whatever the student thinks of them. False: as in documents that nobody judged.
    unjudged (Optional[bool]): Use documents that the judge has not read. While the student knows little, its
        labels of these drown what the judge said: None leaves them out where the judged ones were chosen by
        doubt and the student has not learned from any silver yet, see `read_selection`.
    max_missing (float): A document with a larger share of missing tokens is left out.
    """

    masking: bool = True
    negatives: bool = True
    proposals: bool = True
    corrections: bool = True
    doubt_cut: float = REJECTION_CUT
    outside_cut: float = 0.9
    judged_outside: bool = True
    unjudged: Optional[bool] = None
    max_missing: float = 0.5

    def __post_init__(self) -> None:
        for setting in fields(self):
            value: Any = getattr(self, setting.name)
            if isinstance(setting.default, float):
                good = (
                    isinstance(value, (int, float))
                    and not isinstance(value, bool)
                    and 0 <= value <= 1
                )
            else:
                good = isinstance(value, bool) or value is None is setting.default
            if not good:
                expected = (
                    "a number from 0 to 1"
                    if isinstance(setting.default, float)
                    else "true or false"
                )
                raise LLMJudgeError(
                    Errors.J407.format(name=setting.name, value=value, expected=expected)
                )


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
    if len(doc) == 0 or policy.unjudged is False and not is_judged(doc, key):
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
    if is_judged(doc, key):
        # the reader that mixes the training documents asks for this
        set_status(silver, "judged")
    if policy.negatives:
        silver.spans[INCORRECT_KEY] = [
            Span(silver, c.start, c.end, label=c.label)
            for c in _informative_negatives(candidates, missing)
        ]
    return silver


def usable_candidates(candidates: Sequence[Candidate], policy: SilverPolicy) -> List[Candidate]:
    """Leave out what the policy does not use of what only the judge saw.

    candidates (Sequence[Candidate]): The candidates of one document.
    policy (SilverPolicy): Its `proposals` and `corrections` count.
    RETURNS (List[Candidate]): In the same order.
    """
    student = [c for c in candidates if c.source != "judge"]

    def is_used(candidate: Candidate) -> bool:
        if candidate.source != "judge":
            return True
        overlaps = any(candidate.start < c.end and c.start < candidate.end for c in student)
        return policy.corrections if overlaps else policy.proposals

    return [c for c in candidates if is_used(c)]


def natural_rate(silver: Sequence[Doc], gold: Sequence[Doc]) -> List[Doc]:
    """Thin out documents without entities until they are as frequent as they naturally are.

    Documents with entities have more in doubt and are left out more often; without this the rest
    would teach that there is nothing to find.

    silver (Sequence[Doc]): Training documents; of those without entities the first ones stay.
    gold (Sequence[Doc]): Gold documents, drawn at random; where there are none nothing changes.
    RETURNS (List[Doc]): In the same order.
    """
    if not gold:
        return list(silver)
    # The upper limit of what so few gold documents allow, lest chance throws documents away.
    rate = clopper_pearson_upper(sum(not doc.ents for doc in gold), len(gold), 0.05)
    n_with = sum(1 for doc in silver if not _is_empty(doc))
    room = len(silver) if rate == 1 else round(n_with * rate / (1 - rate))
    kept = []
    for doc in silver:
        if not _is_empty(doc):
            kept.append(doc)
        elif room > 0:
            kept.append(doc)
            room -= 1
    return kept


def _is_empty(doc: Doc) -> bool:
    return all(token.ent_iob == 2 for token in doc)


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
        elif candidate.probability is None or candidate.probability > policy.doubt_cut:
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
