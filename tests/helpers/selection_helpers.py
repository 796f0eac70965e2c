"""Tables and documents by hand, and worlds to draw from."""

import random

import numpy as np
from simulate_guarantees import draw_world, holds, simulate
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

__all__ = [
    "draw_world",
    "holds",
    "simulate",
    "make_table",
    "make_doc",
    "decided",
    "draw_documents",
    "draw_scores",
    "wrong_share",
]

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


DRAWN = ["correct", "correct", "correct", "wrong_label", "wrong_boundary", "not_entity"]


def draw_documents(seed, n, judged=True):
    """Documents of ten tokens with gold, and candidates that know something about it."""
    rng = random.Random(seed)
    docs, gold = [], []
    for i in range(n):
        text = " ".join(f"w{rng.randrange(1000)}" for _ in range(9)) + f" n{i}"
        ents, candidates = [], []
        for start in range(0, 9, 3):
            label = rng.choice("AB")
            is_right = rng.random() < 0.7
            noise = rng.gauss(0, 0.15)
            confidence = min(max(0.35 + 0.35 * is_right + noise, 0.02), 0.98)
            support = min(max(0.25 + 0.6 * is_right + rng.gauss(0, 0.12), 0.01), 0.99)
            end = start + rng.choice([1, 2])
            if is_right:
                ents.append((start, end, label))
            elif rng.random() < 0.5:
                ents.append((start, start + 3, label))
            verdict = "correct" if support > 0.5 else rng.choice(DRAWN[3:])
            listed = support > 0.3
            proposed = rng.random() < 0.2
            candidates.append(
                Candidate(
                    start,
                    end,
                    label,
                    posterior=None if proposed else confidence,
                    confidence=None if proposed else confidence,
                    verdict=verdict if judged else None,
                    support=support if judged and listed else None,
                    source="judge" if proposed else "student",
                )
            )
            if rng.random() < 0.4:
                candidates.append(
                    Candidate(
                        start,
                        start + 3,
                        label,
                        posterior=0.1,
                        confidence=0.1,
                        verdict="wrong_boundary" if judged else None,
                        support=0.1 if judged else None,
                        source="student",
                    )
                )
        outside = [rng.uniform(0.8, 1.0) for _ in range(10)]
        student = [c.key for c in candidates if (c.confidence or 0) > 0.5]
        docs.append(
            make_doc(
                text, candidates, outside=outside, ents=student, state="judged" if judged else None
            )
        )
        gold.append(make_doc(text, ents=ents, state=None))
    return docs, gold


def wrong_share(silver, gold):
    truth = {doc.text: {(e.start, e.end, e.label_) for e in doc.ents} for doc in gold}
    spans = [(doc.text, (e.start, e.end, e.label_)) for doc in silver for e in doc.ents]
    return sum(key not in truth[text] for text, key in spans) / max(len(spans), 1)


def draw_scores(rng, n, m, base=0.75):
    """Scores that are informative but not calibrated."""
    truth = rng.random(n + m) < base
    score = np.round(1 / (1 + np.exp(-(2 * truth - 1 + rng.normal(size=n + m)))), 6)
    return score[:n], ~truth[:n], score[n:], ~truth[n:]
