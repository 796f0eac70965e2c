"""What a selection came to, for people and programs."""

from dataclasses import replace
from typing import Any, Callable, Dict, List, Optional

import numpy as np

from ..candidates import DECISIONS
from .decide import ACCEPTED, Decisions
from .promise import LabelCounts
from .selector import Selector
from .statements import warn_of_labels
from .table import CandidateTable

# the share of wrong, for the curve of what would be kept
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
Reliability = Callable[..., Dict[str, Any]]


def make_report(
    pool: CandidateTable,
    evidence: CandidateTable,
    selector: Selector,
    decisions: Decisions,
    reliability: Optional[Reliability],
) -> Dict[str, Any]:
    """Gather the figures of a selection.

    pool (CandidateTable): The candidates of the pool.
    evidence (CandidateTable): The held-out candidates.
    selector (Selector): What decided.
    decisions (Decisions): What became of them.
    reliability (Optional[Reliability]): From probabilities and truth, and `documents` where an interval
        is wanted, to figures.
    RETURNS (Dict[str, Any]): Plain data: `statement` (for people), `promise` (see `Promise`), `warning`
        (a sentence on labels whose held-out share is over q, or None), `cut`, `decisions`,
        `candidates`, `labels` (see `LabelCounts`, with the candidates of the pool), `fusion`, `by_q` (what
        would be kept at other q);
        `unjudged`, the same for documents without an answer, and `learned`, where there are such;
        `reliability_listed`, by source, of the held-out candidates that the student predicted or the
        judge proposed, and `reliability` of all of them, most of which are hopeless.
    """
    selection = decisions.selections[decisions.main]
    report: Dict[str, Any] = {
        "statement": selection.statement,
        "promise": selection.promise,
        "warning": warn_of_labels(selection.labels, selection.promise),
        "cut": selection.cut,
        "decisions": {
            name: int((decisions.decision == code).sum()) for code, name in enumerate(DECISIONS)
        },
        "candidates": {
            "pool": len(pool),
            "pool_without_overlaps": int(decisions.pool_chosen.sum()),
            "evidence": len(evidence),
            "evidence_without_overlaps": int(decisions.evidence_chosen.sum()),
        },
        "labels": _by_label(pool, evidence, decisions),
        "fusion": decisions.fusion.to_dict(),
        "by_q": _select_by_q(selector, decisions),
    }
    if "unjudged" in decisions.selections and decisions.main != "unjudged":
        apart = decisions.selections["unjudged"]
        report["unjudged"] = {
            "statement": apart.statement,
            "promise": apart.promise,
            "cut": apart.cut,
            "accepted": int(apart.accepted.sum()),
        }
    if decisions.learned is not None:
        report["learned"] = decisions.learned
    if reliability is not None:
        sources = {
            "student": evidence.student,
            "judge": decisions.evidence_support,
            "fused": decisions.evidence_probability,
        }
        listed = evidence.predicted | evidence.proposed
        for name, rows in (
            ("reliability", np.full(len(evidence), True)),
            ("reliability_listed", listed),
        ):
            report[name] = {}
            for source, probability in sources.items():
                known = rows & ~np.isnan(probability)
                if known.any():
                    documents = evidence.document[known] if rows is listed else None
                    report[name][source] = reliability(
                        probability[known], evidence.correct[known], documents=documents
                    )
    return report


def _select_by_q(selector: Selector, decisions: Decisions) -> List[Dict[str, Any]]:
    """What the selector would accept of the main part at other q.

    selector (Selector): The selector.
    decisions (Decisions): What it decided on.
    RETURNS (List[Dict[str, Any]]): By rising q: `q`, `cut`, `accepted`, and of the held-out candidates over
        the cut `held_out` and `wrong`; empty for a selector that has no q.
    """
    if "q" not in selector.settings:
        return []
    pool, evidence = decisions.compared[decisions.main]
    rows = []
    for q in sorted({*SHARES, selector.settings["q"]}):
        # only dataclasses are made
        found = replace(selector, q=q).select(pool, evidence)  # type: ignore[type-var]
        row = {"q": q, "cut": found.cut, "accepted": int(found.accepted.sum())}
        if found.cut is not None:
            passing = evidence.probability >= found.cut
            row.update(held_out=int(passing.sum()), wrong=int((~evidence.correct[passing]).sum()))
        rows.append(row)
    return rows


def _by_label(
    pool: CandidateTable, evidence: CandidateTable, decisions: Decisions
) -> Dict[str, LabelCounts]:
    accepted = decisions.decision == ACCEPTED
    counted = decisions.selections[decisions.main].labels
    table: Dict[str, LabelCounts] = {}
    for label in sorted({*pool.labels, *evidence.labels}):
        rows = _rows(pool, label)
        held_out = _rows(evidence, label) & decisions.evidence_chosen
        table[label] = {
            "pool": int((rows & decisions.pool_chosen).sum()),
            "accepted": int((rows & accepted).sum()),
            "held_out": int(held_out.sum()),
            **counted.get(label, {}),
        }
    return table


def _rows(table: CandidateTable, label: str) -> np.ndarray:
    if label not in table.labels:
        return np.zeros(len(table), dtype=bool)
    return table.label == table.labels.index(label)
