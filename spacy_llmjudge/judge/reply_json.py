"""JSON as LLMs write it: strict about what it means, tolerant where it can mean one thing only."""

import json
import re
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from ..storage import is_json
from .thinking import find_answer

MAX_CHARS = 1_000_000
MAX_OBJECTS = 64
_MAX_DEPTH = 50
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WORD = re.compile(r"[A-Za-z]+|-[A-Za-z]+")
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
# What an object says beside an answer that is none.
_NO_ANSWER = ("error", "refusal")
# Written where there is nothing to say, in small letters.
NO_WORDS = ("", "null", "none", "n/a", "-", "–", "—")
_NO_ERROR = (
    *NO_WORDS,
    "no",
    "nil",
    "na",
    "false",
    "0",
    "ok",
    "no error",
    "no errors",
    "no refusal",
)
_NOT_NUMBERS = ("NaN", "Infinity", "-Infinity")


class ReplyError(ValueError):
    """A reply that cannot be used; its only argument is the reason, a short snake_case word."""


class _NotJSON(ValueError):
    """Here begins nothing that could be read."""


class Quoted(str):
    """A string of a reply that knows where it stands there.

    start (int): The first character between the quotes.
    end (int): The closing quote.
    """

    start: int
    end: int

    def __new__(cls, value: str, start: int, end: int) -> "Quoted":
        self = super().__new__(cls, value)
        self.start, self.end = start, end
        return self


class Part(NamedTuple):
    """An object or a list in a reply.

    value (Any): What it holds.
    start (int): Where it starts.
    """

    value: Any
    start: int


def read_object(reply: str, required: str, is_cut_off: bool = False) -> Dict[str, Any]:
    """Find the one JSON object of a reply that has a certain key.

    Thinking, code fences and prose around it are skipped. A comma too many, a line break inside of a
    string, Python's words and single quotes that nothing else can be meant by are read; so is a list
    that is not in an object, where all its entries are objects and no object stands before it.

    reply (str): The reply.
    required (str): The key that tells the answer from other objects.
    is_cut_off (bool): Whether the reply ended at the token limit.
    RETURNS (Dict[str, Any]): The object; `{required: list}` for a list.
    RAISES (ReplyError): Where there is none, or more than one that differ; refused where the object
        says that it is none.
    """
    answer = find_text(reply)
    if is_cut_off:
        raise ReplyError("truncated")
    found, has_others = _find_answers(answer, required, len(reply) - len(answer))
    if len(found) > 1:
        raise ReplyError("several_answers")
    if found:
        if any(_says_something(found[0].get(name)) and required != name for name in _NO_ANSWER):
            raise ReplyError("refused")
        return found[0]
    if _is_open(answer):
        raise ReplyError("truncated")
    raise ReplyError("wrong_shape" if has_others else "not_json")


