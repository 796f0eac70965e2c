"""How long steps took: measured, kept beside the metrics, shown at the end."""

import shlex
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, Optional

from wasabi import msg


@contextmanager
def timed(step: str, metrics: Optional[Path]) -> Iterator[None]:
    """Add the seconds that a step took to `seconds.json` in the folder of metrics."""
    from ..stages import add_seconds

    start = time.perf_counter()
    yield
    if metrics is not None:
        add_seconds(metrics, step, time.perf_counter() - start)
        note_command(metrics, step)


def note_command(metrics: Path, step: str) -> None:
    """Keep in a folder of metrics with which command a step ran, for the report."""
    from ..stages import add_command

    arguments = sys.argv[1:]
    if "llmjudge" in arguments:
        add_command(metrics, step, shlex.join(["python", "-m", "spacy", *arguments]))


def show_seconds(seconds: Dict[str, float]) -> None:
    """Print how long each step took, and all of them together."""
    steps = ", ".join(f"{step} {s:.0f}" for step, s in seconds.items())
    msg.info(f"Seconds: {steps}; together {sum(seconds.values()):.0f}")
