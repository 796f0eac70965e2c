"""`filter`: fuse, decide, write silver. `label`: the judge's labels as they are, a baseline."""

from pathlib import Path
from typing import Any, Dict, Optional

import typer

from .arguments import Arg, Opt, config_command, overrides_of
from .printer import msg
from .progress import spinner
from .timing import timed
from .user_errors import user_errors


@user_errors
def filter_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the config, by their dotted names
    judged: Path = Arg(..., help="Folder with pool/ and dev/ that `judge` wrote"),
    gold: Path = Arg(..., help="Gold of dev, a .spacy file"),
    silver: Path = Arg(..., help="File for the silver, .spacy"),
    config: Path = Arg(..., help="Config with [selector] and [silver], see configs/filter.cfg"),
    metrics: Path = Opt(Path("metrics"), "--metrics", help="Folder for selection.json"),
    evidence: Optional[Path] = Opt(
        None,
        "--evidence",
        help="Folder of judged held-out documents, such as `crossfit` writes, instead of dev/ in the first argument",
    ),
    q: Optional[float] = Opt(
        None, "--q", help="Share of wrong spans that the silver may have; else that of the config"
    ),
    audit: Optional[Path] = Opt(
        None,
        "--audit",
        help="File that `audit` drew and a person answered: the evidence, in place of the held-out documents",
    ),
    # fmt: on
) -> None:
    """Fuse confidence and support, accept what keeps the error rate, and write silver documents.

    Settings of the config can be given by their dotted names, such as --selector.floor 0.5.
    """
    from ..candidates import DECIDED
    from ..steps.filter import filter_candidates

    with timed("filter", metrics), spinner("Selecting..."):
        report = filter_candidates(
            judged / "pool",
            evidence or judged / "dev",
            gold,
            config,
            silver,
            metrics / "selection.json",
            overrides=overrides_of(ctx),
            audit=audit,
            q=q,
            decided=silver.with_name(DECIDED),
        )
    decisions = report["decisions"]
    msg.good(f"{silver}: {report['documents']['silver']} documents, {report['spans']} spans")
    msg.info(", ".join(f"{n} {decision}" for decision, n in decisions.items()))
    show_promise(report)


def show_promise(report: Dict[str, Any]) -> None:
    """Print what is promised about a selection, which labels break it, and what it is worth."""
    msg.text(report["statement"])
    if report["warning"]:
        msg.warn(report["warning"])
    if report["worth"]:
        msg.text(report["worth"]["statement"])


@user_errors
def label_cli(
    # fmt: off
    judged: Path = Arg(..., help="Folder with pool/ that `judge` wrote"),
    silver: Path = Arg(..., help="File for the documents, .spacy"),
    # fmt: on
) -> None:
    """Write the judge's labels as they are: the baseline to compare a filter with."""
    from ..steps.baselines import label_with_judge

    counts = label_with_judge(judged / "pool", silver)
    msg.good(f"{silver}: {counts['docs']} documents, {counts['spans']} spans")


def register(app) -> None:
    config_command(app, "filter", filter_cli)
    app.command("label")(label_cli)
