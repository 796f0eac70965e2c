"""A chat server that is asked in batches: what `llmjudge.OpenAIBatch.v1` makes."""

import json
import re
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import (
    IO,
    AbstractSet,
    Any,
    BinaryIO,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Tuple,
)
from urllib.parse import urlsplit

from spacy.util import minibatch

from ..errors import Errors, LLMJudgeError
from ..transport.batches import BatchGone, BatchStatus, ServerDown
from ..transport.credentials import redact
from ..transport.http import HttpResponse
from ..transport.limits import Limits
from ..transport.refused_fields import apply_remedies
from ..transport.retry import Attempt, persist
from ..transport.server_errors import read_error
from .batch_dialects import Dialect
from .chat_responses import read_response
from .chat_server import ChatServer, dump

# Seconds that a file may take: 200 MB over a slow line. One that stands still is cut off before.
_FILE_SECONDS = 3600.0
_BLOCK = 1 << 20
_GROUP = 256
_NOT_YET = re.compile(r"file.*(?:not find|not found|no such|cannot find|does not exist|not ready)")


class BatchManners(NamedTuple):
    """How a server is asked in batches, as `make_openai_batch_model` has it."""

    dialect: Dialect
    endpoint: Optional[str]
    window: str
    price_share: float
    max_requests: int
    max_bytes: int
    pauses: Tuple[float, float]
    cancels: bool


