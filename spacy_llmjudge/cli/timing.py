"""How long steps took: measured, kept beside the metrics, shown at the end."""

import os
import shlex
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Dict, Iterator, Optional

from ..errors import Errors, LLMJudgeError
from .printer import msg


@contextmanager
def timed(step: str, metrics: Optional[Path]) -> Iterator[None]:
    """Add the seconds that a step took to `seconds.json` in the folder of metrics. Where an earlier run had done
    all of it, the time that it took then stays."""
    from ..stages import add_seconds, count_stages

    if metrics is not None:
        _require_room(metrics)
    made, kept = count_stages()
    start = time.perf_counter()
    yield
    now_made, now_kept = count_stages()
    if now_made == made and now_kept > kept:
        msg.info(f"Nothing changed since `{step}` was run with the same inputs")
    elif metrics is not None:
        add_seconds(metrics, step, time.perf_counter() - start)
        note_command(metrics, step)


def note_command(metrics: Path, step: str) -> None:
    """Keep in a folder of metrics with which command a step ran, for the report."""
    from ..stages import add_command

    arguments = sys.argv[1:]
    if "llmjudge" in arguments:
        add_command(metrics, step, shlex.join(["python", "-m", "spacy", *arguments]))


def _require_room(folder: Path) -> None:
    """Say before the work, and not after it, that its record cannot be written."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError("permission denied")
    except OSError as error:
        reason = error.strerror or error
        raise LLMJudgeError(Errors.J686.format(path=folder, error=reason)) from error
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()


def show_seconds(seconds: Dict[str, float]) -> None:
    """Print how long each step took, and all of them together."""
    steps = ", ".join(f"{step} {s:.0f}" for step, s in seconds.items())
    msg.info(f"Seconds: {steps}; together {sum(seconds.values()):.0f}")
