"""`start`: a project of one's own from two files."""

import shlex
from pathlib import Path
from typing import Optional

import typer

from .arguments import Arg, Opt
from .prepare import show_counts
from .printer import msg
from .progress import spinner
from .user_errors import user_errors


@user_errors
def start_cli(
    # fmt: off
    labelled: Path = Arg(..., help="The labelled documents, in any format that `prepare` reads"),
    raw: Path = Arg(..., help="The raw texts, such as a .txt file with a text a line"),
    folder: Path = Arg(..., help="Folder for the project: a new one, or an empty one"),
    judge: str = Opt(
        ...,
        "--judge",
        "-j",
        help="The name of a config in the template's configs/judges, such as openai, ollama or embedded (no LLM), or the path of yours",
    ),
    dev: Optional[Path] = Opt(
        None, "--dev", help="Labelled documents, drawn at random from the raw texts: the evidence"
    ),
    test: Optional[Path] = Opt(None, "--test", help="Labelled documents to measure students on"),
    replies: Optional[Path] = Opt(
        None, "--replies", help="What an LLM said before, for a judge that replays it"
    ),
    lang: str = Opt("en", "--lang", "-l", help="Language code"),
    target: Optional[str] = Opt(
        None, "--target", help="ents, spans or cats; without it, what the labelled set shows"
    ),
    # fmt: on
) -> None:
    """Write a project around your files, after a look at them, and print the command that runs it.

    The files are copied as they are: nothing is split off, and labelled texts that are among the raw ones stay
    out of the pool.
    """
    from ..steps.start import start_project

    given = {"labelled": labelled, "pool": raw, "dev": dev, "test": test}
    sets = {name: path for name, path in given.items() if path is not None}
    with spinner("Looking at the files..."):
        started = start_project(folder, judge, sets, replies=replies, lang=lang, target=target)
    show_counts(started.report, started.findings.target.units)
    for level, text in started.findings.messages:
        if level == "warn":
            msg.warn(text)
    msg.good(f"{folder}: the project, with the files in {folder / 'assets'}")
    for name in started.keys:
        msg.warn("The judge needs a key that is not set:")
        typer.echo(f"export {name}=...")
    msg.info("Continue with:")
    typer.echo(f"cd {shlex.quote(str(folder))} && python -m spacy project run selftrain")


def register(app) -> None:
    app.command("start")(start_cli)
