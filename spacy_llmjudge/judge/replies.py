"""From the characters of a reply to what it lists: strict about meaning, tolerant about wrapping."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from ..transport.strict_json import StrictJSONError, make_decoder

MAX_CHARS = 1_000_000
MAX_OBJECTS = 64


class ReplyError(ValueError):
    """A reply that cannot be used; its only argument is the reason, a short snake_case word."""


@dataclass(frozen=True)
class Mention:
    """One entry of a reply.

    text (str): The words of the entity.
    label (str): Its label.
    confidence (Optional[float]): Stated probability, 0 to 1; None where none was stated.
    start (Optional[int]): Where it starts in the text, in characters, where the reply says so.
    """

    text: str
    label: str
    confidence: Optional[float] = None
    start: Optional[int] = None


@dataclass
class Annotation:
    """What a reply lists, and how many of its entries were dropped for which reason."""

    entities: List[Mention] = field(default_factory=list)
    alternatives: List[Mention] = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)


def parse_annotation(reply: str, labels: Sequence[str]) -> Annotation:
    """Parse a reply of the annotating kind: `{"entities": [...], "alternatives": [...]}`.

    Code fences and prose around the object are skipped. An entry with an unknown label or a wrong type
    is dropped and counted; one with an unusable confidence stands without it. A reply that is not one
    clear JSON object is refused, and so is one of whose entries none can be used: it is no statement
    that the text has no entities.

    reply (str): The reply.
    labels (Sequence[str]): The labels that were asked about.
    RETURNS (Annotation): What it lists.
    RAISES (ReplyError): empty_reply, oversized, not_json, truncated, duplicate_keys, not_a_number,
        several_answers, wrong_shape or no_usable_entry.
    """
    data = read_object(reply, required="entities")
    annotation = Annotation()
    for name, mentions in (
        ("entities", annotation.entities),
        ("alternatives", annotation.alternatives),
    ):
        entries = data.get(name, [])
        if not isinstance(entries, list):
            raise ReplyError("wrong_shape")
        for entry in entries:
            mention = _read_mention(entry, labels, annotation.dropped)
            if mention is not None:
                mentions.append(mention)
    if data["entities"] and not annotation.entities:
        raise ReplyError("no_usable_entry")
    return annotation


def _read_mention(entry: Any, labels: Sequence[str], dropped: Counter) -> Optional[Mention]:
    if not isinstance(entry, dict):
        dropped["wrong_type"] += 1
        return None
    text, label = entry.get("text"), entry.get("label")
    if not (isinstance(text, str) and text.strip() and isinstance(label, str)):
        dropped["wrong_type"] += 1
        return None
    known = next((known for known in labels if known.lower() == label.strip().lower()), None)
    if known is None:
        dropped["unknown_label"] += 1
        return None
    confidence = entry.get("confidence")
    if confidence is not None and not is_percentage(confidence):
        dropped["bad_confidence"] += 1
        confidence = None
    start = entry.get("start")
    if not isinstance(start, int) or isinstance(start, bool):
        start = None
    return Mention(text.strip(), known, None if confidence is None else confidence / 100, start)


def is_percentage(value: Any) -> bool:
    """Whether a value is a probability between 0 and 100."""
    # A fraction between 0 and 1 is a probability on the wrong scale: taken as 0.97 % it would turn a
    # firm yes into a firm no.
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (value == 0 or 1 <= value <= 100)
    )


def read_object(reply: str, required: str) -> Dict[str, Any]:
    """Find the one JSON object of a reply that has a certain key.

    reply (str): The reply, perhaps with code fences or prose around the object.
    required (str): The key that tells the answer from other objects.
    RETURNS (Dict[str, Any]): The object.
    RAISES (ReplyError): Where there is none, or more than one that differ.
    """
    if not reply.strip():
        raise ReplyError("empty_reply")
    if len(reply) > MAX_CHARS:
        raise ReplyError("oversized")
    decoder = make_decoder()
    answers: List[Dict[str, Any]] = []
    others = 0
    position = reply.find("{")
    for _ in range(MAX_OBJECTS):
        if position < 0:
            break
        try:
            data, end = decoder.raw_decode(reply, position)
        except StrictJSONError as error:
            raise ReplyError(str(error)) from None
        except (ValueError, RecursionError):
            end = position + 1
        else:
            others += required not in data
            if required in data and data not in answers:
                answers.append(data)
        position = reply.find("{", end)
    if len(answers) > 1:
        raise ReplyError("several_answers")
    if answers:
        return answers[0]
    if _is_cut_off(reply):
        raise ReplyError("truncated")
    raise ReplyError("wrong_shape" if others else "not_json")


def _is_cut_off(reply: str) -> bool:
    """Whether the reply ends inside its first object."""
    depth, in_string, escaped = 0, False, False
    for character in reply[reply.find("{") :] if "{" in reply else "":
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
