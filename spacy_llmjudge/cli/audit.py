"""`audit`: random candidates of the pool for a person to answer, as evidence for `filter`."""

from pathlib import Path
from typing import Optional

import typer

from ..errors import Errors, LLMJudgeError
from .arguments import Arg, Opt, config_command, overrides_of
from .printer import msg
from .progress import spinner
from .user_errors import user_errors


@user_errors
def audit_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the config, by their dotted names
    judged: Path = Arg(..., help="Folder with pool/ and dev/ that `judge` wrote"),
    gold: Path = Arg(..., help="Gold of dev, a .spacy file"),
    output: Path = Arg(..., help="File for the candidates, .jsonl"),
    config: Path = Arg(..., help="Config with [selector] and [silver] that `filter` will get, too"),
    n: int = Opt(150, "--n", "-n", help="How many candidates", min=1),
    seed: int = Opt(0, "--seed", help="Seed of the draw"),
    evidence: Optional[Path] = Opt(
        None,
        "--evidence",
        help="Folder of judged held-out documents, instead of dev/ in the first argument",
    ),
    force: bool = Opt(False, "--force", "-F", help="Overwrite the file if it is there"),
    # fmt: on
) -> None:
    """Draw random candidates of the pool for a person to label.

    Write "yes" (exactly this span is an entity with this label) or "no" into every `answer`, and give
    the file to `filter` with --audit: then these answers are the evidence.
    """
    from ..selection.audit import export_audit

    if output.exists() and not force:
        raise LLMJudgeError(Errors.J427.format(path=output))
    with spinner("Drawing..."):
        drawn = export_audit(
            judged / "pool",
            evidence or judged / "dev",
            gold,
            config,
            output,
            n=n,
            seed=seed,
            overrides=overrides_of(ctx),
        )
    msg.good(f"{output}: {drawn} candidates")
    msg.info('Write "yes" or "no" into every "answer", then run `filter` with --audit')


def register(app) -> None:
    config_command(app, "audit", audit_cli)
