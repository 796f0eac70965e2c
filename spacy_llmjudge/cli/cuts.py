"""`cuts`: what a cheap judge may decide alone, so that a strong one is asked about the rest."""

from pathlib import Path

import typer

from ..errors import Errors, LLMJudgeError
from .arguments import MAX_SEED, Arg, Opt
from .printer import msg
from .progress import spinner
from .user_errors import user_errors


@user_errors
def cuts_cli(
    # fmt: off
    judged: Path = Arg(
        ..., help="Folder with pool/ and dev/ that `judge` wrote with the config of the cheap judge"
    ),
    gold: Path = Arg(..., help="Gold of dev, a .spacy file"),
    output: Path = Arg(..., help="File for the cuts, .json"),
    q: float = Opt(
        0.1, "--q", help="Share of wrong that the cheap judge may have where it decides alone"
    ),
    delta: float = Opt(
        0.1, "--delta", help="Probability with which that may fail, over draws of dev"
    ),
    target: str = Opt(
        "precision", "--target", help="What q is about: precision, recall or accuracy"
    ),
    seed: int = Opt(0, "--seed", min=0, max=MAX_SEED, help="Seed of the order of the documents"),
    # fmt: on
) -> None:
    """Find the two cuts of `llmjudge.Cascade.v1`, with a statement that holds for any size of dev."""
    from ..selection.cascade_cuts import TARGETS
    from ..steps.cuts import cuts

    for name, value in (("--q", q), ("--delta", delta)):
        if not 0 < value < 1:
            expected = "a number between 0 and 1"
            raise LLMJudgeError(Errors.J319.format(name=name, value=value, expected=expected))
    if target not in TARGETS:
        expected = ", ".join(TARGETS)
        raise LLMJudgeError(Errors.J319.format(name="--target", value=target, expected=expected))
    with spinner("Testing..."):
        found = cuts(judged, gold, output, q=q, delta=delta, target=target, seed=seed)
    if found["low"] is None:
        msg.warn(
            f"{output}: no cuts pass with this evidence, so that everything is asked of the strong judge. Judge more held-out"
            " documents, or allow a larger --q."
        )
        return
    msg.good(
        f"{output}: the cheap judge rejects up to {found['low']:.3f} and accepts from {found['high']:.3f}; the strong one"
        f" is asked about {found['asked']:.0%} of the documents"
    )
    msg.info(found["statement"])


def register(app: typer.Typer) -> None:
    app.command("cuts")(cuts_cli)
