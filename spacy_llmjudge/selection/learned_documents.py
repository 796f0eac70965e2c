"""What a denoiser learns from the labels that a judge gave to documents, for each candidate label.

A denoiser of documents sees all labels at once: where they exclude each other, one that the judge mixes up
with another is told from it by what both look like. Folds are those of `learned`: a document is scored by
denoisers that have seen the gold of neither its own fold nor another one.
"""

from itertools import combinations, compress
from typing import Callable, List, Optional, Sequence, Tuple

import numpy as np

from ..denoise.methods import Refined
from ..numeric import fold_of, safe_logit
from .fusion import LEAST_SUPPORT
from .table import CORRECT, CandidateTable

# the labels of a document; None where nobody knows them
Choice = Optional[Tuple[str, ...]]
# from features, the judge's labels, gold, and groups that share a fold
RefineDocuments = Callable[[np.ndarray, Sequence[Choice], Sequence[Choice], Sequence[str]], Refined]


class Documents:
    """The documents behind two tables: those of the pool, then the held-out ones.

    features (np.ndarray): (D, d).
    noisy (List[Choice]): (D,) what the judge said.
    gold (List[Choice]): (D,) None in the pool.
    texts (List[str]): (D,).
    folds (np.ndarray): (D,) by the text.
    rows (np.ndarray): (n,) the document of each candidate, pool first.
    label (np.ndarray): (n,) the label of each candidate.
    """

    def __init__(self, pool: CandidateTable, evidence: CandidateTable, n_folds: int) -> None:
        self.noisy: List[Choice] = []
        self.gold: List[Choice] = []
        self.texts: List[str] = []
        features, rows, offset = [], [], 0
        for table, is_held_out in ((pool, False), (evidence, True)):
            assert table.features is not None
            # the rows of a document are neighbours
            first = np.flatnonzero(np.append(len(table) > 0, np.diff(table.document) != 0))
            last = np.append(first[1:], len(table))
            for start, end in zip(first.tolist(), last.tolist()):
                mine = slice(start, end)
                names = [table.labels[k] for k in table.label[mine]]
                said = tuple(compress(names, table.verdict[mine] == CORRECT))
                self.noisy.append(said if table.judged[mine].any() else None)
                right = tuple(compress(names, table.correct[mine])) if is_held_out else None
                self.gold.append(right)
                self.texts.append(table.texts[table.document[start]])
            features.append(table.features[first])
            rows.append(np.repeat(np.arange(len(first)), last - first) + offset)
            offset += len(first)
        self.features = np.concatenate(features)
        self.rows = np.concatenate(rows)
        self.label = np.concatenate([pool.label, evidence.label])
        self.folds = np.array([fold_of(text, n_folds) for text in self.texts], dtype="int64")


def learn_documents(
    refine: RefineDocuments,
    pool: CandidateTable,
    evidence: CandidateTable,
    n_folds: int,
    reads_gold: bool,
) -> np.ndarray:
    """What a denoiser makes of every candidate without the gold of its fold, nor that of another one.

    refine (RefineDocuments): The denoiser.
    pool (CandidateTable): m candidates with features; their labels are numbered as those of the evidence.
    evidence (CandidateTable): n candidates with features and `correct`.
    n_folds (int): K.
    reads_gold (bool): False: it is fitted once, and on everything.
    RETURNS (np.ndarray): (K, m + n) logits; row g holds, for a candidate of fold f, what a denoiser says
        that has seen nothing of f and g; nan where f = g.
    """
    docs = Documents(pool, evidence, n_folds)
    logits = np.full((n_folds, len(docs.rows)), np.nan)

    def fit(rows: np.ndarray) -> Refined:
        index = np.flatnonzero(rows)
        return refine(
            docs.features[index],
            [docs.noisy[i] for i in index],
            [docs.gold[i] for i in index],
            [docs.texts[i] for i in index],
        )

    def fill(row: int, held: np.ndarray, found: np.ndarray) -> None:
        mine = held[docs.rows]
        place = np.cumsum(held) - 1
        p = found[place[docs.rows[mine]], docs.label[mine]]
        logits[row, mine] = safe_logit(p, LEAST_SUPPORT)

    if not reads_gold:
        everything = np.ones(len(docs.texts), dtype=bool)
        fill(0, everything, fit(everything).probabilities)
        logits[:] = logits[0]
        return logits
    for f, g in combinations(range(n_folds), 2):
        done = None
        for held, other in ((f, g), (g, f)):
            mine = docs.folds == held
            if mine.any():
                done = done or fit((docs.folds != f) & (docs.folds != g))
                fill(other, mine, done.predict(docs.features[mine]))
    return logits
