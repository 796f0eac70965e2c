"""What a selector may see, from the pool and the held-out documents alike."""

from dataclasses import dataclass, replace
from typing import Iterable, List, Sequence

from spacy.tokens import Doc

from ..candidates import Candidate, get_candidates
from ..targets.base import Target
from ..targets.ents import Ents
from ..targets.policy import SilverPolicy, usable_candidates
from .selector import Selector
from .table import CandidateTable, table_from_docs


@dataclass(frozen=True)
class Tables:
    """What a selector may see.

    pool (CandidateTable): The candidates of the pool.
    evidence (CandidateTable): The held-out candidates.
    policy (SilverPolicy): With what the selector does not use switched off.
    """

    pool: CandidateTable
    evidence: CandidateTable
    policy: SilverPolicy


def make_tables(
    pool_docs: Iterable[Doc],
    evidence_docs: Sequence[Doc],
    evidence_gold: Sequence[Doc],
    selector: Selector,
    policy: SilverPolicy,
    target: Target = Ents(),
    caveat: str = "",
) -> Tables:
    """Read candidates into tables, without what the selector or the policy does not use, from the
    pool and the held-out documents alike.

    pool_docs (Iterable[Doc]): Documents with candidates.
    evidence_docs (Sequence[Doc]): Held-out documents with candidates.
    evidence_gold (Sequence[Doc]): The same documents with gold.
    selector (Selector): The selector.
    policy (SilverPolicy): How decisions become training documents.
    target (Target): What is labelled.
    caveat (str): Why the held-out documents carry no promise; empty where they do.
    RETURNS (Tables): The tables.
    """
    uses_judge = selector.uses_judge
    if not selector.uses_proposals:
        policy = replace(policy, proposals=False, corrections=False)
    if not uses_judge:
        policy = replace(policy, judged_outside=False)

    def visible(doc: Doc) -> List[Candidate]:
        found = usable_candidates(get_candidates(doc), policy)
        return found if uses_judge else [candidate.unjudged() for candidate in found]

    evidence = table_from_docs(
        evidence_docs,
        evidence_gold,
        target=target,
        visible=visible,
        caveat=caveat,
    )
    pool = table_from_docs(pool_docs, target=target, visible=visible)
    pool, evidence = selector.evidence(pool_docs, pool, evidence_docs, evidence)
    return Tables(pool, evidence, policy)
