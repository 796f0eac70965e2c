"""`report`: one HTML file on a round."""

from pathlib import Path
from typing import Optional

from .arguments import Arg, Opt
from .printer import msg
from .progress import spinner
from .timing import timed
from .user_errors import user_errors


@user_errors
def report_cli(
    # fmt: off
    corpus: Path = Arg(..., help="Folder that `prepare` wrote"),
    metrics: Path = Arg(..., help="Folder of metrics of a round, such as metrics/round-1"),
    output: Path = Arg(..., help="Folder for index.html and the plots, such as reports/round-1"),
    silver: Optional[Path] = Opt(
        None,
        "--silver",
        help="Silver of the round, with the decisions that `filter` wrote beside it; else silver.spacy in the folder of the corpus that has the name of the folder of metrics",
    ),
    model: Optional[Path] = Opt(
        None, "--model", help="The judged student, for its seed and its hash"
    ),
    audit: Optional[Path] = Opt(
        None, "--audit", help="File that `audit` drew and a person answered"
    ),
    title: Optional[str] = Opt(None, "--title", help="Title of the page"),
    rounds: bool = Opt(
        False,
        "--rounds",
        help="A page for each round of a loop: the arguments are the folders around those of the rounds",
    ),
    # fmt: on
) -> None:
    """Write one HTML page on a round: students, confidence, silver, documents with the reason for every span.

    It needs no network, and what is missing is left out and said so. Its plots are PNG files as well.
    """
    from ..steps.report import ReportInputs, find_rounds, make_report

    for folder in find_rounds(metrics) if rounds else [metrics]:
        place = output / folder.name if rounds else output
        with timed("report", folder), spinner("Writing the report..."):
            inputs = ReportInputs(
                corpus=corpus,
                metrics=folder,
                silver=silver or corpus / folder.name / "silver.spacy",
                model=model,
                audit=audit,
                title=title or f"Report on {folder.name}",
            )
            page = make_report(inputs, place)
        msg.good(f"{page} ({page.stat().st_size / 1e6:.1f} MB)")


def register(app) -> None:
    app.command("report")(report_cli)
