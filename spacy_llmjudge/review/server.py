"""The review as a page on this machine: HTTP around a session.

Who can reach the port is not yet a person who may answer: every address begins with a random token, the host must be
this machine (a page elsewhere that points its name at it is refused), and what changes anything must come from the
page itself. No other origin is ever allowed anything. The page runs no script but its own.
"""

import json
import secrets
import socket
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import Errors, LLMJudgeError
from .answers import KINDS
from .session import Session

PAGE = Path(__file__).parent / "page"
FILES = {"": "text/html", "review.js": "text/javascript", "review.css": "text/css"}
HOSTS = ("127.0.0.1", "localhost", "::1")
# bytes of an answer
MOST_BYTES = 5_000_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def make_app(session: Session, token: str) -> ASGIApp:
    """Make the application.

    session (Session): The review.
    token (str): What every address begins with.
    RETURNS (ASGIApp): The application.
    """

    async def describe(request: Request) -> Response:
        return _make_json(session.describe())

    async def show_state(request: Request) -> Response:
        by, more = request.query_params.get("by"), request.query_params.get("more") == "1"
        return await _respond(partial(session.state, by, more))

    def doing(kind: str) -> Callable[[Request], Any]:
        async def act(request: Request) -> Response:
            data = await _read_json(request)
            return await _respond(partial(session.act, kind, data))

        return act

    def showing(name: str, kind: str) -> Callable[[Request], Any]:
        async def show(request: Request) -> Response:
            return Response((PAGE / (name or "index.html")).read_bytes(), media_type=kind)

        return show

    routes = [Route(f"/{token}/{name}", showing(name, kind)) for name, kind in FILES.items()]
    routes += [Route(f"/{token}/task", describe), Route(f"/{token}/state", show_state)]
    routes += [Route(f"/{token}/{kind}", doing(kind), methods=["POST"]) for kind in KINDS]
    return _guarded(Starlette(routes=routes), token)


def bind(port: int) -> socket.socket:
    """Take a port of this machine that no other machine reaches.

    port (int): The port; 0 takes any that is free.
    RETURNS (socket.socket): The socket.
    RAISES (LLMJudgeError): J936 where it cannot be used.
    """
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOSTS[0], port))
        found.listen()
    except OSError as error:
        found.close()
        raise LLMJudgeError(Errors.J936.format(port=port, error=error)) from error
    return found


def make_server(session: Session, place: socket.socket) -> Tuple[uvicorn.Server, str]:
    """Make a server that does not run yet.

    session (Session): The review.
    place (socket.socket): What `bind` gave.
    RETURNS (Tuple[uvicorn.Server, str]): The server, to be run with this socket, and the address of the page.
    """
    token = secrets.token_urlsafe(16)
    config = uvicorn.Config(
        make_app(session, token), log_level="warning", access_log=False, lifespan="off"
    )
    return uvicorn.Server(config), f"http://{HOSTS[0]}:{place.getsockname()[1]}/{token}/"


async def _respond(work: Callable[[], Dict[str, Any]]) -> Response:
    """Answer a request off the loop: what is written waits for the disk."""
    try:
        return _make_json(await run_in_threadpool(work))
    except LLMJudgeError as error:
        return _make_json({"error": str(error)}, 422)


def _make_json(data: Any, status: int = 200) -> Response:
    # in ASCII: halves of surrogate pairs, which a file may hold, cannot be encoded
    return Response(json.dumps(data), status, media_type="application/json")


async def _read_json(request: Request) -> Any:
    """RETURNS (Any): What a request says; None where it is too long or no JSON."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _guarded(app: ASGIApp, token: str) -> ASGIApp:
    """Refuse what does not come from the page, before anything looks at it, and send the headers of HEADERS."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        if scope["type"] == "http":
            why = _find_refusal(Request(scope), token)
            if why is not None:
                await PlainTextResponse(why, status_code=403)(scope, receive, send_with_headers)
                return
            await app(scope, receive, send_with_headers)

    return guard


def _find_refusal(request: Request, token: str) -> Optional[str]:
    """RETURNS (Optional[str]): Why a request is refused; None where it is not."""
    host = request.headers.get("host", "")
    if _hostname(f"//{host}") not in HOSTS:
        return "Open the page by the address that `review` printed, at 127.0.0.1 or localhost."
    given = request.url.path.split("/")[1]
    if not secrets.compare_digest(given.encode(), token.encode()):
        return (
            "The token in the address is another one. Open the address that `review` printed last."
        )
    origin = request.headers.get("origin")
    is_read = request.method in ("GET", "HEAD")
    if (origin is not None or not is_read) and origin != f"http://{host}":
        return "Only the page itself may ask for this."
    kind = request.headers.get("content-type", "").partition(";")[0]
    return None if is_read or kind == "application/json" else "Only JSON is read."


def _hostname(url: str) -> Optional[str]:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
