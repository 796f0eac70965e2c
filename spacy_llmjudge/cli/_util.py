"""What the verbs share: user errors as one line, warnings, progress bars, the time a step took."""

import functools
import shlex
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from typer import Argument as Arg
from typer import Option as Opt
from wasabi import color, msg
from wasabi.util import supports_ansi

from ..errors import Errors, LLMJudgeError

__all__ = ["Arg", "Opt", "msg", "user_errors", "progress_bar", "spinner", "timed", "overrides_of"]

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def user_errors(function: Callable) -> Callable:
    """Turn what the user can mend into one line and exit code 1; Ctrl-C into exit code 130."""

    from catalogue import RegistryError
    from confection import ConfigValidationError

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("always", message=r"\[JW\d+\]")
            warnings.showwarning = _show_warning
            try:
                return function(*args, **kwargs)
            except LLMJudgeError as error:
                _fail(str(error))
            except ConfigValidationError as error:
                _fail(Errors.J813.format(error=_describe(error)))
            except RegistryError as error:
                _fail(Errors.J813.format(error=error))
            except OSError as error:
                if error.filename is None and error.errno is None:
                    raise
                _fail(f"{error.strerror or error}: {error.filename or ''}".strip(": "))
            except KeyboardInterrupt:
                msg.warn("Stopped. What is done is kept; go on with:")
                show_command(sys.argv[1:])
                sys.exit(130)

    return wrapped


def show_command(arguments: List[str]) -> None:
    """Print a command of spaCy on a line of its own that nothing wraps, to be copied."""
    sys.stderr.write(f"{shlex.join(['python', '-m', 'spacy', *arguments])}\n")


def _fail(text: str) -> None:
    # wasabi would wrap it, and an error is one line
    line = f"\u2718 {_one_line(text)}"
    sys.stderr.write(f"{color(line, fg='red') if supports_ansi() else line}\n")
    sys.exit(1)


def _describe(error: Any) -> str:
    found = [
        f"{' '.join(map(str, one.get('loc', ())))}: {one.get('msg', '')}"
        for one in getattr(error, "errors", None) or []
    ]
    return "; ".join(found) or str(error)


def _show_warning(message: Any, *args: Any, **kwargs: Any) -> None:
    msg.warn(_one_line(str(message)))


def _one_line(text: str) -> str:
    """A message without what a terminal would take for a command, such as in the name of a file."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))


def overrides_of(ctx: Any) -> Dict[str, Any]:
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


@contextmanager
def progress_bar(total: Optional[int], text: str, unit: str = "doc") -> Iterator[Callable]:
    """A progress bar; a counter where nobody knows the total.

    YIELDS (Callable[[int], None]): To be called with the number of units that are done.
    """
    from tqdm import tqdm

    with tqdm(total=total, desc=text, unit=unit, leave=False, mininterval=0.3) as bar:
        yield bar.update


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Show that something is going on where no count of it is known; nothing where nobody looks."""
    if sys.stdout.isatty():
        with msg.loading(text):
            yield
    else:
        yield


@contextmanager
def timed(step: str, metrics: Optional[Path]) -> Iterator[None]:
    """Add the seconds that a step took to `seconds.json` in the folder of metrics."""
    from ..evaluation.summary import add_seconds

    start = time.perf_counter()
    yield
    if metrics is not None:
        add_seconds(metrics, step, time.perf_counter() - start)


def show_wheel(packages: Optional[Path]) -> None:
    """Say how to install the newest wheel under a folder, if there is one."""
    wheels = list(packages.glob("**/dist/*.whl")) if packages else []
    if wheels:
        newest = max(wheels, key=lambda wheel: wheel.stat().st_mtime_ns)
        name = newest.name.split("-")[0]
        msg.good(f'pip install {newest}, then spacy.load("{name}")')


def show_seconds(seconds: Dict[str, float]) -> None:
    """Print how long each step took, and all of them together."""
    steps = ", ".join(f"{step} {s:.0f}" for step, s in seconds.items())
    msg.info(f"Seconds: {steps}; together {sum(seconds.values()):.0f}")
