"""The step `cuts`: what a cheap judge may decide alone, from documents that it has judged."""

from pathlib import Path
from typing import Any, Dict

import numpy as np
from spacy.vocab import Vocab

from ..selection.cascade_cuts import Supports, describe_cuts, find_cuts
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
    """
    for split in ("pool", "dev"):
        require_file(judged / split, "Run `judge` with the config of the cheap judge first.")

    def work() -> Dict[str, Any]:
        kind = find_target(gold)
        vocab = Vocab()
        pool = list(read_docs(judged / "pool", vocab))
        docs = list(read_docs(judged / "dev", vocab))
        matched = match_gold(docs, list(read_docs(gold, vocab)), gold)
        table = table_from_docs(docs, matched, target=kind)
        seen = table_from_docs(pool, target=kind)
        answered, held = _answered(seen), _answered(table)
        found = find_cuts(
            _supports(answered),
            _supports(held),
            held.correct,
            q=q,
            delta=delta,
            target=target,
            seed=seed,
        )
        report = describe_cuts(found, q, delta, target)
        if found is not None:
            n_seen, n_answered = (len(np.unique(t.document)) for t in (seen, answered))
            # What the cheap judge gave no answer to is asked about, too.
            n_asked = n_seen - n_answered + found.asked * n_answered
            report["asked"] = n_asked / len(pool)
        write_json(output, report)
        return report

    inputs = {
        "judged": judged,
        "gold": gold,
        "target": find_record(gold),
        "settings": [q, delta, target, seed],
    }
    return once("cuts", inputs, [output], work)


def _answered(table: CandidateTable) -> CandidateTable:
    """RETURNS (CandidateTable): The documents all of whose candidates have an answer."""
    left = np.unique(table.document[~table.judged])
    return table.take(~np.isin(table.document, left))


def _supports(table: CandidateTable) -> Supports:
    return Supports(table.document, np.nan_to_num(table.support, nan=0.0))
