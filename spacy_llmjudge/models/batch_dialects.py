"""How providers name the same things about batches: OpenAI's protocol, which Groq and others speak, and Mistral's."""

from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional

from ..transport.batches import CANCELLED, COMPLETED, EXPIRED, FAILED, RUNNING, BatchStatus
from ..transport.server_errors import ServerError, read_error

# What a batch carries so that it is found again; providers keep it.
_MARK = "spacy_llmjudge"
_PAGE = 100


class Answered(NamedTuple):
    """What a line of an answer file says.

    key (str): Of the request.
    status (Optional[int]): As it would have been by itself; None where it was not worked off.
    body (Any): What came back.
    error (Any): Why it was not worked off.
    """

    key: str
    status: Optional[int]
    body: Any
    error: Any


class Dialect(NamedTuple):
    """How a provider is asked about batches.

    path (str): Where they are, after the base URL.
    write_line (Callable): From key, body and endpoint to the line of a request.
    make_batch (Callable): From file, run, endpoint, window and model to the request that makes a batch.
    read_status (Callable): From what the server says of a batch to how far it is.
    is_of (Callable): Whether an entry of the list of batches is that of a file and a run.
    first_page (str): The query of the first page of that list.
    next_page (Callable): From a page and its query to the query of the next one; None after the last.
    read_row (Callable): From a line of an answer file to what it says; None where it says nothing.
    content (str): Where the content of a file is, with `{}` for its name.
    """

    path: str
    write_line: Callable[[str, Dict[str, Any], str], Dict[str, Any]]
    make_batch: Callable[[str, str, str, str, str], Dict[str, Any]]
    read_status: Callable[[Mapping[str, Any]], BatchStatus]
    is_of: Callable[[Mapping[str, Any], str, str], bool]
    first_page: str
    next_page: Callable[[Mapping[str, Any], str], Optional[str]]
    read_row: Callable[[Mapping[str, Any]], Optional[Answered]]
    content: str


def _write_openai_line(key: str, body: Dict[str, Any], endpoint: str) -> Dict[str, Any]:
    return {"custom_id": key, "method": "POST", "url": endpoint, "body": body}


def _make_openai_batch(
    file_id: str, run: str, endpoint: str, window: str, model: str
) -> Dict[str, Any]:
    return {
        "input_file_id": file_id,
        "endpoint": endpoint,
        "completion_window": window,
        "metadata": {_MARK: run},
    }


_OPENAI_STATES = {
    "completed": COMPLETED,
    "expired": EXPIRED,
    "cancelled": CANCELLED,
    "failed": FAILED,
}
_MISTRAL_STATES = {
    "SUCCESS": COMPLETED,
    "TIMEOUT_EXCEEDED": EXPIRED,
    "CANCELLED": CANCELLED,
    "FAILED": FAILED,
}


def _read_openai_row(row: Mapping[str, Any]) -> Optional[Answered]:
    response, error = row.get("response"), row.get("error")
    if response is None:
        return Answered(row["custom_id"], None, None, error)
    return Answered(
        row["custom_id"], int(response.get("status_code") or 200), response["body"], error
    )


def _read_openai_status(batch: Mapping[str, Any]) -> BatchStatus:
    counts = batch.get("request_counts") or {}
    errors = batch.get("errors") or {}
    files = _names(batch, "output_file_id", "error_file_id")
    if counts.get("completed") and not batch.get("output_file_id"):
        # A file comes late: none is read until it is there.
        files = ()
    return BatchStatus(
        _OPENAI_STATES.get(str(batch.get("status")).lower(), RUNNING),
        int(counts.get("completed") or 0) + int(counts.get("failed") or 0),
        int(counts.get("total") or 0),
        files,
        _read_problem(errors.get("data", errors) if isinstance(errors, dict) else errors),
    )


def _read_mistral_status(job: Mapping[str, Any]) -> BatchStatus:
    return BatchStatus(
        _MISTRAL_STATES.get(str(job.get("status")), RUNNING),
        int(job.get("completed_requests") or 0),
        int(job.get("total_requests") or 0),
        _names(job, "output_file", "error_file"),
        _read_problem(job.get("errors")),
    )


def _names(batch: Mapping[str, Any], *fields: str) -> Any:
    return tuple(str(batch[field]) for field in fields if batch.get(field))


def _read_problem(errors: Any) -> Optional[ServerError]:
    if not errors:
        return None
    first = errors[0] if isinstance(errors, list) else errors
    line = first.get("line") if isinstance(first, dict) else None
    problem = read_error(errors)
    where = "" if line is None else f"line {line}: "
    return ServerError(where + problem.message, problem.codes, problem.field, problem.status)


def _is_openai_batch_of(batch: Mapping[str, Any], file_id: str, run: str) -> bool:
    mark = (batch.get("metadata") or {}).get(_MARK)
    return batch.get("input_file_id") == file_id or mark == run


def _is_mistral_batch_of(job: Mapping[str, Any], file_id: str, run: str) -> bool:
    mark = (job.get("metadata") or {}).get(_MARK)
    return file_id in (job.get("input_files") or ()) or mark == run


def _next_openai_page(page: Mapping[str, Any], query: str) -> Optional[str]:
    rows = page["data"]
    return f"limit={_PAGE}&after={rows[-1]['id']}" if page.get("has_more") and rows else None


def _next_mistral_page(page: Mapping[str, Any], query: str) -> Optional[str]:
    number = int(query.rpartition("=")[2])
    return f"page_size={_PAGE}&page={number + 1}" if len(page["data"]) == _PAGE else None


def _write_mistral_line(key: str, body: Dict[str, Any], endpoint: str) -> Dict[str, Any]:
    # The model stands in the job, once for all.
    return {"custom_id": key, "body": {k: v for k, v in body.items() if k != "model"}}


def _make_mistral_batch(
    file_id: str, run: str, endpoint: str, window: str, model: str
) -> Dict[str, Any]:
    return {
        "input_files": [file_id],
        "endpoint": endpoint,
        "model": model,
        "timeout_hours": int(window.rstrip("h")),
        "metadata": {_MARK: run},
    }


DIALECTS = {
    "openai": Dialect(
        "/batches",
        _write_openai_line,
        _make_openai_batch,
        _read_openai_status,
        _is_openai_batch_of,
        f"limit={_PAGE}",
        _next_openai_page,
        _read_openai_row,
        "/files/{}/content",
    ),
    "mistral": Dialect(
        "/batch/jobs",
        _write_mistral_line,
        _make_mistral_batch,
        _read_mistral_status,
        _is_mistral_batch_of,
        f"page_size={_PAGE}&page=0",
        _next_mistral_page,
        _read_openai_row,
        "/files/{}/content",
    ),
}
