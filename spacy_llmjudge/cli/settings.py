"""`settings`: check the variables of a project before anything is done with them."""

import typer

from .arguments import config_command, overrides_of
from .printer import msg
from .unjudged import parse_cuts
from .user_errors import user_errors


@user_errors
def settings_cli(
    ctx: typer.Context,  # variables of project.yml, as `spacy project run` takes them
) -> None:
    """Check the variables of a project, such as --vars.steps 400, before anything is done with them.

    It is the first command of the workflows, in the folder of the project, so that a name, a number or a file that
    cannot be used is found before the first training and not after the last one.
    """
    from ..steps.settings import check_settings

    variables = {name.partition(".")[2]: value for name, value in overrides_of(ctx).items()}
    if "cuts" in variables:
        parse_cuts(str(variables["cuts"]))
    for name in check_settings(variables):
        msg.warn(f"The judge needs a key that is not set: the environment variable {name}")
    msg.good(f"{len(variables)} settings can be used")


def register(app) -> None:
    config_command(app, "settings", settings_cli)
