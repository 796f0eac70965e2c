"""Ask spacy-llm's own `spacy.TextCat.v3` for a confidence: a template for it, and a parser of the reply."""

import re
from functools import lru_cache
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    NamedTuple,
    Optional,
    Protocol,
    Sequence,
    Tuple,
)

from ..targets.cats import THRESHOLD
from .classification import Classification, settle
from .folding import are_whole_words, fold, fold_words
from .label_names import find_label
from .prompts import read_template
from .reply_json import ReplyError, find_text
from .stated_confidence import Stated, read_stated, to_shares

TEMPLATE = "confident_cats.v1"
# A stated confidence is over 0 and under 1: a 1 stands for a label that was named without a number.
LEAST, MOST = 0.001, 0.999
_MARKS = r"[\s\"'`*_#>()\[\]•–—-]*"
_BEFORE = rf"{_MARKS}(?:(?:the )?(?:label|answer|category|class|topic)s?\s*(?:is\b|[:=]){_MARKS})?"
# no piece of a longer word or number
_EDGE = r"(?:(?<!\d)|(?!\d))(?:(?<![^\W\d_])|(?![^\W\d_]))"
_AFTER = (
    r"[\s\"'`*_:=|()\[\]–—-]*(?P<number>\d{1,3}(?:\.\d{1,9})?\s*%?)?"
    r"[\s\"'`*_.)\]]*(?:[,;|]|$)\s*"
)


class TextCatTask(Protocol):
    """What is read of a spacy-llm task."""

    label_dict: Dict[str, str]
    normalizer: Callable[[str], str]
    exclusive_classes: bool


class _Named(NamedTuple):
    label: str
    stated: Optional[Stated] = None


def make_confident_template() -> str:
    """Make `llmjudge.ConfidentCatsTemplate.v1`: asks for labels, each with a confidence from 0 to 100.

    RETURNS (str): A Jinja template for the setting `template` of "spacy.TextCat.v3".
    """
    return read_template(TEMPLATE)


def make_confident_parser() -> Callable[..., Iterable[Iterable[Dict[str, float]]]]:
    """Make `llmjudge.ConfidentCats.v1`: reads replies such as "ORDER 85" into `doc.cats`.

    RETURNS (Callable): For the setting `parse_responses` of "spacy.TextCat.v3". The value of a label is
        the stated confidence, 0 to 1, or 1.0 where none was stated. A reply that names no label
        leaves `doc.cats` empty, which is not the same as `==NONE==`.
    """

    def parse(
        task: Any, shards: Iterable[Iterable[Any]], responses: Iterable[Iterable[str]]
    ) -> Iterable[List[Dict[str, float]]]:
        for of_doc in responses:
            yield [parse_reply(task, response) for response in of_doc]

    return parse


def parse_reply(task: TextCatTask, response: str) -> Dict[str, float]:
    """Read one reply: a label with its confidence a line, or several separated by commas.

    The labels that there are are looked for, so that they may hold commas, digits and signs. Where
    prose names a label, nobody knows what it says of it, so that the reply gives none.

    task (TextCatTask): The task.
    response (str): The reply.
    RETURNS (Dict[str, float]): A value for every label, or nothing where the reply names none, or
        where it names several though there can be only one.

    EXAMPLE:
        >>> from types import SimpleNamespace
        >>> labels = {"order": "ORDER", "c++": "C++"}
        >>> task = SimpleNamespace(label_dict=labels, normalizer=str.lower, exclusive_classes=True)
        >>> parse_reply(task, "<think>An ORDER?</think> C++ 90")
        {'ORDER': 0.0, 'C++': 0.9}
    """
    labels = tuple(dict.fromkeys(task.label_dict.values()))
    values = dict.fromkeys(labels, 0.0)
    try:
        answer = find_text(response)
        named = _read_lines(task, answer, labels)
        if not named:
            is_none = re.sub(r"[\W_]", "", answer).upper() == "NONE"
            return values if is_none and not task.exclusive_classes else {}
        found = settle(_gather(named), labels, task.exclusive_classes)
    except ReplyError:
        return {}
    for label, share in found.labels.items():
        values[label] = 1.0 if share is None else min(max(share, LEAST), MOST)
    for label, share in found.alternatives.items():
        # less than a label that is given, whatever it was said to be
        values[label] = min(share or 0.0, THRESHOLD - LEAST)
    return values


def _read_lines(task: TextCatTask, answer: str, labels: Tuple[str, ...]) -> List[_Named]:
    """The labels that an answer names, line by line."""
    named: List[_Named] = []
    for line in answer.splitlines():
        found = _read_line(line, labels, False) or _read_line(fold_words(line), labels, True)
        known = task.label_dict.get(task.normalizer(line.strip("= \t:*\"'`")))
        if not found and known is not None:
            found = [_Named(known)]
        if not found and _mentions(line, labels):
            raise ReplyError("prose")
        named += found
    return named


def _read_line(line: str, labels: Tuple[str, ...], folded: bool) -> List[_Named]:
    """All labels of a line that holds nothing else; none of any other line."""
    pattern = _compile(labels, folded)
    named: List[_Named] = []
    position = 0
    while position < len(line):
        match = pattern.match(line, position)
        label = find_label(match["label"], labels) if match else None
        if match is None or label is None:
            return []
        named.append(_Named(label, read_stated(match["number"])))
        position = match.end()
    return named


@lru_cache(maxsize=64)
def _compile(labels: Tuple[str, ...], folded: bool) -> "re.Pattern[str]":
    spelled = {fold_words(label) if folded else label for label in labels}
    # the longest first: "Level 3" before "Level"
    escaped = [re.escape(label) for label in sorted(spelled, key=lambda x: (-len(x), x)) if label]
    if folded:
        escaped = [re.sub(r"(?:\\[\s-]|_)+", r"[\\s_-]*", label) for label in escaped]
    return re.compile(rf"(?i:{_BEFORE})(?P<label>{'|'.join(escaped)}){_EDGE}{_AFTER}")


def _mentions(line: str, labels: Sequence[str]) -> bool:
    """Whether a line names a label among other words."""
    folded = fold(line)
    return any(
        are_whole_words(line, start, end)
        for label in labels
        for start, end in folded.find(fold_words(label))
    )


def _gather(named: Sequence[_Named]) -> Classification:
    if any(one.stated is not None and one.stated.value > 100 for one in named):
        raise ReplyError("bad_confidence")
    found = Classification({})
    for one, share in zip(named, to_shares([one.stated for one in named])):
        if found.labels.setdefault(one.label, share) != share:
            raise ReplyError("several_answers")
    return found
