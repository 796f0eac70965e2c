"""`prepare`: turn the files of a dataset into a corpus. `check`: look at a corpus before a run."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional

from ..candidates import Q
from .arguments import MAX_SEED, Arg, Opt
from .printer import msg
from .progress import spinner
from .timing import timed
from .user_errors import user_errors

if TYPE_CHECKING:
    from ..corpora.prepare import Report


@user_errors
def prepare_cli(
    # fmt: off
    source: Path = Arg(
        ...,
        help="Folder with labelled (or train), dev, test and pool in any format that can be read, or one file with a column that names the set",
    ),
    output: Path = Arg(..., help="Folder for the corpus"),
    lang: str = Opt("en", "--lang", "-l", help="Language code; its tokenizer splits plain text"),
    target: str = Opt(
        "auto",
        "--target",
        help="What is annotated: ents (ner), spans (spancat) or cats (textcat); without it, what the labelled set shows",
    ),
    spans_key: Optional[str] = Opt(None, "--spans-key", help="Of spans: the span group"),
    single_label: bool = Opt(
        False, "--single-label", help="Of spans: a span has one label at most (spancat_singlelabel)"
    ),
    exclusive: Optional[bool] = Opt(
        None,
        "--exclusive/--multilabel",
        help="Of cats: a text has exactly one label, or any number; without it, what the rows show",
    ),
    labels: Optional[str] = Opt(
        None,
        "--labels",
        help="The allowed labels, separated by commas (a label with a comma in double quotes); without it, all that the rows have",
    ),
    label_column: Optional[str] = Opt(
        None,
        "--label-column",
        help="Of cats: the column with the label of a text, or with a list of labels",
    ),
    split_column: str = Opt(
        "split", "--split-column", help="Of a single file: the column that names the set"
    ),
    tag_names: Optional[str] = Opt(
        None, "--tag-names", help="The names of tags that are numbers, from 0, separated by commas"
    ),
    shots: Optional[int] = Opt(
        None,
        "--shots",
        max=MAX_SEED,
        help="Keep this many SENTENCES a label of the labelled file; the rest becomes the pool where there is none; 0: keep all",
    ),
    mentions: Optional[int] = Opt(
        None,
        "--mentions",
        max=MAX_SEED,
        help="Keep about this many MENTIONS a label of the labelled file, instead of --shots",
    ),
    holdout: int = Opt(
        0,
        "--holdout",
        max=MAX_SEED,
        help="Without a dev file: this many random documents of that rest, or of the pool with its gold, become dev",
    ),
    seed: int = Opt(0, "--seed", min=0, max=MAX_SEED, help="Seed of the samples"),
    misaligned: str = Opt(
        "error",
        "--misaligned",
        help="What to do with spans that do not fall on tokens: error or drop",
    ),
    overlaps: Optional[str] = Opt(
        None,
        "--overlaps",
        help="What to do with entities that overlap: refuse, or keep the longest or the first",
    ),
    offsets: str = Opt(
        "auto", "--offsets", help="What offsets count: characters, utf-16 (JavaScript), or auto"
    ),
    ignore_unseen_labels: bool = Opt(
        False,
        "--ignore-unseen-labels",
        help="Accept labels in dev and test that the labelled set lacks",
    ),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for timings"),
    # fmt: on
) -> None:
    """Turn the files of a dataset into a corpus of DocBins, checked, with no text of one set in another.

    Labels of the pool are stripped; any gold for it is kept separately in pool_gold.spacy,
    for measuring the silver afterwards and for nothing else.
    """
    from ..corpora.files import unread_files
    from ..corpora.prepare import prepare
    from ..targets.base import find_target

    with timed("prepare", metrics), spinner("Preparing the corpus..."):
        report = prepare(
            source,
            output,
            target=None if target == "auto" else target,
            spans_key=spans_key,
            single_label=single_label,
            exclusive=exclusive,
            labels=split_list(labels),
            label_column=label_column,
            split_column=split_column,
            tag_names=split_list(tag_names),
            lang=lang,
            # 0 is what project.yml says for none
            shots=shots or None,
            mentions=mentions,
            holdout=holdout,
            seed=seed,
            misaligned=misaligned,
            overlaps=overlaps,
            offsets=offsets,
            ignore_unseen_labels=ignore_unseen_labels,
        )
    show_counts(report, find_target(output / "labelled.spacy").units, output)
    unread = unread_files(source, report["settings"]["files"].values())
    if unread:
        msg.info(f"Not read: {', '.join(unread)}")


def show_counts(report: "Report", units: str, folder: Optional[Path] = None) -> None:
    """Say what is in the sets of a corpus, and what was left out.

    report (Report): What `prepare` returned.
    units (str): What is labelled.
    folder (Optional[Path]): Where they are.
    """
    for split, n in report["documents"].items():
        n_units = report["entities"].get(split)
        counted = "" if n_units is None else f", {n_units} {units}"
        name = split if folder is None else folder / f"{split}.spacy"
        msg.good(f"{name}: {n} documents{counted}")
    for split, counts in report["dropped"].items():
        for reason, n in counts.items():
            if n:
                msg.info(f"{split}: dropped {n} ({reason.replace('_', ' ')})")
    for split, n in report.get("trimmed_spans", {}).items():
        msg.info(f"{split}: white space taken off the edges of {n} spans")


def split_list(text: Optional[str]) -> List[str]:
    """The items of a list that commas separate, those with a comma in double quotes."""
    import csv

    cells = next(csv.reader([" ".join((text or "").split())], skipinitialspace=True), [])
    return [cell.strip() for cell in cells if cell.strip()]


@user_errors
def check_cli(
    # fmt: off
    corpus: Path = Arg(..., help="Folder that `prepare` wrote"),
    lang: str = Opt("en", "--lang", "-l", help="Language code"),
    q: float = Opt(Q, "--q", help="The share of wrong silver that the selection should promise"),
    window: int = Opt(512, "--window", help="How many tokens the encoder reads at once"),
    # fmt: on
) -> None:
    """Look for what may go wrong with a corpus: label gaps, misaligned spans, too little evidence."""
    from ..corpora.check import check

    failed = False
    for level, text in check(corpus, lang=lang, q=q, window=window).messages:
        getattr(msg, level)(text)
        failed = failed or level == "fail"
    if failed:
        sys.exit(1)


def register(app) -> None:
    app.command("prepare")(prepare_cli)
    app.command("check")(check_cli)
