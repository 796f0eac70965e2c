"""Anthropic's batches: no files, but one request that holds all of them, and results behind an address."""

import json
import shutil
import tempfile
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from itertools import chain, takewhile
from typing import AbstractSet, Any, BinaryIO, Dict, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from ..transport.batches import (
    CANCELLED,
    COMPLETED,
    EXPIRED,
    RUNNING,
    BatchGone,
    BatchStatus,
    BatchUnknown,
    ServerDown,
)
from .batch_dialects import Answered, Dialect
from .batch_server import BatchServer

# Seconds by which two clocks may differ.
_SKEW = 3600.0
_HEAD, _TAIL = b'{"requests":[', b"]}"
_FIRST = b'{"custom_id":"'
# What an error of a request would be as a response of its own.
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class MessageBatchServer(BatchServer):
    """A server with batches of messages. A batch has no name of ours and no note, and what it asks cannot be seen
    before it has ended. So the requests carry the mark of their run, and where a batch was lost, one that may be it is
    waited for before anything is asked again.
    """

    def __init__(self, *args: Any) -> None:
        self._drafts: Dict[str, Tuple[BinaryIO, int]] = {}
        super().__init__(*args)

    def __getstate__(self) -> Dict[str, Any]:
        return {**super().__getstate__(), "_drafts": {}}

    def upload(self, lines: BinaryIO, name: str) -> str:
        """Keep the lines of a batch until it is made.

        RETURNS (str): How many they are, and since when they have been here: by this a batch is found again.
        """
        copy: BinaryIO = tempfile.TemporaryFile()  # type: ignore[assignment]
        lines.seek(0)
        shutil.copyfileobj(lines, copy)
        copy.seek(0)
        n_lines = sum(1 for _ in copy)
        file_id = f"{n_lines}-{time.time():.3f}"
        self._drafts[file_id] = copy, n_lines
        return file_id

    def create(self, file_id: str, run: str, others: AbstractSet[str]) -> str:
        """Make a batch, once; see `BatchServer`."""
        try:
            return super().create(file_id, run, others)
        finally:
            self._drafts.pop(file_id)[0].close()

    def _describe_batch(self, file_id: str, run: str) -> Tuple[Dict[str, str], Any]:
        lines, n_lines = self._drafts[file_id]
        start = _FIRST + _mark(run)
        size = len(_HEAD) + lines.seek(0, 2) + n_lines * (len(start) - len(_FIRST)) - n_lines
        size += n_lines - 1 + len(_TAIL)
        lines.seek(0)
        parts = (start + line[len(_FIRST) : -1] for line in lines)
        joined = chain.from_iterable(((b"," if i else b""), part) for i, part in enumerate(parts))
        return {"Content-Length": str(size)}, chain([_HEAD], joined, [_TAIL])

    def find(self, file_id: str, run: str, others: AbstractSet[str]) -> Optional[str]:
        """Find the batch of a run.

        RETURNS (Optional[str]): None where the server has none that could be it.
        RAISES (BatchUnknown): Where one that could be it has not ended.
        """
        number, _, since = file_id.partition("-")
        # Newest first.
        for row in takewhile(lambda row: _time_of(row) >= float(since) - _SKEW, self._list()):
            name = str(row["id"])
            if name in others or sum(row["request_counts"].values()) != int(number):
                continue
            status = self._dialect.read_status(row)
            if status.state == RUNNING:
                raise BatchUnknown(name)
            if any(self._read_first_name(path).startswith(_mark(run)) for path in status.files):
                return name
        return None

    def _read_first_name(self, path: str) -> bytes:
        try:
            with self._download(path) as file_:
                return next((json.loads(line)["custom_id"].encode() for line in file_), b"")
        except BatchGone as gone:
            raise ServerDown(str(gone)) from gone

    def has_file(self, file_id: str) -> bool:
        """RETURNS (bool): False: there are no files that could tell another account from this one."""
        return False


def _time_of(batch: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(batch["created_at"].replace("Z", "+00:00")).timestamp()


def _mark(run: str) -> bytes:
    return run[-16:].encode("ascii") + b"_"


def _write_line(key: str, body: Dict[str, Any], endpoint: str) -> Dict[str, Any]:
    # 64 characters at most, of which the mark of the run takes 17.
    name = urlsafe_b64encode(bytes.fromhex(key)).decode("ascii").rstrip("=")
    return {"custom_id": name, "params": body}


def _read_row(row: Mapping[str, Any]) -> Optional[Answered]:
    """Read a line of results. What was cancelled has none."""
    name = row["custom_id"].partition("_")[2] + "="
    key, result = urlsafe_b64decode(name).hex(), row["result"]
    if result["type"] == "succeeded":
        return Answered(key, 200, result["message"], None)
    if result["type"] == "errored":
        said = result["error"]
        kind = (said.get("error") or said).get("type")
        return Answered(key, _STATUS.get(kind, 500), said, None)
    if result["type"] == "expired":
        return Answered(key, None, None, {"code": "batch_expired"})
    return None


def _read_status(batch: Mapping[str, Any]) -> BatchStatus:
    counts = batch["request_counts"]
    total = sum(counts.values())
    if batch["processing_status"] != "ended":
        return BatchStatus(RUNNING, total - counts["processing"], total)
    state = CANCELLED if counts["canceled"] else EXPIRED if counts["expired"] else COMPLETED
    # The address is not to be made up; of another host than the one that has the key it is not followed.
    path = urlsplit(batch.get("results_url") or "").path.partition("/messages/batches")[2]
    return BatchStatus(state, total, total, (f"/messages/batches{path}",) if path else ())


def _next_page(page: Mapping[str, Any], query: str) -> Optional[str]:
    return f"limit=100&after_id={page['last_id']}" if page.get("has_more") else None


ANTHROPIC = Dialect(
    "/messages/batches",
    _write_line,
    lambda *_: {},
    _read_status,
    lambda *_: False,
    "limit=100",
    _next_page,
    _read_row,
    "{}",
)
