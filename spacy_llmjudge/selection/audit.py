"""Audit: a person looks at random candidates of the pool, and what they say is the evidence.

Candidates of the pool are exchangeable with the rest of the pool by construction, which held-out gold
is only where it was drawn from the same text.
"""
from typing import Any, Dict, List, Sequence

import numpy as np
from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError
from ..storage import sha256_json
from .decide import decide
from .inputs import Selector, make_tables
from .silver import SilverPolicy
from .table import CandidateTable


def draw_audit(
    pool_docs: Sequence[Doc],
    evidence_docs: Sequence[Doc],
    evidence_gold: Sequence[Doc],
    selector: Selector,
    n: int,
    *,
    policy: SilverPolicy = SilverPolicy(),
    seed: int = 0,
) -> List[Dict[str, Any]]:
    """Draw candidates of the pool for a person to answer.

    pool_docs (Sequence[Doc]): Documents with candidates.
    evidence_docs (Sequence[Doc]): Held-out documents with candidates, to fit the fusion; may be empty.
    evidence_gold (Sequence[Doc]): The same documents with gold entities.
    selector (Selector): What is under its floor is never accepted, so nobody need look at it.
    n (int): How many; all where there are fewer.
    policy (SilverPolicy): As in the selection.
    seed (int): Another seed, another draw.
    RETURNS (List[Dict[str, Any]]): Rows with `text`, `start`, `end` (characters), `span`, `label`, and
        `correct`, which is None until a person puts True or False there.
    """
    tables = make_tables(pool_docs, evidence_docs, evidence_gold, selector, policy)
    decisions = decide(tables.pool, tables.evidence, selector)
    floor = getattr(selector, "settings", {}).get("floor", 0.0)
    rows = np.flatnonzero(decisions.pool_chosen & (decisions.probability >= floor))
    found = [_describe(pool_docs, tables.pool, row) for row in rows.tolist()]
    found.sort(key=lambda row: sha256_json([seed, row]))
    return [{**row, "correct": None} for row in found[:n]]


def truth_of(
    audit: Sequence[Dict[str, Any]], docs: Sequence[Doc], table: CandidateTable
) -> np.ndarray:
    """Find the candidates that were answered.

    audit (Sequence[Dict[str, Any]]): Rows of `draw_audit`, answered.
    docs (Sequence[Doc]): The documents of the pool.
    table (CandidateTable): Their candidates.
    RETURNS (np.ndarray): (m,) 1.0 where right, 0.0 where wrong, nan where nobody was asked.
    """
    answers = {}
    for i, row in enumerate(audit):
        if not isinstance(row.get("correct"), bool):
            raise LLMJudgeError(Errors.J405.format(i=i + 1, found=row.get("correct")))
        answers[tuple(row.get(name) for name in _IDENTITY)] = (i, row["correct"])
    texts = {text for text, *_ in answers}
    truth = np.full(len(table), np.nan)
    known = np.array([text in texts for text in table.texts], dtype=bool)
    candidates = np.flatnonzero(known[table.document]) if len(table) else []
    seen = set()
    for row in candidates:
        described = _describe(docs, table, int(row))
        identity = tuple(described[name] for name in _IDENTITY)
        if identity in answers:
            truth[row] = float(answers[identity][1])
            seen.add(identity)
    lost = [i for identity, (i, _) in answers.items() if identity not in seen]
    if lost:
        span = audit[min(lost)].get("span")
        raise LLMJudgeError(Errors.J406.format(i=min(lost) + 1, span=span))
    return truth


_IDENTITY = ("text", "start", "end", "label")


def _describe(docs: Sequence[Doc], table: CandidateTable, row: int) -> Dict[str, Any]:
    doc = docs[table.document[row]]
    span = doc[int(table.start[row]) : int(table.end[row])]
    return {
        "text": doc.text,
        "start": span.start_char,
        "end": span.end_char,
        "span": span.text,
        "label": table.labels[table.label[row]],
    }
