"""Files and batches on loopback, as the documents of OpenAI and of Mistral say; a day is as short as a test wants.

`with Loopback(service.answer) as server`. It also answers single requests, in the same way, at full price.
"""

import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Tuple
from urllib.parse import parse_qs, urlsplit

from loopback import Answer, Served, chat

ENDPOINT = "/v1/chat/completions"
USAGE = {"prompt_tokens": 100, "completion_tokens": 20}
EXPIRED = {
    "code": "batch_expired",
    "message": "This request could not be executed before the completion window expired.",
}


def echo(body: Dict[str, Any], attempt: int) -> Tuple[int, Dict[str, Any]]:
    """Status and body of the reply to a request; `attempt` counts from 1 for each prompt."""
    return 200, chat(f"reply to {body['messages'][-1]['content']}", usage=USAGE)


def error(message: str, code: Optional[str] = None, status: int = 400) -> Answer:
    said = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return Answer({"error": said}, status)


@dataclass
class Batch:
    id: str
    file: str
    metadata: Dict[str, str]
    lines: List[Dict[str, Any]]
    errors: List[Dict[str, Any]]
    created: float
    cancelled: Optional[float] = None
    files: Optional[Tuple[Optional[str], Optional[str]]] = None
    counts: Dict[str, int] = field(default_factory=lambda: {"completed": 0, "failed": 0})


