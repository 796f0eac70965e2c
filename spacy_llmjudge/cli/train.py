"""`train`: train a student with `spacy train`, or start from a pipeline that is there already."""

from pathlib import Path
from typing import Optional

import typer

from ..errors import Errors, LLMJudgeError
from .arguments import Arg, Opt, config_command, overrides_of
from .printer import msg
from .threads import restart_with_sleeping_threads
from .timing import timed
from .user_errors import user_errors


@user_errors
def train_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the config, by their dotted names
    config: Path = Arg(..., help="spaCy training config"),
    output: Path = Arg(..., help="Folder that gets model-best"),
    seed_model: str = Opt(
        "none",
        "--seed-model",
        help="Do not train: take this pipeline (a folder or a package with NER)",
    ),
    pipe_name: str = Opt(
        "auto",
        "--pipe-name",
        help="Component of --seed-model that is used; auto: the one that fits",
    ),
    start: Optional[Path] = Opt(
        None,
        "--go-on-from",
        help="Continue from this trained pipeline, with its components instead of the config's",
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    step: str = Opt("train", "--step", help="Name of this step in the table of times"),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for timings"),
    # fmt: on
) -> None:
    """Train a student with `spacy train` into OUTPUT/model-best.

    Settings of the config can be given by their dotted names, as in `spacy train`. A training
    that was finished before with the same config and data is not repeated.
    """
    restart_with_sleeping_threads()

    from ..training.config import target_of_config
    from ..training.student import adopt_student, train_student

    if seed_model != "none" and start is not None:
        raise LLMJudgeError(Errors.J659)
    with timed(step, metrics):
        if seed_model != "none":
            target = target_of_config(config, overrides_of(ctx))
            adopted = adopt_student(seed_model, output, target, pipe_name)
            msg.good(f"Took {seed_model} as the student (labels: {adopted['labels']})")
            return
        result = train_student(
            config, output, start=start, overrides=overrides_of(ctx), gpu_id=gpu_id
        )
    if result["trained"]:
        msg.good(f"Trained {output / 'model-best'} in {result['seconds']:.0f} s")
    else:
        msg.good(f"{output / 'model-best'} was trained before with the same inputs")


def register(app) -> None:
    config_command(app, "train", train_cli)
