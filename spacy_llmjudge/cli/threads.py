"""Threads of OpenMP that sleep while they wait for work, in every process of the command line.

By default they spin. On a machine with other work to do, that takes the cores from whoever has work: a
training then takes several times as long, see docs/training_speed.md. OpenMP reads the setting once,
when torch is loaded, and `python -m spacy` loads torch before it loads this package. The setting
therefore reaches the processes that this one starts, such as the steps of `spacy project run`; a verb
that trains and was typed by hand starts again with it.
"""

import os
import sys
from pathlib import Path

CAME_TOO_LATE = "OMP_WAIT_POLICY" not in os.environ
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def restart_with_sleeping_threads() -> None:
    """Start this command again where the setting came too late; the environment overrides it."""
    import torch

    program = Path(sys.argv[0]).name
    is_command = program in ("__main__.py", "spacy") and sys.argv[1:2] == ["llmjudge"]
    if CAME_TOO_LATE and is_command and os.name == "posix" and torch.get_num_threads() > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
