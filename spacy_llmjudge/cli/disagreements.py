"""`disagreements`: what a trained pipeline and an LLM see differently in a file of texts."""

from pathlib import Path
from typing import Any, Optional

import typer

from .arguments import Arg, Opt, config_command, overrides_of, paths_in
from .printer import msg
from .progress import spinner
from .user_errors import user_errors

COLUMNS = ("says", "span", "label", "confidence", "verdict", "support", "text")
# characters of a text in the table
MOST_TEXT = 60


@user_errors
def disagreements_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the judge's config, by their dotted names
    model: str = Arg(..., help="A trained pipeline with NER, anybody's: a folder or a package"),
    texts: Path = Arg(..., help="Lines of a .txt file, or rows with `text` of a .jsonl file"),
    config: Path = Arg(..., help="Config of a judge, see configs/judges"),
    output: Optional[Path] = Opt(None, "--output", "-o", help="File for the rows, .jsonl"),
    pipe_name: str = Opt("auto", "--pipe-name", help="Name of the NER component"),
    assets: Optional[Path] = Opt(
        None,
        "--assets",
        help="Folder whose rules.txt and responses.jsonl, where they exist, become paths.rules and paths.replies of the config",
    ),
    # fmt: on
) -> None:
    """List the entities on which a trained pipeline and an LLM disagree."""
    from ..steps.disagreements import list_disagreements

    overrides = {**paths_in(assets), **overrides_of(ctx)}
    with spinner("Reading and judging..."):
        found = list_disagreements(
            model, texts, config, overrides=overrides, pipe_name=pipe_name, output=output
        )
    if found.rows:
        table = [[_cell(row, name) for name in COLUMNS] for row in found.rows]
        msg.table(table, header=COLUMNS, divider=True, max_col=MOST_TEXT)
    msg.info(
        f"{len(found.rows)} disagreements in {found.texts} texts; no full answer for {found.unanswered}"
    )


def _cell(row: Any, name: str) -> str:
    if name in ("confidence", "support"):
        number: Optional[float] = row[name]
        if name == "confidence" and number is None:
            # without calibration on held-out gold, the posterior is all that is known
            number = row["posterior"]
        return "-" if number is None else f"{number:.2f}"
    text = " ".join(str(row[name]).split())
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 3]}..."


def register(app) -> None:
    config_command(app, "disagreements", disagreements_cli)
