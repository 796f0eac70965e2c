"""The variables of a project, checked before anything is done: a wrong one is not found after a training."""

import re
from pathlib import Path
from typing import Any, List, Mapping

from spacy.util import is_package

from ..cluster.calls import import_ray
from ..confidence.calibrators import SHORT_NAMES
from ..configs import read_config
from ..corpora.language import make_blank
from ..errors import Errors, LLMJudgeError
from ..numeric import MOST_FOLDS
from ..selection.files import read_selector
from ..storage import require_file
from ..targets.base import NAMES as TARGETS
from ..training.limits import SEED, Limits, check_training
from ..training.names import check_package_name
from ..training.student import require_device
from .calibrate import make_calibrator
from .judge_config import refuse_batches
from .start import unset_keys
from .template import JUDGES

NUMBERS = {
    "shots": Limits(0, SEED.most),
    "holdout": Limits(0, SEED.most),
    "budget_calls": Limits(0),
    "q": Limits(0, 1, whole=False),
    "seed": SEED,
    "seed_steps": Limits(1),
    "teacher_steps": Limits(0),
    "steps": Limits(1),
    "batch": Limits(1),
    "evidence_trains": Limits(0, 1),
    "rounds": Limits(1),
    "stop_share": Limits(0, 0.99, whole=False),
    "go_on": Limits(0),
    "folds": Limits(2, MOST_FOLDS),
    "gpu_id": Limits(-1),
}
# what a project's command cannot hold as one word
_SPLITS = re.compile(r"[\s'\"\\]")
NOTHING = "none"
AUTO = "auto"


def check_settings(variables: Mapping[str, Any]) -> List[str]:
    """Check the variables of a project that are given, one by one.

    variables (Mapping[str, Any]): By name. Files are looked for as in the folder of the project.
    RETURNS (List[str]): The environment variables that the judge needs and that are not set.
    RAISES (LLMJudgeError): J684 or J970 where one cannot be what it is, or what the step that it is for would
        raise.
    """
    for name, value in variables.items():
        if name in NUMBERS and not NUMBERS[name].holds(value):
            found = {"name": f"vars.{name}", "found": value, "expected": NUMBERS[name]}
            raise LLMJudgeError(Errors.J684.format(**found))
    if variables.get("q") in (0, 1):
        raise LLMJudgeError(Errors.J624.format(q=variables["q"]))
    given = {name: str(value) for name, value in variables.items()}
    for name, text in given.items():
        if not text or _SPLITS.search(text):
            raise LLMJudgeError(Errors.J970.format(name=name, found=text))
    if "name" in given:
        check_package_name(given["name"], given.get("version", "0.1.0"))
    if given.get("target", AUTO) not in (AUTO, *TARGETS):
        choices = ", ".join((AUTO, *TARGETS))
        raise LLMJudgeError(Errors.J411.format(found=given["target"], choices=choices))
    if "lang" in given:
        make_blank(given["lang"])
    require_device(int(given.get("gpu_id", -1)))
    check_on(given.get("on", NOTHING))
    calibrator = given.get("calibrator", AUTO)
    if calibrator != AUTO:
        make_calibrator(SHORT_NAMES.get(calibrator, calibrator))
    _check_files(given)
    return _check_configs(given)


def check_on(found: str) -> bool:
    """RETURNS (bool): Whether work is done on a Ray cluster, for which Ray must be there."""
    if found not in (NOTHING, "ray"):
        raise LLMJudgeError(Errors.J1001.format(found=found))
    if found == "ray":
        import_ray()
    return found == "ray"


def _check_files(given: Mapping[str, str]) -> None:
    if "dataset" in given:
        require_file(Path("assets", given["dataset"]), "Put it there, or set --vars.dataset.")
    if given.get("audit", NOTHING) != NOTHING:
        require_file(given["audit"], "Draw it with `audit`, and answer it.")
    seed_model = given.get("seed_model", NOTHING)
    if seed_model != NOTHING and not is_package(seed_model):
        require_file(seed_model, "Give the folder or the package of a spaCy pipeline.")


def _check_configs(given: Mapping[str, str]) -> List[str]:
    if "config" in given:
        check_training(read_config(given["config"]))
    if "filter" in given:
        read_selector(Path("configs", f"{given['filter']}.cfg"))
    if "judge" not in given:
        return []
    path = JUDGES / f"{given['judge']}.cfg"
    if not path.exists():
        known = ", ".join(sorted(one.stem for one in JUDGES.glob("*.cfg")))
        raise LLMJudgeError(Errors.J840.format(found=given["judge"], known=known))
    config = read_config(path, interpolate=False)
    if given.get("on") == "ray":
        refuse_batches(config, path)
    return unset_keys(config)
