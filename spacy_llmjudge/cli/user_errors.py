"""How a verb ends: a user error as one line and exit code 1, a warning as a line, Ctrl-C with what to do."""

import functools
import math
import shlex
import signal
import sys
import warnings
from contextlib import suppress
from typing import Any, Callable, List, NoReturn, Set, TypeVar, cast

from wasabi import color

from ..errors import Errors, LLMJudgeError
from .output import readable_output, shows_colours
from .printer import msg, plain
from .signals import heed_signals

FuncT = TypeVar("FuncT", bound=Callable[..., Any])


def user_errors(function: FuncT) -> FuncT:
    """Turn what the user can fix into one line and exit code 1; Ctrl-C into exit code 130."""

    from catalogue import RegistryError
    from confection import ConfigValidationError

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("always", message=r"\[JW\d+\]")
            warnings.showwarning = functools.partial(_show_warning, set())
            try:
                for name, value in kwargs.items():
                    require_finite(f"--{name.replace('_', '-')}", value)
                with heed_signals(), readable_output():
                    return function(*args, **kwargs)
            except LLMJudgeError as error:
                _fail(str(error))
            except ConfigValidationError as error:
                _fail(Errors.J813.format(error=_describe(error)))
            except RegistryError as error:
                _fail(Errors.J813.format(error=error))
            except UnicodeEncodeError as error:
                if error.reason != "surrogates not allowed":
                    raise
                _fail(Errors.J687.format(error=error.reason))
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

    return cast(FuncT, wrapped)


def require_finite(name: str, value: Any) -> None:
    """RAISES (LLMJudgeError): J682 where a value is a number that is none, or infinite."""
    if isinstance(value, float) and not math.isfinite(value):
        raise LLMJudgeError(Errors.J682.format(name=name, found=value))


def show_command(arguments: List[str]) -> None:
    """Print a command of spaCy on a line of its own that nothing wraps, to be copied."""
    sys.stderr.write(f"{shlex.join(['python', '-m', 'spacy', *arguments])}\n")


def _fail(text: str) -> NoReturn:
    # wasabi would wrap it, and an error is one line
    line = f"\u2718 {_one_line(text)}"
    sys.stderr.write(f"{color(line, fg='red') if shows_colours(sys.stderr) else line}\n")
    sys.exit(1)


def _describe(error: Any) -> str:
    found = [
        f"{' '.join(map(str, one.get('loc', ())))}: {one.get('msg', '')}"
        for one in getattr(error, "errors", None) or []
    ]
    return "; ".join(found) or str(error)


def _show_warning(shown: Set[str], message: Any, *args: Any, **kwargs: Any) -> None:
    """A file that is read twice is warned of once."""
    text = _one_line(str(message))
    if text not in shown:
        shown.add(text)
        msg.warn(text)


def _one_line(text: str) -> str:
    """A message without what a terminal would take for a command, such as in the name of a file."""
    return str(plain(" ".join(text.split())))
