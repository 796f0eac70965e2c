"""Cross-fitting: evidence from the labelled set itself, if you have no dev set.

The labelled documents are dealt out to folds by their text. For each fold a student is trained without
it and annotates it, and the judge is asked about it with demonstrations that leave it out. The result
takes dev's place for `calibrate` and `filter`, but it promises nothing: the students that scored it are
not the one that annotates the pool, and a few labelled documents are no random sample of the pool.
"""

from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, List, Optional, Tuple

from spacy.vocab import Vocab

from ..candidates import CANDIDATE_CUT
from ..confidence.calibrate import fit_crossfit
from ..confidence.pipeline import add_confidence
from ..errors import Errors, LLMJudgeError
from ..locks import alone
from ..numeric import check_folds, fold_of
from ..shards import process_shards
from ..storage import (
    read_docs,
    sha256_path,
    write_docs,
    write_json,
)
from ..targets.base import find_target, labels_in
from ..training.readers import make_example
from ..training.student import component_name, load_student, train_student
from .annotate import annotate
from .calibrate import make_calibrator
from .filter import CROSSFIT_NOTE
from .judge import judge
from .judge_config import read_judge_config
from .judge_report import left_by_reason, make_judge_report, require_answers

Bar = Callable[[str], ContextManager[Any]]
_TASK = "components.llm_judge.task"


@dataclass(frozen=True)
class CrossfitSettings:
    """What is cross-fitted.

    labelled (Path): The labelled set, a `.spacy` file.
    config (Path): The config that students are trained with.
    judge (Path): The config of the judge; its demonstrations must come from paths.labelled.
    output (Path): A folder. Gets the parts of every fold, and in `evidence` the judged documents.
    training (Path): A folder for the students.
    calibration (Path): Gets the calibration as JSON.
    overrides (Dict[str, Dict[str, Any]]): For "student" and "judge": settings of the config by their
        dotted names.
    n_folds (int): How many folds; each costs a training.
    calibrator (Optional[str]): A name in the registry `llmjudge_calibrators`; None takes the default.
    candidate_cut (float): The least posterior of a candidate.
    gpu_id (int): The GPU, or -1 for the CPU.
    """

    labelled: Path
    config: Path
    judge: Path
    output: Path
    training: Path
    calibration: Path
    overrides: Dict[str, Dict[str, Any]] = field(default_factory=dict)
    n_folds: int = 5
    calibrator: Optional[str] = None
    candidate_cut: float = CANDIDATE_CUT
    gpu_id: int = -1

    def of(self, name: str) -> Dict[str, Any]:
        return dict(self.overrides.get(name, {}))


@dataclass(frozen=True)
class Fold:
    """One fold: its documents (`held_out`), all others (`rest`), and the student of the others."""

    number: int
    held_out: Path
    rest: Path
    student: Path


def crossfit(settings: CrossfitSettings, *, bar: Optional[Bar] = None) -> Dict[str, Any]:
    """Make evidence and a calibration from the labelled set.

    settings (CrossfitSettings): What is cross-fitted. A run that was stopped resumes where it was.
    bar (Optional[Bar]): From a text to a context that gives a progress callback, for the judge.
    RETURNS (Dict[str, Any]): `note` (what the figures are not), `folds`, `documents`, `temperature`,
        `n_spans`, `reliability` (of the students, out of fold), `judged` (by fold: `states` and `usage`)
        and `judge`. The same is in `crossfit.json` in the folder.
    """
    with alone(settings.output):
        return _crossfit(settings, bar or (lambda text: nullcontext()))


def _crossfit(settings: CrossfitSettings, bar: Bar) -> Dict[str, Any]:
    folds = split_folds(settings)
    # a fold may hold all examples of a label
    labels = sorted(labels_in(settings.labelled))
    named = {f"{_TASK}.labels": labels} if _require_blind_judge(settings, folds[0]) else {}
    for fold in folds:
        _train(settings, fold)
    calibration = _calibrate(settings, folds)
    judged: Dict[str, Any] = {}
    for fold in folds:
        annotated = settings.output / "annotated" / f"fold-{fold.number}"
        annotate(
            str(fold.student),
            settings.calibration,
            fold.held_out,
            annotated,
            out_of_fold=True,
            labels=settings.labelled,
            candidate_cut=settings.candidate_cut,
            gpu_id=settings.gpu_id,
        )
        with bar(f"Judging fold {fold.number}") as progress:
            found = judge(
                annotated,
                settings.output / "judged" / f"fold-{fold.number}",
                settings.judge,
                overrides={
                    **settings.of("judge"),
                    "paths.labelled": str(fold.rest),
                    **named,
                },
                progress=progress,
            )
        judged[f"fold-{fold.number}"] = {key: found[key] for key in ("states", "usage")}
    report = make_judge_report(judged)
    documents = _gather(settings, judged, report)
    result = {
        "note": CROSSFIT_NOTE,
        "folds": len(folds),
        "documents": documents,
        "temperature": calibration["temperature"],
        "n_spans": calibration["n_spans"],
        "reliability": calibration["reliability"],
        "judged": judged,
        "judge": report,
    }
    write_json(settings.output / "crossfit.json", result)
    return result


