"""The step `calibrate`: from posteriors to confidence, on held-out gold."""

from pathlib import Path
from typing import Any, Dict, Optional

from ..confidence.pipeline import add_confidence
from ..errors import Errors, LLMJudgeError
from ..stages import once
from ..storage import read_docs, write_json
from ..targets.base import find_record, find_target
from ..training.origin import hash_model
from ..training.student import component_name, load_student


def calibrate(
    model: str,
    gold: Path,
    output: Path,
    *,
    calibrator: Optional[str] = None,
    n_folds: int = 5,
    pipe_name: Optional[str] = None,
    gpu_id: int = -1,
) -> Dict[str, Any]:
    """Fit the temperature and the calibrator of a student on held-out gold.

    model (str): The student.
    gold (Path): A `.spacy` file that the student was not trained on.
    output (Path): Gets the calibration as JSON.
    calibrator (Optional[str]): A name in the registry `llmjudge_calibrators`; None chooses by the
        number of held-out spans.
    n_folds (int): Folds by document. A held-out document is scored with what was fitted on the
        other folds.
    pipe_name (Optional[str]): The component whose predictions they are; None takes the one that fits the
        target.
    RETURNS (Dict[str, Any]): The calibration.
    """
    inputs = {
        "model": hash_model(model),
        "gold": gold,
        "target": find_record(gold),
        "settings": [calibrator, n_folds, pipe_name],
    }

    def work() -> Dict[str, Any]:
        fitted = _fit(model, gold, calibrator, n_folds, pipe_name, gpu_id)
        write_json(output, fitted)
        return fitted

    return once("calibrate", inputs, [output], work)


def _fit(
    model: str,
    gold: Path,
    calibrator: Optional[str],
    n_folds: int,
    pipe_name: Optional[str],
    gpu_id: int,
) -> Dict[str, Any]:
    from ..training.readers import make_example

    fitter = None if calibrator is None else make_calibrator(calibrator)
    nlp = load_student(model, gpu_id)
    target = find_target(gold)
    pipe_name = component_name(nlp, target, pipe_name)
    docs = list(read_docs(gold, nlp.vocab))
    if not any(target.keys(doc) for doc in docs):
        raise LLMJudgeError(Errors.J801.format(path=gold))
    component = add_confidence(nlp, pipe_name)
    examples = [make_example(nlp, doc) for doc in docs if len(doc)]
    return component.fit(examples, calibrator=fitter, n_folds=n_folds).to_dict()


def make_calibrator(name: str) -> Any:
    """RETURNS (Any): A calibrator by its registered name; J812 where there is none."""
    from ..registries import calibrators

    known = sorted(calibrators().get_all())
    if name not in known:
        raise LLMJudgeError(Errors.J812.format(name=name, known=", ".join(known)))
    return calibrators().get(name)()
