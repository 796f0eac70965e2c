"""`export`: documents for the tools that people label with. `import`: what they labelled there as gold."""

from pathlib import Path
from typing import List, Optional

import typer

from .arguments import Arg, Opt
from .prepare import split_list
from .printer import msg
from .progress import spinner
from .user_errors import user_errors


@user_errors
def export_cli(
    # fmt: off
    source: Path = Arg(
        ...,
        help="What to export: silver or any other .spacy file, a folder that `annotate` or `judge` wrote, or gold in any format that `prepare` reads",
    ),
    output: Path = Arg(..., help="The file; for brat a new folder"),
    format_: str = Opt(
        ...,
        "--format",
        "-f",
        help="jsonl, prodigy, label-studio, label-studio-min, doccano, doccano-relation, argilla, hf (tokens and ner_tags, .jsonl or .parquet), brat, conll, csv, spacy-v2 or gliner",
    ),
    say: str = Opt(
        "auto",
        "--as",
        help="predictions, to be corrected, or annotations, for tools that tell them apart; without it, silver and judged documents are predictions, gold is annotations",
    ),
    cut: Optional[float] = Opt(
        None,
        "--cut",
        min=0,
        max=1,
        help="Of annotated or judged documents: write the candidates that are at least this probable, instead of what the documents say",
    ),
    partial: str = Opt(
        "keep",
        "--partial",
        help="keep or drop: documents of which only a part is known, where the format cannot say so",
    ),
    overlaps: str = Opt(
        "refuse",
        "--overlaps",
        help="Where the format has no place for overlapping spans: refuse, or keep the longest or the first",
    ),
    scheme: str = Opt("bio", "--scheme", help="Tags of conll: bio, iob1, bioes or biluo"),
    offsets: str = Opt(
        "characters",
        "--offsets",
        help="What offsets count: characters, or utf-16 for older versions of tools in a browser",
    ),
    model_version: str = Opt(
        "spacy_llmjudge", "--model-version", help="The name that predictions carry"
    ),
    lang: str = Opt("en", "--lang", "-l", help="Language code"),
    force: bool = Opt(False, "--force", "-F", help="Replace the file if it is there"),
    # fmt: on
) -> None:
    """Write documents in the format of an annotation tool, with probabilities where it has a place for them.

    The file is read again before it appears: what the format cannot hold is counted and said.
    """
    from ..corpora.exchange import ExportSettings, export_docs

    settings = ExportSettings(format_, say, cut, partial, overlaps, scheme, offsets, model_version)
    with spinner("Exporting..."):
        found = export_docs(source, output, settings, lang=lang, force=force)
    said = "predictions" if found.predictions else "annotations"
    msg.good(f"{output}: {found.documents} documents, {found.units} {found.name} as {said}")
    for text in found.lost:
        msg.warn(f"{format_} cannot hold everything: {text}")
    if found.interface:
        msg.info("A labelling interface of Label Studio for this file:")
        typer.echo(found.interface)


@user_errors
def import_cli(
    # fmt: off
    sources: List[Path] = Arg(
        ...,
        help="Files of annotation tools in any format that `prepare` reads, or folders of brat; of a text that is in several, the first counts",
    ),
    output: Path = Arg(..., help="The gold: a .spacy or .jsonl file"),
    target: Optional[str] = Opt(
        None, "--target", help="ents, spans or cats; without it, what the first file shows"
    ),
    exclusive: Optional[bool] = Opt(
        None,
        "--exclusive/--multilabel",
        help="Of cats: a text has exactly one label, or any number; without it, what the rows show",
    ),
    predictions: bool = Opt(
        False,
        "--predictions",
        help="Where no person said anything, take what a model predicted as it is",
    ),
    labels: Optional[str] = Opt(
        None, "--labels", help="The allowed labels, separated by commas; without it, all"
    ),
    label_column: Optional[str] = Opt(
        None, "--label-column", help="Of cats: the column with the label of a text"
    ),
    tag_names: Optional[str] = Opt(
        None, "--tag-names", help="The names of tags that are numbers, from 0, separated by commas"
    ),
    misaligned: str = Opt(
        "error",
        "--misaligned",
        help="What to do with spans that do not fall on tokens: error or drop",
    ),
    overlaps: str = Opt(
        "refuse",
        "--overlaps",
        help="What to do with entities that overlap: refuse, or keep the longest or the first",
    ),
    offsets: str = Opt(
        "auto", "--offsets", help="What offsets count: characters, utf-16 (JavaScript), or auto"
    ),
    lang: str = Opt("en", "--lang", "-l", help="Language code; its tokenizer splits plain text"),
    force: bool = Opt(False, "--force", "-F", help="Replace the file if it is there"),
    # fmt: on
) -> None:
    """Read what people labelled in a tool, and write it as gold that `prepare` and the next round read.

    What a model predicted is no gold, nor is what an annotator rejected or skipped: both are counted.
    """
    from ..corpora.choose_target import Wanted
    from ..corpora.exchange import import_docs
    from ..corpora.settings import ReadSettings

    settings = ReadSettings(
        misaligned,
        overlaps,
        offsets,
        label_column,
        tuple(split_list(labels)),
        tuple(split_list(tag_names)),
        predictions,
    )
    wanted = Wanted(target, exclusive=exclusive)
    with spinner("Importing..."):
        found = import_docs(
            sources, output, wanted=wanted, settings=settings, lang=lang, force=force
        )
    for source, tool in zip(sources, found.tools):
        msg.info(f"{source}: {tool}")
    msg.good(f"{output}: {found.documents} documents, {found.units} {found.name}")
    for reason, n in found.dropped.items():
        what = "left out" if reason != "trimmed" else "white space taken off the edges of spans"
        msg.info(f"{n} {what}" + ("" if reason == "trimmed" else f" ({reason.replace('_', ' ')})"))
    for text in found.lost:
        msg.warn(f"{output.suffix} cannot hold everything: {text}")


def register(app) -> None:
    app.command("export")(export_cli)
    app.command("import")(import_cli)