class BatchServer(ChatServer):
    """A chat server that is asked in batches; it needs `llmjudge.Ledger.v1` around it.

    A request has the same body, and the same key in a ledger, as if it were sent by itself.

    server (ChatServer): The server.
    manners (BatchManners): How it is asked.
    """

    def __init__(self, server: ChatServer, manners: BatchManners) -> None:
        self.__setstate__(server.__getstate__())
        self.price_share = manners.price_share
        self.max_requests = manners.max_requests
        self.max_bytes = manners.max_bytes
        self.pauses = manners.pauses
        self.cancels = manners.cancels
        self.window = manners.window
        self._dialect = manners.dialect
        self._endpoint = manners.endpoint or f"/v1{self._wire.path}"
        self._wanted: Dict[str, Any] = {}
        self._written: Dict[str, Any] = {}

    def __repr__(self) -> str:
        return super().__repr__().replace("ChatServer", "BatchServer", 1)

    def __call__(self, prompts: Iterable[Iterable[str]]) -> Iterable[Iterable[str]]:
        raise LLMJudgeError(Errors.J360)

    def write_line(self, key: str, request: bytes) -> bytes:
        """Write the line of a request.

        key (str): What its answer is found by.
        request (bytes): What would be sent by itself.
        RETURNS (bytes): JSON and a line break.
        """
        wanted = json.loads(request)
        body = apply_remedies(wanted, self._remedies)
        # All requests of a run have the same fields.
        self._wanted, self._written = wanted, body
        return dump(self._dialect.write_line(key, body, self._endpoint)) + b"\n"

    def upload(self, lines: BinaryIO, name: str) -> str:
        """RETURNS (str): What the server calls the file that it got."""
        size = lines.seek(0, 2)
        mark = name.replace(".", "-")
        head = (
            f'--{mark}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/jsonl\r\n\r\n"
        ).encode("ascii")
        tail = f"\r\n--{mark}--\r\n".encode("ascii")
        headers = {
            "Content-Type": f"multipart/form-data; boundary={mark}",
            "Content-Length": str(len(head) + size + len(tail)),
        }
        return self._require_id(
            lambda: self._call("POST", "/files", headers, body=_chain(head, lines, tail))
        )

    def create(self, file_id: str, run: str, others: AbstractSet[str]) -> str:
        """Make a batch of a file, once.

        RETURNS (str): What the server calls it.
        RAISES (ServerDown): Where a batch may have been made all the same. An `LLMJudgeError` says that none was.
        """
        may_exist = False

        def attempt() -> Attempt:
            nonlocal may_exist
            # A try that brought no answer may have come through all the same.
            found = self.find(file_id, run, others) if may_exist else None
            if found is not None:
                return Attempt("replied", body={"id": found})
            headers, body = self._describe_batch(file_id, run)
            outcome = self._call("POST", self._dialect.path, headers, body=body)
            if outcome.error is not None and _NOT_YET.search(outcome.raw.lower()):
                # The file is there, but not everywhere yet.
                return replace(outcome, error=None, state="failed")
            # 529: a server with too much to do.
            refused = outcome.status == 529 or (
                400 <= (outcome.status or 0) < 500 and outcome.status != 408
            )
            may_exist = may_exist or (outcome.asked and not refused)
            return outcome

        try:
            return self._require_id(attempt)
        except BatchGone as gone:
            raise ServerDown(str(gone)) from gone
        except LLMJudgeError as error:
            if not may_exist:
                raise
            raise ServerDown("lost_answer", str(error)) from error

    def _describe_batch(self, file_id: str, run: str) -> Tuple[Dict[str, str], Any]:
        """RETURNS (Tuple[Dict[str, str], Any]): Headers and body of the request that makes a batch."""
        made = self._dialect.make_batch(file_id, run, self._endpoint, self.window, self.name)
        return {}, dump(made)

    def find(self, file_id: str, run: str, others: AbstractSet[str]) -> Optional[str]:
        """RETURNS (Optional[str]): The batch of a file; None where the server knows of none."""
        found = (row for row in self._list() if self._dialect.is_of(row, file_id, run))
        return next((str(row["id"]) for row in found), None)

    def has_batch(self, batch_id: str) -> bool:
        """RETURNS (bool): Whether a batch is in the list of the server."""
        return any(str(row["id"]) == batch_id for row in self._list())

    def _list(self) -> Iterator[Dict[str, Any]]:
        """All batches of the server."""
        query: Optional[str] = self._dialect.first_page
        while query is not None:
            page = self._require("GET", f"{self._dialect.path}?{query}", holder="data")
            yield from page["data"]
            query = self._dialect.next_page(page, query)

    def has_file(self, file_id: str) -> bool:
        """RETURNS (bool): Whether the server knows a file."""
        try:
            self._require("GET", f"/files/{file_id}")
        except BatchGone:
            return False
        return True

    def poll(self, batch_id: str) -> BatchStatus:
        """RETURNS (BatchStatus): How far a batch is."""
        return self._dialect.read_status(self._require("GET", f"{self._dialect.path}/{batch_id}"))

    def cancel(self, batch_id: str) -> None:
        """End a batch; what has an answer by then is kept, and paid."""
        self._require("POST", f"{self._dialect.path}/{batch_id}/cancel")

    def read_answers(self, file_id: str) -> Iterator[List[Tuple[str, Attempt]]]:
        """YIELDS (List[Tuple[str, Attempt]]): Some keys, and how their requests ended."""
        with self._download(self._dialect.content.format(file_id)) as file_:
            answers = (found for found in map(self._read_line, file_) if found is not None)
            yield from minibatch(answers, _GROUP)

    @contextmanager
    def _download(self, path: str) -> Iterator[IO[bytes]]:
        with tempfile.TemporaryFile() as file_:

            def attempt() -> Attempt:
                file_.seek(0)
                file_.truncate()
                return self._call("GET", path, {}, sink=file_)

            self._persist(attempt)
            file_.seek(0)
            yield file_

    def _read_line(self, line: bytes) -> Optional[Tuple[str, Attempt]]:
        """Read an answer as if it had come by itself; None for a line that is none."""
        try:
            found = self._dialect.read_row(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        if found is None:
            return None
        if found.status is None or (found.error and found.status == 200):
            problem = read_error(found.error)
            reason = "batch_expired" if "expired" in problem.text else "error_in_body"
            raw = dump({"error": found.error}).decode("utf8")
            return found.key, Attempt("failed", raw, reason, billed=False)
        response = HttpResponse(found.status, {}, dump(found.body))
        return found.key, self.read(response, self._wanted, self._written)

    def _require(self, method: str, path: str, holder: str = "id") -> Dict[str, Any]:
        found: Dict[str, Any] = self._persist(
            lambda: self._call(method, path, {}, holder=holder)
        ).body
        return found

    def _require_id(self, attempt: Any) -> str:
        return str(self._persist(attempt).body["id"])

    def _persist(self, attempt: Any) -> Attempt:
        """Try until it is done. RAISES (ServerDown, BatchGone): Where that did not help."""
        outcome = persist(
            attempt,
            policy=self.policy,
            limits=Limits(),
            tokens=0,
            host=self.host,
            stop=threading.Event(),
        )
        if outcome.status == 404:
            raise BatchGone(outcome.reason or "http_404")
        if outcome.state != "replied":
            raise ServerDown(outcome.reason or outcome.state, outcome.notice)
        return outcome

    def _call(
        self,
        method: str,
        path: str,
        headers: Dict[str, str],
        *,
        body: Any = None,
        sink: Optional[BinaryIO] = None,
        holder: str = "id",
    ) -> Attempt:
        """Make one call of the files and batches of the server, once, and never raise."""
        url = urlsplit(self._url)
        query = "&".join(part for part in (url.query, urlsplit(path).query) if part)
        base = url.path[: -len(self._wire.path)]
        url = url._replace(path=base + urlsplit(path).path, query=query)
        try:
            wanted = {**self._headers(), **headers}
            connections = self._connect()
        except LLMJudgeError as error:
            return Attempt("failed", reason="no_key", billed=False, asked=False, error=error)
        is_file = sink is not None or not isinstance(body, (bytes, type(None)))
        response = connections.request(
            method,
            url.geturl(),
            wanted,
            body=body,
            seconds=_FILE_SECONDS if is_file else None,
            sink=sink,
        )
        if sink is not None and response.status == 200:
            return Attempt("replied", status=200)
        if response.status is not None and 200 < response.status < 300:
            response = replace(response, status=200)
        raw = redact(response.body.decode("utf8", "replace"), self._credentials.secrets())
        found = _load(raw) if response.status == 200 else None
        if isinstance(found, dict) and holder in found:
            return Attempt("replied", raw, status=200, body=found)
        asked = self._asked()._replace(url=url.geturl(), holder=holder)
        outcome, _ = read_response(response, raw, asked, False)
        if outcome.status == 404 and method == "GET" and holder == "id":
            return replace(outcome, state="rejected", error=None)
        return outcome


def _load(raw: str) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None


def _chain(head: bytes, lines: BinaryIO, tail: bytes) -> Iterator[bytes]:
    yield head
    lines.seek(0)
    yield from iter(partial(lines.read, _BLOCK), b"")
    yield tail
