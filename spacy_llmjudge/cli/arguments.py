"""Arguments that verbs share: settings of configs by their dotted names, and the sets to work on."""

import functools
import inspect
import json
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

import typer
from typer import Argument as Arg
from typer import Option as Opt

from ..errors import Errors, LLMJudgeError
from .user_errors import require_finite, user_errors

__all__ = [
    "MAX_SEED",
    "Arg",
    "Opt",
    "CONTEXT",
    "config_command",
    "overrides_of",
    "overrides_by_config",
    "paths_in",
    "splits_of",
]

# what numpy takes
MAX_SEED = 2**32 - 1
# for verbs that take the settings of a config by their dotted names
CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def config_command(app: Any, name: str, function: Callable[..., Any]) -> None:
    """Register a verb that loads a config: it takes settings by their dotted names, and --code.

    app (Any): The typer app.
    name (str): The name of the verb.
    function (Callable[..., Any]): What it does.
    """

    @functools.wraps(function)
    def with_code(*args: Any, code: Optional[Path] = None, **kwargs: Any) -> Any:
        from ..steps.loading import import_code

        user_errors(import_code)(code)
        return function(*args, **kwargs)

    text = "Python file to import first, such as one that registers a model that the config names"
    kind = inspect.Parameter.KEYWORD_ONLY
    option = inspect.Parameter(
        "code", kind, default=Opt(None, "--code", "-c", help=text), annotation=Optional[Path]
    )
    signature = inspect.signature(function)
    parameters = [*signature.parameters.values(), option]
    with_code.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_code.__annotations__ = {**function.__annotations__, "code": Optional[Path]}
    app.command(name, context_settings=CONTEXT)(with_code)


def overrides_of(ctx: typer.Context) -> Dict[str, Any]:
    """The settings of a config that are given on the command line, as in `spacy train`."""
    found: Dict[str, Any] = {}
    words = list(ctx.args)
    while words:
        option = words.pop(0)
        if not option.startswith("--"):
            raise LLMJudgeError(Errors.J681.format(found=option))
        name, is_set, value = option[2:].partition("=")
        name = name.replace("-", "_")
        if "." not in name:
            text = Errors.J334.format(name=option, example="--paths.ledger FILE")
            raise LLMJudgeError(text)
        if name in found:
            raise LLMJudgeError(Errors.J680.format(name=f"--{name}"))
        if not is_set:
            is_flag = not words or words[0].startswith("--")
            value = "true" if is_flag else words.pop(0)
        found[name] = _parse_value(f"--{name}", value)
    return found


def _parse_value(name: str, text: str) -> Any:
    """RETURNS (Any): The value of a setting: JSON, or a string where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    require_finite(name, value)
    return value


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


def paths_in(assets: Optional[Path]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The settings of a judge's config that name what a folder of assets has; a
    dataset that is one file may hold what an LLM said in a column."""
    from ..corpora.guidelines import find_guidelines
    from ..storage import require_file

    if assets is None:
        return {}
    definitions = find_guidelines(assets)
    found = {} if definitions is None else {"paths.definitions": str(definitions)}
    if require_file(assets, "It is what --assets names.").is_file():
        return {"paths.replies": str(assets), **found}
    names = {"paths.rules": "rules.txt", "paths.replies": "responses.jsonl"}
    files = {key: assets / name for key, name in names.items()}
    return {**{key: str(file_) for key, file_ in files.items() if file_.exists()}, **found}


def splits_of(only: Optional[str]) -> Tuple[str, ...]:
    """RETURNS (Tuple[str, ...]): The sets that a verb works on: pool and dev, or one of them."""
    if only not in (None, "pool", "dev"):
        raise LLMJudgeError(Errors.J827.format(found=only))
    return ("pool", "dev") if only is None else (only,)
