"""Selection: fuse, resolve overlaps, accept, and make silver."""
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc

from ..candidates import DECISIONS, VERDICTS, Candidate, get_candidates, set_candidates
from .fusion import (
    Fusion,
    cross_fit_fusion,
    cross_fit_support,
    fit_fusion,
)
from .overlaps import resolve_overlaps
from .selectors import Selection
from .silver import (
    REJECTION_CUT,
    SilverPolicy,
    make_silver,
    natural_rate,
    usable_candidates,
)
from .table import CandidateTable, document_order, table_from_docs

Reliability = Callable[[np.ndarray, np.ndarray], Dict[str, Any]]
ACCEPTED, REJECTED, UNDECIDED = range(len(DECISIONS))
REFUSED = [VERDICTS.index(v) for v in ("wrong_label", "wrong_boundary", "not_entity")]


@dataclass(frozen=True)
class Decisions:
    """What became of every candidate.

    probability (np.ndarray): (m,) fused probability of the pool candidates.
    decision (np.ndarray): (m,) index into DECISIONS.
    selection (Selection): The selector's own account.
    fusion (Fusion): What the pool was fused with.
    evidence_probability (np.ndarray): (n,) of the held-out candidates, out of fold.
    evidence_chosen (np.ndarray): (n,) True where a held-out candidate survived its overlaps.
    pool_chosen (np.ndarray): (m,) the same in the pool.
    """

    probability: np.ndarray
    decision: np.ndarray
    selection: Selection
    fusion: Fusion
    evidence_probability: np.ndarray
    evidence_chosen: np.ndarray
    pool_chosen: np.ndarray


def decide(
    pool: CandidateTable,
    evidence: CandidateTable,
    selector: Callable[[CandidateTable, CandidateTable], Selection],
    n_folds: int = 5,
) -> Decisions:
    """Decide on every candidate of the pool. Held-out candidates pass through the same steps, and
    their probabilities come from fusions that have not seen their document.

    pool (CandidateTable): m candidates.
    evidence (CandidateTable): n candidates with `correct`; it may be empty.
    selector (Callable): A selector.
    n_folds (int): For the cross-fitted fusion.
    RETURNS (Decisions): For the rows of `pool`, in their order.
    """
    labels = sorted({*pool.labels, *evidence.labels})
    pool, evidence = pool.relabel(labels), evidence.relabel(labels)
    fusion = fit_fusion(evidence)
    score = getattr(selector, "score", None)
    if score is None:
        pool_score = fusion.predict(pool)
        evidence_score = cross_fit_fusion(evidence, n_folds)
    else:
        pool_score, evidence_score = score(pool, evidence), score(evidence, evidence)
    pool = pool.replace(probability=pool_score)
    evidence = evidence.replace(probability=evidence_score)
    pool_chosen = resolve_overlaps(pool, pool_score)
    evidence_chosen = resolve_overlaps(evidence, evidence_score)
    selection = selector(pool.take(pool_chosen), evidence.take(evidence_chosen))
    decision = np.full(len(pool), UNDECIDED)
    refused = np.isin(pool.verdict, REFUSED) & (pool_score <= REJECTION_CUT)
    decision[refused] = REJECTED
    decision[np.flatnonzero(pool_chosen)[selection.accepted]] = ACCEPTED
    return Decisions(
        probability=pool_score,
        decision=decision,
        selection=selection,
        fusion=fusion,
        evidence_probability=evidence_score,
        evidence_chosen=evidence_chosen,
        pool_chosen=pool_chosen,
    )


