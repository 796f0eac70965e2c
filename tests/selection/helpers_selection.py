"""Tables and documents by hand, and worlds to draw from."""
import sys
from pathlib import Path

import numpy as np
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import (
    VERDICTS,
    Candidate,
    set_candidates,
    set_outside,
    set_status,
)
from spacy_llmjudge.selection.table import CandidateTable

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from simulate_guarantees import draw_world, holds, simulate  # noqa: E402, F401

VOCAB = Vocab()


def make_table(
    confidence,
    support=None,
    correct=None,
    *,
    document=None,
    start=None,
    end=None,
    label=None,
    labels=("A",),
    verdict="correct",
    proposed=None,
    predicted=None,
    probability=None,
    texts=None,
    caveat="",
):
    confidence = np.asarray(confidence, dtype="float64")
    n = len(confidence)
    document = np.arange(n) if document is None else np.asarray(document)
    n_docs = int(document.max()) + 1 if n else 0
    start = np.zeros(n, dtype=int) if start is None else np.asarray(start)
    verdicts = [verdict] * n if verdict is None or isinstance(verdict, str) else verdict
    codes = [-1 if v is None else VERDICTS.index(v) for v in verdicts]
    empty = np.full(n, np.nan)
    return CandidateTable(
        texts=tuple(f"text {i}" for i in range(n_docs)) if texts is None else texts,
        labels=tuple(labels),
        document=document,
        start=start,
        end=start + 1 if end is None else np.asarray(end),
        label=np.zeros(n, dtype=int) if label is None else np.asarray(label),
        posterior=confidence,
        confidence=confidence,
        verdict=np.array(codes, dtype=int),
        support=empty if support is None else np.asarray(support, dtype="float64"),
        proposed=np.zeros(n, bool) if proposed is None else np.asarray(proposed, bool),
        predicted=np.ones(n, bool) if predicted is None else np.asarray(predicted, bool),
        correct=None if correct is None else np.asarray(correct, bool),
        probability=probability,
        caveat=caveat,
    )


def make_doc(text, candidates=(), *, outside=None, state="judged", ents=()):
    words = text.split()
    doc = Doc(VOCAB, words=words, spaces=[True] * (len(words) - 1) + [False] * bool(words))
    doc.set_ents([Span(doc, s, e, label=name) for s, e, name in ents])
    set_candidates(doc, candidates)
    if outside is not None:
        set_outside(doc, outside)
    if state is not None:
        set_status(doc, state)
    return doc


def decided(start, end, label, decision, p, verdict="correct", source="student"):
    return Candidate(
        start,
        end,
        label,
        verdict=verdict,
        probability=p,
        decision=decision,
        source=source,
    )
