"""Rivals that clean or fuse labels with tools of others, or with the published filter, and train the same student."""

import contextlib
import io
from functools import partial
from pathlib import Path
from typing import Callable, Dict, List, Optional, Set, Tuple

import numpy as np
from benchmark_cell import TRAINING, Cell
from benchmark_data import asked_texts
from benchmark_methods import Made, agreed, equal_labels, seed_annotated, train_long
from benchmark_taggers import (
    bio_tags,
    on_equal,
    on_labels,
    train_classifier,
    train_span_marker,
    word_probabilities,
)
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import copy_tokens
from spacy_llmjudge.evaluation.scores import evaluate_model
from spacy_llmjudge.steps.filter import NothingSelected
from spacy_llmjudge.storage import read_docs, write_docs
from spacy_llmjudge.targets.base import Key
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.training.student import load_student

FOLDS = 3
TAUS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def cleanlab(cell: Cell, calls: int) -> Made:
    """cleanlab's token filter: what it finds wrong is missing, and the rest trains as long as ours, with the same gold
    and calls. Its probabilities are those of token classifiers that have not seen the labels of a document."""
    try:
        from cleanlab.token_classification.filter import find_label_issues
    except ImportError as error:
        raise SystemExit(f"This row needs cleanlab ({error}): pip install cleanlab") from error
    docs = list(read_docs(equal_labels(cell, calls), Vocab()))
    tags, scores = score_by_folds(cell, f"cleanlab-{calls}", docs)
    given = [bio_tags(doc) for doc in docs]
    # a class that no label names cannot be one that a label should have
    seen = [k for k, tag in enumerate(tags) if any(tag in one for one in given)]
    index = {tags[k]: i for i, k in enumerate(seen)}
    labels = [[index[tag] for tag in one if tag is not None] for one in given]
    kept = [p[:, seen] / p[:, seen].sum(axis=1, keepdims=True) for p in scores]
    issues = find_label_issues(labels, kept, n_jobs=1)
    wrong: List[Set[int]] = [set() for _ in docs]
    for i, token in issues:
        wrong[i].add(token)
    silver = cell.folder / "silver" / f"cleanlab-{calls}.spacy"
    write_docs(silver, [leave_open(doc, tokens) for doc, tokens in zip(docs, wrong)])
    return train_long(cell, f"cleanlab-{calls}", silver), silver


def score_by_folds(cell: Cell, name: str, docs: List[Doc]) -> Tuple[List[str], List[np.ndarray]]:
    """RETURNS (Tuple[List[str], List[np.ndarray]]): Tags, and of each document (tokens, tags) probabilities by a
    classifier of all gold and of the labels of the other folds."""
    tags: List[str] = []
    scores: List[np.ndarray] = [np.zeros(0)] * len(docs)
    for fold in range(FOLDS):
        silver = cell.folder / "silver" / f"{name}-fold-{fold}.spacy"
        write_docs(silver, [doc for i, doc in enumerate(docs) if i % FOLDS != fold])
        steps = TRAINING["training.max_steps"]
        model = train_classifier(cell, f"{name}-fold-{fold}", silver, cell.all_gold, steps)
        found, score = word_probabilities(model)
        if tags and found != tags:
            raise SystemExit(f"A label is in some folds of {cell.all_gold} and the LLM's alone")
        tags = found
        for i in range(fold, len(docs), FOLDS):
            (scores[i],) = score([[token.text for token in docs[i]]])
    return tags, scores


def leave_open(doc: Doc, wrong: Set[int]) -> Doc:
    """RETURNS (Doc): A copy in which wrong tokens, and the entities that have any, are missing."""
    made = copy_tokens(doc)
    bad = [ent for ent in doc.ents if wrong.intersection(range(ent.start, ent.end))]
    missing = wrong.union(*(range(ent.start, ent.end) for ent in bad))
    made.set_ents(
        [Span(made, ent.start, ent.end, ent.label_) for ent in doc.ents if ent not in bad],
        missing=[Span(made, token, token + 1) for token in sorted(missing)],
        default="outside",
    )
    return made


def skweak(cell: Cell, calls: int) -> Made:
    """skweak's hidden Markov model of two sources, the LLM and a seed student with the gold of ours, on the sentences
    that the LLM read; then as long as ours, with the same gold and calls."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from skweak.generative import HMM
    except ImportError as error:
        raise SystemExit(f"This row needs skweak ({error}): pip install skweak") from error
    docs = list(read_docs(equal_labels(cell, calls), Vocab()))
    seed = load_student(str(seed_with_all_gold(cell)))
    sources = {"llm": docs, "student": evaluate_model(seed, docs)}
    labels = sorted({ent.label_ for said in sources.values() for doc in said for ent in doc.ents})
    made = [copy_tokens(doc) for doc in docs]
    for source, said in sources.items():
        for doc, one in zip(made, said):
            doc.spans[source] = [Span(doc, e.start, e.end, e.label_) for e in one.ents]
    model = HMM("fused", labels)
    with contextlib.redirect_stdout(io.StringIO()):
        fused = model.fit_and_aggregate(made)
    silver = cell.folder / "silver" / f"skweak-{calls}.spacy"
    write_docs(silver, [with_keys(doc, "fused") for doc in fused])
    return train_long(cell, f"skweak-{calls}", silver), silver


def with_keys(doc: Doc, source: str) -> Doc:
    """RETURNS (Doc): A copy whose entities are a group of spans."""
    keys: List[Key] = [(span.start, span.end, span.label_) for span in doc.spans[source]]
    made = copy_tokens(doc)
    Ents().annotate(made, keys)
    return made


def published(tau: float, cell: Cell, calls: int) -> Made:
    """The published filter as we read it: the judge says of each prediction of the student how likely it is, and a
    sentence in which all pass the cut is kept. Two rounds with the calls and the gold of ours; the second student goes on
    from the first. Where nothing ever passes, the gold alone trains."""
    texts = asked_texts(cell.corpus, cell.replies, calls)
    name = f"published_tau{tau:g}-{calls}"
    annotated = seed_annotated(cell)
    silver: Optional[Path] = None
    start: Optional[Path] = None
    for number, gold in ((1, None), (2, cell.all_gold)):
        judged = cell.judge(annotated, str(calls), texts)
        try:
            silver = cell.select(f"{name}-{number}", judged, agreed(tau, "unjudged = false\n"))
        except NothingSelected:
            if silver is None:
                continue
        start = cell.train(f"{name}-{number}", silver, start, gold)
        if number == 1:
            annotated = cell.annotate(f"{name}-1", start)
    return start or seed_with_all_gold(cell), silver


def seed_with_all_gold(cell: Cell) -> Path:
    return cell.train("seed_all_gold", None, gold=cell.all_gold)


RIVALS: Dict[str, Callable[[Cell, int], Made]] = {
    "hf_classifier": partial(on_labels, train_classifier, "hf_classifier"),
    "hf_classifier_equal": partial(on_equal, train_classifier, "hf_classifier_equal"),
    "span_marker": partial(on_labels, train_span_marker, "span_marker"),
    "span_marker_equal": partial(on_equal, train_span_marker, "span_marker_equal"),
    "cleanlab": cleanlab,
    "skweak": skweak,
    **{f"published_tau{tau:g}": partial(published, tau) for tau in TAUS},
}