def split_folds(settings: CrossfitSettings) -> List[Fold]:
    """Deal the labelled documents out to folds by their text, and write the parts of each.

    settings (CrossfitSettings): What is cross-fitted.
    RETURNS (List[Fold]): Those that have documents.
    RAISES (LLMJudgeError): J825 where fewer than two have any, or one leaves no entity to learn from.
    """
    n_folds = settings.n_folds
    check_folds(n_folds)
    target = find_target(settings.labelled)
    docs = [doc for doc in read_docs(settings.labelled, Vocab()) if len(doc)]
    numbers = [fold_of(doc.text, n_folds) for doc in docs]
    used = sorted(set(numbers))
    parts: List[Tuple[int, List[Any], List[Any]]] = []
    for number in used:
        held_out = [doc for doc, n in zip(docs, numbers) if n == number]
        rest = [doc for doc, n in zip(docs, numbers) if n != number]
        parts.append((number, held_out, rest))
    if len(used) < 2 or not all(any(target.keys(doc) for doc in rest) for _, _, rest in parts):
        found = {"n": len(docs), "found": len(used), "folds": n_folds}
        raise LLMJudgeError(Errors.J825.format(path=settings.labelled, **found))
    folds = []
    for number, held_out, rest in parts:
        folder = settings.output / f"fold-{number}"
        student = settings.training / f"fold-{number}" / "model-best"
        fold = Fold(number, folder / "held_out.spacy", folder / "rest.spacy", student)
        write_docs(fold.held_out, held_out)
        write_docs(fold.rest, rest)
        folds.append(fold)
    return folds


def _require_blind_judge(settings: CrossfitSettings, fold: Fold) -> bool:
    """A judge that is shown the gold of what it judges would be evidence of nothing.

    RETURNS (bool): Whether it has a task of ours, which is told the labels.
    """
    overrides = {**settings.of("judge"), "paths.labelled": str(fold.rest)}
    loaded = read_judge_config(settings.judge, overrides)
    task = loaded.get("components", {}).get("llm_judge", {}).get("task", {})
    found = task.get("demonstrations")
    if found and str(found) != str(fold.rest):
        raise LLMJudgeError(Errors.J824.format(path=settings.judge, found=found))
    return bool(task)


def _train(settings: CrossfitSettings, fold: Fold) -> None:
    train_student(
        settings.config,
        fold.student.parent,
        overrides={
            **settings.of("student"),
            "paths.gold": str(fold.rest),
            # nothing is chosen by it: spaCy prints a score on it at the end
            "paths.dev": str(fold.held_out),
        },
        gpu_id=settings.gpu_id,
    )


def _calibrate(settings: CrossfitSettings, folds: List[Fold]) -> Dict[str, Any]:
    calibrator = None
    if settings.calibrator is not None:
        calibrator = make_calibrator(settings.calibrator)
    parts = []
    for fold in folds:
        nlp = load_student(str(fold.student), settings.gpu_id)
        name = component_name(nlp, find_target(settings.labelled))
        component = add_confidence(nlp, name, settings.candidate_cut)
        docs = list(read_docs(fold.held_out, nlp.vocab))
        parts.append((component, [make_example(nlp, doc) for doc in docs]))
    fitted = fit_crossfit(parts, calibrator=calibrator, n_folds=settings.n_folds)
    write_json(settings.calibration, fitted.to_dict())
    return fitted.to_dict()


def _gather(settings: CrossfitSettings, judged: Dict[str, Any], report: Dict[str, Any]) -> int:
    """Put the judged folds into one folder that `filter` knows as cross-fitted.

    RETURNS (int): How many documents.
    """
    states = sum((Counter(found["states"]) for found in judged.values()), Counter())
    left = left_by_reason(states)
    reasons = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    if left:
        raise LLMJudgeError(Errors.J820.format(n=sum(left.values()), reasons=reasons))
    require_answers(states)
    folders = [settings.output / "judged" / name for name in judged]
    vocab = Vocab()
    docs = [doc for folder in folders for doc in read_docs(folder, vocab)]
    process_shards(
        docs,
        settings.output / "evidence",
        lambda batch: batch,
        fingerprint={
            "crossfit": settings.n_folds,
            "judged": {folder.name: sha256_path(folder) for folder in folders},
        },
    )
    return len(docs)
