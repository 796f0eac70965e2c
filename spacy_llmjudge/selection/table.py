"""Candidates of many documents as columns, in an order that the order of the documents cannot change."""

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc

from ..candidates import KEY, VERDICTS, Candidate, get_candidates
from ..errors import Errors, LLMJudgeError
from ..numeric import fold_of
from ..storage import sha256_bytes, sha256_json
from ..targets.base import Columns, Target
from ..targets.ents import Ents

ABSTAINED = VERDICTS.index("abstained")
CORRECT = VERDICTS.index("correct")
UNJUDGED = -1


@dataclass(frozen=True)
class CandidateTable:
    """Columns of n candidates, ordered by the text of their document, start, end and label.

    texts (Tuple[str, ...]): The documents.
    labels (Tuple[str, ...]): The names behind the label column, sorted.
    document (np.ndarray): (n,) index into `texts`.
    start (np.ndarray): (n,) first token.
    end (np.ndarray): (n,) the token after the last one.
    label (np.ndarray): (n,) index into `labels`.
    posterior (np.ndarray): (n,) the student's own probability, nan where it has none.
    confidence (np.ndarray): (n,) the posterior after calibration, nan where it has none.
    verdict (np.ndarray): (n,) index into VERDICTS, -1 where no judge was asked.
    support (np.ndarray): (n,) the judge's probability, nan where it named none.
    proposed (np.ndarray): (n,) True where the judge proposed it, False for the student's own.
    predicted (np.ndarray): (n,) True where the document said so as it came.
    correct (Optional[np.ndarray]): (n,) True where gold has exactly this span with this label.
    probability (Optional[np.ndarray]): (n,) confidence and support, fused.
    caveat (str): Why these documents, as evidence, carry no promise about the pool; empty where they do.
    features (Optional[np.ndarray]): (n, d) what the candidates look like, float32, for selectors that
        learn from it.
    unit (str): What a candidate is called in sentences: "spans", or "labels" of documents.
    exclusive (bool): Of the labels of a document exactly one is right.
    likelihood (Optional[np.ndarray]): (n,) how likely the judge's model found what it listed, nan where
        it did not say; None where it never did.
    alone (bool): Each candidate was drawn on its own, as for an audit, and not with its document.
    """

    texts: Tuple[str, ...]
    labels: Tuple[str, ...]
    document: np.ndarray
    start: np.ndarray
    end: np.ndarray
    label: np.ndarray
    posterior: np.ndarray
    confidence: np.ndarray
    verdict: np.ndarray
    support: np.ndarray
    proposed: np.ndarray
    predicted: np.ndarray
    correct: Any = None
    probability: Any = None
    caveat: str = ""
    features: Any = None
    unit: str = "spans"
    exclusive: bool = False
    alone: bool = False
    likelihood: Any = None

    def __len__(self) -> int:
        return len(self.document)

    def take(self, rows: np.ndarray) -> "CandidateTable":
        """RETURNS (CandidateTable): Some of the rows, given as a mask or as indices."""
        names = _COLUMNS + ("correct", "probability", "features", "likelihood")
        columns = {name: getattr(self, name) for name in names}
        taken: Dict[str, Any] = {k: None if v is None else v[rows] for k, v in columns.items()}
        return replace(self, **taken)

    def replace(self, **changes: Any) -> "CandidateTable":
        return replace(self, **changes)

    def relabel(self, labels: Sequence[str]) -> "CandidateTable":
        """RETURNS (CandidateTable): The same rows with their labels numbered by another list."""
        codes = np.array([labels.index(name) for name in self.labels], dtype="int64")
        label = codes[self.label] if len(self) else self.label
        return replace(self, labels=tuple(labels), label=label)

    def folds(self, n_folds: int) -> np.ndarray:
        """RETURNS (np.ndarray): (n,) the fold of every row's document, by its text."""
        folds = np.array([fold_of(text, n_folds) for text in self.texts], dtype="int64")
        return folds[self.document] if len(self) else np.zeros(0, dtype="int64")

    @property
    def student(self) -> np.ndarray:
        """(n,) the confidence, or the posterior where calibration is missing; nan for neither."""
        return np.where(np.isnan(self.confidence), self.posterior, self.confidence)

    @property
    def columns(self) -> Columns:
        """What competition is about."""
        assert self.probability is not None
        return Columns(self.document, self.start, self.end, self.label, self.probability)

    def hide_judge(self) -> "CandidateTable":
        """RETURNS (CandidateTable): What would be there had nobody asked the judge."""
        own = self.take(~self.proposed)
        empty = np.full(len(own), np.nan)
        return own.replace(verdict=np.full(len(own), UNJUDGED), support=empty, likelihood=None)

    @property
    def answered(self) -> np.ndarray:
        """(n,) True in the documents for which the judge answered anything."""
        return np.isin(self.document, self.document[self.judged])

    @property
    def asked(self) -> np.ndarray:
        """(n,) True in the documents that the judge was asked about, whether it answered or not."""
        return np.isin(self.document, self.document[self.verdict != UNJUDGED])

    @property
    def judged(self) -> np.ndarray:
        """(n,) True where the judge was asked and answered."""
        return (self.verdict != UNJUDGED) & (self.verdict != ABSTAINED)


