"""A loop that is killed (SIGKILL) at any time and started again ends with the same."""

import os
import random
import signal
import subprocess
import sys

import pytest
from loop_helpers import made_by, make_workspace

ARGUMENTS = [
    "corpus",
    "configs/student_cpu.cfg",
    "configs/judges/recorded.cfg",
    "--assets",
    "assets",
    "--rounds",
    "2",
    "--patience",
    "9",
    "--stable",
    "1.0",
    "--student.training.max_steps",
    "12",
    "--filter.selector.q",
    "0.2",
]


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-m", "spacy", "llmjudge", "loop", *ARGUMENTS],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.slow
def test_a_killed_loop_ends_with_the_same(small_corpus, small_student, small_dataset, tmp_path):
    folders = [
        make_workspace(tmp_path / name, small_corpus, small_student, small_dataset)
        for name in ("whole", "killed")
    ]
    whole = start(folders[0])
    output, _ = whole.communicate()
    assert whole.returncode == 0, output[-2000:]
    stages = [line for line in output.splitlines() if line.strip().endswith(" ...")]
    assert len(stages) == 2 * 10 + 1
    # killed a moment after each of some stages has begun, in the order in which they come
    rng = random.Random(0)
    killed = 0
    for wanted in [stages[i].strip() for i in sorted(rng.sample(range(1, len(stages)), 6))]:
        process = start(folders[1])
        for line in process.stdout:
            if line.strip() == wanted:
                try:
                    process.wait(timeout=rng.uniform(0, 0.5))
                except subprocess.TimeoutExpired:
                    killed += 1
                process.send_signal(signal.SIGKILL)
                break
        process.stdout.close()
        process.wait()
    last = start(folders[1])
    output, _ = last.communicate()
    assert last.returncode == 0, output[-2000:]
    assert killed >= 4 and made_by(folders[1]) == made_by(folders[0])
