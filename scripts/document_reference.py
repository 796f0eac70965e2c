"""Write the reference pages docs/cli.md, docs/registered.md and docs/project.md from the code.

python scripts/document_reference.py
"""

import collections.abc
import inspect
import io
import re
import tempfile
import types
import typing
from configparser import ConfigParser
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import typer
from spacy.language import Language
from typer.models import ArgumentInfo, OptionInfo
from weasel.cli.document import project_document

from spacy_llmjudge.cli import app

ROOT = Path(__file__).parents[1]
CLI = """# Command line

Every verb of `python -m spacy llmjudge`, from its help texts. Written by `python scripts/document_reference.py`.
"""
REGISTERED = """# Registered functions

Everything that a config can name, with its settings. Written by `python scripts/document_reference.py`. How configs name
functions is [spaCy's own way](https://spacy.io/usage/training#config).
"""
KINDS = {
    "spacy_factories": ("Components", 'factory = "NAME"'),
    "thinc_llm_tasks": ("Tasks of a judge", '@llm_tasks = "NAME"'),
    "thinc_llm_models": ("Models", '@llm_models = "NAME"'),
    "thinc_llmjudge_calibrators": ("Calibrators", '@llmjudge_calibrators = "NAME"'),
    "thinc_llmjudge_selectors": ("Selectors", '@llmjudge_selectors = "NAME"'),
    "spacy_readers": ("Readers", '@readers = "NAME"'),
    "thinc_optimizers": ("Optimizers", '@optimizers = "NAME"'),
    "spacy_misc": ("Others", '@misc = "NAME"'),
}


def describe_cli() -> str:
    """RETURNS (str): The page on the command line."""
    parts = [CLI]
    for name, function in sorted(walk(app)):
        arguments, options = [], []
        for key, parameter in inspect.signature(function).parameters.items():
            info = parameter.default
            if isinstance(info, ArgumentInfo):
                default = "required" if info.default is ... else f"`{info.default}`"
                arguments.append((f"`{key.upper()}`", cell(info.help), default))
            elif isinstance(info, OptionInfo):
                kind = (typing.get_args(parameter.annotation) or (parameter.annotation,))[0]
                options.append((names_of(info, kind), cell(info.help), default_of(info.default)))
        usage = " ".join([name, *(row[0].strip("`") for row in arguments)])
        takes_settings = "ctx" in inspect.signature(function).parameters
        parts.append(f"## {name}\n\n    python -m spacy llmjudge {usage} [OPTIONS]\n")
        parts.append(f"{inspect.cleandoc(function.__doc__ or '')}\n")
        rows = [*arguments, *options]
        if takes_settings:
            rows.append(("`--section.name`", "A setting of the config by its dotted name", ""))
        parts.append(table(("argument or option", "meaning", "default"), rows))
    return "\n".join(parts)


def walk(group: typer.Typer, before: str = "") -> Iterator[Tuple[str, Callable]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{before}{command.name}", command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from walk(inner.typer_instance, f"{before}{inner.typer_instance.info.name} ")


def names_of(option: OptionInfo, kind: Any) -> str:
    """RETURNS (str): How an option is typed, and what of."""
    declared = [part for name in option.param_decls or () for part in name.split("/")]
    names = ", ".join(f"`{name}`" for name in declared)
    return names if kind is bool else f"{names} ({kind.__name__.lower()})"


def default_of(default: Any) -> str:
    if default is ...:
        return "required"
    return "" if default is None or default is False or default == "" else f"`{default}`"


def describe_registered() -> str:
    """RETURNS (str): The page on what is registered."""
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf8")
    parts = [REGISTERED]
    for group, (title, usage) in KINDS.items():
        parts.append(f"## {title}\n\nIn a config: `{usage}`.\n")
        for line in parser["options.entry_points"][group].strip().splitlines():
            name, _, place = (part.strip() for part in line.partition("="))
            module, _, attribute = place.partition(":")
            parts.append(describe_function(name, getattr(import_module(module), attribute)))
    return "\n".join(parts)


def describe_function(name: str, function: Callable) -> str:
    text = inspect.getdoc(function) or ""
    meanings: Dict[str, str] = {}
    # settings that are handed on are explained where they are used
    for used in re.findall(r"As `(\w+)` has them", text):
        meanings.update(settings_in(inspect.getdoc(function.__globals__[used]) or ""))
    meanings.update(settings_in(text))
    # a component keeps its defaults elsewhere
    known = Language.get_factory_meta(name).default_config if Language.has_factory(name) else {}
    rows = []
    for setting in inspect.signature(function).parameters.values():
        if setting.name in ("nlp", "name"):
            continue
        kind, default = annotation_of(setting.annotation), known.get(setting.name, setting.default)
        shown = "required" if default is inspect.Parameter.empty else f"`{default!r}`"
        rows.append((f"`{setting.name}`", kind, shown, cell(meanings.get(setting.name, ""))))
    summary = re.split(r"\n\n|\n\w+ \(", text)[0]
    head = f"### {name}\n\n{' '.join(summary.split())}\n"
    return f"{head}\n{table(('setting', 'type', 'default', 'meaning'), rows)}"


def settings_in(text: str) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): What a docstring says of each argument."""
    found = re.findall(r"(?ms)^([\w, ]+) \([^\n]*?\): (.*?)(?=^\S|\Z)", text)
    return {name: meaning for names, meaning in found for name in names.split(", ")}


def annotation_of(annotation: Any) -> str:
    """RETURNS (str): A type in words that every version of Python would use."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (inspect.Parameter.empty, Any):
        return "anything"
    if origin is typing.Literal:
        return " or ".join(map(repr, inner))
    if origin is typing.Union or isinstance(annotation, types.UnionType):
        # typing may give a union that another module wrote in another order
        named = sorted(map(annotation_of, inner), key=lambda one: (one == "None", one))
        return " or ".join(named)
    if origin is collections.abc.Callable or annotation is Callable:
        return "function"
    if origin is not None:
        named = ", ".join(map(annotation_of, inner))
        return f"{origin.__name__.lower()} of {named}" if named else origin.__name__
    return "None" if annotation is type(None) else annotation.__name__


def cell(text: Any) -> str:
    return " ".join(str(text or "").split()).replace("|", "\\|")


def table(titles: Tuple[str, ...], rows: List[Tuple[str, ...]]) -> str:
    if not rows:
        return ""
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in lines)


def describe_project() -> str:
    """RETURNS (str): The page on the project, as `spacy project document` writes it."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "project.md"
        with redirect_stdout(io.StringIO()):
            project_document(ROOT, page, no_emoji=True)
        text = page.read_text(encoding="utf8")
    return text.replace("# Weasel Project: ", "# The project: ").replace(
        "](project", "](../project"
    )


PAGES = {
    "cli.md": describe_cli,
    "registered.md": describe_registered,
    "project.md": describe_project,
}


def main() -> None:
    for name, describe in PAGES.items():
        (ROOT / "docs" / name).write_text(describe(), encoding="utf8")


if __name__ == "__main__":
    main()
