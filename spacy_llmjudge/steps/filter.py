"""The step `filter`: fuse, decide, and write the silver."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Tuple

from spacy.tokens import Doc

from ..confidence.reliability import reliability
from ..configs import read_config
from ..corpora.duplicates import choose_distinct
from ..errors import Errors, LLMJudgeError, Warnings
from ..selection.audit import check_audit, read_audit
from ..selection.caveats import CROSSFIT
from ..selection.files import HINT, SelectionInputs, read_selection
from ..selection.select import Chosen, choose
from ..stages import hash_named, once
from ..storage import write_json
from ..streams import Sorter, Writer
from ..targets.base import find_record

CROSSFIT_NOTE = (
    "This is cross-fitted, and its numbers promise nothing: each labelled document was scored by a student "
    "that had not seen it, but none of these students is the one that annotated the pool, and a few labelled "
    "documents are no random sample of the pool. An audit of the pool gives a promise (the verb `audit`), "
    "and a certificate says how much of this silver is wrong at most (the verb `review`)."
)


class NothingSelected(LLMJudgeError):
    """A selection that leaves nothing to train on."""


def filter_candidates(
    judged: Path,
    evidence: Path,
    evidence_gold: Path,
    config: Path,
    silver: Path,
    selection: Path,
    *,
    overrides: Optional[Dict[str, Any]] = None,
    audit: Optional[Path] = None,
    q: Optional[float] = None,
    decided: Optional[Path] = None,
) -> Dict[str, Any]:
    """Fuse, decide and write the silver.

    judged (Path): The folder of the judged pool.
    evidence (Path): The folder of the judged held-out documents.
    evidence_gold (Path): Their gold.
    config (Path): A config with the blocks [selector] and [silver].
    silver (Path): Gets the silver documents.
    selection (Path): Gets the report on the selection as JSON.
    audit (Optional[Path]): What a person said about random candidates of the pool: the evidence, where
        it is given; the held-out documents then only fit the fusion.
    q (Optional[float]): The share of wrong that the silver may have, for selectors that keep one.
    decided (Optional[Path]): Gets the pool with the probability and the decision of every candidate, for
        the report.
    RETURNS (Dict[str, Any]): The report.
    """
    inputs = {
        "judged": judged,
        "evidence": evidence,
        "gold": evidence_gold,
        "target": find_record(evidence_gold),
        "config": config,
        "named": _named_in(config, overrides),
        "settings": [dict(overrides or {}), q],
        "audit": audit,
    }

    def work() -> Dict[str, Any]:
        rows = None if audit is None else read_audit(audit)
        found = read_selection(judged, evidence, evidence_gold, config, overrides, q)
        chosen, facts = _choose(found, rows)
        report = _write(chosen, found.pool, silver, decided, facts)
        write_json(selection, report)
        return report

    outputs = [silver, selection, *([decided] if decided is not None else [])]
    return once("filter", inputs, outputs, work)


def _named_in(config: Path, overrides: Optional[Dict[str, Any]]) -> Dict[str, Optional[str]]:
    """RETURNS (Dict[str, Optional[str]]): The files that the config names, such as an encoder, by content."""
    return hash_named(read_config(config, overrides, hint=HINT))


def _choose(
    inputs: SelectionInputs, rows: Optional[List[Dict[str, Any]]]
) -> Tuple[Chosen, Dict[str, Any]]:
    """RETURNS (Tuple[Chosen, Dict[str, Any]]): What was decided, and what the report says of the evidence."""
    if rows is not None:
        check_audit(rows, inputs.frame)
    inputs, n_repeated = _count_once(inputs)
    chosen = choose(
        inputs.pool,
        inputs.evidence,
        inputs.gold,
        inputs.selector,
        target=inputs.target,
        policy=inputs.policy,
        reliability=reliability,
        caveats=inputs.caveats,
        audit=rows,
    )
    facts: Dict[str, Any] = {"repeated_evidence": n_repeated} if n_repeated else {}
    facts["evidence"] = "held-out"
    if rows is not None:
        facts["evidence"] = "audit"
    elif CROSSFIT in inputs.caveats:
        facts["evidence"] = "crossfit"
    return chosen, facts


def _write(
    chosen: Chosen,
    pool: Iterable[Doc],
    silver: Path,
    decided: Optional[Path],
    facts: Dict[str, Any],
) -> Dict[str, Any]:
    """Write the decided pool, and the silver in its order; nothing where nothing was selected.

    RETURNS (Dict[str, Any]): The report.
    """
    waiting = Sorter(silver.with_name(f".{silver.name}.waiting"))
    kept = Writer(silver)
    whole = None if decided is None else Writer(decided)
    try:
        for rank, made in chosen.make_silver(pool, None if whole is None else whole.add):
            waiting.add(rank, made)
        spans = 0
        for stays, (_, doc) in zip(chosen.thin_out(), waiting):
            if stays:
                kept.add(doc)
                spans += len(chosen.target.keys(doc))
        report = {**chosen.make_report(spans), **facts}
        if report["evidence"] == "crossfit":
            report["statement"] = f"{CROSSFIT_NOTE} {report['statement']}"
        if not spans:
            raise NothingSelected(Errors.J802.format(statement=report["statement"]))
        kept.finish()
        if whole is not None:
            whole.finish()
    finally:
        waiting.discard()
        kept.discard()
        if whole is not None:
            whole.discard()
    rounded: Dict[str, Any] = _rounded(report)
    return rounded


def _count_once(inputs: SelectionInputs) -> Tuple[SelectionInputs, int]:
    """Leave out evidence that is there more often than in a random sample of the pool, with a warning."""
    texts = [doc.text for doc in inputs.evidence]
    chosen = choose_distinct(texts, inputs.pool.texts)
    n_repeated = len(texts) - len(chosen)
    if not n_repeated:
        return inputs, 0
    warnings.warn(Warnings.JW664.format(n=n_repeated, of=len(texts)), stacklevel=2)
    evidence, gold = ([docs[i] for i in chosen] for docs in (inputs.evidence, inputs.gold))
    return replace(inputs, evidence=evidence, gold=gold), n_repeated


def _rounded(data: Any) -> Any:
    """The last bits of a student's posteriors depend on the machine; a report should not."""
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_rounded(value) for value in data]
    return round(data, 9) if isinstance(data, float) else data
