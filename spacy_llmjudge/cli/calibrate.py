"""`calibrate`: fit temperature and calibrator of a student on held-out gold."""

from pathlib import Path
from typing import Any, Dict, Optional

from .arguments import Arg, Opt
from .printer import msg
from .progress import spinner
from .timing import timed
from .user_errors import user_errors

NAMES = ("platt", "temperature", "isotonic", "venn_abers", "none")


@user_errors
def calibrate_cli(
    # fmt: off
    model: str = Arg(..., help="Pipeline with NER: a folder or an installed package"),
    gold: Path = Arg(..., help="Held-out gold, a .spacy file that the model was not trained on"),
    output: Path = Arg(..., help="File for the calibration"),
    calibrator: str = Opt(
        "auto",
        "--calibrator",
        help=f"auto (by the number of held-out spans), {', '.join(NAMES)}, or a registered name",
    ),
    n_folds: int = Opt(
        5, "--folds", help="Folds by document; held-out documents are scored without their fold"
    ),
    pipe_name: str = Opt(
        "auto",
        "--pipe-name",
        help="Component whose probabilities are calibrated; auto: the one that fits",
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for timings"),
    # fmt: on
) -> None:
    """Fit temperature and calibrator of a student on held-out gold, and report how reliable its confidence is."""
    from ..steps.calibrate import calibrate

    with timed("calibrate", metrics), spinner("Fitting temperature and calibrator..."):
        fitted = calibrate(
            model,
            gold,
            output,
            calibrator=calibrator_of(calibrator),
            n_folds=n_folds,
            pipe_name=pipe_name,
            gpu_id=gpu_id,
        )
    msg.good(
        f"{output}: temperature {fitted['temperature']:.2f}, {fitted['n_spans']} held-out candidates"
    )
    for when, figures in fitted["reliability"]["entities"].items():
        msg.info(
            f"Predicted entities, out of fold, {when} calibration: {describe_figures(figures)}"
        )


def calibrator_of(name: str) -> Optional[str]:
    """RETURNS (Optional[str]): The registered name of a calibrator; None for "auto"."""
    from ..confidence.calibrators import SHORT_NAMES

    return None if name == "auto" else SHORT_NAMES.get(name, name)


def describe_figures(figures: Dict[str, Any]) -> str:
    """RETURNS (str): The figures of a reliability in one line."""
    return ", ".join(
        f"{name} {'-' if figures[key] is None else format(figures[key], '.3f')}"
        for name, key in (("ECE", "ece"), ("Brier", "brier"), ("AUROC", "auroc"))
    )


def register(app) -> None:
    app.command("calibrate")(calibrate_cli)
