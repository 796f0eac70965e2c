"""`evaluate`: score models on the test set. `summary`: the closing table."""

from pathlib import Path
from typing import Dict, List, Optional, Sequence

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
    chosen = {}
    for model in models:
        name, separator, path = model.partition("=")
        if not (separator and name and path):
            raise LLMJudgeError(Errors.J809.format(model=model))
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
        calibration_rows,
        describe_held_out,
        header,
        model_rows,
        silver_rows,
    )
    from ..report.sections import say_certificate
    from ..selection.certificate import read_certificate
    from ..stages import read_seconds
    from ..storage import read_json, write_json

    metrics = scores_folder(metrics)
    summary = read_json(metrics / "summary.json", "Run the step `evaluate` first.")
    seconds = read_seconds(metrics)
    if seconds:
        # steps that came after `evaluate` count as well
        summary["seconds"] = seconds
        write_json(metrics / "summary.json", summary)
    rows = model_rows(summary)
    level = LEVELS[summary.get("target", "ents")]
    titles = header(summary)
    aligns = ("l", *"r" * (len(titles) - 1))
    if rows:
        msg.divider(f"Students on the test set ({level}, %)")
        msg.table(rows, header=titles, divider=True, aligns=aligns, max_col=60)
    else:
        msg.warn("There is no test set, so that nothing says how good the last student is.")
    if summary.get("held_out"):
        msg.text(f"{describe_held_out(summary['held_out'], level)}\n")
    rows = silver_rows(summary)
    if rows:
        msg.divider("Silver against the hidden gold of the pool (%)")
        titles = ("label", "spans", "precision", "recall")
        msg.table(rows, header=titles, divider=True, aligns=tuple("lrrr"))
    if summary["silver"]["statement"]:
        msg.text(summary["silver"]["statement"] + "\n")
    for said in say_certificate(read_certificate(metrics)):
        msg.text(said + "\n")
    if summary["silver"].get("warning"):
        msg.warn(summary["silver"]["warning"])
    rows = calibration_rows(summary)
    if rows:
        msg.divider("Confidence in what was predicted or proposed, held out")
        titles = ("source", "n", "ECE", "95 % interval", "Brier", "AUROC")
        msg.table(rows, header=titles, divider=True, aligns=tuple("lrrrrr"))
    if summary["seconds"]:
        show_seconds(summary["seconds"])
    show_wheel(packages)


def register(app) -> None:
    app.command("evaluate")(evaluate_cli)
    app.command("summary")(summary_cli)
