"""What a report says about the decided pool: where student and judge differ, and what other cuts would keep."""

import heapq
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
        self._rows: List[Tuple[int, int, int, str, float]] = []
        self._right: List[bool] = []
        self._n_docs = 0
        self._n_gold = 0

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
                self._rows.append((self._n_docs, c.start, c.end, c.label, c.probability))
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
        pairs = [pair for pair, n in self._pairs.items() for _ in range(n)]
        largest = [one for *_, one in sorted(self._largest, reverse=True)]
        return Disagreements(self.n_judged, dict(self._kinds), count_confusions(pairs), largest)

    def measure(self, q: float, cut: Optional[float], accepted: int) -> Kept:
        """Measure what a cut would keep against the hidden gold.

        q (float): The share of wrong that is allowed.
        cut (Optional[float]): The cut that the selector chose for it.
        accepted (int): What it keeps.
        RETURNS (Kept): With the share of wrong and F1, where gold is known.
        """
        if cut is None or not self._rows:
            return Kept(q, accepted)
        document, start, end, label, probability = map(np.array, zip(*self._rows))
        numbers = np.unique(label, return_inverse=True)[1]
        chosen = self.target.choose(Columns(document, start, end, numbers, probability))
        kept = chosen & (probability >= cut)
        n, right = int(kept.sum()), int(np.array(self._right)[kept].sum())
        if not n:
            return Kept(q, accepted)
        return Kept(q, accepted, 1 - right / n, 2 * right / (n + self._n_gold))


def _describe(doc: Doc, candidate: Candidate) -> Disagreement:
    span = doc[candidate.start : candidate.end]
    start, end = span.start_char, span.end_char
    before, after = doc.text[max(0, start - AROUND) : start], doc.text[end : end + AROUND]
    left = f"\u2026{before}" if start > AROUND else before
    right = f"{after}\u2026" if len(doc.text) > end + AROUND else after
    return Disagreement(shorten(f"{left}[{shorten(span.text)}]{right}", 300), candidate)
