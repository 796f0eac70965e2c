"""What a worker of a cluster does: it loads a model once, and makes one shard after the other."""

import os
import socket
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from ..errors import Errors, LLMJudgeError
from ..ledger.desk import use_desk
from ..shards import Made, Part, Work
from ..stages import versions
from .remote import make_desk


@dataclass(frozen=True)
class Setup:
    """What a worker must have before it does anything.

    folder (Path): The working directory of the command, which all machines must have.
    versions (Dict[str, str]): The versions of packages that do the work.
    prepare (Callable[[], None]): Called before anything is loaded, such as for the code that a config names.
    """

    folder: Path
    versions: Dict[str, str]
    prepare: Callable[[], None]


class Done(NamedTuple):
    """What a worker gives back.

    made (Made): What is known of the shard.
    said (Any): What the worker has to say of all that it did so far.
    warnings (List[str]): What it had to warn of.
    host (str): The name of its machine.
    """

    made: Made
    said: Any
    warnings: List[str]
    host: str


class Worker:
    """Makes shards. It does one thing at a time.

    who (str): A name that no other one has.
    keeper (ActorHandle): The actor `Keeper`.
    setup (Setup): What it must have.
    """

    def __init__(self, who: str, keeper: Any, setup: Setup) -> None:
        self._setup = setup
        self._is_ready = False
        self._work: Optional[Work[Any]] = None
        use_desk(make_desk(keeper, who))

    def load(self, load: Callable[[], Work[Any]]) -> None:
        """Load what is needed, in the place of what was needed before."""
        self._work = None
        if not self._is_ready:
            self._check()
            self._is_ready = True
        with warnings.catch_warnings():
            # the command, which loads the same, says them
            warnings.simplefilter("ignore")
            self._work = load()

    def _check(self) -> None:
        host, folder = socket.gethostname(), self._setup.folder
        if not folder.is_dir():
            raise LLMJudgeError(Errors.J965.format(path=folder, host=host))
        os.chdir(folder)
        self._setup.prepare()
        found, expected = versions(), self._setup.versions
        if found != expected:
            names = [name for name in expected if found.get(name) != expected[name]]
            differing = ", ".join(
                f"{name} {found.get(name)} instead of {expected[name]}" for name in names
            )
            raise LLMJudgeError(Errors.J966.format(host=host, found=differing or sorted(found)))

    def make(self, part: Part) -> Done:
        """Make a shard. RETURNS (Done): What is known of it."""
        assert self._work is not None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            made = self._work.make(part)
        said = self._work.said() if self._work.said else None
        told = [str(one.message) for one in caught if issubclass(one.category, UserWarning)]
        return Done(made, said, told, socket.gethostname())
