"""`evaluate`: score models on the test set. `summary`: the closing table."""

import re
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set, Tuple

from ..errors import Errors, LLMJudgeError
from .arguments import Arg, Opt
from .package import scores_folder, show_wheel
from .printer import msg
from .progress import progress_bar
from .timing import show_seconds, timed
from .user_errors import user_errors


@user_errors
def evaluate_cli(
    # fmt: off
    test: Path = Arg(..., help="Test set, a .spacy file"),
    models: List[str] = Arg(
        ...,
        help="NAME=PIPELINE, such as judged=training/round-1/model-best; a pipeline that does not exist is left out, except seed and judged",
    ),
    metrics: Path = Opt(..., "--metrics", help="Folder for the results"),
    silver: Optional[Path] = Opt(None, "--silver", help="Silver to measure"),
    pool_gold: Optional[Path] = Opt(
        None, "--pool-gold", help="Hidden gold of the pool to measure it against"
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    # fmt: on
) -> None:
    """Score models with spaCy's scorer and seqeval, with 95 % bootstrap intervals and paired tests."""
    from ..steps.evaluate import evaluate

    chosen = parse_models(models, required=("seed", "judged"))
    with timed("evaluate", metrics):
        with progress_bar(len(chosen), "Evaluating", unit="model") as progress:
            evaluate(
                chosen,
                test,
                metrics,
                silver=silver,
                pool_gold=pool_gold,
                gpu_id=gpu_id,
                progress=progress,
            )
    msg.good(f"{metrics / 'summary.json'}: {', '.join(chosen)}")


def parse_models(models: List[str], required: Sequence[str] = ()) -> Dict[str, str]:
    """Read NAME=PIPELINE.

    models (List[str]): The arguments. A pipeline that is not there is left out.
    required (Sequence[str]): Names that are never left out.
    RETURNS (Dict[str, str]): Name to pipeline.
    """
    chosen: Dict[str, str] = {}
    seen: Set[str] = set()
    for model in models:
        name, separator, path = model.partition("=")
        if not (separator and path and re.fullmatch(r"[\w-]+", name)) or name in seen:
            raise LLMJudgeError(Errors.J809.format(model=model))
        seen.add(name)
        if name in required or Path(path).exists():
            chosen[name] = path
    return chosen


LEVELS = {"ents": "entity level", "spans": "span level", "cats": "averaged over labels"}


@user_errors
def summary_cli(
    # fmt: off
    metrics: Path = Arg(..., help="Folder that `evaluate` or `loop` wrote to"),
    packages: Optional[Path] = Opt(
        None, "--packages", help="Folder of packages, to name the newest"
    ),
    # fmt: on
) -> None:
    """Print the results of a round: students, silver, calibration, time."""
    from ..evaluation.summary import (
        CALIBRATION_TITLES,
        calibration_rows,
        describe_held_out,
        header,
        model_rows,
        silver_rows,
    )
    from ..report.sections import say_certificate
    from ..selection.certificate import read_certificate
    from ..stages import SECONDS, read_seconds
    from ..storage import read_json, shaped, write_json

    metrics = scores_folder(metrics)
    path = metrics / "summary.json"
    summary = read_json(path, "Run the step `evaluate` first.")
    with shaped(metrics / SECONDS):
        seconds = {step: float(s) for step, s in read_seconds(metrics).items()}
    with shaped(path):
        summary["seconds"] = seconds or summary["seconds"]
        level = LEVELS[summary.get("target", "ents")]
        students = header(summary), model_rows(summary)
        held_out = summary.get("held_out")
        held_out = held_out and describe_held_out(held_out, level)
        silver, calibration = silver_rows(summary), calibration_rows(summary["calibration"])
        statement, warning = summary["silver"]["statement"], summary["silver"].get("warning")
    if seconds:
        # steps that came after `evaluate` count as well
        write_json(path, summary)
    if students[1]:
        msg.divider(f"Students on the test set ({level}, %)")
        _show_table(*students)
    else:
        msg.warn("There is no test set, so that nothing says how good the last student is.")
    if held_out:
        msg.text(f"{held_out}\n")
    if silver:
        msg.divider("Silver against the hidden gold of the pool (%)")
        _show_table(("label", "spans", "precision", "recall"), silver)
    if statement:
        msg.text(f"{statement}\n")
    for said in say_certificate(read_certificate(metrics)):
        msg.text(f"{said}\n")
    if warning:
        msg.warn(warning)
    if calibration:
        msg.divider("Confidence in what was predicted or proposed, held out")
        _show_table(CALIBRATION_TITLES, calibration)
    if summary["seconds"]:
        show_seconds(summary["seconds"])
    show_wheel(packages)


def _show_table(titles: Sequence[str], rows: List[Tuple[str, ...]]) -> None:
    aligns = ("l", *"r" * (len(titles) - 1))
    msg.table(rows, header=titles, divider=True, aligns=aligns, max_col=60)


def register(app) -> None:
    app.command("evaluate")(evaluate_cli)
    app.command("summary")(summary_cli)
