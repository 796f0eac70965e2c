"""The step `cuts`: what a cheap judge may decide alone, from documents that it has judged."""

from pathlib import Path
from typing import Any, Dict, List

import numpy as np
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..candidates import get_stated
from ..errors import Errors, LLMJudgeError
from ..selection.cascade_cuts import Replies, Supports, describe_cuts, find_cuts
from ..selection.files import match_gold
from ..selection.table import CandidateTable, table_from_docs
from ..stages import once
from ..storage import read_docs, require_file, write_json
from ..targets.base import find_record, find_target


def cuts(
    judged: Path,
    gold: Path,
    output: Path,
    *,
    q: float,
    delta: float,
    target: str = "precision",
    seed: int = 0,
) -> Dict[str, Any]:
    """Find the cuts of a cascade.

    judged (Path): A folder with pool/ and dev/ that the cheap judge has judged.
    gold (Path): The gold of dev.
    output (Path): Gets the cuts, for `llmjudge.Cascade.v1`.
    q (float): The share of wrong that is allowed.
    delta (float): The probability with which the statement may fail.
    target (str): "precision", "recall" or "accuracy", see `selection.cascade_cuts`.
    seed (int): Draws the order of the documents.
    RETURNS (Dict[str, Any]): What was written.
    RAISES (LLMJudgeError): J377 where of no document is it known how sure the judge was.
    """
    for split in ("pool", "dev"):
        require_file(judged / split, "Run `judge` with the config of the cheap judge first.")

    def work() -> Dict[str, Any]:
        kind = find_target(gold)
        vocab = Vocab()
        pool = list(read_docs(judged / "pool", vocab))
        docs = list(read_docs(judged / "dev", vocab))
        matched = match_gold(docs, list(read_docs(gold, vocab)), gold)
        if all(get_stated(doc) is None for doc in docs):
            raise LLMJudgeError(Errors.J377.format(path=judged / "dev"))
        held = table_from_docs(docs, matched, target=kind)
        held = held.take(held.judged)
        seen = table_from_docs(pool, target=kind)
        found = find_cuts(
            read_supports(pool, seen.take(seen.judged)),
            read_supports(docs, held),
            held.correct,
            q=q,
            delta=delta,
            target=target,
            seed=seed,
        )
        report = describe_cuts(found, q, delta, target)
        write_json(output, report)
        return report

    inputs = {
        "judged": judged,
        "gold": gold,
        "target": find_record(gold),
        "settings": [q, delta, target, seed],
    }
    return once("cuts", inputs, [output], work)


def read_supports(docs: List[Doc], table: CandidateTable) -> Supports:
    """RETURNS (Supports): The candidates that got a verdict, and what the replies named."""
    stated = [get_stated(doc) for doc in docs]
    size = np.array([-1 if one is None else one.n_verdicts for one in stated], dtype="int64")
    named = [[] if one is None else one.supports for one in stated]
    document = np.repeat(np.arange(len(docs)), list(map(len, named)))
    support = np.array([p for row in named for p in row], dtype="float64")
    replies = Replies(document, support, size)
    return Supports(table.document, np.nan_to_num(table.support, nan=0.0), replies)
