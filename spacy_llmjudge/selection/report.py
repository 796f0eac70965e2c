"""What a selection came to, for people and programs."""

from dataclasses import replace
from typing import Any, Callable, Dict, List, Optional

import numpy as np

from ..candidates import DECISIONS
from .decide import ACCEPTED, Decisions
from .fusion import cross_fit_support
from .selector import Selector
from .table import CandidateTable

# the share of wrong, for the curve of what would be kept
SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
Reliability = Callable[[Any, Any], Dict[str, Any]]


def make_report(
    pool: CandidateTable,
    evidence: CandidateTable,
    decisions: Decisions,
    n_folds: int,
    reliability: Optional[Reliability],
) -> Dict[str, Any]:
    """Gather the figures of a selection.

    pool (CandidateTable): The candidates of the pool.
    evidence (CandidateTable): The held-out candidates.
    decisions (Decisions): What became of them.
    n_folds (int): As in the selection.
    reliability (Optional[Reliability]): From probabilities and truth to figures.
    RETURNS (Dict[str, Any]): Plain data. `reliability` is about all held-out candidates by source, and
        `reliability_listed` about those that the student predicted or the judge proposed.
    """
    selection = decisions.selections[decisions.main]
    report: Dict[str, Any] = {
        "statement": selection.statement,
        "promise": selection.promise,
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
        everything = np.ones(len(evidence), dtype=bool)
        listed = evidence.predicted | evidence.proposed
        report["reliability"] = _reliabilities(
            evidence, decisions, n_folds, reliability, everything
        )
        report["reliability_listed"] = _reliabilities(
            evidence, decisions, n_folds, reliability, listed
        )
    return report


def select_by_q(selector: Selector, decisions: Decisions) -> List[Dict[str, Any]]:
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
) -> Dict[str, Dict[str, Any]]:
    cut = decisions.selections[decisions.main].cut
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
    rows: np.ndarray,
) -> Dict[str, Any]:
    """Each source on those held-out candidates that it gave a number for."""
    sources = {
        "student": evidence.student,
        "judge": cross_fit_support(evidence, n_folds),
        "fused": decisions.evidence_probability,
    }
    figures = {}
    for name, probability in sources.items():
        known = rows & ~np.isnan(probability)
        if known.any():
            figures[name] = reliability(probability[known], evidence.correct[known])
    return figures
