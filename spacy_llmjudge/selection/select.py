"""Selection: decide on the candidates of the pool, and make silver."""

from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

import numpy as np
from spacy.tokens import Doc

from ..candidates import DECISIONS, get_candidates, is_judged, set_candidates
from ..targets.base import Target
from ..targets.ents import Ents
from ..targets.policy import SilverPolicy
from .audit import truth_of
from .caveats import CROSSFIT, word_caveats
from .decide import ACCEPTED, Decisions, decide
from .inputs import make_tables
from .report import Reliability, make_report
from .selector import Selector
from .silver import natural_rate
from .table import CandidateTable, document_order
from .worth import weigh_selection


def select(
    pool_docs: Sequence[Doc],
    evidence_docs: Sequence[Doc],
    evidence_gold: Sequence[Doc],
    selector: Selector,
    *,
    target: Target = Ents(),
    policy: SilverPolicy = SilverPolicy(),
    reliability: Optional[Reliability] = None,
    caveats: Sequence[str] = (),
    n_folds: int = 5,
    audit: Optional[Sequence[Dict[str, Any]]] = None,
) -> Tuple[List[Doc], List[Doc], Dict[str, Any]]:
    """Decide on the candidates of the pool and make silver.

    pool_docs (Sequence[Doc]): Documents with candidates; probability and decision are written into
        them.
    evidence_docs (Sequence[Doc]): Held-out documents whose candidates were made as the pool's were.
    evidence_gold (Sequence[Doc]): The same documents with gold, in the same order.
    selector (Selector): A selector of the registry `llmjudge_selectors`.
    target (Target): What is labelled.
    policy (SilverPolicy): How decisions become training documents.
    reliability (Optional[Reliability]): From probabilities and truth to figures for the report.
    caveats (Sequence[str]): Keys of `CAVEATS`: why nothing can be promised. With "crossfit" the held-out
        documents do not say either how many documents naturally have no entity.
    n_folds (int): For the cross-fitted fusion.
    audit (Optional[Sequence[Dict[str, Any]]]): Rows of `draw_audit` that a person has answered. The
        selector's evidence then comes from them, and the held-out documents only fit the fusion.
    RETURNS (Tuple[List[Doc], List[Doc], Dict[str, Any]]): The pool's documents, the silver documents,
        and a report. None of them depends on the order of the documents, except that the first
        list has it.
    """
    tables = make_tables(
        pool_docs,
        evidence_docs,
        evidence_gold,
        selector,
        policy,
        target,
        word_caveats(caveats),
    )
    pool, evidence, policy = tables.pool, tables.evidence, tables.policy
    truth = truth_of(audit, pool_docs, pool) if audit is not None else None
    decisions = decide(pool, evidence, selector, n_folds, truth, target)
    _write_decisions(pool_docs, pool, decisions)
    masks = [selection.documents for selection in decisions.selections.values()]
    silver, dropped = [], 0
    unread: Set[int] = set()
    if policy.unjudged is False:
        unread = {i for i, doc in enumerate(pool_docs) if not is_judged(doc)}
    refused = _refused_documents(pool, decisions) - unread
    for i in document_order(pool_docs, tables.found):
        made = None
        if i not in refused and all(mask is None or mask[i] for mask in masks):
            made = target.make_silver(pool_docs[i], policy)
        if made is None:
            dropped += 1
        else:
            silver.append(made)
    # a few-shot set that was balanced by label says nothing about how many documents are empty
    kept = natural_rate(silver, [] if CROSSFIT in caveats else evidence_gold, target)
    report = make_report(pool, evidence, selector, decisions, reliability)
    # an audit says nothing about the held-out documents
    worth = weigh_selection(evidence, evidence_gold, decisions, target) if audit is None else None
    report["worth"] = worth
    report["settings"] = {
        "selector": selector.name,
        **selector.settings,
        "silver": vars(policy),
    }
    report["spans"] = sum(len(target.keys(doc)) for doc in kept)
    report["documents"] = {
        "pool": len(pool_docs),
        "evidence": len(evidence_docs),
        "silver": len(kept),
        "nothing_accepted": len(refused),
        "too_little_known": dropped - len(unread) - len(refused),
        "left_out_unjudged": len(unread),
        "thinned_out": len(silver) - len(kept),
    }
    return list(pool_docs), kept, report


def _refused_documents(pool: CandidateTable, decisions: Decisions) -> Set[int]:
    """Documents of a part of the pool in which nothing at all was accepted: they would teach that there
    is nothing to find, where all that is known is that the evidence carries nothing."""
    accepted = decisions.decision == ACCEPTED
    refused: Set[int] = set()
    for rows in decisions.parts.values():
        if rows.any() and not accepted[rows].any():
            refused.update(np.unique(pool.document[rows]).tolist())
    return refused


def _write_decisions(docs: Sequence[Doc], table: CandidateTable, decisions: Decisions) -> None:
    decided = {
        (int(document), int(start), int(end), table.labels[label]): (p, DECISIONS[code])
        for document, start, end, label, p, code in zip(
            table.document,
            table.start,
            table.end,
            table.label,
            decisions.probability.tolist(),
            decisions.decision,
        )
    }
    for i, doc in enumerate(docs):
        changed = []
        for candidate in get_candidates(doc):
            p, decision = decided.get((i, *candidate.key), (None, None))
            changed.append(candidate.replace(probability=p, decision=decision))
        set_candidates(doc, changed)
