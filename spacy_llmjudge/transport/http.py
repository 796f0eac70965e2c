"""One request at a time over kept-alive connections: bounded in time and size, and it never raises.

The time limit holds for the whole exchange: a socket's own timeout starts again with every byte, so
a server that drips could hold a worker for ever. A watchman cuts connections that are overdue.
"""

import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Dict, Iterable, Mapping, Optional, Tuple, Union
from urllib.parse import urlsplit

from ..storage import is_out_of_files
from .routes import find_route

# What TLS says of a server whose certificate is not trusted: nothing was sent to it.
UNPROVED = "CERTIFICATE_VERIFY_FAILED"
OUT_OF_FILES = "out_of_files"
_BLOCK = 1 << 16
_TICK = 0.05
# Ticks without a request after which the watchman goes home.
_IDLE = 40


@dataclass
class HttpResponse:
    """What came of a request.

    status (Optional[int]): The HTTP status, or None where there is no whole response.
    headers (Mapping[str, str]): The headers, found by name in any case.
    body (bytes): The body.
    failure (Optional[str]): Why there is no whole response: "refused", "tls", "timeout", "reset",
        "short_body", "oversized", "encoded_body" or "out_of_files".
    detail (str): More about the failure, without anything that was sent.
    sent (bool): Whether the request may have reached the server.
    """

    status: Optional[int] = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    failure: Optional[str] = None
    detail: str = ""
    sent: bool = True


