"""What a report says about the decided pool: where student and judge differ, and what other cuts would keep."""

import heapq
from array import array
from collections import Counter
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc

from ..candidates import Candidate, get_candidates, is_judged
from ..evaluation.scores import in_characters
from ..targets.base import Columns, Target
from .compare import Confusions, confusion_of, count_confusions, find_differences
from .plots import Kept
from .text import shorten

# pairs of a candidate and its text that are shown
MOST_SHOWN = 20
AROUND = 60


class Disagreement(NamedTuple):
    """A candidate on which student and judge differ.

    context (str): The span between brackets, with what is around it.
    candidate (Candidate): The candidate.
    """

    context: str
    candidate: Candidate


class Disagreements(NamedTuple):
    """How the student's annotation of the judged pool stands to what the judge says.

    documents (int): Documents that the judge answered for.
    kinds (Dict[str, int]): Spans by how they differ, with the judge in the place of gold.
    confusions (Confusions): The judge's label by row, the student's by column.
    largest (List[Disagreement]): Where confidence and support are furthest apart.
    """

    documents: int
    kinds: Dict[str, int]
    confusions: Confusions
    largest: List[Disagreement]


class PoolReader:
    """Gathers figures over documents that are seen one by one."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.n_judged = 0
        self._kinds: Counter = Counter()
        self._pairs: Counter = Counter()
        self._largest: List[Tuple[float, int, Disagreement]] = []
        self._n_seen = 0
        self._places, self._scores, self._right = array("i"), array("d"), array("b")
        self._labels: Dict[str, int] = {}
        self._n_docs = 0
        self._n_gold = 0
        self._chosen: Optional[Tuple[np.ndarray, np.ndarray]] = None

    def read(self, doc: Doc, gold: Optional[Doc], is_decided_apart: bool = False) -> None:
        """Take in a document.

        doc (Doc): A document with decided candidates.
        gold (Optional[Doc]): Its hidden gold.
        is_decided_apart (bool): It is not of the part of the pool that the curve is about.
        """
        candidates = get_candidates(doc)
        if is_judged(doc):
            self._compare(doc, candidates)
        if is_decided_apart or gold is None or not self.target.is_annotated(gold):
            return
        truth = in_characters(gold, self.target.keys(gold))
        self._n_gold += len(truth)
        for c in candidates:
            if c.probability is not None:
                label = self._labels.setdefault(c.label, len(self._labels))
                self._places.extend((self._n_docs, c.start, c.end, label))
                self._scores.append(c.probability)
                self._right.append(in_characters(doc, [c.key]) <= truth)
        self._n_docs += 1

    def _compare(self, doc: Doc, candidates: Sequence[Candidate]) -> None:
        self.n_judged += 1
        listed = [c.key for c in candidates if c.verdict == "correct"]
        for difference in find_differences(listed, self.target.keys(doc)):
            self._kinds[difference.kind] += 1
            self._pairs[confusion_of(difference)] += 1
        for c in candidates:
            if c.confidence is not None and c.support is not None:
                # of equally large ones the first that came
                self._n_seen += 1
                found = (abs(c.confidence - c.support), -self._n_seen, _describe(doc, c))
                heapq.heappush(self._largest, found)
                if len(self._largest) > MOST_SHOWN:
                    heapq.heappop(self._largest)

    def disagreements(self) -> Disagreements:
        """RETURNS (Disagreements): What was gathered about student and judge."""
        largest = [one for *_, one in sorted(self._largest, reverse=True)]
        confusions = count_confusions(self._pairs.elements())
        return Disagreements(self.n_judged, dict(self._kinds), confusions, largest)

    def measure(self, q: float, cut: Optional[float], accepted: int) -> Kept:
        """Measure what a cut would keep against the hidden gold.

        q (float): The share of wrong that is allowed.
        cut (Optional[float]): The cut that the selector chose for it.
        accepted (int): What it keeps.
        RETURNS (Kept): With the share of wrong and F1, where gold is known.
        """
        if cut is None or not self._scores:
            return Kept(q, accepted)
        probability, is_right = self._choose()
        kept = probability >= cut
        n, right = int(kept.sum()), int(is_right[kept].sum())
        if not n:
            return Kept(q, accepted)
        return Kept(q, accepted, 1 - right / n, 2 * right / (n + self._n_gold))

    def _choose(self) -> Tuple[np.ndarray, np.ndarray]:
        """The probability of each candidate that wins against its rivals, and whether it is right."""
        if self._chosen is None:
            document, start, end, label = np.frombuffer(self._places, "int32").reshape(-1, 4).T
            order = np.argsort(np.argsort(list(self._labels)))
            probability = np.frombuffer(self._scores)
            columns = Columns(document, start, end, order[label], probability)
            chosen = self.target.choose(columns)
            self._chosen = probability[chosen], np.frombuffer(self._right, "int8")[chosen]
        return self._chosen


def _describe(doc: Doc, candidate: Candidate) -> Disagreement:
    span = doc[candidate.start : candidate.end]
    start, end = span.start_char, span.end_char
    before, after = doc.text[max(0, start - AROUND) : start], doc.text[end : end + AROUND]
    left = f"\u2026{before}" if start > AROUND else before
    right = f"{after}\u2026" if len(doc.text) > end + AROUND else after
    return Disagreement(shorten(f"{left}[{shorten(span.text)}]{right}", 300), candidate)
