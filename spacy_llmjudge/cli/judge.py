"""`judge`: ask the judge about annotated documents."""

import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

import typer

from .arguments import Arg, Opt, config_command, overrides_of, paths_in, splits_of
from .cluster import Address, On, Workers, place_of
from .printer import msg
from .progress import Meter, live
from .timing import timed
from .user_errors import show_command, user_errors


@user_errors
def judge_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the config, by their dotted names
    annotated: Path = Arg(..., help="Folder that `annotate` wrote"),
    output: Path = Arg(..., help="Folder that gets pool/ and dev/ in shards"),
    config: Path = Arg(..., help="spaCy config with the component llm_judge, see configs/judges"),
    assets: Optional[Path] = Opt(
        None,
        "--assets",
        help="Folder whose labels.yml, rules.txt and responses.jsonl, where they exist, become paths.definitions, paths.rules and paths.replies of the config",
    ),
    only: Optional[str] = Opt(
        None, "--only", help="pool or dev: leave the other one out, if you have no dev set"
    ),
    at_most: int = Opt(
        0,
        "--at-most",
        help="Ask about this many documents of the pool, those that the student is least certain about; 0: all",
        min=0,
    ),
    shard_size: Optional[int] = Opt(
        None, "--shard-size", help="Documents in a shard; else as many as suit the judge"
    ),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for statistics and timings"),
    on: str = On,
    ray_address: Optional[str] = Address,
    ray_workers: int = Workers,
    # fmt: on
) -> None:
    """Ask the judge about the annotated pool and dev.

    Settings of the config can be given by their dotted names, as in `spacy train`. A run that was
    stopped resumes with the shards that are missing, and pays for no reply twice.
    """
    from ..stages import count_stages
    from ..steps.judge import judge
    from ..steps.judge_report import make_judge_report
    from ..steps.loading import cluster_at
    from ..storage import write_json

    n_made = count_stages()[0]
    overrides = {**paths_in(assets), **overrides_of(ctx)}
    found: Dict[str, Dict[str, Any]] = {}
    place = place_of(on, ray_address, ray_workers)
    with timed("judge", metrics), cluster_at(place) as cluster:
        for split in splits_of(only):
            source = annotated / split
            meter = Meter(f"Judging {split}")
            with live(meter):
                found[split] = judge(
                    source,
                    output / split,
                    config,
                    # dev is evidence: all of it is asked about
                    at_most=at_most or None if split == "pool" else None,
                    overrides=overrides,
                    shard_size=shard_size,
                    progress=meter.shard,
                    on_judge=meter.watch,
                    cluster=cluster,
                )
            shown = ", ".join(f"{n} {state}" for state, n in found[split]["states"].items())
            msg.good(f"{output / split}: {shown}")
    report = make_judge_report(found)
    if any(one["usage"] is not None for one in found.values()):
        cost = "unknown" if report["cost"] is None else f"{report['cost']:.4f} USD"
        tokens = "unknown, as the server does not count them"
        if report["tokens_in"] is not None:
            tokens = f"{report['tokens_in']} in, {report['tokens_out']} out"
        msg.info(f"Tokens: {tokens}; cost of the ledger so far: {cost}")
    if metrics is not None:
        path = metrics / "judge.json"
        # a run that asked nothing knows no tokens
        if count_stages()[0] > n_made or not path.exists():
            write_json(path, report)
    # The last one knows what the ledger holds by now.
    states = sum((Counter(one["states"]) for one in found.values()), Counter())
    spent = {name: one for split in found.values() for name, one in split["spent"].items()}
    _go_on(states, spent)


def _go_on(states: Dict[str, int], spent: Mapping[str, Mapping[str, Any]]) -> None:
    """End with the command that continues, where documents are left.

    states (Dict[str, int]): Documents by their state.
    spent (Mapping[str, Mapping[str, Any]]): `max_cost` and `cost` of the budgets that ended, by their dotted names.
    """
    from ..candidates import NOT_ASKED
    from ..steps.judge_report import left_by_reason

    left = left_by_reason(states)
    n_left = sum(left.values())
    if not n_left:
        return
    arguments = list(sys.argv[1:])
    if "budget" in left and spent:
        n_docs = sum(states.values()) - states.get(NOT_ASKED, 0)
        for name, usage in spent.items():
            budget = raise_budget(usage["max_cost"], usage["cost"] or 0.0, n_docs, n_left)
            arguments = set_option(arguments, f"--{name}", f"{budget:g}")
        budgets = " and ".join(f"{usage['max_cost']:g} USD" for usage in spent.values())
        msg.warn(
            f"The budget of {budgets} is used up: one more request could have exceeded it, and {n_left} documents"
            " are left. All replies are kept. To continue with a higher budget:"
        )
    else:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(left.items()))
        msg.warn(
            f"{n_left} documents have no answer yet ({reasons}). All replies are kept, and none is paid for twice."
            " To ask about them when the server can be reached again:"
        )
    show_command(arguments)
    sys.exit(1)


def raise_budget(max_cost: float, cost: float, n_docs: int, n_left: int) -> float:
    """A budget that should be enough for the rest: twice as much, or what the rest costs at the rate so far.

    max_cost (float): The budget that was used up, US dollars.
    cost (float): What was spent of it.
    n_docs (int): Documents that were to be asked about.
    n_left (int): Those that were not asked about.
    RETURNS (float): US dollars, rounded up to two digits.

    EXAMPLE:
        >>> raise_budget(5.0, 4.9, 1000, 800)
        29.0
        >>> raise_budget(5.0, 4.9, 1000, 10)
        10.0
    """
    rest = cost / max(n_docs - n_left, 1) * n_left
    needed = max(2 * max_cost, max_cost + 1.2 * rest)
    step = 10.0 ** (math.floor(math.log10(needed)) - 1)
    return round(math.ceil(round(needed / step, 6)) * step, 12)


def set_option(arguments: List[str], option: str, value: str) -> List[str]:
    """RETURNS (List[str]): The arguments, with an option replaced or added at the end."""
    kept: List[str] = []
    words = iter(arguments)
    for word in words:
        if word == option:
            next(words, None)
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return [*kept, option, value]


def register(app) -> None:
    config_command(app, "judge", judge_cli)