def select(
    pool_docs: Sequence[Doc],
    evidence_docs: Sequence[Doc],
    evidence_gold: Sequence[Doc],
    selector: Callable[[CandidateTable, CandidateTable], Selection],
    *,
    policy: SilverPolicy = SilverPolicy(),
    reliability: Optional[Reliability] = None,
    random_sample: bool = True,
    n_folds: int = 5,
) -> Tuple[List[Doc], List[Doc], Dict[str, Any]]:
    """Decide on the candidates of the pool and make silver.

    pool_docs (Sequence[Doc]): Documents with candidates; probability and decision are written into
        them.
    evidence_docs (Sequence[Doc]): Held-out documents whose candidates were made as the pool's were.
    evidence_gold (Sequence[Doc]): The same documents with gold entities, in the same order.
    selector (Callable): A selector of the registry `llmjudge_selectors`.
    policy (SilverPolicy): How decisions become training documents.
    reliability (Optional[Reliability]): From probabilities and truth to figures for the report.
    random_sample (bool): Whether the held-out documents are a random sample of the pool's text. A
        cross-fit on a few-shot set that was balanced by label is not: nothing is promised then.
    n_folds (int): For the cross-fitted fusion.
    RETURNS (Tuple[List[Doc], List[Doc], Dict[str, Any]]): The pool's documents, the silver documents,
        and a report. None of them depends on the order of the documents, except that the first
        list has it.
    """
    uses_judge = getattr(selector, "uses_judge", True)
    if not getattr(selector, "uses_proposals", True):
        policy = replace(policy, proposals=False, corrections=False)
    if not uses_judge:
        policy = replace(policy, judged_outside=False)

    def visible(doc: Doc) -> List[Candidate]:
        found = usable_candidates(get_candidates(doc), policy)
        return found if uses_judge else [_without_verdict(c) for c in found]

    found = [visible(doc) for doc in pool_docs]
    pool = table_from_docs(pool_docs, found=found)
    evidence = table_from_docs(
        evidence_docs,
        evidence_gold,
        found=[visible(doc) for doc in evidence_docs],
        random_sample=random_sample,
    )
    decisions = decide(pool, evidence, selector, n_folds)
    _write_decisions(pool_docs, pool, decisions)
    usable = decisions.selection.documents
    silver, dropped = [], 0
    for i in document_order(pool_docs, found):
        made = None
        if usable is None or usable[i]:
            made = make_silver(pool_docs[i], policy)
        if made is None:
            dropped += 1
        else:
            silver.append(made)
    kept = natural_rate(silver, evidence_gold)
    report = _report(pool, evidence, decisions, n_folds, reliability)
    report["settings"] = {
        "selector": getattr(selector, "name", getattr(selector, "__name__", "")),
        **getattr(selector, "settings", {}),
        "silver": vars(policy),
    }
    report["documents"] = {
        "pool": len(pool_docs),
        "evidence": len(evidence_docs),
        "silver": len(kept),
        "too_little_known": dropped,
        "thinned_out": len(silver) - len(kept),
    }
    return list(pool_docs), kept, report


def _without_verdict(candidate: Candidate) -> Candidate:
    return candidate.replace(verdict=None, support=None, reason=None)


def _write_decisions(
    docs: Sequence[Doc], table: CandidateTable, decisions: Decisions
) -> None:
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


def _report(
    pool: CandidateTable,
    evidence: CandidateTable,
    decisions: Decisions,
    n_folds: int,
    reliability: Optional[Reliability],
) -> Dict[str, Any]:
    selection = decisions.selection
    report: Dict[str, Any] = {
        "statement": selection.statement,
        "promise": selection.promise,
        "cut": selection.cut,
        "decisions": {
            name: int((decisions.decision == code).sum())
            for code, name in enumerate(DECISIONS)
        },
        "candidates": {
            "pool": len(pool),
            "pool_without_overlaps": int(decisions.pool_chosen.sum()),
            "evidence": len(evidence),
            "evidence_without_overlaps": int(decisions.evidence_chosen.sum()),
        },
        "labels": _by_label(pool, evidence, decisions),
        "fusion": decisions.fusion.to_dict(),
    }
    if reliability is not None:
        report["reliability"] = _reliabilities(
            evidence, decisions, n_folds, reliability
        )
    return report


def _by_label(
    pool: CandidateTable, evidence: CandidateTable, decisions: Decisions
) -> Dict[str, Dict[str, Any]]:
    cut = decisions.selection.cut
    accepted = decisions.decision == ACCEPTED
    table = {}
    for label in sorted({*pool.labels, *evidence.labels}):
        rows = _rows(pool, label)
        held_out = _rows(evidence, label) & decisions.evidence_chosen
        row = {
            "pool": int((rows & decisions.pool_chosen).sum()),
            "accepted": int((rows & accepted).sum()),
            "held_out": int(held_out.sum()),
        }
        if cut is not None:
            passing = held_out & (decisions.evidence_probability >= cut)
            row["held_out_over_cut"] = int(passing.sum())
            row["wrong_over_cut"] = int((~evidence.correct[passing]).sum())
        table[label] = row
    return table


def _rows(table: CandidateTable, label: str) -> np.ndarray:
    if label not in table.labels:
        return np.zeros(len(table), dtype=bool)
    return table.label == table.labels.index(label)


def _reliabilities(
    evidence: CandidateTable,
    decisions: Decisions,
    n_folds: int,
    reliability: Reliability,
) -> Dict[str, Any]:
    """Each source on the held-out candidates that it gave a number for."""
    sources = {
        "student": evidence.student,
        "judge": cross_fit_support(evidence, n_folds),
        "fused": decisions.evidence_probability,
    }
    figures = {}
    for name, probability in sources.items():
        known = ~np.isnan(probability)
        if known.any():
            figures[name] = reliability(probability[known], evidence.correct[known])
    return figures
