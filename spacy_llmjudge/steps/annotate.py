"""The step `annotate`: pseudo-label documents, shard by shard."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Set, Tuple

from spacy.tokens import Doc

from ..candidates import CANDIDATE_CUT, copy_tokens, get_candidates, set_candidates
from ..confidence.pipeline import add_confidence
from ..shards import Work, write_shards
from ..stages import once, record_beside, require_not_of
from ..storage import read_json, sha256_path
from ..streams import SHARD_SIZE, Documents, texts_of_all
from ..targets.base import Target, find_record, find_target, labels_in
from ..training.origin import hash_learned, hash_model
from ..training.student import component_name, load_student
from .loading import keeps_no_words
from .origin import find_origin_caveats

if TYPE_CHECKING:
    from spacy.language import Language

    from ..cluster.spread import Cluster

Progress = Optional[Callable[[int], None]]


def annotate(
    model: str,
    calibration: Path,
    source: Path,
    output: Path,
    *,
    out_of_fold: bool = False,
    labels: Optional[Path] = None,
    pipe_name: Optional[str] = None,
    candidate_cut: float = CANDIDATE_CUT,
    shard_size: int = SHARD_SIZE,
    gpu_id: int = -1,
    progress: Progress = None,
    cluster: Optional["Cluster"] = None,
) -> Dict[str, Any]:
    """Pseudo-label documents: entities, candidates, posteriors and confidences, shard by shard.

    model (str): The student.
    calibration (Path): What `calibrate` wrote.
    source (Path): The documents.
    output (Path): The folder of shards.
    out_of_fold (bool): Score each document with what was fitted without its fold: for the gold
        that the calibration was fitted on.
    labels (Optional[Path]): A `.spacy` file; candidates with labels that it lacks are left out.
    pipe_name (Optional[str]): The component whose predictions they are; None takes the one that fits the
        target.
    cluster (Optional[Cluster]): Its workers annotate the shards; None does it here.
    RETURNS (Dict[str, Any]): The manifest.
    """
    inputs = {
        "model": hash_model(model),
        "learned": hash_learned(model),
        "calibration": calibration,
        "source": source,
        "target": find_record(source),
        "labels": labels,
        "settings": [out_of_fold, pipe_name, candidate_cut, shard_size],
    }

    require_not_of(output, record_beside(output.with_name(f"{output.name}.questions")))

    def work() -> Dict[str, Any]:
        load = partial(
            _load,
            model,
            calibration,
            source,
            out_of_fold=out_of_fold,
            labels=labels,
            pipe_name=pipe_name,
            candidate_cut=candidate_cut,
        )
        nlp, name, annotating = load(gpu_id=gpu_id if cluster is None else -1)
        return write_shards(
            annotating,
            output,
            fingerprint={
                "model": inputs["model"],
                "calibration": sha256_path(calibration),
                "source": sha256_path(source),
                "settings": [
                    out_of_fold,
                    sorted(labels_in(labels)) if labels else [],
                    name,
                    candidate_cut,
                ],
                **find_origin_caveats(nlp, texts_of_all(annotating.docs)),
            },
            shard_size=shard_size,
            on_shard=progress and (lambda numbers: progress(len(numbers))),
            # a worker has one GPU, or none
            spread=None
            if cluster is None
            else cluster.spread(partial(_load_work, load, min(gpu_id, 0)), gpus=int(gpu_id >= 0)),
        )

    return once("annotate", inputs, [output], work)


def _load_work(load: Callable[..., Tuple["Language", str, Work[Doc]]], gpu_id: int) -> Work[Doc]:
    return load(gpu_id=gpu_id)[2]


def _load(
    model: str,
    calibration: Path,
    source: Path,
    *,
    out_of_fold: bool,
    labels: Optional[Path],
    pipe_name: Optional[str],
    candidate_cut: float,
    gpu_id: int,
) -> Tuple["Language", str, Work[Doc]]:
    """RETURNS (Tuple[Language, str, Work]): The student, the component whose predictions they are, and how
    documents are annotated with it."""
    from ..confidence.calibrate import Calibration

    target = find_target(source)
    nlp = load_student(model, gpu_id)
    name = component_name(nlp, target, pipe_name)
    component = add_confidence(nlp, name, candidate_cut)
    component.calibration = Calibration.from_dict(read_json(calibration))
    component.out_of_fold = out_of_fold
    known = labels_in(labels) if labels else None
    docs = Documents(source, nlp.vocab)

    def process(batch: List[Doc]) -> List[Doc]:
        annotated = list(nlp.pipe(map(copy_tokens, batch)))
        if known is not None:
            for doc in annotated:
                _keep_labels(doc, known, target)
        return annotated

    zone = nlp.memory_zone if docs.has_shards and keeps_no_words(nlp) else nullcontext
    return nlp, name, Work(docs, process, zone=zone)


def _keep_labels(doc: Doc, labels: Set[str], target: Target) -> None:
    candidates = get_candidates(doc)
    if {c.label for c in candidates} <= labels:
        return
    set_candidates(doc, [c for c in candidates if c.label in labels])
    target.keep_labels(doc, labels)
