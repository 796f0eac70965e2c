"""What a user would do instead: self-training without a judge, or the judge's labels as they are."""

from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Sequence

from spacy.tokens import Doc

from ..candidates import copy_tokens, get_candidates, is_judged
from ..errors import Errors, LLMJudgeError
from ..storage import require_file, write_json
from ..streams import Documents, write_documents
from ..targets.base import Target, find_target
from .filter import NothingSelected, filter_candidates


def label_with_judge(judged: Path, silver: Path) -> Dict[str, Any]:
    """Take what the judge listed as it is, and nothing else. A baseline.

    judged (Path): The folder of the judged pool.
    silver (Path): Gets a document for each that was judged.
    RETURNS (Dict[str, Any]): `docs` and `spans`.
    """
    target = find_target(judged)
    n_spans = 0

    def label() -> Iterator[Doc]:
        nonlocal n_spans
        has_any = False
        for doc in Documents(judged):
            made = take_judged_labels(doc, target) if is_judged(doc) else None
            if made is not None:
                has_any = True
                n_spans += len(target.keys(made))
                yield made
        if not has_any:
            raise LLMJudgeError(Errors.J804.format(path=judged))

    return {"docs": write_documents(silver, label()), "spans": n_spans}


def take_judged_labels(doc: Doc, target: Target) -> Optional[Doc]:
    """RETURNS (Optional[Doc]): A copy of a judged document with what the judge listed and nothing
    else; None where that says nothing."""
    keys = target.settle([c for c in get_candidates(doc) if c.verdict == "correct"])
    if keys is None:
        return None
    made = copy_tokens(doc)
    target.annotate(made, keys)
    return made


def train_unjudged(
    annotated: Path,
    corpus: Path,
    config: Path,
    filter_config: Path,
    output: Path,
    metrics: Path,
    *,
    cuts: Sequence[float],
    overrides: Optional[Dict[str, Any]] = None,
    gpu_id: int = -1,
) -> Dict[str, Any]:
    """Classic self-training: the student's sure predictions at several cuts, the best on dev.

    annotated (Path): The folder that `annotate` wrote.
    corpus (Path): The folder with `labelled.spacy` and `dev.spacy`.
    config (Path): The training config.
    filter_config (Path): A config whose selector has a `cut`.
    output (Path): Gets `cut-<cut>/` for each, and a copy of the best in `best/model-best`.
    metrics (Path): Gets `unjudged-selection.json`.
    RETURNS (Dict[str, Any]): `dev_f` (cut to F1 on dev) and `best` (the cut).
    """
    from ..training.student import adopt_student, train_student

    dev = require_file(corpus / "dev.spacy", "Classic self-training chooses its cut on a dev set.")
    scores: Dict[str, float] = {}
    reports: Dict[str, Any] = {}
    for cut in cuts:
        folder = output / f"cut-{cut:g}"
        silver = folder.with_suffix(f"{folder.suffix}.spacy")
        try:
            reports[f"{cut:g}"] = filter_candidates(
                annotated / "pool",
                annotated / "dev",
                dev,
                filter_config,
                silver,
                silver.with_suffix(".json"),
                overrides={"selector.cut": cut},
            )
        except NothingSelected:
            continue
        paths = {
            "paths.gold": str(corpus / "labelled.spacy"),
            "paths.dev": str(dev),
            "paths.silver": str(silver),
        }
        trained = train_student(
            config, folder, overrides={**(overrides or {}), **paths}, gpu_id=gpu_id
        )
        scores[f"{cut:g}"] = float(trained["score"] or 0.0)
    if not scores:
        raise LLMJudgeError(Errors.J811.format(cuts=", ".join(f"{c:g}" for c in cuts)))
    best = max(scores, key=lambda cut: scores[cut])
    target = find_target(corpus / "labelled.spacy")
    adopt_student(str(output / f"cut-{best}" / "model-best"), output / "best", target)
    result = {"dev_f": scores, "best": best}
    write_json(metrics / "unjudged-selection.json", {**result, "reports": reports})
    return result
