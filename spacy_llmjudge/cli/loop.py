"""`loop`: annotate, judge, filter and retrain, once or until more rounds bring nothing."""

from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import typer

from ..candidates import CANDIDATE_CUT
from ..streams import SHARD_SIZE
from .arguments import Arg, Opt, config_command, overrides_by_config, overrides_of, paths_in
from .calibrate import NAMES, calibrator_of
from .cluster import Address, On, Workers, place_of
from .filter import show_promise
from .printer import msg
from .progress import Meter, live, progress_bar
from .threads import restart_with_sleeping_threads
from .timing import note_command
from .user_errors import user_errors

# what project.yml says for none
NO_FILE = Path("none")


@user_errors
def loop_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the configs, with student., seed., judge. or filter. in front
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
        help="Folder whose labels.yml, rules.txt and responses.jsonl, where they exist, become paths.definitions, paths.rules and paths.replies of the judge's config",
    ),
    budget_calls: int = Opt(
        0,
        "--budget-calls",
        help="Documents that the judge is asked about in all, dev included; of the pool those that the student is least certain about, a share in each round; 0: all",
        min=0,
    ),
    teacher_steps: int = Opt(
        400,
        "--teacher-steps",
        help="With a budget: training steps of the teacher, which learns from the judge's labels and annotates the pool; 0: no teacher",
        min=0,
    ),
    evidence_trains: int = Opt(
        1,
        "--evidence-trains",
        help="1: the last student learns from the gold of dev as well, as nothing is selected by it any more; 0: it does not",
        min=0,
        max=1,
    ),
    n_folds: int = Opt(
        5, "--folds", help="Without dev: folds of the cross-fitting; each costs a training"
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
    audit: Optional[Path] = Opt(
        None,
        "--audit",
        help="File that `audit` drew from the pool of the last round and a person answered: the evidence of that round",
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
    on: str = On,
    ray_address: Optional[str] = Address,
    ray_workers: int = Workers,
    # fmt: on
) -> None:
    """Annotate with the last student, judge, filter, train the next one, and again. One round is `selftrain`.

    Without dev the evidence is cross-fitted on the labelled set, and nothing is promised. It ends when the
    selection is stable, when F1 on a part of dev that is kept out of the evidence stops rising, when the judge's
    budget is spent, or after --rounds. A loop that was stopped or killed resumes when it is started again.
    Settings of the configs are given by their dotted names with the config in front (seed. is for students
    of the labelled set alone): --student.training.max_steps 400 --judge.paths.ledger PATH --filter.selector.floor 0.5.
    """
    restart_with_sleeping_threads()

    from ..steps.loop import run_loop
    from ..steps.loop_settings import LoopSettings
    from ..steps.stopping import StopRules

    overrides = overrides_by_config(overrides_of(ctx), ("student", "seed", "judge", "filter"))
    overrides["judge"] = {**paths_in(assets), **overrides["judge"]}
    settings = LoopSettings(
        config=config,
        judge=judge,
        filter=filter_config,
        corpus=corpus,
        training=training,
        metrics=metrics,
        overrides=overrides,
        budget_calls=budget_calls,
        teacher_steps=teacher_steps,
        evidence_trains=bool(evidence_trains),
        n_folds=n_folds,
        audit=None if audit == NO_FILE else audit,
        goes_on=goes_on,
        rules=StopRules(max_rounds, stable, patience, min_gain),
        stop_share=stop_share,
        calibrator=calibrator_of(calibrator),
        pipe_name=pipe_name,
        q=q,
        candidate_cut=candidate_cut,
        shard_size=shard_size,
        gpu_id=gpu_id,
        place=place_of(on, ray_address, ray_workers),
    )
    result = run_loop(
        settings, watch=_show, bar=lambda text: progress_bar(None, text), meter=_meter
    )
    note_command(metrics, "loop")
    _report(result, training)


def _report(result: Dict[str, Any], training: Path) -> None:
    rows = [
        (f"{row['round']}", *(_number(row[key]) for key in ("score", "overlap", "spans")))
        for row in result["rounds"]
    ]
    msg.divider("Rounds")
    titles = ("round", "F1, stopping part", "same spans", "silver spans")
    msg.table(rows, header=titles, divider=True, aligns=tuple("rrrr"))
    show = msg.warn if result["stop"]["reason"] == "budget" else msg.info
    show(result["stop"]["text"])
    msg.good(
        f"{training / 'loop' / 'model-best'}: the student of round {result['best']}, by {result['chosen_by']}"
    )


@contextmanager
def _meter(text: str) -> Iterator[Meter]:
    meter = Meter(text)
    with live(meter):
        yield meter


def _show(number: int, stage: str, result: Optional[Dict[str, Any]]) -> None:
    where = f"Round {number}" if number else "Seed student"
    if result is None:
        msg.text(f"{where}: {stage} ...")
    elif stage == "filter":
        msg.good(
            f"{where}: {result['documents']['silver']} silver documents, {result['spans']} spans"
        )
        show_promise(result)
    elif stage == "score":
        msg.good(f"{where}: F1 {100 * result['f']:.1f} on the stopping part of dev")


def _number(value: Optional[float]) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{100 * value:.1f}"


def register(app) -> None:
    config_command(app, "loop", loop_cli)
