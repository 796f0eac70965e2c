"""`ledger backup`: a copy of the replies that were paid for."""

from pathlib import Path

import typer

from ..errors import Errors, LLMJudgeError
from .arguments import Arg, Opt
from .printer import msg
from .user_errors import user_errors

ledger_app = typer.Typer(
    name="ledger", help="The file that keeps all paid replies", no_args_is_help=True
)


@user_errors
def backup_cli(
    # fmt: off
    ledger: Path = Arg(..., help="The ledger, such as ledger/judge.sqlite"),
    output: Path = Arg(..., help="File for the copy"),
    force: bool = Opt(False, "--force", "-F", help="Overwrite the file if it is there"),
    # fmt: on
) -> None:
    """Copy a ledger while runs may be writing to it.

    A plain copy of the file would miss the latest replies, which stand in a log beside it until the run
    ends. The copy is one file, and can be used as a ledger itself.
    """
    from ..ledger.backup import back_up

    if output.exists() and not force:
        raise LLMJudgeError(Errors.J336.format(path=output))
    counts = back_up(ledger, output)
    shown = ", ".join(f"{n} {state}" for state, n in sorted(counts.items())) or "empty"
    msg.good(f"{output}: {shown}")


@ledger_app.callback()
def _main() -> None:
    """The file that keeps all paid replies."""


def register(app) -> None:
    ledger_app.command("backup")(backup_cli)
    app.add_typer(ledger_app)
