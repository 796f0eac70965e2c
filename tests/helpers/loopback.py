"""A scripted chat server on loopback that counts what it served, and can misbehave in many ways.

In a test: `with Loopback(script) as server`, where the script maps a request to an `Answer`. As a
program, `python loopback.py --latency 0.2`, it answers every prompt alike and prints its address.
"""

import argparse
import asyncio
import hashlib
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Union

EMPTY_ANNOTATION = '{"entities": [], "alternatives": []}'


@dataclass
class Served:
    """A request that arrived."""

    number: int
    time: float
    path: str
    headers: Dict[str, str]
    raw: bytes
    answered: bool = False
    method: str = "POST"

    @property
    def data(self) -> Any:
        return json.loads(self.raw)

    @property
    def prompt(self) -> str:
        data = self.data
        return data["input"] if "input" in data else data["messages"][-1]["content"]

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.raw).hexdigest()


@dataclass
class Answer:
    """What to answer, and how badly.

    fault (Optional[str]): "reset", "reset_body", "short_body", "drip_body", "drip_headers", "hang", or
        "refuse": nobody listens for `delay` seconds, and this connection is reset.
    """

    body: Union[bytes, str, Dict[str, Any]] = b""
    status: int = 200
    headers: Dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    fault: Optional[str] = None

    def encode(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode("utf8")


Script = Callable[[Served], Answer]


def chat(content: Optional[str] = EMPTY_ANNOTATION, **changes: Any) -> Dict[str, Any]:
    """The body of a chat reply."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}}
    choice["finish_reason"] = changes.pop("finish_reason", "stop")
    if "logprobs" in changes:
        choice["logprobs"] = {"content": changes.pop("logprobs")}
    usage = changes.pop("usage", {"prompt_tokens": 10, "completion_tokens": 5})
    return {"object": "chat.completion", "choices": [choice], "usage": usage, **changes}


def respond(content: Optional[str] = EMPTY_ANNOTATION, **changes: Any) -> Dict[str, Any]:
    """The body of a reply of the Responses API, with thinking in front of its message."""
    part = {"type": "output_text", "text": content, "annotations": []}
    if "logprobs" in changes:
        part["logprobs"] = changes.pop("logprobs")
    message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    thinking = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Let me see."}]}
    body = {"object": "response", "status": "completed", "error": None, "incomplete_details": None}
    body["output"] = [thinking] if content is None else [thinking, message]
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    return {**body, "usage": usage, **changes}


def _bind(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


class Loopback:
    """The server, in a thread of its own."""

    def __init__(self, script: Optional[Script] = None, latency: float = 0.0) -> None:
        self.script = script or (lambda request: Answer(chat()))
        self.latency = latency
        self.requests: List[Served] = []
        self.errors: List[BaseException] = []
        self.at_once = self.most_at_once = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._socket = _bind(0)
        self.port = self._socket.getsockname()[1]
        self._server: Any = None
        self._thread = threading.Thread(target=self.run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> "Loopback":
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: Any) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._socket.close()
        assert not self.errors, self.errors

    def run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._ready.set()
        self._loop.run_forever()
        if self._server is not None:
            self._server.close()
        talks = asyncio.all_tasks(self._loop)
        for talk in talks:
            talk.cancel()
        self._loop.run_until_complete(asyncio.gather(*talks, return_exceptions=True))
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._talk, sock=self._socket, backlog=512)

    async def _refuse(self, seconds: float) -> None:
        """Let nobody in for a while; the connections that are open stay."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        await asyncio.sleep(seconds)
        self._socket = _bind(self.port)
        await self._listen()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:
            self.errors.append(error)
        finally:
            writer.close()

    async def _serve_one(self, reader: Any, writer: Any) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin1").split("\r\n")
        pairs = [line.split(":", 1) for line in lines[1:] if ":" in line]
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        method, path, _ = lines[0].split(" ")
        served = Served(len(self.requests), time.monotonic(), path, headers, raw, method=method)
        self.requests.append(served)
        answer = self.script(served)
        if answer.fault == "refuse":
            self._refusing = asyncio.create_task(self._refuse(answer.delay))
            await asyncio.sleep(0)
            return _break(writer)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.latency or answer.delay:
                await asyncio.sleep(self.latency + answer.delay)
            return await _FAULTS.get(answer.fault, _answer)(writer, answer, served)
        finally:
            self.at_once -= 1


def _head(answer: Answer, length: int) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} Scripted", f"Content-Length: {length}"]
    headers = {"Content-Type": "application/json", **answer.headers}
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")


async def _answer(writer: Any, answer: Answer, served: Served) -> bool:
    body = answer.encode()
    writer.write(_head(answer, len(body)) + body)
    await writer.drain()
    served.answered = True
    return True


def _break(writer: Any) -> bool:
    """Close so that the peer gets a reset, and not an orderly end."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


async def _reset(writer: Any, answer: Answer, served: Served) -> bool:
    return _break(writer)


async def _reset_body(writer: Any, answer: Answer, served: Served) -> bool:
    body = answer.encode()
    writer.write(_head(answer, len(body)) + body[: len(body) // 2])
    await writer.drain()
    await asyncio.sleep(0.01)
    return _break(writer)


async def _short_body(writer: Any, answer: Answer, served: Served) -> bool:
    body = answer.encode()
    writer.write(_head(answer, len(body) + 100) + body)
    await writer.drain()
    return False


async def _drip(writer: Any, data: bytes) -> bool:
    for i in range(len(data)):
        writer.write(data[i : i + 1])
        await writer.drain()
        await asyncio.sleep(0.03)
    return True


async def _drip_body(writer: Any, answer: Answer, served: Served) -> bool:
    body = answer.encode()
    writer.write(_head(answer, len(body)))
    return await _drip(writer, body)


async def _drip_headers(writer: Any, answer: Answer, served: Served) -> bool:
    body = answer.encode()
    return await _drip(writer, _head(answer, len(body)) + body)


async def _hang(writer: Any, answer: Answer, served: Served) -> bool:
    await asyncio.sleep(3600)
    return False


_FAULTS = {
    "reset": _reset,
    "reset_body": _reset_body,
    "short_body": _short_body,
    "drip_body": _drip_body,
    "drip_headers": _drip_headers,
    "hang": _hang,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--content", default=EMPTY_ANNOTATION)
    options = parser.parse_args()
    answer = Answer(json.dumps(chat(options.content)).encode("utf8"))

    def script(request: Served) -> Answer:
        server.requests.clear()  # nobody asks, and the server should not grow
        return answer

    server = Loopback(script, options.latency)
    print(server.url, flush=True)
    server.run()


if __name__ == "__main__":
    main()
