"""How decisions become training documents: the one place where these settings have their defaults."""

from dataclasses import dataclass, fields
from typing import Any, List, Optional, Sequence

from spacy.tokens import Doc

from ..candidates import Candidate, is_judged, set_status
from ..errors import Errors, LLMJudgeError

# Under this probability a negative verdict holds, and no candidate raises doubt about its tokens.
REJECTION_CUT = 0.15


@dataclass(frozen=True)
class SilverPolicy:
    """How decisions become training documents. The switches are for ablations.

    masking (bool): What is doubtful is left open where the component can learn from the rest of a
        document, and the document is left out where it cannot. False: it is taken to be wrong.
    negatives (bool): Entities with a wrong label or boundary are kept as incorrect spans.
    proposals (bool): Use what only the judge saw, where it overlaps no candidate of the student.
    corrections (bool): Use what only the judge saw, where it overlaps one.
    doubt_cut (float): A candidate that is neither accepted nor rejected is doubtful over this
        probability.
    outside_cut (float): A token is outside where the student gives that at least this probability.
    judged_outside (bool): In a document that the judge read, tokens that nobody lists are outside,
        whatever the student thinks of them. False: as in documents that nobody judged.
    unjudged (Optional[bool]): Use documents that the judge has not read. While the student knows
        little, its labels of these drown what the judge said: None leaves them out where the judged
        ones were chosen by doubt and the student has not learned from any silver yet.
    max_missing (float): A document of which a larger share is left open is left out.
    """

    masking: bool = True
    negatives: bool = False
    proposals: bool = True
    corrections: bool = True
    doubt_cut: float = 0.3
    outside_cut: float = 0.0
    judged_outside: bool = True
    unjudged: Optional[bool] = None
    max_missing: float = 0.5

    def __post_init__(self) -> None:
        for setting in fields(self):
            value: Any = getattr(self, setting.name)
            is_number = isinstance(setting.default, float)
            if is_number:
                good = isinstance(value, (int, float)) and not isinstance(value, bool)
                good = good and 0 <= value <= 1
            else:
                good = isinstance(value, bool) or value is None is setting.default
            if not good:
                expected = "a number from 0 to 1" if is_number else "true or false"
                raise LLMJudgeError(
                    Errors.J407.format(name=setting.name, value=value, expected=expected)
                )


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


def is_left_out(doc: Doc, policy: SilverPolicy, key: str) -> bool:
    """RETURNS (bool): Whether no training document is made, whatever was decided: it is empty, or the judge
    has not read it and the policy leaves such documents out."""
    return len(doc) == 0 or (policy.unjudged is False and not is_judged(doc, key))


def keep_judged(doc: Doc, silver: Doc, key: str) -> None:
    """Keep in a training document whether the judge has read it: the reader that mixes training documents
    asks for that."""
    if is_judged(doc, key):
        set_status(silver, "judged")


def is_doubtful(candidate: Candidate, policy: SilverPolicy) -> bool:
    """RETURNS (bool): Whether nobody knows if an undecided candidate is right."""
    return candidate.decision not in ("accepted", "rejected") and (
        candidate.probability is None or candidate.probability > policy.doubt_cut
    )