class Connections:
    """Kept-alive connections to one address, for many threads.

    url (str): Where to POST.
    size (int): How many connections to keep.
    timeout (float): Seconds for one exchange, from the request to the last byte of the response.
    connect_timeout (float): Seconds for the connection.
    max_bytes (int): The longest body that is read.
    """

    def __init__(
        self, url: str, *, size: int, timeout: float, connect_timeout: float, max_bytes: int
    ) -> None:
        import urllib3

        self._max_bytes = max_bytes
        self._seconds = timeout
        self._timeout = urllib3.Timeout(connect=connect_timeout, read=timeout)
        self._watchman = _Watchman()
        self._url = url
        self._connections, self._is_tunnel = find_route(url, size)
        self._connections.ConnectionCls = _watched(self._connections.ConnectionCls, self._watchman)

    def post(self, body: bytes, headers: Dict[str, str]) -> HttpResponse:
        """Send a request and read the whole response; redirections are not followed."""
        return self.request("POST", self._url, headers, body=body)

    def request(
        self,
        method: str,
        url: str,
        headers: Dict[str, str],
        *,
        body: Union[bytes, Iterable[bytes], None] = None,
        seconds: Optional[float] = None,
        sink: Optional[BinaryIO] = None,
    ) -> HttpResponse:
        """Send a request and read the whole response; redirections are not followed.

        method (str): Such as "GET".
        url (str): An address of the same server.
        headers (Dict[str, str]): The headers; with `Content-Length` where the body comes in blocks.
        body (Union[bytes, Iterable[bytes], None]): What is sent.
        seconds (Optional[float]): For the exchange; None takes the timeout.
        sink (Optional[BinaryIO]): Gets the body of a response with status 200, however long it is.
        RETURNS (HttpResponse): The response.
        """
        self._watchman.start(seconds or self._seconds)
        try:
            return self._exchange(method, self._find_target(url), headers, body, sink)
        except Exception as error:
            # Nothing that was raised leaves this module: its frames hold the headers.
            failed = self._explain(error)
        finally:
            self._watchman.done()
        return failed

    def _find_target(self, url: str) -> str:
        """What stands in the request line."""
        if not self._is_tunnel:
            # The proxy reads there whom it should ask.
            return url
        parts = urlsplit(url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def _exchange(
        self,
        method: str,
        target: str,
        headers: Dict[str, str],
        body: Union[bytes, Iterable[bytes], None],
        sink: Optional[BinaryIO],
    ) -> HttpResponse:
        response = self._connections.urlopen(
            method,
            target,
            body=body,
            headers=headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=self._timeout,
            preload_content=False,
            decode_content=False,
        )
        sink = sink if response.status == 200 else None
        blocks, size = [], 0
        try:
            while True:
                block = response.read1(_BLOCK)
                if not block:
                    break
                if sink is not None:
                    sink.write(block)
                    continue
                size += len(block)
                if size > self._max_bytes:
                    return HttpResponse(failure="oversized", detail=f"over {self._max_bytes} bytes")
                blocks.append(block)
        finally:
            # Whole responses have given their connection back already.
            response.close()
        counted = response.chunked or "Content-Length" in response.headers
        if not counted and self._watchman.overdue():
            # An end that was cut looks like any other here.
            return HttpResponse(failure="timeout", detail="the body came too slowly")
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            return HttpResponse(failure="encoded_body", detail=encoding[:40])
        return HttpResponse(response.status, response.headers, b"".join(blocks))

    def _explain(self, error: Exception) -> HttpResponse:
        from urllib3 import exceptions as known

        name, sent = type(error).__name__, self._watchman.has_sent()
        if is_out_of_files(error):
            return HttpResponse(failure=OUT_OF_FILES, detail=name, sent=sent)
        if self._watchman.overdue():
            return HttpResponse(failure="timeout", detail=name, sent=sent)
        if isinstance(error, known.SSLError):
            detail = str(error)[:200]
            return HttpResponse(failure="tls", detail=detail, sent=sent)
        if isinstance(error, known.ProxyError):
            return HttpResponse(failure="refused", detail=_cause(error), sent=sent)
        if isinstance(error, (known.NewConnectionError, known.ConnectTimeoutError)):
            return HttpResponse(failure="refused", detail=_cause(error), sent=sent)
        if isinstance(error, known.TimeoutError):
            return HttpResponse(failure="timeout", detail=name, sent=sent)
        if isinstance(error, known.IncompleteRead) or "IncompleteRead" in repr(error):
            return HttpResponse(failure="short_body", detail=name)
        return HttpResponse(failure="reset" if sent else "refused", detail=name, sent=sent)


def _cause(error: Exception) -> str:
    """What a proxy or the system said of a connection that did not come about."""
    cause = getattr(error, "original_error", None) or error.__cause__ or error
    return " ".join(str(cause).split())[:200]


def _watched(connection_class: type, watchman: "_Watchman") -> type:
    class WatchedConnection(connection_class):
        def connect(self) -> None:
            try:
                super().connect()
            finally:
                # What came before, such as the words for a proxy, is not the request.
                watchman.note_sent(False)

        def send(self, data: Any) -> None:
            if self.sock is not None:
                watchman.note_sent(True)
            super().send(data)

        def request(self, *args: Any, **settings: Any) -> None:
            watchman.watch(self)
            super().request(*args, **settings)

        def getresponse(self) -> Any:
            # A connection is opened inside of `request`, so its socket is known only now.
            watchman.watch(self)
            return super().getresponse()

    return WatchedConnection


class _Watchman:
    """Cuts the connection of every thread whose time is up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: Dict[int, Tuple[float, Optional[socket.socket]]] = {}
        self._sent: Dict[int, bool] = {}
        self._thread: Optional[threading.Thread] = None

    def start(self, seconds: float) -> None:
        with self._lock:
            deadline = time.monotonic() + seconds
            self._running[threading.get_ident()] = (deadline, None)
            self._sent[threading.get_ident()] = False
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._patrol, name="llmjudge-watchman", daemon=True
                )
                self._thread.start()

    def watch(self, connection: Any) -> None:
        with self._lock:
            deadline, _ = self._running[threading.get_ident()]
            self._running[threading.get_ident()] = (deadline, connection.sock)

    def note_sent(self, sent: bool) -> None:
        """Note whether this thread's request may have begun to leave."""
        self._sent[threading.get_ident()] = sent

    def has_sent(self) -> bool:
        return self._sent[threading.get_ident()]

    def overdue(self) -> bool:
        deadline, _ = self._running[threading.get_ident()]
        return time.monotonic() >= deadline

    def done(self) -> None:
        with self._lock:
            del self._running[threading.get_ident()]
            del self._sent[threading.get_ident()]

    def _patrol(self) -> None:
        n_idle = 0
        while True:
            time.sleep(_TICK)
            now = time.monotonic()
            with self._lock:
                n_idle = 0 if self._running else n_idle + 1
                if n_idle == _IDLE:
                    # The next request starts another; a thread for each model that was ever used is a leak.
                    self._thread = None
                    return
                for deadline, sock in self._running.values():
                    if sock is not None and now >= deadline:
                        _cut(sock)


def _cut(sock: socket.socket) -> None:
    try:
        # The plain method: that of a TLS socket would pull the rug from under the thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # it is gone already
