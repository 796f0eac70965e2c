"""How long steps took: measured, kept beside the metrics, shown at the end."""

import time
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, Optional

from .printer import msg


@contextmanager
def timed(step: str, metrics: Optional[Path]) -> Iterator[None]:
    """Add the seconds that a step took to `seconds.json` in the folder of metrics. Where an earlier run had done
    all of it, the time that it took then stays."""
    from ..stages import add_seconds, count_stages

    made, kept = count_stages()
    start = time.perf_counter()
    yield
    now_made, now_kept = count_stages()
    if now_made == made and now_kept > kept:
        msg.info(f"Nothing changed since `{step}` was run with the same inputs")
    elif metrics is not None:
        add_seconds(metrics, step, time.perf_counter() - start)


def show_seconds(seconds: Dict[str, float]) -> None:
    """Print how long each step took, and all of them together."""
    steps = ", ".join(f"{step} {s:.0f}" for step, s in seconds.items())
    msg.info(f"Seconds: {steps}; together {sum(seconds.values()):.0f}")
