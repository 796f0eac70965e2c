"""Selection: decide on the candidates of the pool, and make silver."""

from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple

import numpy as np
from spacy.tokens import Doc

from ..candidates import DECISIONS, is_judged, set_decisions
from ..targets.base import Target
from ..targets.ents import Ents
from ..targets.policy import SilverPolicy
from .audit import truth_of
from .caveats import CROSSFIT, word_caveats
from .decide import ACCEPTED, Decisions, decide
from .inputs import make_tables
from .report import Reliability, make_report
from .selector import Selector
from .silver import natural_rate
from .table import CandidateTable
from .worth import weigh_selection


def select(
    pool_docs: Sequence[Doc],
    evidence_docs: Sequence[Doc],
    evidence_gold: Sequence[Doc],
    selector: Selector,
    **settings: Any,
) -> Tuple[List[Doc], List[Doc], Dict[str, Any]]:
    """Decide on the candidates of the pool and make silver, all of it in memory.

    pool_docs (Sequence[Doc]): Documents with candidates; probability and decision are written into
        them.
    evidence_docs, evidence_gold, selector, settings: See `choose`.
    RETURNS (Tuple[List[Doc], List[Doc], Dict[str, Any]]): The pool's documents, the silver documents,
        and a report. None of them depends on the order of the documents, except that the first
        list has it.
    """
    chosen = choose(pool_docs, evidence_docs, evidence_gold, selector, **settings)
    made = sorted(chosen.make_silver(pool_docs), key=lambda pair: pair[0])
    silver = [doc for (_, doc), stays in zip(made, chosen.thin_out()) if stays]
    return (
        list(pool_docs),
        silver,
        chosen.make_report(sum(len(chosen.target.keys(d)) for d in silver)),
    )


def choose(
    pool_docs: Iterable[Doc],
    evidence_docs: Sequence[Doc],
    evidence_gold: Sequence[Doc],
    selector: Selector,
    *,
    target: Target = Ents(),
    policy: SilverPolicy = SilverPolicy(),
    reliability: Optional[Reliability] = None,
    caveats: Sequence[str] = (),
    n_folds: int = 5,
    audit: Optional[Sequence[Dict[str, Any]]] = None,
) -> "Chosen":
    """Decide on the candidates of the pool.

    pool_docs (Iterable[Doc]): Documents with candidates. They are read more than once, and none is kept.
    evidence_docs (Sequence[Doc]): Held-out documents whose candidates were made as the pool's were.
    evidence_gold (Sequence[Doc]): The same documents with gold, in the same order.
    selector (Selector): A selector of the registry `llmjudge_selectors`.
    target (Target): What is labelled.
    policy (SilverPolicy): How decisions become training documents.
    reliability (Optional[Reliability]): From probabilities and truth to figures for the report.
    caveats (Sequence[str]): Keys of `CAVEATS`: why nothing can be promised. With "crossfit" the held-out
        documents do not say either how many documents naturally have no entity.
    n_folds (int): For the cross-fitted fusion.
    audit (Optional[Sequence[Dict[str, Any]]]): Rows of `draw_audit` that a person has answered. The
        selector's evidence then comes from them, and the held-out documents only fit the fusion.
    RETURNS (Chosen): What was decided.
    """
    tables = make_tables(
        pool_docs,
        evidence_docs,
        evidence_gold,
        selector,
        policy,
        target,
        word_caveats(caveats),
    )
    pool, evidence, policy = tables.pool, tables.evidence, tables.policy
    truth = truth_of(audit, pool_docs, pool) if audit is not None else None
    decisions = decide(pool, evidence, selector, n_folds, truth, target)
    report = make_report(pool, evidence, selector, decisions, reliability)
    # an audit says nothing about the held-out documents
    worth = weigh_selection(evidence, evidence_gold, decisions, target) if audit is None else None
    report["worth"] = worth
    report["settings"] = {
        "selector": selector.name,
        **selector.settings,
        "silver": vars(policy),
    }
    # a few-shot set that was balanced by label says nothing about how many documents are empty
    natural = [] if CROSSFIT in caveats else evidence_gold
    return Chosen(pool, decisions, target, policy, natural, len(evidence_docs), report)


