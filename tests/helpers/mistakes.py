"""Mistakes of the command line, made from every option of every verb, and how a command ended."""

import inspect
import re
import shutil
import signal
import time
import typing
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set

from spacy.cli._util import COMMAND
from spacy.cli._util import app as spacy_app
from typer.models import ArgumentInfo, OptionInfo
from typer.testing import CliRunner

from spacy_llmjudge.cli import app

NUMBERS = ("nan", "inf", "-inf", "-1", "0", "1e308", "99999999999999999999", "x", "", "1,5")
SETTINGS = ("nan", "-1", "0", "1e308", "x", "")
WORDS = ("", "nope", "nöpe \udcff", "a\nb", "[", "{", "../x", "-", "null", "1e5")
BYTES = {
    "empty": lambda data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "BOM": lambda data: b"\xef\xbb\xbf" + data,
    "UTF-16": lambda data: b"\xff\xfe" + data.decode("utf8", "replace").encode("utf-16-le"),
    "Latin-1": lambda data: data + "\n# Müller".encode("latin-1"),
    "binary": lambda data: bytes(range(256)) * 4,
    "a list": lambda data: b"[]",
    "an object": lambda data: b"{}",
    "null": lambda data: b"null",
    "a number": lambda data: b"3",
    "deep": lambda data: b"[" * 100_000,
}

# of these, what any file can have
ANY_KIND = ("empty", "cut", "binary", "an object")


class Mistake(NamedTuple):
    """A command line with one mistake.

    name (str): What is wrong with it.
    args (List[str]): The command line after `python -m spacy llmjudge`.
    must_fail (bool): Whether it can only be wrong; else it may as well be done.
    """

    name: str
    args: List[str]
    must_fail: bool = False


class Ending(NamedTuple):
    """How a command ended: its exit code, what it printed, and what it raised where that is no exit."""

    code: int
    output: str
    errors: str
    raised: Optional[BaseException]
    seconds: float


class TooLong(BaseException):
    """A command that did not end."""


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Stop what takes too long: so many seconds of computing, or ten times as many of waiting."""

    def stop(number: int, frame: Any) -> None:
        raise TooLong(f"after {seconds} s")

    timers = {signal.ITIMER_PROF: seconds, signal.ITIMER_REAL: 10 * seconds}
    before = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    for timer, limit in timers.items():
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def run_spacy(args: List[str], seconds: int = 30) -> Ending:
    """Run `python -m spacy llmjudge` in this process, as spaCy's own entry does."""
    begin = time.process_time()
    try:
        with time_limit(seconds):
            result = CliRunner().invoke(spacy_app, ["llmjudge", *args], prog_name=COMMAND)
    except (TooLong, UnicodeError) as error:
        return Ending(1, "", "", error, time.process_time() - begin)
    raised = None if isinstance(result.exception, (SystemExit, type(None))) else result.exception
    taken = time.process_time() - begin
    return Ending(result.exit_code, result.output, result.stderr, raised, taken)


class Parameter(NamedTuple):
    """A parameter of a verb: its name, as it is typed (empty for an argument), and what it takes."""

    name: str
    option: str
    kind: str


def verbs(app: Any = app, before: str = "") -> Dict[str, List[Parameter]]:
    """RETURNS (Dict[str, List[Parameter]]): What each verb takes, by the words of the verb."""
    found = {
        f"{before}{command.name}": list(_parameters(command.callback))
        for command in app.registered_commands
    }
    for group in app.registered_groups:
        found.update(verbs(group.typer_instance, f"{before}{group.typer_instance.info.name} "))
    return found


def _parameters(function: Any) -> Iterator[Parameter]:
    for name, parameter in inspect.signature(function).parameters.items():
        declared = getattr(parameter.default, "param_decls", None)
        if isinstance(parameter.default, (OptionInfo, ArgumentInfo)):
            annotation = typing.get_args(parameter.annotation) or (parameter.annotation,)
            kind = "models" if name == "models" else annotation[0].__name__
            is_option = isinstance(parameter.default, OptionInfo)
            yield Parameter(name, declared[0].split("/")[0] if is_option else "", kind)


