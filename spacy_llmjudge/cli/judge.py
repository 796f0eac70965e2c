"""`judge`: ask the judge about annotated documents."""
import sys
from pathlib import Path
from typing import Any, Dict, Optional

import typer

from ._util import (
    CONTEXT,
    Arg,
    Opt,
    msg,
    overrides_of,
    progress_bar,
    timed,
    user_errors,
)


@user_errors
def judge_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the config, by their dotted names
    annotated: Path = Arg(..., help="Folder that `annotate` wrote"),
    output: Path = Arg(..., help="Folder that gets pool/ and dev/ in shards"),
    config: Path = Arg(..., help="spaCy config with the component llm_judge, see configs/judges"),
    assets: Optional[Path] = Opt(None, "--assets", help="Folder whose rules.txt and responses.jsonl, where they exist, become paths.rules and paths.replies of the config"),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for what it did and the time that it took"),
    # fmt: on
) -> None:
    """Ask the judge about the annotated pool and dev.

    Settings of the config can be given by their dotted names, as in `spacy train`. A run that was
    stopped goes on with the shards that are missing.
    """
    from ..rounds import NOTHING_TO_ASK, judge
    from ..storage import read_json, write_json

    overrides = {**_paths_in(assets), **overrides_of(ctx)}
    report = {"requests": 0, "abstained": 0, "tokens_in": None, "tokens_out": None, "cost": None}
    with timed("judge", metrics):
        for split in ("pool", "dev"):
            source = annotated / split
            manifest = source / "manifest.json"
            shards = read_json(manifest, "Run the step `annotate` first.")["shards"]
            total = sum(shard["docs"] for shard in shards)
            with progress_bar(total, f"Judging {split}") as progress:
                judged = judge(
                    source, output / split, config, overrides=overrides, progress=progress
                )
            states: Dict[str, int] = judged["states"]
            report[split] = states
            report["requests"] += total - _count(states, "not_")
            report["abstained"] += _count(states, "abstained")
            _add_usage(report, judged["usage"])
            shown = ", ".join(f"{n} {state}" for state, n in states.items())
            msg.good(f"{output / split}: {shown}")
    if report["tokens_in"] is not None:
        cost = "unknown" if report["cost"] is None else f"{report['cost']:.4f} USD"
        msg.info(
            f"Tokens: {report['tokens_in']} in, {report['tokens_out']} out; cost of the ledger so far: {cost}"
        )
    if metrics is not None:
        write_json(metrics / "judge.json", report)
    not_sent = sum(
        _count(report[split], "not_sent")
        - _count(report[split], f"not_sent: {NOTHING_TO_ASK}")
        for split in ("pool", "dev")
    )
    if not_sent:
        command = " ".join(["python -m spacy", *sys.argv[1:]])
        msg.warn(f"{not_sent} documents were not asked about. All replies are kept; go on with: {command}")
        sys.exit(1)


def _paths_in(assets: Optional[Path]) -> Dict[str, Any]:
    names = {"paths.rules": "rules.txt", "paths.replies": "responses.jsonl"}
    files = {key: (assets or Path()) / name for key, name in names.items()}
    return {key: str(file_) for key, file_ in files.items() if assets and file_.exists()}


def _add_usage(report: Dict[str, Any], usage: Optional[Dict[str, Any]]) -> None:
    for key in ("tokens_in", "tokens_out"):
        if usage is not None and usage[key] is not None:
            report[key] = (report[key] or 0) + usage[key]
    if usage is not None:
        # the ledger counts the cost of all runs together
        report["cost"] = usage["cost"]


def _count(states: Dict[str, int], prefix: str) -> int:
    return sum(n for state, n in states.items() if state.startswith(prefix))


def register(app) -> None:
    app.command("judge", context_settings=CONTEXT)(judge_cli)
