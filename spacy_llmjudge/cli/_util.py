"""What the verbs share: user errors as one line, warnings, progress bars, the time a step took."""

import functools
import inspect
import shlex
import signal
import sys
import threading
import time
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from typer import Argument as Arg
from typer import Option as Opt
from wasabi import color, msg
from wasabi.util import supports_ansi

from ..errors import Errors, LLMJudgeError

__all__ = ["Arg", "Opt", "msg", "user_errors", "progress_bar", "spinner", "timed", "overrides_of"]

CONTEXT = {"allow_extra_args": True, "ignore_unknown_options": True}


def config_command(app: Any, name: str, function: Callable) -> None:
    """Register a verb that loads a config: it takes settings by their dotted names, and --code.

    app (Any): The typer app.
    name (str): The name of the verb.
    function (Callable): What it does.
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
                with heed_signals():
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
            except KeyboardInterrupt as stop:
                with suppress(OSError):
                    # The terminal may be gone.
                    msg.warn("Stopped. What is done is kept; continue with:")
                    show_command(sys.argv[1:])
                sys.exit(128 + getattr(stop, "signal", signal.SIGINT))

    return wrapped


class Stopped(KeyboardInterrupt):
    """An interruption by another signal than Ctrl-C's.

    signal (int): Its number.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


@contextmanager
def heed_signals() -> Iterator[None]:
    """End on SIGTERM and SIGHUP as on Ctrl-C, so that replies under way are kept: `docker stop`, batch
    systems and closed terminals send these."""

    def stop(number: int, frame: Any) -> None:
        raise Stopped(number)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            # Whoever ignores one, as nohup does, means it.
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def show_command(arguments: List[str]) -> None:
    """Print a command of spaCy on a line of its own that nothing wraps, to be copied."""
    sys.stderr.write(f"{shlex.join(['python', '-m', 'spacy', *arguments])}\n")


def _fail(text: str) -> None:
    # wasabi would wrap it, and an error is one line
    line = f"\u2718 {' '.join(text.split())}"
    sys.stderr.write(f"{color(line, fg='red') if supports_ansi() else line}\n")
    sys.exit(1)


def _describe(error: Any) -> str:
    found = [
        f"{' '.join(map(str, one.get('loc', ())))}: {one.get('msg', '')}"
        for one in getattr(error, "errors", None) or []
    ]
    return "; ".join(found) or str(error)


def _show_warning(message: Any, *args: Any, **kwargs: Any) -> None:
    msg.warn(" ".join(str(message).split()))


def overrides_of(ctx: Any) -> Dict[str, Any]:
    """The settings of a config that are given on the command line, as in `spacy train`."""
    from click import NoSuchOption
    from spacy.cli._util import parse_config_overrides

    try:
        return parse_config_overrides(ctx.args, env_var=None)
    except NoSuchOption as error:
        # typer may bring a click of its own, which does not know this one.
        text = Errors.J334.format(name=error.option_name, example="--paths.ledger FILE")
        raise LLMJudgeError(text) from None


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