def wrong_options(
    verb: str, parameters: List[Parameter], words: List[str], files: Dict[str, Path]
) -> Iterator[Mistake]:
    """Every option with a wrong name, without a value, and with values of every wrong kind."""
    for _, option, kind in parameters:
        if not option:
            continue
        yield Mistake(f"{verb} {option}: mistyped", [*words, f"{option}x", "1"], True)
        if kind == "bool":
            yield Mistake(f"{verb} {option}: a value for a flag", [*words, f"{option}=1"], True)
            continue
        yield Mistake(f"{verb} {option}: no value", [*words, option], True)
        values = {repr(value): value for value in NUMBERS if kind in ("int", "float")}
        values |= {label: str(path) for label, path in files.items() if kind == "Path"}
        values |= {repr(value): value for value in WORDS if kind == "str"}
        for label, value in values.items():
            wrong = kind in ("int", "float") and value in ("x", "1,5", "")
            yield Mistake(f"{verb} {option}: {label}", [*words, option, value], wrong)


def wrong_arguments(
    verb: str,
    parameters: List[Parameter],
    words: List[str],
    files: Dict[str, Path],
    inputs: Set[str],
) -> Iterator[Mistake]:
    """Every argument left out, and with paths of every wrong kind."""
    start = len(verb.split())
    arguments = [one for one in parameters if not one.option]
    for i, argument in enumerate(arguments, start):
        gone = [*words[:i], *words[i + 1 :]]
        yield Mistake(f"{verb} {argument.name}: left out", gone)
        for label, path in files.items():
            changed = [*words[:i], str(path), *words[i + 1 :]]
            must_fail = argument.name in inputs and label == "missing"
            yield Mistake(f"{verb} {argument.name}: {label}", changed, must_fail)


def damaged_files(
    verb: str, words: List[str], case: Path, kinds: Dict[str, Any]
) -> Iterator[Mistake]:
    """Every file that the command names, or that is in a folder that it names, damaged in every way in which its kind
    can be: to a file that is no text, all that editors do to text is the same damage."""
    for word in words:
        source = Path(word)
        is_made_here = case / "out" in source.parents
        if not source.is_absolute() or is_made_here or not source.exists():
            continue
        files = [source] if source.is_file() else sorted(filter(Path.is_file, source.rglob("*")))
        for file_ in files:
            data = file_.read_bytes()
            fitting = kinds if _is_text(data) else {kind: kinds[kind] for kind in ANY_KIND}
            for kind, damage in fitting.items():
                copy = case / "damaged" / source.name
                shutil.rmtree(case / "damaged", ignore_errors=True)
                copy.parent.mkdir(parents=True, exist_ok=True)
                (shutil.copy if source.is_file() else shutil.copytree)(source, copy)
                target = copy if source.is_file() else copy / file_.relative_to(source)
                target.write_bytes(damage(data))
                changed = [str(copy) if other == word else other for other in words]
                yield Mistake(f"{verb} {target.relative_to(case)}: {kind}", changed)


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def wrong_settings(
    verb: str, words: List[str], settings: Dict[str, Any], prefix: str = ""
) -> Iterator[Mistake]:
    """Every setting of a config with values of every wrong kind, and given twice."""
    for name, value in settings.items():
        option = f"--{prefix}{name}"
        yield Mistake(
            f"{verb} {option}: twice", [*words, option, str(value), option, str(value)], True
        )
        for wrong in SETTINGS:
            yield Mistake(f"{verb} {option}: {wrong!r}", [*words, option, wrong])


def settings_of(config: Dict[str, Any], prefix: str = "") -> Dict[str, Any]:
    """The settings of a config by their dotted names."""
    found: Dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            found.update(settings_of(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found


def error_lines(ending: Ending) -> List[str]:
    """The lines that say what is wrong: ours, click's, and wasabi's."""
    begins = re.compile(r"^(\u2718|Error:|Usage error)")
    return [line for line in ending.errors.splitlines() if begins.match(line)]
