"""`unjudged`: classic self-training, the baseline that has no judge."""

from pathlib import Path
from typing import List

import typer

from .arguments import Arg, Opt, config_command, overrides_of
from .printer import msg
from .threads import restart_with_sleeping_threads
from .timing import timed
from .user_errors import user_errors


@user_errors
def unjudged_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the training config, by their dotted names
    annotated: Path = Arg(..., help="Folder that `annotate` wrote"),
    corpus: Path = Arg(..., help="Folder that `prepare` wrote"),
    config: Path = Arg(..., help="spaCy training config"),
    output: Path = Arg(..., help="Folder that gets a model for each cut, and best/model-best"),
    filter_config: Path = Opt(
        Path("configs/filter_threshold.cfg"), "--filter", help="Config of the selection"
    ),
    cuts: str = Opt(
        ".5,.7,.8,.9", "--cuts", help="Cuts on the confidence; the best on dev is kept"
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    metrics: Path = Opt(Path("metrics"), "--metrics", help="Folder for statistics"),
    # fmt: on
) -> None:
    """Classic self-training: keep what the student is sure of at a cut, train again, take the best
    of several cuts on dev."""
    restart_with_sleeping_threads()

    from ..steps.baselines import train_unjudged

    with timed("unjudged", metrics):
        report = train_unjudged(
            annotated,
            corpus,
            config,
            filter_config,
            output,
            metrics,
            cuts=parse_cuts(cuts),
            overrides=overrides_of(ctx),
            gpu_id=gpu_id,
        )
    for cut, score in report["dev_f"].items():
        msg.info(f"Cut {cut}: F1 {100 * score:.1f} on dev")
    msg.good(f"{output / 'best' / 'model-best'}: cut {report['best']}")


def parse_cuts(cuts: str) -> List[float]:
    from ..errors import Errors, LLMJudgeError

    try:
        values = [float(cut) for cut in cuts.split(",")]
    except ValueError as error:
        raise LLMJudgeError(Errors.J810.format(cuts=cuts)) from error
    if not all(0 < cut < 1 for cut in values):
        raise LLMJudgeError(Errors.J810.format(cuts=cuts))
    return values


def register(app) -> None:
    config_command(app, "unjudged", unjudged_cli)
