"""Anthropic's batches of messages on loopback, as its documents say; see `batch_service` for the rest."""

import json
import re
import time
from datetime import datetime, timezone
from typing import Any, Dict, List, Tuple
from urllib.parse import parse_qs, urlsplit

from batch_service import Batch, BatchService
from loopback import Answer, Served

BASE = "/v1/messages/batches"


def message(text: str, stop: str = "end_turn") -> Dict[str, Any]:
    """A reply of 100 tokens to 20."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "tiny",
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 20},
    }


def say(body: Dict[str, Any], attempt: int) -> Tuple[int, Dict[str, Any]]:
    return 200, message(f"reply to {body['messages'][-1]['content']}")


def refusal(kind: str, text: str) -> Dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": text}}


class MessageService(BatchService):
    """The service. `foreign` are sizes of batches of other users, which never end."""

    def __init__(self, reply: Any = say, *, foreign: Tuple[int, ...] = (), **settings: Any) -> None:
        super().__init__(reply, **settings)
        for size in foreign:
            lines = [{"custom_id": f"x{i}", "body": {}} for i in range(size)]
            name = f"msgbatch_x{len(self.batches)}_0"
            self.batches[name] = Batch(name, "", {}, lines, [], time.monotonic())
        self._foreign = set(self.batches)

    def _work(self, batch: Batch) -> None:
        if batch.id not in self._foreign:
            super()._work(batch)

    def _route(self, request: Served, path: str) -> Answer:
        if request.headers["anthropic-version"] != "2023-06-01":
            return Answer(refusal("invalid_request_error", "anthropic-version: required"), 400)
        if path == "/v1/messages":
            status, body = self._reply(request.data)
            return Answer(body, status)
        if path == BASE and request.method == "POST":
            return self._create(request.data)
        if path == BASE:
            return self._list(parse_qs(urlsplit(request.path).query))
        found = re.fullmatch(BASE + r"/([\w-]+)(/results|/cancel)?", path)
        if not found or found[1] not in self.batches:
            return Answer(refusal("not_found_error", "No such batch"), 404)
        batch = self.batches[found[1]]
        if found[2] == "/results":
            return Answer(self.files[batch.id])
        if found[2]:
            batch.cancelled = time.monotonic()
            self._work(batch)
        return Answer(self.show(batch))

    def _create(self, asked: Dict[str, Any]) -> Answer:
        names = [row["custom_id"] for row in asked["requests"]]
        if not all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in names):
            return Answer(refusal("invalid_request_error", "custom_id: pattern"), 400)
        if len({*names}) < len(names):
            return Answer(refusal("invalid_request_error", "custom_id must be unique"), 400)
        lines = [{"custom_id": r["custom_id"], "body": r["params"]} for r in asked["requests"]]
        batch = Batch(f"msgbatch_{len(self.batches)}", "", {}, lines, [], time.monotonic())
        self.batches[batch.id] = batch
        return Answer(self.show(batch))

    def _write(self, batch: Batch, kind: str, rows: List[Dict[str, Any]]) -> Any:
        """All results are in one file, with those of what was not worked off."""
        lines = []
        for row in rows:
            response = row["response"]
            result: Dict[str, Any] = {"type": "expired"}
            if response is not None and response["status_code"] == 200:
                result = {"type": "succeeded", "message": response["body"]}
            elif response is not None:
                result = {"type": "errored", "error": response["body"]}
            lines.append({"custom_id": row["custom_id"], "result": result})
        if kind == "error" and batch.cancelled is not None:
            known = {line["custom_id"] for line in self._results(batch) + lines}
            lines += [
                {"custom_id": line["custom_id"], "result": {"type": "canceled"}}
                for line in batch.lines
                if line["custom_id"] not in known
            ]
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        self.files[batch.id] = self.files.get(batch.id, b"") + text
        return batch.id

    def _results(self, batch: Batch) -> List[Dict[str, Any]]:
        return [json.loads(line) for line in self.files.get(batch.id, b"").splitlines()]

    def show(self, batch: Batch) -> Dict[str, Any]:
        kinds = dict.fromkeys(("succeeded", "errored", "canceled", "expired", "processing"), 0)
        if batch.files is None:
            kinds["processing"] = len(batch.lines)
        else:
            for kind in {
                row["custom_id"]: row["result"]["type"] for row in self._results(batch)
            }.values():
                kinds[kind] += 1
        state = "in_progress" if batch.cancelled is None else "canceling"
        made = time.time() - (time.monotonic() - batch.created)
        url = f"https://other.example{BASE}/{batch.id}/results"
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": state if batch.files is None else "ended",
            "request_counts": kinds,
            "created_at": datetime.fromtimestamp(made, timezone.utc).isoformat(),
            "results_url": None if batch.files is None else url,
        }

    def _list(self, query: Dict[str, List[str]]) -> Answer:
        """Newest first, in pages of three at most."""
        shown = [self.show(batch) for batch in reversed(list(self.batches.values()))]
        names = [batch["id"] for batch in shown]
        start = names.index(query["after_id"][0]) + 1 if "after_id" in query else 0
        rows = shown[start : start + min(3, int(query["limit"][0]))]
        more = start + len(rows) < len(shown)
        return Answer({"data": rows, "has_more": more, "last_id": rows[-1]["id"] if rows else None})
