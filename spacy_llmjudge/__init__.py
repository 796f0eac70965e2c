"""LLM-judged self-training for spaCy. Importing this is light: each name is loaded when it is used."""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, List

if TYPE_CHECKING:
    from .candidates import Candidate as Candidate
    from .candidates import get_candidates as get_candidates
    from .corpora.prepare import prepare as prepare
    from .denoise.confident import prune_labels as prune_labels
    from .denoise.prior import correct_prior as correct_prior
    from .denoise.sidyp import refine_sidyp as refine_sidyp
    from .denoise.stacking import stack as stack
    from .denoise.uu import refine_uu as refine_uu
    from .selection.certificate import certificate as certificate
    from .selection.conformal_cut import conformal_cut as conformal_cut
    from .steps.annotate import annotate as annotate
    from .steps.calibrate import calibrate as calibrate
    from .steps.evaluate import evaluate as evaluate
    from .steps.filter import filter_candidates as select
    from .steps.selftrain import SelfTraining as SelfTraining
    from .steps.selftrain import selftrain as selftrain
    from .targets.base import find_target as find_target
    from .training.package import export_package as package
    from .training.student import train_student as train

__version__ = "0.1.0"

# OpenMP reads this once, when torch is loaded: threads that wait for work sleep instead of spinning
if "torch" not in sys.modules:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# name to module and the name there
_PUBLIC = {
    "Candidate": ("candidates", "Candidate"),
    "get_candidates": ("candidates", "get_candidates"),
    "find_target": ("targets.base", "find_target"),
    "selftrain": ("steps.selftrain", "selftrain"),
    "SelfTraining": ("steps.selftrain", "SelfTraining"),
    "prepare": ("corpora.prepare", "prepare"),
    "train": ("training.student", "train_student"),
    "calibrate": ("steps.calibrate", "calibrate"),
    "annotate": ("steps.annotate", "annotate"),
    "select": ("steps.filter", "filter_candidates"),
    "evaluate": ("steps.evaluate", "evaluate"),
    "package": ("training.package", "export_package"),
    "certificate": ("selection.certificate", "certificate"),
    "conformal_cut": ("selection.conformal_cut", "conformal_cut"),
    "certified_cut": ("selection.certified_cut", "certified_cut"),
    "rank_candidates": ("selection.certified_cut", "rank_candidates"),
    "stack": ("denoise.stacking", "stack"),
    "correct_prior": ("denoise.prior", "correct_prior"),
    "prune_labels": ("denoise.confident", "prune_labels"),
    "refine_uu": ("denoise.uu", "refine_uu"),
    "refine_sidyp": ("denoise.sidyp", "refine_sidyp"),
}
# `judge` is a room as well as a step: the module can be called
__all__ = [
    "__version__",
    "Candidate",
    "SelfTraining",
    "annotate",
    "calibrate",
    "certificate",
    "certified_cut",
    "conformal_cut",
    "correct_prior",
    "evaluate",
    "find_target",
    "get_candidates",
    "judge",
    "package",
    "prepare",
    "prune_labels",
    "rank_candidates",
    "refine_sidyp",
    "refine_uu",
    "select",
    "selftrain",
    "stack",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "judge":
        return import_module(".judge", __name__)
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(import_module(f".{module}", __name__), attribute)


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
