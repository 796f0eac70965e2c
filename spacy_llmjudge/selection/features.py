"""What a candidate looks like, without what anybody thinks of it: for selectors that learn from verdicts.

Nothing here may tell the verdict: no support, no confidence (the judge's proposals have none), no
source. A model of such features can be wrong where a judge is right, and right where it is wrong.
"""

from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
from spacy.tokens import Doc

from ..encoders.doc_vectors import embed_documents
from ..storage import sha256_json
from .table import CandidateTable

Vectors = Callable[[Sequence[str], Sequence[Sequence[Tuple[int, int]]]], np.ndarray]

WIDTH = 384
# Rows of a table come in the order of hashes, so the first ones are a random sample.
FIT_ROWS = 4000
BATCH_ROWS = 2048
# How long the rest stands beside vectors of length 1.
REST = 0.5


class CandidateFeatures:
    """Gives candidates of the pool and held-out ones the same features, computed once.

    The vectors of span and context are reduced by PCA; beside them stand label, length, shape, the
    number of documents with a candidate of the same words, and the place in the document. Neither the
    PCA nor the scales see an outcome, so pool and held-out candidates stay exchangeable.

    vectors (Optional[Callable]): From texts and the characters of their spans to (n, width); None:
        `llmjudge.SpanVectors.v1` with the encoder in assets/encoder.
    """

    def __init__(self, vectors: Optional[Vectors] = None) -> None:
        self._vectors = vectors
        self._kept: Dict[str, np.ndarray] = {}

    def __call__(
        self,
        pool_docs: Iterable[Doc],
        pool: CandidateTable,
        evidence_docs: Sequence[Doc],
        evidence: CandidateTable,
    ) -> Tuple[CandidateTable, CandidateTable]:
        """Fill the column `features`.

        pool_docs (Iterable[Doc]): The documents behind the pool.
        pool (CandidateTable): m candidates.
        evidence_docs (Sequence[Doc]): The held-out documents.
        evidence (CandidateTable): n candidates.
        RETURNS (Tuple[CandidateTable, CandidateTable]): The tables with features of shapes (m, d) and
            (n, d), float32.
        """
        if pool.unit == "labels":
            return self._describe_documents(pool, evidence)
        rows = list_rows(pool_docs, pool) + list_rows(evidence_docs, evidence)
        key = sha256_json([list(row) for row in rows])
        if key not in self._kept:
            self._kept = {key: self._describe(rows)}
        found = self._kept[key]
        return (
            pool.replace(features=found[: len(pool)]),
            evidence.replace(features=found[len(pool) :]),
        )

    def _describe_documents(
        self, pool: CandidateTable, evidence: CandidateTable
    ) -> Tuple[CandidateTable, CandidateTable]:
        """The vectors of documents, the same for all labels of one."""
        texts = [*pool.texts, *evidence.texts]
        key = sha256_json(texts)
        if key not in self._kept:
            encoder = getattr(self._vectors, "encoder", "assets/encoder")
            self._kept = {key: embed_documents(Path(encoder), texts)}
        found = self._kept[key]
        of_pool, of_evidence = found[: len(pool.texts)], found[len(pool.texts) :]
        return (
            pool.replace(features=of_pool[pool.document]),
            evidence.replace(features=of_evidence[evidence.document]),
        )

    def _describe(self, rows: List["Row"]) -> np.ndarray:
        if not rows:
            return np.zeros((0, 1), dtype="float32")
        if self._vectors is None:
            from spacy import registry

            self._vectors = registry.get("misc", "llmjudge.SpanVectors.v1")()
        reduce = _fit_reduction(_unit(self._embed(rows[:FIT_ROWS])))
        parts = [
            reduce(_unit(self._embed(rows[start : start + BATCH_ROWS])))
            for start in range(0, len(rows), BATCH_ROWS)
        ]
        rest = REST * _unit(_standardise(describe_words(rows)))
        return np.hstack([np.concatenate(parts), rest]).astype("float32")

    def _embed(self, rows: List["Row"]) -> np.ndarray:
        """RETURNS (np.ndarray): (n, width); rows of one document are neighbours, and share a call."""
        starts = [i for i in range(len(rows)) if i == 0 or rows[i][0] != rows[i - 1][0]]
        ends = starts[1:] + [len(rows)]
        texts = [rows[i][0] for i in starts]
        spans = [[row[1:3] for row in rows[i:j]] for i, j in zip(starts, ends)]
        assert self._vectors is not None
        return np.asarray(self._vectors(texts, spans))


# text, first character, character after the last one, label, tokens, place from 0 to 1
Row = Tuple[str, int, int, str, int, float]


def list_rows(docs: Iterable[Doc], table: CandidateTable) -> List[Row]:
    """RETURNS (List[Row]): What there is to see of each candidate."""
    found: List[Optional[Row]] = [None] * len(table)
    by_document = np.argsort(table.document, kind="stable")
    bounds = np.searchsorted(table.document[by_document], np.arange(len(table.texts) + 1))
    for i, doc in enumerate(docs):
        text = doc.text
        for row in by_document[bounds[i] : bounds[i + 1]].tolist():
            start, end = int(table.start[row]), int(table.end[row])
            span, label = doc[start:end], table.labels[table.label[row]]
            place = round(start / len(doc), 6)
            found[row] = (text, span.start_char, span.end_char, label, len(span), place)
    return [row for row in found if row is not None]


def describe_words(rows: Sequence[Row]) -> np.ndarray:
    """Label, length, shape, document frequency and place, as numbers.

    rows (Sequence[Row]): n candidates.
    RETURNS (np.ndarray): (n, n_labels + 7): the label (one-hot), the logarithm of the number of
        tokens, whether there is a digit, a capital at the start, only capitals, a sign that is neither
        letter nor digit, the logarithm of how many documents have a candidate with the same words (in
        lower case), and the place of the first token, 0 to 1.

    EXAMPLE:
        >>> describe_words([("Eat at Joe's", 7, 12, "NAME", 2, 0.5)]).round(1).tolist()
        [[1.0, 0.7, 0.0, 1.0, 0.0, 1.0, 0.0, 0.5]]
    """
    labels = sorted({row[3] for row in rows})
    documents: Dict[str, set] = {}
    for text, start, end, *_ in rows:
        documents.setdefault(text[start:end].lower(), set()).add(text)
    found = []
    for text, start, end, label, length, place in rows:
        words = text[start:end]
        letters = words.replace(" ", "")
        found.append(
            [
                *(float(label == name) for name in labels),
                np.log(length),
                float(any(c.isdigit() for c in words)),
                float(words[:1].isupper()),
                float(words.isupper()),
                float(not letters.isalnum()),
                np.log(len(documents[words.lower()])),
                place,
            ]
        )
    return np.array(found, dtype="float64")


def _fit_reduction(vectors: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    # What is not finite is left to the denoiser, whose message says which row it is.
    if min(vectors.shape) <= WIDTH // 4 or not np.isfinite(vectors).all():
        return lambda new: new
    from sklearn.decomposition import PCA

    width = min(WIDTH, *vectors.shape)
    fitted = PCA(width, random_state=0).fit(vectors)

    def reduce(new: np.ndarray) -> np.ndarray:
        finite = np.isfinite(new).all(axis=1)
        out = np.full((len(new), width), np.nan)
        out[finite] = fitted.transform(new[finite]) if finite.any() else 0.0
        return out

    return reduce


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-8)


def _standardise(rows: np.ndarray) -> np.ndarray:
    return (rows - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-8)
