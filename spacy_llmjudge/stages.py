"""Stages: work that is done once, and the record of what was done with what and to what end.

There is one way to resume, for every step. A record (a JSON file in a folder) holds for each stage the
hashes of what went in and of what came out, and what there is to say about it. A stage that is in it with
the same inputs, and whose outputs are as it left them, is not run again.
"""

import time
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from .storage import read_json, sha256_path, write_json

RECORD = "stages.json"
SECONDS = "seconds.json"
COMMANDS = "commands.json"
Result = Dict[str, Any]
# the name of a stage, and its result; None before it begins
Watch = Optional[Callable[[str, Optional[Result]], None]]


class Stages:
    """The stages that a record knows.

    folder (Path): Holds the record.
    record (str): The name of its file.
    facts (Optional[Mapping[str, Any]]): What the record says beside its stages.
    watch (Watch): Called with the name of a stage before it begins (and None), and with its result when it
        is done.
    """

    def __init__(
        self,
        folder: Path,
        *,
        record: str = RECORD,
        facts: Optional[Mapping[str, Any]] = None,
        watch: Watch = None,
    ) -> None:
        self.folder = Path(folder)
        self.path = self.folder / record
        self._facts = dict(facts or {})
        self._watch = watch
        self._known: Dict[str, Any] = read_json(self.path)["stages"] if self.path.exists() else {}
        self._done: Dict[str, Any] = {}

    def find(
        self, name: str, inputs: Mapping[str, Any], outputs: Sequence[Path] = ()
    ) -> Optional[Result]:
        """Find what a stage had to say when it was run.

        name (str): Its name.
        inputs (Mapping[str, Any]): All that it depends on: the path of a file or folder counts by what is
            in it, anything else as it is.
        outputs (Sequence[Path]): What it makes.
        RETURNS (Optional[Result]): None where it has to be run.
        """
        known = self._known.get(name)
        if known is None or known["inputs"] != _by_content(inputs):
            return None
        for path in outputs:
            if not path.exists() or known["outputs"].get(self._name(path)) != sha256_path(path):
                return None
        self._done[name] = known
        found: Result = known["result"]
        return found

    def keep(
        self, name: str, inputs: Mapping[str, Any], outputs: Sequence[Path], result: Result
    ) -> None:
        """Write down that a stage was run; see `find`."""
        made = {self._name(path): sha256_path(path) for path in outputs}
        self._done[name] = {"inputs": _by_content(inputs), "outputs": made, "result": result}
        self.write({})

    def run(
        self,
        name: str,
        inputs: Mapping[str, Any],
        outputs: Sequence[Path],
        work: Callable[[], Result],
        *,
        resumes: bool = False,
    ) -> Result:
        """Run a stage, unless the record says that it was run with the same inputs.

        name, inputs, outputs: See `find`.
        work (Callable[[], Result]): Makes the outputs, and returns what there is to say as JSON.
        resumes (bool): It finds out by itself what is there already, and is always asked.
        RETURNS (Result): What it had to say.
        """
        # once, and as they were before the work: a model or a folder takes its time
        inputs = _by_content(inputs)
        known = self._known.get(name)
        found = None if resumes else self.find(name, inputs, outputs)
        if found is None:
            if self._watch is not None:
                self._watch(name, None)
            start = time.perf_counter()
            found = work()
            self.keep(name, inputs, outputs, found)
            if self._done[name] != known:
                add_seconds(self.folder, name, time.perf_counter() - start)
        else:
            self.write({})
        if self._watch is not None:
            self._watch(name, found)
        return found

    def write(self, facts: Mapping[str, Any]) -> None:
        """Write the record.

        facts (Mapping[str, Any]): What there is to say beside the stages.
        """
        stages = {**self._known, **self._done}
        write_json(self.path, {"stages": stages, **self._facts, **facts})

    def finish(self, facts: Mapping[str, Any]) -> Dict[str, Any]:
        """Write the record of work that is over: what earlier settings left in it goes.

        RETURNS (Dict[str, Any]): The record.
        """
        self._known = {}
        self.write(facts)
        record: Dict[str, Any] = read_json(self.path)
        return record

    def _name(self, path: Path) -> str:
        # beside the record by its name alone, so that a folder may be moved with its record
        inside = path.is_relative_to(self.folder)
        return str(path.relative_to(self.folder) if inside else path)


def read_seconds(metrics: Path) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): How long each step took, as far as a folder of metrics knows."""
    path = metrics / SECONDS
    found: Dict[str, float] = read_json(path) if path.exists() else {}
    return found


def add_seconds(metrics: Path, step: str, seconds: float) -> None:
    """Add to a folder of metrics how long a step took."""
    write_json(metrics / SECONDS, {**read_seconds(metrics), step: round(seconds, 2)})


def read_commands(metrics: Path) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): With which command each step ran, as far as a folder of metrics knows."""
    path = metrics / COMMANDS
    found: Dict[str, str] = read_json(path) if path.exists() else {}
    return found


def add_command(metrics: Path, step: str, command: str) -> None:
    """Keep in a folder of metrics with which command a step ran."""
    write_json(metrics / COMMANDS, {**read_commands(metrics), step: command})


def _by_content(inputs: Mapping[str, Any]) -> Dict[str, Any]:
    return {
        name: (sha256_path(value) if value.exists() else None) if isinstance(value, Path) else value
        for name, value in inputs.items()
    }
