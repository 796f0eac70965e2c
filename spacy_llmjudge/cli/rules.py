"""`rules`: let the judge's model write task rules from the labelled set, for a person to edit."""

from pathlib import Path

import typer

from ..errors import Errors, LLMJudgeError
from .arguments import Arg, Opt, config_command, overrides_of
from .printer import msg
from .user_errors import user_errors


@user_errors
def rules_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the config, by their dotted names
    labelled: Path = Arg(..., help="The labelled documents, a .spacy file"),
    config: Path = Arg(
        ...,
        help="spaCy config with the component llm_judge, see configs/judges; its model is asked",
    ),
    output: Path = Arg(..., help="File for the rules, one 'LABEL: rule' a line"),
    max_rules: int = Opt(6, "--max-rules", help="Rules a label at most", min=1),
    force: bool = Opt(False, "--force", "-F", help="Overwrite the file if it is there"),
    # fmt: on
) -> None:
    """Mine task rules from the labelled set: one request a label.

    A rule is kept where at least two labelled mentions support it; they stand above it as a comment.
    Read the file before you use it (paths.rules of the judge's config): a judge follows it to the letter.
    """
    from ..judge.tasks.rules import make_rules_task, mine_rules
    from ..steps.judge_config import load_judges, read_judge_config
    from ..storage import read_docs, require_file

    require_file(labelled, "It should hold the labelled documents; `prepare` writes them.")
    if output.exists() and not force:
        raise LLMJudgeError(Errors.J255.format(path=output))
    nlp, (judge, *_) = load_judges(read_judge_config(config, overrides_of(ctx)), config)
    settings = nlp.config.interpolate()["components"][judge.name]["task"]
    task = make_rules_task(
        labels=settings.get("labels"),
        label_definitions=settings.get("label_definitions"),
        max_rules=max_rules,
    )
    docs = list(read_docs(labelled, nlp.vocab))
    mine_rules(docs, task, judge.model, output)
    reasons = ", ".join(f"{reason} ({n})" for reason, n in sorted(task.dropped.items()))
    if not task.rules:
        raise LLMJudgeError(Errors.J252.format(reasons=reasons or "the replies held none"))
    msg.good(f"{output}: {len(task.rules)} rules")
    if reasons:
        msg.info(f"Left out: {reasons}")


def register(app) -> None:
    config_command(app, "rules", rules_cli)
