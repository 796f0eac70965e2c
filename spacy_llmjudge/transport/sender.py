"""What a model must be able to do for a ledger to stand around it: write a request, and send it once."""

from typing import Any, Dict, Iterable, Optional, Protocol, Tuple, runtime_checkable

from .messages import Reply
from .retry import Attempt, RetryPolicy
from .tally import Counts


@runtime_checkable
class Sender(Protocol):
    """A model that answers one prompt a request, and says how each request ended.

    name (str): The name of the model, by which its price is found.
    host (str): Who answers, for messages.
    concurrency (int): How many requests at the same time are of use.
    policy (RetryPolicy): How often and how patiently to try.
    context_length (Optional[int]): Tokens that the model can read, where that is known.
    service_tier (Optional[str]): The tier that is asked for, where prices go by it.
    timeout (float): Seconds that one call of `send` can take, as far as that is known.
    max_reply_bytes (int): What one call of `send` can bring at most.
    """

    @property
    def name(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def concurrency(self) -> int: ...

    @property
    def policy(self) -> RetryPolicy: ...

    @property
    def context_length(self) -> Optional[int]: ...

    @property
    def service_tier(self) -> Optional[str]: ...

    @property
    def timeout(self) -> float: ...

    @property
    def max_reply_bytes(self) -> int: ...

    def describe(self) -> Dict[str, Any]:
        """RETURNS (Dict[str, Any]): What tells this model from others, without secrets, as JSON."""

    def make_request(self, prompt: str) -> bytes:
        """RETURNS (bytes): The request for a prompt, the same for every draw of the same question."""

    def identify(self, request: bytes) -> bytes:
        """RETURNS (bytes): All that a reply to a request depends on; a ledger's key is its hash."""

    def bound_tokens(self, request: bytes) -> Tuple[int, Optional[int]]:
        """RETURNS (Tuple[int, Optional[int]]): The most tokens in and out that one call of `send` can
        cost; None where nothing limits the reply."""

    def send(self, prompt: str, request: Optional[bytes] = None) -> Attempt:
        """Send one request, once, and never raise.

        prompt (str): The prompt.
        request (Optional[bytes]): What `make_request` made of it, where that was done already.
        RETURNS (Attempt): How it ended.
        """

    def parse(self, raw: str, body: Any = None) -> Reply:
        """Read a reply from what `send` brought, or from what a ledger kept of it.

        raw (str): What came, as text.
        body (Any): What that was decoded to, where it was.
        RETURNS (Reply): Abstained with a reason where there is none that can be used.
        RAISES (StrictJSONError): Where `raw` is not what `send` brought: it was damaged.
        """


@runtime_checkable
class Metered(Protocol):
    """A model that counts what it does."""

    def usage(self) -> Counts:
        """RETURNS (Counts): What was done so far; may be called from any thread."""


def grace_of(models: Iterable[Any]) -> float:
    """RETURNS (float): Seconds that what several models have under way can take to come home when a run is stopped; 0
    where one of them has no ledger: nobody keeps its replies, and nothing tells it to stop."""
    found = [getattr(model, "grace", 0.0) for model in models]
    return max(found) if all(found) else 0.0