_COLUMNS = (
    "document",
    "start",
    "end",
    "label",
    "posterior",
    "confidence",
    "verdict",
    "support",
    "proposed",
    "predicted",
)


def table_from_docs(
    docs: Sequence[Doc],
    gold: Optional[Sequence[Doc]] = None,
    *,
    target: Target = Ents(),
    found: Optional[Sequence[Sequence[Candidate]]] = None,
    caveat: str = "",
) -> CandidateTable:
    """Read the candidates of documents into columns.

    docs (Sequence[Doc]): Documents with candidates.
    gold (Optional[Sequence[Doc]]): The same documents with gold, in the same order. Candidates of
        which the gold does not say whether they are right are left out.
    target (Target): What is labelled.
    found (Optional[Sequence[Sequence[Candidate]]]): The candidates of every document, where they are
        not simply those that it holds.
    caveat (str): Why these documents, as evidence, carry no promise about the pool.
    RETURNS (CandidateTable): `document` counts as `docs` does.
    """
    if gold is not None:
        _check_gold(docs, gold, target)
    if found is None:
        found = [get_candidates(doc) for doc in docs]
    rows: List[Tuple[int, Candidate]] = []
    correct: List[bool] = []
    predicted: List[bool] = []
    for i in document_order(docs, found):
        known = None if gold is None else set(target.keys(gold[i]))
        said = set(target.keys(docs[i]))
        for candidate in found[i]:
            if gold is not None and known is not None:
                if candidate.key not in known and not target.knows(gold[i], candidate.key):
                    continue
                correct.append(candidate.key in known)
            rows.append((i, candidate))
            predicted.append(candidate.key in said)
    labels = tuple(sorted({candidate.label for _, candidate in rows}))
    codes = {label: code for code, label in enumerate(labels)}
    cells = [candidate for _, candidate in rows]
    likelihood = _floats([None if c.verdict == "abstained" else c.likelihood for c in cells])
    return CandidateTable(
        texts=tuple(doc.text for doc in docs),
        labels=labels,
        document=np.array([i for i, _ in rows], dtype="int64"),
        start=np.array([c.start for c in cells], dtype="int64"),
        end=np.array([c.end for c in cells], dtype="int64"),
        label=np.array([codes[c.label] for c in cells], dtype="int64"),
        posterior=_floats([c.posterior for c in cells]),
        confidence=_floats([c.confidence for c in cells]),
        verdict=np.array([_verdict(c) for c in cells], dtype="int64"),
        support=_floats([None if c.verdict == "abstained" else c.support for c in cells]),
        proposed=np.array([c.source == "judge" for c in cells], dtype=bool),
        predicted=np.array(predicted, dtype=bool),
        correct=None if gold is None else np.array(correct, dtype=bool),
        caveat=caveat,
        unit="labels" if target.name == "cats" else "spans",
        likelihood=None if np.isnan(likelihood).all() else likelihood,
        exclusive=bool(target.to_dict().get("exclusive")),
    )


def document_order(docs: Sequence[Doc], found: Sequence[Sequence[Candidate]]) -> List[int]:
    """Order documents by what they are, not by where they came: by the hash of their text, then,
    for duplicates, by all that is known of them.

    docs (Sequence[Doc]): The documents.
    found (Sequence[Sequence[Candidate]]): Their candidates.
    RETURNS (List[int]): Indices into `docs`.
    """
    digests = [sha256_bytes(doc.text.encode("utf8")) for doc in docs]
    counts: Dict[str, int] = {}
    for digest in digests:
        counts[digest] = counts.get(digest, 0) + 1

    def identity(i: int) -> Tuple[str, str]:
        if counts[digests[i]] == 1:
            return (digests[i], "")
        tokens = [[t.text, t.ent_iob, t.ent_type_] for t in docs[i]]
        attrs = dict(docs[i].spans[KEY].attrs) if KEY in docs[i].spans else {}
        return (digests[i], sha256_json([tokens, [vars(c) for c in found[i]], attrs]))

    return sorted(range(len(docs)), key=identity)


def _check_gold(docs: Sequence[Doc], gold: Sequence[Doc], target: Target) -> None:
    if len(docs) != len(gold):
        raise LLMJudgeError(Errors.J400.format(n_docs=len(docs), n_gold=len(gold)))
    for i, (doc, reference) in enumerate(zip(docs, gold)):
        if [t.text for t in doc] != [t.text for t in reference]:
            raise LLMJudgeError(
                Errors.J401.format(i=i, text=doc.text[:60], gold=reference.text[:60])
            )
        if len(reference) and not target.is_annotated(reference):
            found = {"i": i, "text": reference.text[:60], "units": target.units}
            raise LLMJudgeError(Errors.J402.format(**found))


def _verdict(candidate: Candidate) -> int:
    return UNJUDGED if candidate.verdict is None else VERDICTS.index(candidate.verdict)


def _floats(values: Sequence[Optional[float]]) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], dtype="float64")
