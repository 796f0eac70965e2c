"""The step `filter`: fuse, decide, and write the silver."""

from pathlib import Path
from typing import Any, Dict, Optional

from ..confidence.reliability import reliability
from ..errors import Errors, LLMJudgeError
from ..selection.audit import check_audit, read_audit
from ..selection.caveats import CROSSFIT
from ..selection.files import read_selection
from ..selection.select import select
from ..storage import write_docs, write_json

CROSSFIT_NOTE = (
    "This is cross-fitted, and its numbers promise nothing: each labelled document was scored by a student "
    "that had not seen it, but none of these students is the one that annotated the pool, and a few labelled "
    "documents are no random sample of the pool. An audit of the pool gives a promise (the verb `audit`)."
)


# beside the silver: the pool with its decisions
DECIDED = "decided.spacy"


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
    rows = None if audit is None else read_audit(audit)
    inputs = read_selection(judged, evidence, evidence_gold, config, overrides, q)
    if rows is not None:
        check_audit(rows, inputs.frame)
    pool, docs, report = select(
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
    report["evidence"] = "held-out"
    if rows is not None:
        report["evidence"] = "audit"
    elif CROSSFIT in inputs.caveats:
        report["evidence"] = "crossfit"
        report["statement"] = f"{CROSSFIT_NOTE} {report['statement']}"
    if not report["spans"]:
        raise NothingSelected(Errors.J802.format(statement=report["statement"]))
    report = _rounded(report)
    write_docs(silver, docs)
    if decided is not None:
        write_docs(decided, pool)
    write_json(selection, report)
    return report


def _rounded(data: Any) -> Any:
    """The last bits of a student's posteriors depend on the machine; a report should not."""
    if isinstance(data, dict):
        return {key: _rounded(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_rounded(value) for value in data]
    return round(data, 9) if isinstance(data, float) else data
