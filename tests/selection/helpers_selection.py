"""Tables and documents by hand, and worlds to draw from."""
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
    random_sample=True,
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
        random_sample=random_sample,
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


def draw_world(rng, n_docs, hard_share=0.3, per_doc=2.5):
    """Candidates whose student and judge know something about the truth; label B is harder, and
    the spans of one document share a difficulty."""
    sizes = 1 + rng.poisson(per_doc - 1, size=n_docs)
    document = np.repeat(np.arange(n_docs), sizes)
    n = len(document)
    label = (rng.random(n) < hard_share).astype(int)
    mood = rng.normal(size=n_docs)[document]
    truth_logit = 1.6 - 1.8 * label + 0.7 * mood + 1.5 * rng.normal(size=n)
    correct = rng.random(n) < 1 / (1 + np.exp(-truth_logit))
    confidence = 1 / (1 + np.exp(-(0.6 * truth_logit + rng.normal(size=n))))
    support = 1 / (1 + np.exp(-(0.5 + truth_logit + rng.normal(size=n))))
    texts = tuple(f"document {i} of {rng.integers(1 << 40)}" for i in range(n_docs))
    position = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return make_table(
        confidence,
        np.clip(support, 0.005, 0.995),
        correct,
        document=document,
        start=position,
        label=label,
        labels=("A", "B"),
        texts=texts,
    )
