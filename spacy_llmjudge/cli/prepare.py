"""`prepare`: turn the files of a dataset into a corpus. `check`: look at a corpus before a run."""

import sys
from pathlib import Path
from typing import Optional

from wasabi import msg

from ..candidates import Q
from .arguments import Arg, Opt
from .progress import spinner
from .timing import timed
from .user_errors import user_errors


@user_errors
def prepare_cli(
    # fmt: off
    source: Path = Arg(
        ...,
        help="Folder with labelled (or train), dev, test and pool, as .jsonl, .conll, .bio, .iob or .spacy",
    ),
    output: Path = Arg(..., help="Folder for the corpus"),
    lang: str = Opt("en", "--lang", "-l", help="Language code: whose tokenizer cuts plain text"),
    shots: Optional[int] = Opt(
        None,
        "--shots",
        help="Keep this many SENTENCES a label of the labelled file; the rest becomes the pool where there is none",
    ),
    mentions: Optional[int] = Opt(
        None,
        "--mentions",
        help="Keep about this many MENTIONS a label of the labelled file, instead of --shots",
    ),
    holdout: int = Opt(
        0, "--holdout", help="Without a dev file: this many documents of that rest become dev"
    ),
    seed: int = Opt(0, "--seed", help="Seed of the sample"),
    misaligned: str = Opt(
        "error",
        "--misaligned",
        help="What to do with spans that do not fall on tokens: error or drop",
    ),
    ignore_unseen_labels: bool = Opt(
        False,
        "--ignore-unseen-labels",
        help="Accept labels in dev and test that the labelled set lacks",
    ),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for the time that it took"),
    # fmt: on
) -> None:
    """Turn the files of a dataset into a corpus of DocBins, checked, with no text of the pool in another set.

    Labels of the pool are stripped; what gold there is for it is kept apart in pool_gold.spacy,
    for measuring the silver afterwards and for nothing else.
    """
    from ..corpora.prepare import prepare

    with timed("prepare", metrics), spinner("Preparing the corpus..."):
        report = prepare(
            source,
            output,
            lang=lang,
            shots=shots,
            mentions=mentions,
            holdout=holdout,
            seed=seed,
            misaligned=misaligned,
            ignore_unseen_labels=ignore_unseen_labels,
        )
    for split, n in report["documents"].items():
        n_entities = report["entities"].get(split)
        entities = "" if n_entities is None else f", {n_entities} entities"
        msg.good(f"{output / split}.spacy: {n} documents{entities}")
    for split, counts in report["dropped"].items():
        for reason, n in counts.items():
            if n:
                msg.info(f"{split}: dropped {n} ({reason.replace('_', ' ')})")


@user_errors
def check_cli(
    # fmt: off
    corpus: Path = Arg(..., help="Folder that `prepare` wrote"),
    lang: str = Opt("en", "--lang", "-l", help="Language code"),
    q: float = Opt(Q, "--q", help="The share of wrong silver that the selection is to promise"),
    window: int = Opt(512, "--window", help="How many tokens the encoder reads at once"),
    # fmt: on
) -> None:
    """Look for what may go wrong with a corpus: label gaps, misaligned spans, too little evidence."""
    from ..corpora.check import check

    failed = False
    for level, text in check(corpus, lang=lang, q=q, window=window)["messages"]:
        getattr(msg, level)(text)
        failed = failed or level == "fail"
    if failed:
        sys.exit(1)


def register(app) -> None:
    app.command("prepare")(prepare_cli)
    app.command("check")(check_cli)
