"""The step `watch`: is a pipeline as sure of new texts as of those of a reference, and which should be judged again?"""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np
from spacy.tokens import Doc

from ..candidates import get_candidates
from ..confidence.adapters import make_adapter
from ..confidence.calibrate import Calibration
from ..confidence.component import CalibratedConfidence
from ..confidence.pipeline import add_confidence
from ..corpora.formats import Part, is_sharded, read_records
from ..corpora.settings import ReadSettings
from ..errors import Errors, LLMJudgeError
from ..evaluation.drift import NAMES, Drift, Watched, find_drift
from ..selection.acquisition import choose_docs
from ..storage import read_json, require_file, write_json_lines
from ..training.student import component_name, load_student

if TYPE_CHECKING:
    from spacy.language import Language

# with fewer documents in a set not even the strongest drift would be seen
FEWEST = 10


class Watch(NamedTuple):
    """The drift, and how many documents of each set there are."""

    drift: Drift
    n_reference: int
    n_new: int


def watch(
    model: str,
    texts: Path,
    reference: Path,
    *,
    calibration: Optional[Path] = None,
    pipe_name: Optional[str] = None,
    threshold: float = 0.5,
    alpha: float = 0.01,
    n_permutations: int = 999,
    seed: int = 0,
    again: Optional[Path] = None,
    n_again: int = 100,
    gpu_id: int = -1,
) -> Watch:
    """Compare what a pipeline says about new texts with what it says about those of a reference.

    model (str): A pipeline: a folder or a package.
    texts, reference (Path): Texts in any format that `prepare` reads; what is labelled in them is not looked at.
        The reference must not have been trained on, or it looks easier than any new text.
    calibration (Optional[Path]): What `calibrate` wrote, for a pipeline without a fitted `calibrated_confidence`.
    pipe_name (Optional[str]): The component that predicts; None takes the one that fits.
    threshold (float): A span under this confidence is weak, over 0 and under 1.
    alpha (float): The share of runs without drift that may say drift.
    n_permutations, seed (int): See `find_drift`.
    again (Optional[Path]): Gets the new documents that the pipeline is least certain about, as JSON lines.
    n_again (int): How many of them.
    RETURNS (Watch): What was found.
    RAISES (LLMJudgeError): J973 where nothing is calibrated, J974 where there are too few documents, J684 where a
        setting cannot be what it is, J975 where a folder is given, J938 where a file would be written over.
    """
    for name, value in (("threshold", threshold), ("alpha", alpha)):
        if not 0 < value < 1:
            expected = "a number over 0 and under 1"
            raise LLMJudgeError(Errors.J684.format(name=name, found=value, expected=expected))
    least = math.ceil(len(NAMES) / alpha)
    if n_permutations < least:
        # the least p-value that there can be would be no alarm
        expected = f"{least} or more, as alpha is {alpha}"
        found = {"name": "permutations", "found": n_permutations, "expected": expected}
        raise LLMJudgeError(Errors.J684.format(**found))
    for path in (texts, reference, calibration):
        if again is not None and path is not None and _is_same(path, again):
            raise LLMJudgeError(Errors.J938.format(path=again))
    nlp = load_student(model, gpu_id)
    component = find_confidence(nlp, model, calibration, pipe_name)
    sets = [_read_docs(path, nlp) for path in (reference, texts)]
    adapter = make_adapter(nlp.get_pipe(component.pipe_name), sets[0])
    labels = {label for docs in sets for doc in docs for *_, label in adapter.predicted(doc)}
    known = {label: i for i, label in enumerate(sorted(labels))}
    before, now = (_look_at(docs, adapter, component.spans_key, known, threshold) for docs in sets)
    drift = find_drift(before, now, alpha=alpha, n_permutations=n_permutations, seed=seed)
    if again is not None:
        chosen = choose_docs(sets[1], n_again, key=component.spans_key)
        rows = [_row(sets[1][i], adapter, component.spans_key) for i in chosen]
        write_json_lines(again, rows)
    return Watch(drift, *map(len, sets))


def find_confidence(
    nlp: "Language", model: str, calibration: Optional[Path], pipe_name: Optional[str]
) -> CalibratedConfidence:
    """Find the component `calibrated_confidence` of a pipeline, or add it.

    nlp (Language): The pipeline.
    model (str): Its name, for the message.
    calibration (Optional[Path]): The calibration that it gets, in place of its own.
    pipe_name (Optional[str]): The component that predicts.
    RETURNS (CalibratedConfidence): The component, calibrated.
    RAISES (LLMJudgeError): J973 where nothing says how its posteriors become confidence.
    """
    found = [pipe for _, pipe in nlp.pipeline if isinstance(pipe, CalibratedConfidence)]
    component = found[0] if found else None
    if component is None and calibration is not None:
        component = add_confidence(nlp, component_name(nlp, None, pipe_name))
    if component is not None and calibration is not None:
        hint = "Run `calibrate` on held-out gold first."
        component.calibration = Calibration.from_dict(read_json(calibration, hint))
    if component is None or not component.is_fitted:
        raise LLMJudgeError(Errors.J973.format(path=model))
    return component


def _read_docs(path: Path, nlp: "Language") -> List[Doc]:
    path = require_file(path, "Give a file of texts.")
    if path.is_dir() and not is_sharded(path):
        raise LLMJudgeError(Errors.J975.format(path=path))
    records = read_records(Part(path), nlp, ReadSettings(misaligned="drop", overlaps="first"))
    docs = list(nlp.pipe(_texts(record.text for record in records)))
    if len(docs) < FEWEST:
        raise LLMJudgeError(Errors.J974.format(path=path, n=len(docs), least=FEWEST))
    return docs


def _is_same(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def _texts(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        if text.strip():
            yield text


def _confidences(doc: Doc, adapter: Any, key: str) -> Dict[Any, float]:
    """The confidence of what is predicted, by its place and label."""
    predicted = set(adapter.predicted(doc))
    found = {c.key: c.confidence for c in get_candidates(doc, key) if c.key in predicted}
    return {place: p for place, p in found.items() if p is not None}


def _look_at(
    docs: Sequence[Doc], adapter: Any, key: str, labels: Dict[str, int], threshold: float
) -> Watched:
    counts = np.zeros((len(docs), len(labels)), int)
    weak, lowest = np.zeros(len(docs), int), np.ones(len(docs))
    for i, doc in enumerate(docs):
        for (*_, label), p in _confidences(doc, adapter, key).items():
            counts[i, labels[label]] += 1
            weak[i] += p < threshold
            lowest[i] = min(lowest[i], p)
    return Watched(counts, weak, lowest)


def _row(doc: Doc, adapter: Any, key: str) -> Dict[str, Any]:
    spans = []
    for (start, end, label), p in sorted(_confidences(doc, adapter, key).items()):
        span = doc[start:end]
        place = {"start": span.start_char, "end": span.end_char}
        spans.append({**place, "label": label, "confidence": round(p, 4)})
    return {"text": doc.text, "spans": spans}
