"""`loop`: rounds of annotate, judge, filter and retrain, until more of them bring nothing."""

from pathlib import Path
from typing import Any, Dict, Optional

import typer

from ..candidates import CANDIDATE_CUT
from ..shards import SHARD_SIZE
from .arguments import Arg, Opt, config_command, overrides_by_config, overrides_of, paths_in
from .calibrate import NAMES, calibrator_of
from .printer import msg
from .progress import progress_bar
from .threads import restart_with_sleeping_threads
from .user_errors import user_errors


@user_errors
def loop_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the three configs, with student., judge. or filter. in front
    corpus: Path = Arg(
        ..., help="Folder that `prepare` wrote; rounds go into round-1, round-2, ..."
    ),
    config: Path = Arg(..., help="spaCy training config of the students"),
    judge: Path = Arg(..., help="spaCy config with the component llm_judge, see configs/judges"),
    training: Path = Opt(
        Path("training"),
        "--training",
        help="Folder of models, with the seed student in round-0/model-best; gets loop/model-best",
    ),
    metrics: Path = Opt(
        Path("metrics"),
        "--metrics",
        help="Folder for loop.json, and round-1/round.json, round-2/round.json, ...",
    ),
    filter_config: Path = Opt(
        Path("configs/filter.cfg"), "--filter", help="Config with [selector] and [silver]"
    ),
    assets: Optional[Path] = Opt(
        None,
        "--assets",
        help="Folder whose rules.txt and responses.jsonl, where they exist, become paths.rules and paths.replies of the judge's config",
    ),
    at_most: int = Opt(
        0,
        "--at-most",
        help="Pool documents that a round asks about in addition to those of earlier rounds, the least certain first; the first round learns from them alone; 0: all",
        min=0,
    ),
    goes_on: int = Opt(
        0,
        "--go-on",
        help="From this round on, train the student of the round before further, instead of the pretrained encoder; 0: never",
        min=0,
    ),
    max_rounds: int = Opt(3, "--rounds", help="At most this many rounds"),
    stable: float = Opt(
        0.98,
        "--stable",
        help="Stop when this share of the accepted spans is the same as in the round before",
    ),
    patience: int = Opt(
        1,
        "--patience",
        help="Stop when this many rounds in a row did not raise F1 on the stopping part of dev",
    ),
    min_gain: float = Opt(0.0, "--min-gain", help="A gain in F1 up to this does not count, 0 to 1"),
    q: Optional[float] = Opt(
        None, "--q", help="Share of wrong spans that the silver may have; else that of the config"
    ),
    stop_share: float = Opt(
        0.3,
        "--stop-share",
        help="Share of dev that is kept apart from the evidence for that; 0: stop by the other rules only",
    ),
    calibrator: str = Opt(
        "auto", "--calibrator", help=f"auto, {', '.join(NAMES)}, or a registered name"
    ),
    pipe_name: str = Opt(
        "auto",
        "--pipe-name",
        help="Component of the seed student that is used; auto: the one that fits",
    ),
    candidate_cut: float = Opt(
        CANDIDATE_CUT, "--cut", help="Keep candidates with at least this posterior"
    ),
    shard_size: int = Opt(SHARD_SIZE, "--shard-size", help="Documents in a shard"),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    # fmt: on
) -> None:
    """Annotate with the last student, judge, filter, train the next one, and again.

    It ends when the selection is stable, when F1 on a part of dev that is kept out of the
    evidence stops rising, when the judge's budget is spent, or after --rounds. A loop that was stopped or killed resumes
    when it is started again. Settings of the configs are given by their dotted names with the
    config in front: --student.training.max_steps 400 --judge.paths.ledger PATH --filter.selector.floor 0.5.
    """
    restart_with_sleeping_threads()

    from ..steps.loop import run_loop
    from ..steps.round import LoopSettings
    from ..steps.stopping import StopRules

    overrides = overrides_by_config(overrides_of(ctx), ("student", "judge", "filter"))
    overrides["judge"] = {**paths_in(assets), **overrides["judge"]}
    settings = LoopSettings(
        config=config,
        judge=judge,
        filter=filter_config,
        corpus=corpus,
        training=training,
        metrics=metrics,
        overrides=overrides,
        at_most=at_most,
        goes_on=goes_on,
        rules=StopRules(max_rounds, stable, patience, min_gain),
        stop_share=stop_share,
        calibrator=calibrator_of(calibrator),
        pipe_name=pipe_name,
        q=q,
        candidate_cut=candidate_cut,
        shard_size=shard_size,
        gpu_id=gpu_id,
    )
    result = run_loop(settings, watch=_show, bar=lambda text: progress_bar(None, text))
    rows = [
        (f"{row['round']}", *(_number(row[key]) for key in ("score", "overlap", "spans")))
        for row in result["rounds"]
    ]
    msg.divider("Rounds")
    titles = ("round", "F1, stopping part", "same spans", "silver spans")
    msg.table(rows, header=titles, divider=True, aligns=tuple("rrrr"))
    msg.info(result["stop"]["text"])
    msg.good(
        f"{training / 'loop' / 'model-best'}: the student of round {result['best']}, by {result['chosen_by']}"
    )


def _show(number: int, stage: str, result: Optional[Dict[str, Any]]) -> None:
    where = f"Round {number}" if number else "Seed student"
    if result is None:
        msg.text(f"{where}: {stage} ...")
    elif stage == "filter":
        msg.good(
            f"{where}: {result['documents']['silver']} silver documents, {result['spans']} spans"
        )
        msg.text(result["statement"])
    elif stage == "score":
        msg.good(f"{where}: F1 {100 * result['f']:.1f} on the stopping part of dev")


def _number(value: Optional[float]) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{100 * value:.1f}"


def register(app) -> None:
    config_command(app, "loop", loop_cli)
