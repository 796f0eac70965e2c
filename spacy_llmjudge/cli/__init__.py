"""The verbs of `python -m spacy llmjudge`. spaCy imports this module on every command, so it is light."""

import typer
from spacy.cli._util import app as spacy_app

app = typer.Typer(
    name="llmjudge",
    help="LLM-judged self-training: confidence, an LLM as judge, silver with a known error rate",
    no_args_is_help=True,
)

from . import (  # noqa: E402
    annotate,
    audit,
    calibrate,
    crossfit,
    cuts,
    disagreements,
    encoder,
    evaluate,
    exchange,
    filter,
    init,
    judge,
    ledger,
    loop,
    package,
    plan,
    prepare,
    report,
    review,
    rules,
    settings,
    start,
    train,
    unjudged,
    watch,
)

for verb in (
    start,
    init,
    settings,
    encoder,
    prepare,
    train,
    calibrate,
    annotate,
    rules,
    plan,
    judge,
    cuts,
    ledger,
    audit,
    filter,
    crossfit,
    loop,
    evaluate,
    unjudged,
    package,
    report,
    exchange,
    review,
    disagreements,
    watch,
):
    verb.register(app)

spacy_app.add_typer(app)
