"""Audit: a person looks at random candidates of the pool, and what they say is the evidence.

Candidates of the pool are exchangeable with the rest of the pool by construction, which held-out gold
is only where it was drawn from the same text. For this the sample must stay what was drawn: every row
says which one of how many it is and carries a hash of what was drawn, and all of them are answered.
"""

from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence

import numpy as np
from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError
from ..storage import read_json_lines, require_file, sha256_json, write_json_lines
from ..targets.base import Target
from ..targets.ents import Ents
from ..targets.policy import SilverPolicy
from .decide import decide
from .files import read_selection
from .inputs import make_tables
from .selector import Selector
from .table import CandidateTable

# Characters on either side of the span that a person reads first; the whole text is in the row too.
CONTEXT = 80
ANSWERS = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}

Row = Dict[str, Any]


def draw_audit(
    pool_docs: Sequence[Doc],
    evidence_docs: Sequence[Doc],
    evidence_gold: Sequence[Doc],
    selector: Selector,
    n: int,
    *,
    target: Target = Ents(),
    policy: SilverPolicy = SilverPolicy(),
    seed: int = 0,
    frame: str = "",
) -> List[Row]:
    """Draw candidates of the pool for a person to answer.

    pool_docs (Sequence[Doc]): Documents with candidates.
    evidence_docs (Sequence[Doc]): Held-out documents with candidates, to fit the fusion; may be empty.
    evidence_gold (Sequence[Doc]): The same documents with gold.
    selector (Selector): What is under its floor is never accepted, so nobody need look at it.
    n (int): How many; all where there are fewer. Where the judge read a part of the pool only, which is
        decided on apart, half of them are from this part.
    target (Target): What is labelled.
    policy (SilverPolicy): As in the selection.
    seed (int): Another seed, another draw.
    frame (str): What they are drawn from; it must be the same when they are read back.
    RETURNS (List[Row]): Rows with `row`, `of`, `frame` and `id`; `text`, `start`, `end` (characters),
        `span`, `label`, `context` (the span between brackets, with what is around it); and `answer`,
        empty until a person writes "yes" or "no" there: is exactly this span an entity with this label?
    """
    tables = make_tables(pool_docs, evidence_docs, evidence_gold, selector, policy, target)
    decisions = decide(tables.pool, tables.evidence, selector, target=target)
    found = []
    for part in decisions.parts.values():
        rows = np.flatnonzero(
            part & decisions.pool_chosen & (decisions.probability >= selector.floor)
        )
        described = [
            _describe(pool_docs[tables.pool.document[row]], tables.pool, row)
            for row in rows.tolist()
        ]
        found.append(sorted(described, key=lambda row: sha256_json([seed, row])))
    sizes = _share(n, [len(rows) for rows in found])
    drawn = sorted(
        (row for rows, size in zip(found, sizes) for row in rows[:size]),
        key=lambda row: sha256_json([seed, row]),
    )
    numbered = [
        {"row": i, "of": len(drawn), "frame": frame, **row} for i, row in enumerate(drawn, 1)
    ]
    return [{"id": _identify(row), **row, "context": _mark(row), "answer": ""} for row in numbered]


def export_audit(
    judged: Path,
    evidence: Path,
    evidence_gold: Path,
    config: Path,
    output: Path,
    *,
    n: int,
    seed: int = 0,
    overrides: Optional[Dict[str, Any]] = None,
    q: Optional[float] = None,
) -> int:
    """Draw candidates of a judged pool and write them as JSONL, one a line.

    judged (Path): The folder of the judged pool.
    evidence (Path): The folder of the judged held-out documents.
    evidence_gold (Path): Their gold.
    config (Path): The config that will select; where it is another one then, the audit is refused.
    output (Path): Gets the rows.
    n (int): How many; all where there are fewer.
    seed (int): Another seed, another draw.
    overrides (Optional[Dict[str, Any]]): Settings of the config by their dotted names.
    q (Optional[float]): The share of wrong that will be asked for, where it is not the config's.
    RETURNS (int): How many there are.
    """
    inputs = read_selection(judged, evidence, evidence_gold, config, overrides, q)
    rows = draw_audit(
        list(inputs.pool),
        inputs.evidence,
        inputs.gold,
        inputs.selector,
        n,
        target=inputs.target,
        policy=inputs.policy,
        seed=seed,
        frame=inputs.frame,
    )
    if not rows:
        raise LLMJudgeError(Errors.J426.format(path=judged))
    write_json_lines(output, rows)
    return len(rows)


