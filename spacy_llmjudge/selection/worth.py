"""What a selection is worth: what it would keep of the held-out documents, beside the judge's labels as
they are. It can be said before a student is trained on either."""

from typing import Optional, Sequence, TypedDict

import numpy as np
from spacy.tokens import Doc

from ..targets.base import Target
from .decide import Decisions
from .table import CORRECT, CandidateTable


class Kept(TypedDict):
    """What is kept of the held-out documents for which the judge answered.

    spans (int): How many.
    right (int): The right ones of these.
    precision, recall, f (float): 0 to 1, against the gold of these documents.
    """

    spans: int
    right: int
    precision: float
    recall: float
    f: float


class Worth(TypedDict):
    """Kept by the selection, by taking the judge's labels as they are, and the two in a sentence."""

    selection: Kept
    llm_labels: Kept
    statement: str


def weigh_selection(
    evidence: CandidateTable, gold: Sequence[Doc], decisions: Decisions, target: Target
) -> Optional[Worth]:
    """Compare a selection with the judge's labels on held-out documents.

    evidence (CandidateTable): n candidates with `correct`.
    gold (Sequence[Doc]): The held-out documents with gold; `document` counts them.
    decisions (Decisions): With the counts of its main selection, which must be about `evidence`.
    target (Target): Says which candidates compete.
    RETURNS (Optional[Worth]): None where no judge answered, or the selection did not count.
    """
    rows = decisions.selections[decisions.main].labels.values()
    answered = np.unique(evidence.document[evidence.judged])
    n_gold = sum(len(target.keys(gold[i])) for i in answered.tolist())
    if not rows or not n_gold:
        return None
    over, wrong = (sum(row[key] for row in rows) for key in ("held_out_over_cut", "wrong_over_cut"))
    listed = evidence.take(evidence.verdict == CORRECT)
    listed = listed.replace(probability=np.nan_to_num(listed.support, nan=0.5))
    labels = listed.take(target.choose(listed.columns))
    kept = _measure(over, over - wrong, n_gold)
    as_they_are = _measure(len(labels), int(labels.correct.sum()), n_gold)
    statement = (
        f"On the {len(answered)} held-out documents that the judge answered for, the selection keeps "
        f"{_describe(kept, evidence.unit)}; the judge's labels as they are would be "
        f"{_describe(as_they_are, evidence.unit)}."
    )
    return {"selection": kept, "llm_labels": as_they_are, "statement": statement}


def _measure(spans: int, right: int, n_gold: int) -> Kept:
    return {
        "spans": spans,
        "right": right,
        "precision": right / max(spans, 1),
        "recall": right / n_gold,
        "f": 2 * right / (spans + n_gold),
    }


def _describe(kept: Kept, unit: str) -> str:
    p, r, f = (100 * kept[key] for key in ("precision", "recall", "f"))
    return f"{kept['spans']} {unit} (P {p:.1f}, R {r:.1f}, F1 {f:.1f})"
