"""`--on ray`: the options of verbs whose work a cluster can do."""

from typing import TYPE_CHECKING, Optional

from .arguments import Opt

if TYPE_CHECKING:
    from ..cluster.connect import Place

On = Opt(
    "none", "--on", help="ray: the workers of a Ray cluster do the work, see docs/many_machines.md"
)
Address = Opt(
    None,
    "--ray-address",
    help="Host and port of the cluster's head; else RAY_ADDRESS, or the cluster that this machine belongs to, or this machine alone",
)
Workers = Opt(
    0, "--ray-workers", help="At most so many workers; 0: one for each core, or each GPU", min=0
)


def place_of(on: str, address: Optional[str], workers: int) -> Optional["Place"]:
    """RETURNS (Optional[Place]): The cluster that the options name; None for this process."""
    from ..steps.settings import check_on

    if not check_on(on):
        return None
    from ..cluster.connect import Place

    return Place(address, workers)
