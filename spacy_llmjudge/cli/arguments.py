"""Arguments that verbs share: settings of configs by their dotted names, and the sets to work on."""

from typing import Any, Dict, Optional, Tuple

import typer
from typer import Argument as Arg
from typer import Option as Opt

from ..errors import Errors, LLMJudgeError

__all__ = ["Arg", "Opt", "CONTEXT", "overrides_of", "overrides_by_config", "splits_of"]

# for verbs that take the settings of a config by their dotted names
CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def overrides_of(ctx: typer.Context) -> Dict[str, Any]:
    """The settings of a config that are given on the command line, as in `spacy train`."""
    from spacy.cli._util import parse_config_overrides

    return parse_config_overrides(ctx.args, env_var=None)


def overrides_by_config(
    overrides: Dict[str, Any], configs: Tuple[str, ...]
) -> Dict[str, Dict[str, Any]]:
    """Deal out settings to the configs that stand in front of their names.

    overrides (Dict[str, Any]): Settings by dotted names such as `judge.paths.ledger`.
    configs (Tuple[str, ...]): What may stand in front.
    RETURNS (Dict[str, Dict[str, Any]]): By config, without what stood in front.
    """
    dealt: Dict[str, Dict[str, Any]] = {name: {} for name in configs}
    for key, value in overrides.items():
        name, _, setting = key.partition(".")
        if name not in dealt or "." not in setting:
            example = f"{configs[0]}.training.max_steps 200"
            prefixes = ", ".join(f"{config}." for config in configs)
            raise LLMJudgeError(
                Errors.J822.format(name=f"--{key}", prefixes=prefixes, example=example)
            )
        dealt[name][setting] = value
    return dealt


def splits_of(only: Optional[str]) -> Tuple[str, ...]:
    """RETURNS (Tuple[str, ...]): The sets that a verb works on: pool and dev, or one of them."""
    if only not in (None, "pool", "dev"):
        raise LLMJudgeError(Errors.J827.format(found=only))
    return ("pool", "dev") if only is None else (only,)
