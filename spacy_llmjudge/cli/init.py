"""`init`: write the project template for people who installed the wheel and have no clone."""

from pathlib import Path

from .arguments import Arg, Opt
from .printer import msg
from .user_errors import user_errors


@user_errors
def init_cli(
    # fmt: off
    folder: Path = Arg(..., help="Folder for the project"),
    force: bool = Opt(
        False,
        "--force",
        "-F",
        help="Write into a folder that exists; files of the template in it are overwritten",
    ),
    # fmt: on
) -> None:
    """Write the project template: project.yml and configs."""
    from ..steps.template import copy_template

    files = copy_template(folder, force=force)
    msg.good(f"Wrote {len(files)} files to {folder}")
    msg.info(
        f"Put labelled.jsonl, pool.jsonl and, where you have them, dev.jsonl and test.jsonl into {folder}/assets/DATASET, "
        f"then: cd {folder} && python -m spacy project run selftrain . "
        "--vars.dataset DATASET --vars.judge embedded"
    )


def register(app) -> None:
    app.command("init")(init_cli)
