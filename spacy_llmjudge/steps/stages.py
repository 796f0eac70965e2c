"""The stages of a round: each runs once, and the manifest of the round says with what and to what end.

`round.json` grows by one stage at a time. A stage that is in it with the same inputs, and whose outputs
are as it left them, is not run again: a loop that was killed goes on with the stage that was under way.
"""

import time
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Sequence

from ..evaluation.summary import add_seconds
from ..storage import read_json, sha256_path, write_json

ROUND = "round.json"
Watch = Optional[Callable[[int, str, Optional[Dict[str, Any]]], None]]


class Stages:
    """The stages of one round.

    folder (Path): The metrics of the round; gets `round.json` and `seconds.json`.
    number (int): The round; the seed student is round 0.
    watch (Watch): Called with the round and the name of a stage before it begins (and None), and with
        its result when it is done.
    """

    def __init__(self, folder: Path, number: int, watch: Watch = None) -> None:
        self.folder = folder
        self.number = number
        self._watch = watch
        path = folder / ROUND
        self._known: Dict[str, Any] = read_json(path)["stages"] if path.exists() else {}
        self._done: Dict[str, Any] = {}

    def run(
        self,
        name: str,
        inputs: Dict[str, Any],
        outputs: Sequence[Path],
        work: Callable[[], Dict[str, Any]],
        *,
        resumes: bool = False,
    ) -> Dict[str, Any]:
        """Run a stage, unless the manifest says that it was run with the same inputs.

        name (str): Its name.
        inputs (Dict[str, Any]): All that it depends on: the path of a file or folder counts by what is
            in it, anything else as it is.
        outputs (Sequence[Path]): What it makes.
        work (Callable[[], Dict[str, Any]]): Makes it, and returns what there is to say as JSON.
        resumes (bool): It finds out by itself what is there already, and is always asked.
        RETURNS (Dict[str, Any]): What it had to say.
        """
        found = {key: _by_content(value) for key, value in inputs.items()}
        known = self._known.get(name)
        if resumes or not _is_kept(known, found, outputs):
            if self._watch is not None:
                self._watch(self.number, name, None)
            start = time.perf_counter()
            result = work()
            made = {str(path): sha256_path(path) for path in outputs}
            before, known = known, {"inputs": found, "outputs": made, "result": result}
            if known != before:
                add_seconds(self.folder, name, time.perf_counter() - start)
        self._done[name] = known
        self.write({})
        if self._watch is not None:
            self._watch(self.number, name, known["result"])
        return known["result"]

    def write(self, facts: Dict[str, Any]) -> None:
        """Write the manifest.

        facts (Dict[str, Any]): What there is to say about the round beside its stages.
        """
        manifest = {"round": self.number, "stages": {**self._known, **self._done}}
        write_json(self.folder / ROUND, {**manifest, **facts})

    def finish(self, facts: Dict[str, Any]) -> Dict[str, Any]:
        """Write the manifest of a round that is over: what earlier settings left in it goes.

        RETURNS (Dict[str, Any]): The manifest.
        """
        self._known = {}
        self.write(facts)
        return read_json(self.folder / ROUND)


def _by_content(value: Any) -> Any:
    if isinstance(value, Path):
        return sha256_path(value) if value.exists() else None
    return value


def _is_kept(
    known: Optional[Dict[str, Any]], inputs: Dict[str, Any], outputs: Sequence[Path]
) -> bool:
    if known is None or known["inputs"] != inputs:
        return False
    return all(
        path.exists() and known["outputs"].get(str(path)) == sha256_path(path) for path in outputs
    )
