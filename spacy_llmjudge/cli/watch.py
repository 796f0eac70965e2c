"""`watch`: is a pipeline as sure of new texts as it was of those of a reference?"""

import sys
from pathlib import Path
from typing import Optional

from .arguments import MAX_SEED, Arg, Opt
from .printer import msg
from .progress import spinner
from .user_errors import user_errors

# no other verb ends with it
DRIFT = 3
TITLES = {
    "weak": "share of spans under the threshold",
    "spans": "spans a document",
    "labels": "shares of the labels",
    "lowest": "least confidence of a document, median",
}


@user_errors
def watch_cli(
    # fmt: off
    model: str = Arg(..., help="Pipeline: a folder or an installed package"),
    texts: Path = Arg(..., help="New texts, in any format that `prepare` reads"),
    reference: Path = Opt(
        ...,
        "--reference",
        help="Texts that the pipeline has not learned from, such as corpus/test.spacy",
    ),
    calibration: Optional[Path] = Opt(
        None,
        "--calibration",
        help="File that `calibrate` wrote, for a pipeline without a fitted calibrated_confidence",
    ),
    pipe_name: str = Opt(
        "auto", "--pipe-name", help="Component that predicts; auto: the one that fits"
    ),
    threshold: float = Opt(0.5, "--threshold", help="A span under this confidence is weak"),
    alpha: float = Opt(0.01, "--alpha", help="Share of runs without drift that may say drift"),
    n_permutations: int = Opt(
        999, "--permutations", help="Permutations of the test", min=1, max=100_000
    ),
    seed: int = Opt(0, "--seed", min=0, max=MAX_SEED, help="Seed of the permutations"),
    again: Optional[Path] = Opt(
        None,
        "--again",
        help="File for the new documents that the pipeline is least certain about, .jsonl",
    ),
    n_again: int = Opt(100, "--n-again", help="How many of them", min=1),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    # fmt: on
) -> None:
    """Compare the confidence on new texts with that on a reference; exit code 3 says drift, 0 none, 1 an error.

    The test deals out the documents of both again and again. Without drift it says drift in a share of at most
    --alpha of all runs.
    """
    from ..steps.watch import watch

    with spinner("Comparing..."):
        found = watch(
            model,
            texts,
            reference,
            calibration=calibration,
            pipe_name=pipe_name,
            threshold=threshold,
            alpha=alpha,
            n_permutations=n_permutations,
            seed=seed,
            again=again,
            n_again=n_again,
            gpu_id=gpu_id,
        )
    rows = [
        (
            TITLES[name],
            _show(one.reference),
            _show(one.new),
            f"{one.distance:.3f}",
            f"{one.p_value:.3f}",
        )
        for name, one in found.drift.figures.items()
    ]
    titles = ("figure", "reference", "new", "distance", "p")
    msg.table(rows, header=titles, divider=True, aligns=tuple("lrrrr"), max_col=60)
    msg.info(f"{found.n_reference} documents of the reference, {found.n_new} new ones")
    if again is not None:
        msg.info(f"{again}: the documents to judge again first")
    verdict = f"p = {found.drift.p_value:.3f} for all four together, alpha = {alpha:g}"
    if found.drift.found:
        msg.warn(f"Drift: {verdict}")
        sys.exit(DRIFT)
    msg.good(f"No drift that can be seen: {verdict}")


def _show(value: Optional[float]) -> str:
    return "" if value is None else f"{value:.3f}"


def register(app) -> None:
    app.command("watch")(watch_cli)