class BatchService:
    """The service.

    reply (Callable): Makes the reply to the body of a request, see `echo`.
    rate (float): Requests of a batch that are worked off in a second.
    day (float): Seconds that 24 hours take.
    sleeps (Callable): Whether a request is never worked off, by its body and the number of the batch.
    most (int): Requests that may wait at the same time, in all batches.
    twice (bool): Whether output files hold some lines twice.
    mistral (bool): Whether it speaks Mistral's protocol.
    """

    def __init__(
        self,
        reply: Callable[[Dict[str, Any], int], Tuple[int, Dict[str, Any]]] = echo,
        *,
        rate: float = 1e9,
        day: float = 60.0,
        sleeps: Callable[[Dict[str, Any], int], bool] = lambda body, number: False,
        most: int = 10**9,
        twice: bool = False,
        mistral: bool = False,
    ) -> None:
        self.reply = reply
        self.rate = rate
        self.day = day
        self.sleeps = sleeps
        self.most = most
        self.twice = twice
        self.mistral = mistral
        self.files: Dict[str, bytes] = {}
        self.batches: Dict[str, Batch] = {}
        self.paid: Counter = Counter()
        self.tries: Counter = Counter()
        # Faults of answers, by method and the beginning of the path; what was asked is done all the same.
        self.faults: Dict[str, List[Answer]] = {}
        self._random = random.Random(0)

    def answer(self, request: Served) -> Answer:
        path = urlsplit(request.path).path
        for batch in self.batches.values():
            self._work(batch)
        answer = self._route(request, path)
        for name, answers in self.faults.items():
            if answers and f"{request.method} {path}".startswith(name):
                return answers.pop(0)
        return answer

    def _route(self, request: Served, path: str) -> Answer:
        if path == ENDPOINT:
            status, body = self._reply(request.data)
            return Answer(body, status)
        if path == "/v1/files" and request.method == "POST":
            return self._keep(request)
        found = re.fullmatch(r"/v1/files/([\w-]+)/content", path)
        if found and request.method == "GET":
            content = self.files.get(found[1])
            return error("No such File object", status=404) if content is None else Answer(content)
        found = re.fullmatch(r"/v1/files/([\w-]+)", path)
        if found and found[1] in self.files:
            return Answer({"id": found[1], "object": "file", "purpose": "batch"})
        base = "/v1/batch/jobs" if self.mistral else "/v1/batches"
        if path == base:
            if request.method == "GET":
                return self._list(parse_qs(urlsplit(request.path).query))
            return self._create(request.data)
        batch_id, _, action = path.removeprefix(f"{base}/").partition("/")
        if not path.startswith(f"{base}/") or batch_id not in self.batches:
            return error(f"No such route or object: {request.method} {path}", status=404)
        if action == "cancel":
            self.batches[batch_id].cancelled = time.monotonic()
            self._work(self.batches[batch_id])
        return Answer(self.show(self.batches[batch_id]))

    def _keep(self, request: Served) -> Answer:
        mark = request.headers["content-type"].partition("boundary=")[2].encode()
        parts = {}
        for part in request.raw.split(b"--" + mark)[1:-1]:
            head, _, content = part.partition(b"\r\n\r\n")
            name = re.search(rb'name="(\w+)"', head)[1].decode()
            parts[name] = content[: -len(b"\r\n")]
        if parts["purpose"] != b"batch":
            return error("Invalid value for purpose")
        name = f"file-{len(self.files)}"
        self.files[name] = parts["file"]
        return Answer({"id": name, "object": "file", "purpose": "batch"})

    def _create(self, asked: Dict[str, Any]) -> Answer:
        file_id = asked["input_files"][0] if self.mistral else asked["input_file_id"]
        if file_id not in self.files:
            return error(f"Cannot find file {file_id}, or you do not have access to it.")
        if not self.mistral and asked["completion_window"] != "24h":
            return error("Invalid value: completion_window")
        rows = self.files[file_id].split(b"\n")[:-1]
        lines, errors = [], []
        for number, row in enumerate(rows, 1):
            problem = self._check(row, lines, asked)
            if problem:
                code, message = problem
                errors.append({"code": code, "line": number, "message": message, "param": None})
        n_waiting = sum(
            len(b.lines) for b in self.batches.values() if b.files is None and not b.errors
        )
        if n_waiting + len(lines) > self.most:
            message = f"Enqueued token limit reached for tiny. Limit: {self.most} enqueued tokens."
            errors.append({"code": "token_limit_exceeded", "line": None, "message": message})
        batch = Batch(
            f"batch_{len(self.batches)}",
            file_id,
            asked.get("metadata") or {},
            lines,
            errors,
            time.monotonic(),
        )
        self.batches[batch.id] = batch
        return Answer(self.show(batch))

    def _check(
        self, row: bytes, lines: List[Dict[str, Any]], asked: Dict[str, Any]
    ) -> Optional[Tuple[str, str]]:
        try:
            line = json.loads(row)
        except ValueError:
            return "invalid_json_line", "This line is not parseable as valid JSON."
        if line["custom_id"] in {before["custom_id"] for before in lines[-1000:]}:
            return "duplicate_custom_id", f"The custom_id {line['custom_id']} is not unique."
        if self.mistral:
            line["body"]["model"] = asked["model"]
        elif line["method"] != "POST" or line["url"] != asked["endpoint"]:
            return "mismatched_endpoint", "The url of a line must be the endpoint of the batch."
        if lines and line["body"]["model"] != lines[0]["body"]["model"]:
            return "mismatched_model", "All lines must name the same model."
        lines.append(line)
        return None

    def _reply(self, body: Dict[str, Any]) -> Tuple[int, Dict[str, Any]]:
        prompt = body["messages"][-1]["content"]
        self.tries[prompt] += 1
        status, reply = self.reply(body, self.tries[prompt])
        self.paid[prompt] += status == 200
        return status, reply

    def _work(self, batch: Batch) -> None:
        """Work off what the clock says."""
        if batch.errors or batch.files is not None:
            return
        seconds = time.monotonic() - batch.created
        number = int(batch.id.rpartition("_")[2])
        awake = [line for line in batch.lines if not self.sleeps(line["body"], number)]
        n_done = min(len(awake), int(self.rate * seconds))
        batch.counts["completed"] = n_done
        is_over = seconds >= self.day or batch.cancelled is not None
        if not is_over and n_done < len(batch.lines):
            return
        output, failed = [], []
        for number, line in enumerate(awake[:n_done]):
            status, body = self._reply(line["body"])
            response = {"status_code": status, "request_id": f"req_{number}", "body": body}
            row = {"id": f"batch_req_{number}", "custom_id": line["custom_id"], "error": None}
            (output if status == 200 else failed).append({**row, "response": response})
        batch.counts = {"completed": len(output), "failed": len(failed)}
        if batch.cancelled is None:
            done = {line["custom_id"] for line in awake[:n_done]}
            failed += [
                {"id": "x", "custom_id": line["custom_id"], "response": None, "error": EXPIRED}
                for line in batch.lines
                if line["custom_id"] not in done
            ]
        if self.twice:
            output += output[::3]
        self._random.shuffle(output)
        batch.files = self._write(batch, "output", output), self._write(batch, "error", failed)

    def _write(self, batch: Batch, kind: str, rows: List[Dict[str, Any]]) -> Optional[str]:
        if not rows:
            return None
        name = f"file-{kind}-{batch.id}"
        self.files[name] = "".join(json.dumps(row) + "\n" for row in rows).encode()
        return name

    def show(self, batch: Batch) -> Dict[str, Any]:
        """What it says of a batch."""
        seconds = time.monotonic() - batch.created
        state = "in_progress"
        if batch.errors:
            state = "failed"
        elif batch.files is not None:
            state = "expired" if seconds >= self.day else "completed"
            state = "completed" if sum(batch.counts.values()) == len(batch.lines) else state
            state = state if batch.cancelled is None else "cancelled"
        elif batch.cancelled is not None:
            state = "cancelling"
        output, failed = batch.files or (None, None)
        if self.mistral:
            states = {"completed": "SUCCESS", "expired": "TIMEOUT_EXCEEDED", "failed": "FAILED"}
            states.update(cancelled="CANCELLED", cancelling="CANCELLATION_REQUESTED")
            return {
                "id": batch.id,
                "input_files": [batch.file],
                "metadata": batch.metadata,
                "status": states.get(state, "RUNNING"),
                "output_file": output,
                "error_file": failed,
                "errors": [{"message": e["message"], "count": 1} for e in batch.errors],
                "total_requests": len(batch.lines),
                "completed_requests": sum(batch.counts.values()),
            }
        return {
            "id": batch.id,
            "object": "batch",
            "input_file_id": batch.file,
            "metadata": batch.metadata,
            "status": state,
            "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
            "output_file_id": output,
            "error_file_id": failed,
            "request_counts": {"total": len(batch.lines), **batch.counts},
        }

    def _list(self, query: Dict[str, List[str]]) -> Answer:
        """Newest first, in pages."""
        shown = [self.show(batch) for batch in reversed(list(self.batches.values()))]
        if self.mistral:
            size, page = int(query["page_size"][0]), int(query["page"][0])
            return Answer({"data": shown[size * page :][:size], "total": len(shown)})
        names = [batch["id"] for batch in shown]
        start = names.index(query["after"][0]) + 1 if "after" in query else 0
        # Pages of three, so that a test sees more than one.
        rows = shown[start : start + min(3, int(query["limit"][0]))]
        more = start + len(rows) < len(shown)
        return Answer({"object": "list", "data": rows, "has_more": more})
