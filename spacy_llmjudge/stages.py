"""Stages: work that is done once, and the record of what was done with what and to what end.

There is one way to resume, for every step. A record (a JSON file in a folder) holds for each stage the
hashes of what went in and of what came out, and what there is to say about it. A stage that is in it with
the same inputs and the same versions of the packages that do the work, and whose outputs are as it left
them, is not run again.
"""

import json
import time
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple

from .errors import Errors, LLMJudgeError
from .locks import alone
from .storage import read_json, read_json_if_there, sha256_path, write_json

RECORD = "stages.json"
SECONDS = "seconds.json"
COMMANDS = "commands.json"
Result = Dict[str, Any]
# what the file of a ledger begins with
_SQLITE = b"SQLite format 3\0"
# the packages whose next version may do the same work in another way
PACKAGES = ("spacy_llmjudge", "spacy", "thinc", "spacy-transformers", "transformers", "torch")
# the name of a stage, and its result; None before it begins
Watch = Optional[Callable[[str, Optional[Result]], None]]

_GIVEN: Dict[str, str] = {}
_COUNTS: Dict[str, int] = {"made": 0, "kept": 0}


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
        outputs (Sequence[Path]): What it makes, or may make.
        RETURNS (Optional[Result]): None where it has to be run.
        """
        known = self._known.get(name)
        if (
            known is None
            or known["inputs"] != _by_content(inputs)
            or known.get("with") != versions()
        ):
            return None
        for path in outputs:
            if known["outputs"].get(self._name(path)) != _content(path):
                return None
        self._done[name] = known
        _COUNTS["kept"] += 1
        found: Result = known["result"]
        return found

    def keep(
        self, name: str, inputs: Mapping[str, Any], outputs: Sequence[Path], result: Result
    ) -> None:
        """Write down that a stage was run; see `find`."""
        made = {self._name(path): _content(path) for path in outputs}
        self._done[name] = {
            "inputs": _by_content(inputs),
            "with": versions(),
            "outputs": made,
            "result": result,
        }
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
            count_made()
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


def record_beside(path: Path) -> Path:
    """RETURNS (Path): The hidden file beside an output in which `once` keeps its record."""
    return path.with_name(f".{path.name}.made")


def require_not_of(path: Path, record: Path) -> None:
    """Check that no other step made an output. Where the output was deleted, the record of that step goes.

    path (Path): The output.
    record (Path): The record that the other step leaves beside it.
    RAISES (LLMJudgeError): J999 where both are there.
    """
    if not path.exists():
        record.unlink(missing_ok=True)
    elif record.exists():
        raise LLMJudgeError(Errors.J999.format(path=path, record=record.name))


def once(
    name: str,
    inputs: Mapping[str, Any],
    outputs: Sequence[Path],
    work: Callable[[], Result],
    *,
    beside: Optional[Path] = None,
    counts: bool = True,
) -> Result:
    """Run a step that stands alone, unless it was run with the same inputs.

    name, inputs, outputs, work: See `Stages.run`.
    beside (Optional[Path]): The record is a hidden file beside this, and no other run may write to it meanwhile;
        None takes the first output.
    counts (bool): Whether `count_stages` counts it as work.
    RETURNS (Result): What it had to say.
    """
    first = beside or outputs[0]
    with alone(first):
        stages = Stages(first.parent, record=record_beside(first).name)
        inputs = _by_content(inputs)
        found = stages.find(name, inputs, outputs)
        if found is None:
            found = work()
            if counts:
                count_made()
            stages.keep(name, inputs, outputs, found)
        return found


def count_made() -> None:
    """Count work that was done, though it may not be finished."""
    _COUNTS["made"] += 1


def count_stages() -> Tuple[int, int]:
    """RETURNS (Tuple[int, int]): How many stages this process has run, and how many it found to be done."""
    return _COUNTS["made"], _COUNTS["kept"]


def versions() -> Dict[str, str]:
    """RETURNS (Dict[str, str]): The versions of what does the work: packages, and code that a user gave."""
    return {**_installed(), **_GIVEN}


def note_version(name: str, found: str) -> None:
    """Let all that is done from now on depend on something that no step knows of."""
    _GIVEN[name] = found


@lru_cache(maxsize=1)
def _installed() -> Dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_seconds(metrics: Path) -> Dict[str, float]:
    """RETURNS (Dict[str, float]): How long each step took, as far as a folder of metrics knows."""
    return read_json_if_there(metrics / SECONDS)


def add_seconds(metrics: Path, step: str, seconds: float) -> None:
    """Add to a folder of metrics how long a step took."""
    write_json(metrics / SECONDS, {**read_seconds(metrics), step: round(seconds, 2)})


def read_commands(metrics: Path) -> Dict[str, str]:
    """RETURNS (Dict[str, str]): With which command each step ran, as far as a folder of metrics knows."""
    return read_json_if_there(metrics / COMMANDS)


def add_command(metrics: Path, step: str, command: str) -> None:
    """Keep in a folder of metrics with which command a step ran."""
    write_json(metrics / COMMANDS, {**read_commands(metrics), step: command})


def hash_named(settings: Mapping[str, Any]) -> Dict[str, Optional[str]]:
    """Hash what a config names: its files, and its folders that are written as paths.

    settings (Mapping[str, Any]): The config, interpolated. A ledger grows with every reply: it is what a judge
        remembers, not what it depends on.
    RETURNS (Dict[str, Optional[str]]): By path.
    """
    found: Dict[str, Optional[str]] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found.update(hash_named(value))
        elif key != "ledger":
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if isinstance(one, (str, Path)) and _is_named(Path(one)):
                    found[str(one)] = _content(Path(one))
    return found


def _is_named(path: Path) -> bool:
    try:
        if path.is_file():
            with path.open("rb") as file_:
                return file_.read(len(_SQLITE)) != _SQLITE
        return path.is_dir() and (len(path.parts) > 1 or path.suffix == ".spacy")
    except (OSError, ValueError):
        return False


def _content(path: Path) -> Optional[str]:
    return sha256_path(path) if path.exists() else None


def _by_content(inputs: Mapping[str, Any]) -> Dict[str, Any]:
    hashed = {
        name: _content(value) if isinstance(value, Path) else value
        for name, value in inputs.items()
    }
    # as it will be read again: a tuple is a list
    found: Dict[str, Any] = json.loads(json.dumps(hashed))
    return found