def _says_something(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip(" \t\r\n.!").lower() not in _NO_ERROR
    if isinstance(value, (dict, list)):
        return any(map(_says_something, value.values() if isinstance(value, dict) else value))
    return bool(value)


def find_text(reply: str) -> str:
    """RETURNS (str): A reply without what was thought aloud; it ends where the reply ends.

    RAISES (ReplyError): empty_reply, oversized, or truncated where nothing but thinking is in it.
    """
    if not reply.strip():
        raise ReplyError("empty_reply")
    if len(reply) > MAX_CHARS:
        raise ReplyError("oversized")
    body = reply.strip()
    if body.startswith("```") and body.endswith("```"):
        body = body[3:-3].partition("\n")[2]
    if is_json(body):
        # what looks like a tag is quoted
        return reply
    answer = find_answer(reply)
    if answer is None:
        raise ReplyError("truncated")
    if not answer.strip():
        raise ReplyError("empty_reply")
    return answer


def _find_answers(reply: str, required: str, offset: int) -> Tuple[List[Dict[str, Any]], bool]:
    """All different answers, and whether there are other objects."""
    objects = [part for part in _find_parts(reply, offset) if isinstance(part.value, dict)]
    answers: List[Dict[str, Any]] = []
    for part in objects:
        if required in part.value and part.value not in answers:
            answers.append(part.value)
    if answers or "{" in reply.partition("[")[0]:
        return answers, len(objects) > len(answers)
    lists = [part.value for part in _find_parts(reply, offset) if isinstance(part.value, list)]
    of_objects = [one for one in lists if all(isinstance(entry, dict) for entry in one)]
    alone = reply.strip("` \r\n\tjson") == "[]"
    return [{required: one} for one in of_objects if one or alone], bool(lists)


def _find_parts(reply: str, offset: int) -> Iterator[Part]:
    """YIELDS (Part): The outermost objects and lists of a reply that can be read."""
    tried, position = 0, 0
    while tried < MAX_OBJECTS:
        starts = [at for at in (reply.find("{", position), reply.find("[", position)) if at >= 0]
        if not starts:
            return
        tried += 1
        start = min(starts)
        try:
            value, position = _Reader(reply, offset).read(start)
        except _NotJSON:
            position = start + 1
        else:
            yield Part(value, start)


class _Reader:
    """Reads one JSON value of a text, by recursive descent. Its strings know where they stand, counted
    from so many characters before the text."""

    def __init__(self, text: str, offset: int) -> None:
        self._text = text
        self._offset = offset

    def read(self, position: int, depth: int = 0) -> Tuple[Any, int]:
        """RETURNS (Tuple[Any, int]): The value that starts at a place, and where it ends."""
        position = self._skip(position)
        character = self._text[position : position + 1]
        if depth > _MAX_DEPTH:
            raise _NotJSON
        if character == "{":
            return self._read_object(position + 1, depth)
        if character == "[":
            return self._read_list(position + 1, depth)
        if character in ('"', "'"):
            return self._read_string(position)
        match = _NUMBER.match(self._text, position)
        if match:
            whole = match[0].lstrip("-").isdigit()
            return (int(match[0][:30]) if whole else float(match[0])), match.end()
        word = _WORD.match(self._text, position)
        if word and word[0] in _NOT_NUMBERS:
            raise ReplyError("not_a_number")
        if word and word[0] in _WORDS:
            return _WORDS[word[0]], word.end()
        raise _NotJSON

    def _skip(self, position: int) -> int:
        match = _SPACE.match(self._text, position)
        return match.end() if match else position

    def _read_list(self, position: int, depth: int) -> Tuple[List[Any], int]:
        values: List[Any] = []
        while True:
            position = self._skip(position)
            if self._text.startswith("]", position):
                return values, position + 1
            value, position = self.read(position, depth + 1)
            values.append(value)
            position = self._read_comma(position, "]")

    def _read_object(self, position: int, depth: int) -> Tuple[Dict[str, Any], int]:
        pairs: List[Tuple[str, Any]] = []
        while True:
            position = self._skip(position)
            if self._text.startswith("}", position):
                return _unique(pairs), position + 1
            if self._text[position : position + 1] not in ('"', "'"):
                raise _NotJSON
            key, position = self._read_string(position)
            position = self._skip(position)
            if not self._text.startswith(":", position):
                raise _NotJSON
            value, position = self.read(position + 1, depth + 1)
            pairs.append((key, value))
            position = self._read_comma(position, "}")

    def _read_comma(self, position: int, closing: str) -> int:
        """Step over a comma, be there something after it or not; stay before a closing bracket."""
        position = self._skip(position)
        if self._text.startswith(",", position):
            return position + 1
        if self._text.startswith(closing, position):
            return position
        raise _NotJSON

    def _read_string(self, position: int) -> Tuple[str, int]:
        quote = self._text[position : position + 1]
        end = position + 1
        while self._text[end : end + 1] not in (quote, ""):
            end += 2 if self._text[end] == "\\" else 1
        if end >= len(self._text):
            raise _NotJSON
        inside = self._text[position + 1 : end]
        if quote == "'":
            inside = inside.replace("\\'", "'").replace('"', '\\"')
        try:
            value = json.loads(f'"{inside}"', strict=False)
        except ValueError:
            raise _NotJSON from None
        return Quoted(value, self._offset + position + 1, self._offset + end), end + 1


def _unique(pairs: Sequence[Tuple[str, Any]]) -> Dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ReplyError("duplicate_keys")
    return data


def _is_open(reply: str) -> bool:
    """Whether the reply ends inside of its first object or list."""
    starts = [at for at in (reply.find("{"), reply.find("[")) if at >= 0]
    depth, in_string, escaped = 0, False, False
    for character in reply[min(starts) :] if starts else "":
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if depth == 0:
                return False
    return depth > 0