class Chosen:
    """What was decided on the candidates of a pool, and the silver that comes of it.

    pool (CandidateTable): The candidates.
    decisions (Decisions): What became of them.
    target (Target): What is labelled.
    policy (SilverPolicy): How decisions become training documents.
    gold (Sequence[Doc]): Gold documents that say how many documents naturally are empty.
    n_evidence (int): How many documents were held out.
    report (Dict[str, Any]): What there is to say so far.
    """

    def __init__(
        self,
        pool: CandidateTable,
        decisions: Decisions,
        target: Target,
        policy: SilverPolicy,
        gold: Sequence[Doc],
        n_evidence: int,
        report: Dict[str, Any],
    ) -> None:
        assert pool.order is not None
        self.target = target
        self._pool, self._decisions, self._policy = pool, decisions, policy
        self._gold, self._n_evidence, self._report = gold, n_evidence, report
        n = len(pool.order)
        # where each document is in the order of the silver, and where its candidates begin
        self._rank = np.empty(n, dtype="int64")
        self._rank[pool.order] = np.arange(n)
        self._bounds = np.searchsorted(self._rank[pool.document], np.arange(n + 1))
        self._refused = _refused_documents(pool, decisions)
        masks = [one.documents for one in decisions.selections.values()]
        self._open = np.all([np.ones(n, bool), *(m for m in masks if m is not None)], axis=0)
        # by rank: whether a silver document was made, and whether it is empty
        self._made = np.zeros(n, dtype=bool)
        self._empty = np.zeros(n, dtype=bool)
        self._n_unread = self._n_refused = 0

    def make_silver(
        self, pool_docs: Iterable[Doc], on_decided: Optional[Callable[[Doc], None]] = None
    ) -> Iterator[Tuple[int, Doc]]:
        """Write the decisions into the documents of the pool, and make training documents of them.

        pool_docs (Iterable[Doc]): The same documents in the same order.
        on_decided (Optional[Callable[[Doc], None]]): Called with each of them, with its decisions.
        YIELDS (Tuple[int, Doc]): Silver documents with their places in the order that does not depend on that of
            the pool.
        """
        for i, doc in enumerate(pool_docs):
            self._write_decisions(i, doc)
            if on_decided is not None:
                on_decided(doc)
            if self._policy.unjudged is False and not is_judged(doc):
                self._n_unread += 1
            elif i in self._refused:
                self._n_refused += 1
            elif self._open[i]:
                made = self.target.make_silver(doc, self._policy)
                if made is not None:
                    rank = int(self._rank[i])
                    self._made[rank], self._empty[rank] = True, self.target.is_empty(made)
                    yield rank, made

    def thin_out(self) -> List[bool]:
        """RETURNS (List[bool]): Which of the silver documents stay, in their order."""
        return natural_rate(self._empty[self._made].tolist(), self._gold, self.target)

    def make_report(self, spans: int) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): The report on a selection; `spans`: how many the silver that stays has."""
        n_docs, n_made, n_kept = len(self._made), int(self._made.sum()), sum(self.thin_out())
        documents = {
            "pool": n_docs,
            "evidence": self._n_evidence,
            "silver": n_kept,
            "nothing_accepted": self._n_refused,
            "too_little_known": n_docs - n_made - self._n_unread - self._n_refused,
            "left_out_unjudged": self._n_unread,
            "thinned_out": n_made - n_kept,
        }
        return {**self._report, "spans": spans, "documents": documents}

    def _write_decisions(self, i: int, doc: Doc) -> None:
        table, decisions = self._pool, self._decisions
        rows = slice(self._bounds[self._rank[i]], self._bounds[self._rank[i] + 1])
        keys = zip(
            table.start[rows].tolist(),
            table.end[rows].tolist(),
            [table.labels[label] for label in table.label[rows].tolist()],
        )
        said = zip(decisions.probability[rows].tolist(), decisions.decision[rows].tolist())
        set_decisions(doc, {key: (p, DECISIONS[code]) for key, (p, code) in zip(keys, said)})


def _refused_documents(pool: CandidateTable, decisions: Decisions) -> Set[int]:
    """Documents of a part of the pool in which nothing at all was accepted: they would teach that there
    is nothing to find, where all that is known is that the evidence carries nothing."""
    accepted = decisions.decision == ACCEPTED
    refused: Set[int] = set()
    for rows in decisions.parts.values():
        if rows.any() and not accepted[rows].any():
            refused.update(np.unique(pool.document[rows]).tolist())
    return refused
