"""What a model must be able to do for a ledger to ask it by batches: files of requests that a provider works off
within a day, for less money."""

from typing import (
    AbstractSet,
    BinaryIO,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Protocol,
    Tuple,
    runtime_checkable,
)

from .retry import Attempt
from .sender import Sender
from .server_errors import ServerError

# What the rows of a ledger that wait in a batch are reserved under begins so.
RUN = "batch-"
RUNNING, COMPLETED, EXPIRED, CANCELLED, FAILED = (
    "running",
    "completed",
    "expired",
    "cancelled",
    "failed",
)
# Ends of a request in a batch that say nothing about its prompt.
NO_FAULT = ("batch_expired", "batch_cancelled", "batch_failed", "batch_no_line")


class ServerDown(Exception):
    """A server could not be asked, with all tries.

    reason (str): Why, a short snake_case word.
    notice (str): A warning for the user.
    """

    def __init__(self, reason: str, notice: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.notice = notice


class BatchUnknown(ServerDown):
    """Whether a batch is one that was lost is not to be known before it has ended.

    batch_id (str): What the server calls it.
    """

    def __init__(self, batch_id: str) -> None:
        super().__init__("batch_unknown")
        self.batch_id = batch_id


class BatchGone(Exception):
    """A server knows nothing of a batch, or of a file, that it had once."""


class BatchStatus(NamedTuple):
    """How far a batch is.

    state (str): RUNNING, or how it ended: COMPLETED, EXPIRED, CANCELLED, or FAILED (it never began).
    n_done (int): Requests with an answer.
    n_requests (int): All requests; 0 as long as the server has not counted.
    files (Tuple[str, ...]): The files with its answers, replies first.
    problem (Optional[ServerError]): Why it failed.
    """

    state: str
    n_done: int = 0
    n_requests: int = 0
    files: Tuple[str, ...] = ()
    problem: Optional[ServerError] = None


@runtime_checkable
class BatchSender(Sender, Protocol):
    """A model that is asked by batches. What is asked, and what is read, is as for a `Sender`.

    All of its calls try again where that can help. They raise `ServerDown` when it did not, `BatchGone`
    where there is nothing to ask about, or an `LLMJudgeError` where nothing more should be sent.

    price_share (float): What a request costs in a batch, as a share of its price.
    max_requests (int): Requests in a batch.
    max_bytes (int): Bytes in its file.
    window (str): How long the server may take for it, such as "24h".
    pauses (Tuple[float, float]): Seconds between two looks at a batch: the first, and the longest.
    cancels (bool): Whether an interruption cancels what is under way.
    """

    price_share: float
    max_requests: int
    max_bytes: int
    window: str
    pauses: Tuple[float, float]
    cancels: bool

    def write_line(self, key: str, request: bytes) -> bytes:
        """RETURNS (bytes): The line of a request in the file of a batch."""

    def upload(self, lines: BinaryIO, name: str) -> str:
        """RETURNS (str): What the server calls the file that it got."""

    def create(self, file_id: str, run: str, others: AbstractSet[str]) -> str:
        """Make a batch of a file, once: where a try may have come through, it is looked for first.

        others (AbstractSet[str]): Batches that are known, so that it is none of them.
        RETURNS (str): What the server calls it.
        RAISES (ServerDown): Where a batch may have been made all the same. An `LLMJudgeError` says that none was.
        """

    def find(self, file_id: str, run: str, others: AbstractSet[str]) -> Optional[str]:
        """Find the batch of a file.

        others (AbstractSet[str]): As for `create`.
        RETURNS (Optional[str]): None where the server knows of none.
        RAISES (BatchUnknown): Where one that may be it has to end first.
        """

    def has_batch(self, batch_id: str) -> bool:
        """RETURNS (bool): Whether a batch is in the list of the server."""

    def has_file(self, file_id: str) -> bool:
        """RETURNS (bool): Whether the server knows a file. It knows none of another project."""

    def poll(self, batch_id: str) -> BatchStatus:
        """RETURNS (BatchStatus): How far it is."""

    def read_answers(self, file_id: str) -> Iterator[List[Tuple[str, Attempt]]]:
        """YIELDS (List[Tuple[str, Attempt]]): Some keys, and how their requests ended."""

    def cancel(self, batch_id: str) -> None:
        """End a batch; what has an answer by then is kept, and paid."""
