"""`plan`: what a judge will cost, before a cent is spent."""

from itertools import chain
from pathlib import Path
from typing import Any, Dict, Iterator, Optional

import typer

from ..errors import Errors, LLMJudgeError
from .arguments import Arg, Opt, config_command, overrides_of, paths_in
from .printer import msg
from .user_errors import user_errors


@user_errors
def plan_cli(
    # fmt: off
    ctx: typer.Context,  # settings of the config, by their dotted names
    annotated: Path = Arg(
        ..., help="Folder that `annotate` wrote, or a .spacy file with documents"
    ),
    config: Path = Arg(..., help="spaCy config with the component llm_judge, see configs/judges"),
    assets: Optional[Path] = Opt(
        None,
        "--assets",
        help="Folder whose labels.yml, rules.txt and responses.jsonl, where they exist, become paths.definitions, paths.rules and paths.replies of the config",
    ),
    at_most: int = Opt(
        0, "--at-most", help="Documents of the pool that will be asked about; 0: all", min=0
    ),
    concurrency: Optional[int] = Opt(
        None,
        "--concurrency",
        help="Requests at the same time; by default what the config says",
        min=1,
    ),
    seconds: float = Opt(2.0, "--seconds", help="Seconds that one request takes", min=0.0, max=1e6),
    output: Optional[Path] = Opt(None, "--json", help="File for the plan as JSON"),
    prompt: bool = Opt(
        True, "--prompt/--no-prompt", help="Show the first prompt as it will be sent"
    ),
    # fmt: on
) -> None:
    """Count requests, tokens, money and time, and show the first prompt. Nothing is sent.

    Settings of the config can be given by their dotted names, as in `spacy train`. Tokens are estimated
    at four bytes each; the worst case is a token a byte, and every reply at its longest.
    """
    from ..storage import write_json

    overrides = {**paths_in(assets), **overrides_of(ctx)}
    plan = make_plan(annotated, config, overrides, concurrency, seconds, at_most or None)
    if prompt:
        msg.divider("The first prompt")
        typer.echo(plan["first_prompt"])
    msg.divider("The plan")
    msg.table(_rows(plan))
    if plan["cost"] is not None:
        msg.info(
            f"The cost is only as accurate as the prices of {plan['prices_as_of']} in {plan['prices']}: check"
            f" {plan['model']} with your provider, correct the file, and write the day into as_of."
        )
    if plan["max_cost"] is not None and (plan["cost"] or 0) > plan["max_cost"]:
        msg.warn(
            f"This is over the budget of {plan['max_cost']} USD: the run would stop before its end."
        )
    if output is not None:
        write_json(output, plan)


def make_plan(
    annotated: Path,
    config: Path,
    overrides: Dict[str, Any],
    concurrency: Optional[int] = None,
    seconds: float = 2.0,
    at_most: Optional[int] = None,
) -> Dict[str, Any]:
    """Plan the judging of a folder.

    annotated (Path): What `annotate` wrote; its pool and dev, or one of them, or a file.
    config (Path): The config of the judge.
    overrides (Dict[str, Any]): Settings of the config by their dotted names.
    concurrency (Optional[int]): Requests at the same time.
    seconds (float): How long one takes.
    at_most (Optional[int]): Documents of the pool that will be asked about; None: all of them.
    RETURNS (Dict[str, Any]): The plan, with `model`, `prices`, `prices_as_of` and `max_cost`.
    """
    from ..judge.cost_estimate import add_plans, plan_judging
    from ..ledger.prices import read_prices
    from ..steps.judge_config import load_judges, read_judge_config
    from ..storage import require_file
    from ..targets.base import find_target

    require_file(annotated, "Run the step `annotate` first.")
    splits = [annotated / name for name in ("pool", "dev") if (annotated / name).exists()]
    target = find_target(next(iter(splits), annotated))
    loaded = read_judge_config(config, overrides, target)
    nlp, judges = load_judges(loaded, config, target)
    plans = []
    for judge in judges:
        docs = chain.from_iterable(
            _read(split, nlp.vocab, None if split.name == "dev" else at_most)
            for split in splits or [annotated]
        )
        plans.append(
            plan_judging(docs, judge, concurrency=concurrency, seconds_per_request=seconds)
        )
    plan = add_plans(plans)
    if not plan["prompts"]:
        raise LLMJudgeError(Errors.J254.format(path=annotated, n=plan["documents"]))
    outer = nlp.config.interpolate()["components"][judges[0].name]["model"]
    # Of a cascade the judge that costs, of a panel all.
    members = list(outer.get("models", {}).values()) or [outer.get("strong", outer)]
    prices = next((member["prices"] for member in members if member.get("prices")), None)
    # Models with the same ledger have one budget together.
    budgets = {member.get("path"): member.get("max_cost") for member in members}
    return {
        **plan,
        "model": ", ".join(map(_name_model, members)),
        "prices": prices,
        "prices_as_of": read_prices(prices)[0] if prices else None,
        "max_cost": None if None in budgets.values() else sum(budgets.values()),
        "seconds_per_request": seconds,
    }


def _name_model(block: Dict[str, Any]) -> str:
    inner = block["model"] if isinstance(block.get("model"), dict) else block
    return str(inner.get("model") or inner.get("name") or inner["@llm_models"])


def _read(split: Path, vocab: Any, at_most: Optional[int]) -> Iterator[Any]:
    from ..selection.acquisition import choose_docs
    from ..streams import Documents

    docs = Documents(split, vocab)
    if at_most is None:
        return iter(docs)
    chosen = set(choose_docs(docs, at_most))
    return (doc for i, doc in enumerate(docs) if i in chosen)


def _rows(plan: Dict[str, Any]) -> Dict[str, str]:
    cost = "not known: no table of prices has this model"
    if plan["cost"] is not None:
        cost = (
            f"about {plan['cost']:.4f} USD, at most {plan['cost_bound']:.4f} USD"
            f" (prices of {plan['prices_as_of']})"
        )
    minutes, seconds = divmod(round(plan["seconds"]), 60)
    time = (
        f"about {minutes} min {seconds} s at {plan['concurrency']} requests at a time"
        f" and {plan['seconds_per_request']:g} s a request"
    )
    if plan["batches"]:
        time = f"{plan['batches']} batches at most {plan['window']} long, often much shorter"
        cost += "; batches cost {:g} of the price".format(plan["price_share"])
    return {
        "Model": plan["model"],
        "Documents": f"{plan['documents']:,}",
        "Candidates": f"{plan['candidates']:,}",
        **({"Cascade": _describe_split(plan["asked"])} if plan["asked"] < 1 else {}),
        "Requests": f"{plan['requests']:,}, and {plan['stored']:,} that are answered already or asked twice"
        + (f"; then about {plan['later']:,} about what is listed" if plan["later"] else ""),
        "Tokens in": f"about {plan['tokens_in']:,}, at most {plan['tokens_in_bound']:,}",
        "Tokens out": f"about {plan['tokens_out']:,}, at most {plan['tokens_out_bound']:,}",
        "Cost": cost,
        "Time": time,
    }


def _describe_split(asked: float) -> str:
    return f"the strong judge is asked about some {asked:.0%} of the documents"


def register(app) -> None:
    config_command(app, "plan", plan_cli)
