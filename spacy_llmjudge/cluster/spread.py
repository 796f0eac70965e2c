"""Shards dealt out to the workers of a cluster, and dealt out again where a worker died."""

import secrets
import warnings
from collections import Counter, deque
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple
from typing import Counter as Counts

from ..errors import Errors, LLMJudgeError, Warnings
from ..shards import Made, Part, Spread, Work
from .calls import ask_keeper, fetch, import_ray
from .keeper import AT_ONCE, Keeper
from .worker import Done, Setup, Worker

# so often may the worker of a shard die
_TRIES = 3
# seconds without any worker after which that is said
_QUIET = 60.0


class Cluster:
    """The workers of a Ray cluster. They are started when the first shards are dealt out, and stay until `close`.

    join (Callable[[], bool]): Connects this process to the cluster, unless it is; whether it has done so.
    setup (Setup): What they must have.
    workers (int): How many; 0: as many as the cluster has cores, or GPUs where they need one.
    """

    def __init__(self, join: Callable[[], bool], setup: Setup, workers: int = 0) -> None:
        self._ray: Any = import_ray()
        self._join = join
        self._has_joined = False
        self._keeper: Any = None
        self._setup = setup
        self._n_workers = workers
        self._actors: Dict[str, Any] = {}
        # that each of them has
        self._gpus = 0
        self._has_begun = False
        self._warned: Set[str] = set()
        self.said: Dict[str, Any] = {}

    def _open(self) -> None:
        if self._keeper is not None:
            return
        self._has_joined = self._join()
        here = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            self._ray.get_runtime_context().get_node_id(), soft=False
        )
        keeper = self._ray.remote(num_cpus=0, max_concurrency=AT_ONCE)(Keeper)
        self._keeper = keeper.options(scheduling_strategy=here).remote(str(self._setup.folder))

    def spread(self, load: Callable[[], Work[Any]], *, gpus: int = 0, grace: float = 0.0) -> Spread:
        """Let the workers make shards.

        load (Callable[[], Work]): Loads in a worker what makes them; a function of a module.
        gpus (int): How many each worker needs.
        grace (float): Seconds that what is under way may take when the run is stopped.
        RETURNS (Spread): What `write_shards` takes. `said` has what the work of each worker says.
        """
        self.said.clear()
        return partial(self._deal, load, gpus, grace)

    def _deal(
        self, load: Callable[[], Work[Any]], gpus: int, grace: float, parts: List[Part]
    ) -> Iterator[Tuple[Part, Made]]:
        self._open()
        if gpus != self._gpus:
            self._end_workers()
            self._gpus = gpus
        count = min(self._count_workers(gpus), len(parts))
        waiting = deque(parts)
        # what is under way: a shard, or the loading before the first
        busy: Dict[Any, Tuple[str, Any]] = {}
        deaths: Counts[Any] = Counter()
        for who in [*self._actors][:count]:
            busy[self._actors[who].load.remote(load)] = (who, None)
        while len(busy) < count:
            self._start(load, busy)
        try:
            while waiting or any(part is not None for _, part in busy.values()):
                result = self._wait(list(busy))
                who, part = busy.pop(result)
                try:
                    done = fetch(result)
                except self._ray.exceptions.RayError as error:
                    self._bury(who)
                    deaths[part] += 1
                    if deaths[part] >= _TRIES * (count if part is None else 1):
                        name = "the model" if part is None else part.path.name
                        kind = type(error).__name__
                        text = Errors.J969.format(part=name, n=deaths[part], error=kind)
                        raise LLMJudgeError(text) from error
                    if part is not None:
                        waiting.appendleft(part)
                    self._start(load, busy)
                    continue
                if part is not None:
                    yield part, self._take(who, part, done)
                if waiting:
                    part = waiting.popleft()
                    busy[self._actors[who].make.remote(part)] = (who, part)
        except BaseException:
            self._stop(busy, grace)
            raise

    def _count_workers(self, gpus: int) -> int:
        kind = "GPU" if gpus else "CPU"
        there = int(self._ray.cluster_resources().get(kind, 0))
        if not there:
            raise LLMJudgeError(Errors.J968.format(kind=kind))
        return min(self._n_workers or there, there)

    def _wait(self, results: List[Any]) -> Any:
        """RETURNS (ObjectRef): The first result that is there. It is said where no worker has come so far."""
        found, _ = self._ray.wait(results, timeout=None if self._has_begun else _QUIET)
        if not found:
            warnings.warn(Warnings.JW977.format(seconds=_QUIET), stacklevel=5)
            found, _ = self._ray.wait(results)
        self._has_begun = True
        return found[0]

    def _start(self, load: Callable[[], Work[Any]], busy: Dict[Any, Tuple[str, Any]]) -> None:
        who, gpus = secrets.token_hex(8), self._gpus
        worker = self._ray.remote(num_cpus=0 if gpus else 1, num_gpus=gpus, max_restarts=0)(Worker)
        actor = self._actors[who] = worker.remote(who, self._keeper, self._setup)
        busy[actor.load.remote(load)] = (who, None)

    def _bury(self, who: str) -> None:
        """What a worker had under way is open to others from now on."""
        self._ray.kill(self._actors.pop(who))
        ask_keeper(self._keeper.forget.remote(who))

    def _take(self, who: str, part: Part, done: Done) -> Made:
        if done.said is not None:
            self.said[who] = done.said
        for text in done.warnings:
            if text not in self._warned:
                self._warned.add(text)
                warnings.warn(text, stacklevel=5)
        if not part.path.exists():
            raise LLMJudgeError(Errors.J965.format(path=part.path, host=done.host))
        return done.made

    def _stop(self, busy: Dict[Any, Tuple[str, Any]], grace: float) -> None:
        """Send nothing more, and let what is under way come home."""
        self._keeper.stop.remote()
        making = [result for result, (_, part) in busy.items() if part is not None]
        if making and grace:
            self._ray.wait(making, num_returns=len(making), timeout=grace)

    def _end_workers(self) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors.clear()
        self._has_begun = False

    def close(self) -> None:
        """End the workers, close the ledgers, and leave the cluster."""
        self._end_workers()
        if self._keeper is not None:
            try:
                fetch(self._keeper.close.remote())
            except self._ray.exceptions.RayError:
                pass  # it is gone, as is what it had open
            self._ray.kill(self._keeper)
            self._keeper = None
        if self._has_joined:
            self._ray.shutdown()
            self._has_joined = False
