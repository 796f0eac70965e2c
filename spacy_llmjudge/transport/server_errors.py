"""What a server says of an error, in all the shapes that servers say it in."""

from dataclasses import dataclass
from typing import Any, Iterator, List

_MESSAGE_LENGTH = 300
# Where servers put an error in an object, or its text, the most telling first.
_PLACES = (
    "error",
    "errors",
    "message",
    "detail",
    "details",
    "msg",
    "title",
    "error_description",
    "error_msg",
    "status_msg",
)
_CODES = ("code", "type", "status", "error_type")
_DEEPEST = 6


@dataclass(frozen=True)
class ServerError:
    """An error as a server tells it.

    message (str): Its text, on one line.
    codes (str): Its codes and types, in words; may be empty.
    field (str): The field of the request that it is about; may be empty.
    status (int): The HTTP status that stands in its body; 0 where there is none.
    """

    message: str = ""
    codes: str = ""
    field: str = ""
    status: int = 0

    @property
    def text(self) -> str:
        """All that it says, in lower case, to look for signs in."""
        return f"{self.codes} {self.message}".lower()


def read_error(body: Any, raw: str = "") -> ServerError:
    """Read an error from the body of a response.

    body (Any): The decoded body; None where it is no JSON.
    raw (str): The body as text.
    RETURNS (ServerError): What it says; without anything where it is empty.

    EXAMPLE:
        >>> read_error({"error": {"code": 404, "message": "no such model"}})
        ServerError(message='no such model', codes='404', field='', status=404)
        >>> read_error([{"detail": [{"loc": ["body", "seed"], "msg": "extra"}]}]).field
        'seed'
    """
    if body is None:
        return ServerError(_shorten(raw))
    parts = list(_walk(body, 0))
    codes: List[str] = []
    field, status = "", 0
    for part in parts:
        for name in _CODES:
            code = part.get(name)
            if isinstance(code, (str, int)) and not isinstance(code, bool):
                codes.append(str(code))
                status = status or _status_of(code)
        field = field or _field_of(part)
    messages = [text for part in [body, *parts] for text in _texts(part)]
    return ServerError(
        _shorten("; ".join(dict.fromkeys(messages))) or _shorten(", ".join(codes)),
        _shorten(" ".join(dict.fromkeys(codes))),
        field,
        status,
    )


def _walk(data: Any, depth: int) -> Iterator[dict]:
    """The objects that can hold an error, from the outside in."""
    if isinstance(data, list):
        for item in data[:_DEEPEST]:
            yield from _walk(item, depth)
    elif isinstance(data, dict) and depth < _DEEPEST:
        yield data
        for name in (*_PLACES, "metadata"):
            yield from _walk(data.get(name), depth + 1)


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        yield from (item for item in part if isinstance(item, str))
    elif isinstance(part, dict):
        for name in _PLACES:
            value = part.get(name)
            if isinstance(value, (str, list)):
                yield from _texts(value)


def _field_of(part: dict) -> str:
    """The field that an error is about, by `param`, or by the last word of pydantic's `loc`."""
    place = part.get("param") or part.get("loc")
    if isinstance(place, list):
        place = next((word for word in reversed(place) if isinstance(word, str)), "")
    return place if isinstance(place, str) else ""


def _status_of(code: Any) -> int:
    number = int(code) if str(code).isascii() and str(code).isdecimal() else 0
    return number if 400 <= number < 600 else 0


def _shorten(text: str) -> str:
    return " ".join(text.split())[:_MESSAGE_LENGTH]
