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
    encoder,
    evaluate,
    filter,
    init,
    judge,
    ledger,
    loop,
    package,
    plan,
    prepare,
    report,
    rules,
    start,
    train,
    unjudged,
)

for verb in (
    start,
    init,
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
):
    verb.register(app)

spacy_app.add_typer(app)
