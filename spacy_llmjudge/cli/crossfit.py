"""`crossfit`: evidence from the labelled set itself, if you have no dev set."""

from pathlib import Path
from typing import Optional

import typer

from ..candidates import CANDIDATE_CUT
from .arguments import Arg, Opt, config_command, overrides_by_config, overrides_of, paths_in
from .calibrate import NAMES, calibrator_of, describe_figures
from .printer import msg
from .progress import progress_bar
from .threads import restart_with_sleeping_threads
from .timing import timed
from .user_errors import user_errors


@user_errors
def crossfit_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the two configs, with student. or judge. in front
    labelled: Path = Arg(..., help="The labelled set, a .spacy file"),
    config: Path = Arg(..., help="spaCy training config of the students"),
    judge: Path = Arg(
        ...,
        help="spaCy config with the component llm_judge, see configs/judges; its demonstrations must come from paths.labelled",
    ),
    output: Path = Opt(
        Path("corpus/crossfit"),
        "--output",
        "-o",
        help="Folder for the folds; its evidence/ is what `filter` takes with --evidence",
    ),
    training: Path = Opt(
        Path("training/crossfit"), "--training", help="Folder for the students of the folds"
    ),
    calibration: Path = Opt(
        Path("training/round-0/calibration.json"),
        "--calibration",
        help="File for the calibration, which `annotate` takes",
    ),
    assets: Optional[Path] = Opt(
        None,
        "--assets",
        help="Folder whose labels.yml, rules.txt and responses.jsonl, where they exist, become paths.definitions, paths.rules and paths.replies of the judge's config",
    ),
    n_folds: int = Opt(5, "--folds", help="Folds by document; each costs a training"),
    calibrator: str = Opt(
        "auto", "--calibrator", help=f"auto, {', '.join(NAMES)}, or a registered name"
    ),
    candidate_cut: float = Opt(
        CANDIDATE_CUT, "--cut", help="Keep candidates with at least this posterior"
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for timings"),
    # fmt: on
) -> None:
    """Cross-fit the labelled set: each document is annotated by a student that has not seen it, and
    judged with demonstrations that leave it out.

    The result takes dev's place in `annotate` (the calibration) and `filter` (the evidence), but
    nothing is promised then. Settings of the configs are given by their dotted names with the config in
    front: --student.training.max_steps 150 --judge.paths.ledger PATH.
    """
    restart_with_sleeping_threads()

    from ..steps.crossfit import CrossfitSettings, crossfit

    overrides = overrides_by_config(overrides_of(ctx), ("student", "judge"))
    overrides["judge"] = {**paths_in(assets), **overrides["judge"]}
    settings = CrossfitSettings(
        labelled=labelled,
        config=config,
        judge=judge,
        output=output,
        training=training,
        calibration=calibration,
        overrides=overrides,
        n_folds=n_folds,
        calibrator=calibrator_of(calibrator),
        candidate_cut=candidate_cut,
        gpu_id=gpu_id,
    )
    with timed("crossfit", metrics):
        result = crossfit(settings, bar=lambda text: progress_bar(None, text))
    msg.good(f"{output / 'evidence'}: {result['documents']} documents in {result['folds']} folds")
    msg.good(
        f"{calibration}: temperature {result['temperature']:.2f}, {result['n_spans']} candidates"
    )
    shown = describe_figures(result["reliability"]["entities"]["after"])
    msg.info(f"Entities that the students of the folds predicted: {shown}")
    msg.text(result["note"])


def register(app) -> None:
    config_command(app, "crossfit", crossfit_cli)