def read_audit(path: Path) -> List[Row]:
    """Read what `export_audit` wrote and a person has answered.

    path (Path): The JSONL file.
    RETURNS (List[Row]): The rows, as they stand there; `check_audit` looks at what they say.
    RAISES (LLMJudgeError): J422 at the first line that is no row of an audit.
    """
    path = require_file(path, "It should hold an audit that was answered; `audit` draws one.")
    rows = []
    for number, row in read_json_lines(path):
        lacks = [name for name in _FIELDS if not isinstance(row, dict) or name not in row]
        if lacks:
            found = row if isinstance(row, Exception) else f"it lacks {', '.join(lacks)}"
            raise LLMJudgeError(Errors.J422.format(path=path, line=number, found=found))
        rows.append(row)
    if not rows:
        raise LLMJudgeError(Errors.J422.format(path=path, line=1, found="the file is empty"))
    return rows


def check_audit(rows: Sequence[Row], frame: str) -> None:
    """Check that rows are a whole, unchanged draw of this pool, and answered.

    rows (Sequence[Row]): Rows of `draw_audit`.
    frame (str): What is selected from now.
    RAISES (LLMJudgeError): J423 where a row was changed, J424 where the draw came from something else,
        J425 where rows are missing or there twice, J405 where answers are missing or unclear.
    """
    for i, row in enumerate(rows, 1):
        if row["id"] != _identify(row):
            raise LLMJudgeError(Errors.J423.format(i=i, span=row["span"]))
    if any(row["frame"] != frame for row in rows):
        raise LLMJudgeError(Errors.J424)
    numbers = sorted(row["row"] for row in rows)
    of = rows[0]["of"]
    if numbers != list(range(1, of + 1)) or any(row["of"] != of for row in rows):
        raise LLMJudgeError(Errors.J425.format(found=len(rows), of=of))
    for row in rows:
        _answer_of(row, rows)


def truth_of(audit: Sequence[Row], docs: Iterable[Doc], table: CandidateTable) -> np.ndarray:
    """Find the candidates that were answered.

    audit (Sequence[Row]): Rows of `draw_audit`, answered.
    docs (Iterable[Doc]): The documents of the pool.
    table (CandidateTable): Their candidates.
    RETURNS (np.ndarray): (m,) 1.0 where right, 0.0 where wrong, nan where nobody was asked.
    """
    answers = {
        tuple(row.get(name) for name in _IDENTITY): (i, _answer_of(row, audit))
        for i, row in enumerate(audit)
    }
    texts = {text for text, *_ in answers}
    truth = np.full(len(table), np.nan)
    known = np.array([text in texts for text in table.texts], dtype=bool)
    asked = {i: doc for i, doc in enumerate(docs) if known[i]}
    seen = set()
    for row in np.flatnonzero(known[table.document]) if len(table) else ():
        described = _describe(asked[table.document[row]], table, int(row))
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
_DRAWN = ("row", "of", "frame", "text", "start", "end", "span", "label")
_FIELDS = ("id", *_DRAWN, "answer")


def _share(n: int, available: Sequence[int]) -> List[int]:
    """Share out n in equal parts, as far as there is enough; what one part lacks the others get.

    EXAMPLE:
        >>> _share(10, [2, 50]), _share(9, [50, 50]), _share(10, [3, 4])
        ([2, 8], [5, 4], [3, 4])
    """
    sizes = [0] * len(available)
    while n and sum(sizes) < sum(available):
        for i, limit in enumerate(available):
            if n and sizes[i] < limit:
                sizes[i], n = sizes[i] + 1, n - 1
    return sizes


def _identify(row: Row) -> str:
    return sha256_json([row[name] for name in _DRAWN])[:16]


def _mark(row: Row) -> str:
    text, start, end = row["text"], row["start"], row["end"]
    before, after = text[:start], text[end:]
    left = before[-CONTEXT:] if len(before) <= CONTEXT else f"\u2026{before[-CONTEXT:]}"
    right = after if len(after) <= CONTEXT else f"{after[:CONTEXT]}\u2026"
    return f"{left}[{text[start:end]}]{right}"


def _answer_of(row: Row, rows: Sequence[Row]) -> bool:
    answer = read_answer(row)
    if answer is None:
        n = sum(read_answer(r) is None for r in rows)
        i = next(i for i, r in enumerate(rows, 1) if r is row)
        found = {"n": n, "of": len(rows), "found": row.get("answer")}
        raise LLMJudgeError(Errors.J405.format(i=i, **found))
    return answer


def read_answer(row: Row) -> Optional[bool]:
    """RETURNS (Optional[bool]): What a person said about a row; None where it is unclear."""
    return ANSWERS.get(str(row.get("answer")).strip().lower())


def _describe(doc: Doc, table: CandidateTable, row: int) -> Row:
    span = doc[int(table.start[row]) : int(table.end[row])]
    return {
        "text": doc.text,
        "start": span.start_char,
        "end": span.end_char,
        "span": span.text,
        "label": table.labels[table.label[row]],
    }
