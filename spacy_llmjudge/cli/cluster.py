"""`--on ray`: the options of verbs whose work a cluster can do, and the cluster that they name."""

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Iterator, NamedTuple, Optional

from ..errors import Errors, LLMJudgeError
from .arguments import Opt

if TYPE_CHECKING:
    from ..cluster.spread import Cluster

NOWHERE = "none"
On = Opt(
    NOWHERE, "--on", help="ray: the workers of a Ray cluster do the work, see docs/many_machines.md"
)
Address = Opt(
    None,
    "--ray-address",
    help="Host and port of the cluster's head; else RAY_ADDRESS, or the cluster that this machine belongs to, or this machine alone",
)
Workers = Opt(
    0, "--ray-workers", help="At most so many workers; 0: one for each core, or each GPU", min=0
)


class Place(NamedTuple):
    """Where work is done.

    on (str): "ray" or "none".
    address (Optional[str]): Of the cluster.
    workers (int): At most so many; 0: as many as there is room for.
    """

    on: str
    address: Optional[str]
    workers: int


@contextmanager
def cluster_at(place: Place) -> Iterator[Optional["Cluster"]]:
    """YIELDS (Optional[Cluster]): The cluster for the length of the block; None for this process."""
    if place.on not in (NOWHERE, "ray"):
        raise LLMJudgeError(Errors.J1001.format(found=place.on))
    if place.on == NOWHERE:
        yield None
        return
    from ..cluster.connect import connect
    from ..steps.loading import code_in_use, import_code

    prepare = partial(import_code, code_in_use())
    with connect(place.address, workers=place.workers, prepare=prepare) as cluster:
        yield cluster
