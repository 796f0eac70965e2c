"""What is printed can be read where it is printed: in a terminal, a file or a pipe, in any encoding."""

import os
import sys
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Iterator, TextIO

from wasabi.util import ENV_ANSI_DISABLED, supports_ansi

from .printer import msg


def shows_colours(stream: TextIO) -> bool:
    """RETURNS (bool): Whether a stream is a terminal with colours, and the user wants them."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream.isatty() and supports_ansi()


@contextmanager
def readable_output() -> Iterator[None]:
    """Print colour codes only where they show, and escape characters that a stream cannot encode."""
    shown, before = msg.show_color, os.environ.get(ENV_ANSI_DISABLED)
    msg.show_color = shown and shows_colours(sys.stdout)
    if not msg.show_color:
        # heeded by what spaCy prints, and by processes that are started from here
        os.environ[ENV_ANSI_DISABLED] = "1"
    if isinstance(sys.stdout, TextIOWrapper):
        # as Python itself does for stderr
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        msg.show_color = shown
        if before is None:
            os.environ.pop(ENV_ANSI_DISABLED, None)
