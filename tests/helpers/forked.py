"""Runs that each are a process of their own and may be killed, without the seconds that it takes to load everything.

A program that is started once loads the packages and forks for every run. `serve` is that program's side, `Forked`
the side of a test; they talk in lines of JSON.
"""

import json
import os
import select
import signal
import subprocess
import sys
import traceback
from pathlib import Path


def serve(run):
    """Fork for each list of words that comes in, and call `run` with them there."""
    for line in sys.stdin:
        asked = json.loads(line)
        if "words" in asked:
            answer = os.fork()
            if answer == 0:
                sys.exit(_in_child(run, asked))
        else:
            process, status = os.waitpid(asked["process"], 0 if asked["waits"] else os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if process else None
        print(json.dumps(answer), flush=True)


def _in_child(run, asked):
    os.setsid()
    nothing, errors = (
        os.open(os.devnull, os.O_RDWR),
        os.open(asked["errors"], os.O_CREAT | os.O_WRONLY),
    )
    for number, file_ in enumerate((nothing, nothing, errors)):
        os.dup2(file_, number)
    os.closerange(3, max(nothing, errors) + 1)
    try:
        run(asked["words"])
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


class Forked:
    """The program that forks.

    script (Path): Calls `serve`.
    folder (Path): Gets what the runs write to stderr.
    """

    def __init__(self, script, folder):
        self.folder = folder
        self.n_started = 0
        self.program = subprocess.Popen(
            [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **asked):
        self.program.stdin.write(json.dumps(asked) + "\n")
        self.program.stdin.flush()
        if not select.select([self.program.stdout], [], [], 120)[0]:
            raise TimeoutError(f"no answer to {asked}")
        return json.loads(self.program.stdout.readline())

    def start(self, *words):
        """RETURNS (Run): A run that has begun."""
        self.n_started += 1
        errors = self.folder / f"{self.n_started}.txt"
        return Run(self, self.ask(words=list(map(str, words)), errors=str(errors)), errors)

    def close(self):
        self.program.stdin.close()
        self.program.wait(30)


class Run:
    """A run, with what tests use of `subprocess.Popen`."""

    def __init__(self, forked, process, errors):
        self.forked, self.pid, self.errors = forked, process, errors
        self.returncode = None

    def poll(self, waits=False):
        if self.returncode is None:
            self.returncode = self.forked.ask(process=self.pid, waits=waits)
        return self.returncode

    def send_signal(self, number):
        # what was not waited for keeps its id
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def finish(self):
        """RETURNS (Tuple[int, str]): Its exit code, negative after a signal, and what it wrote to stderr."""
        return self.poll(waits=True), Path(self.errors).read_text()
