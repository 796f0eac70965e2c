"""Ask spacy-llm's own `spacy.TextCat.v3` for a confidence: a template for it, and a parser of the reply."""

import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional

TEMPLATES = Path(__file__).parent / "templates"
_ANSWER = re.compile(
    r"^\W*(?P<label>.+?)\W+(?P<number>\d{1,3}(?:\.\d+)?)\s*(?P<percent>%?)\W*$", re.DOTALL
)


def make_confident_template() -> str:
    """Make `llmjudge.ConfidentCatsTemplate.v1`: asks for labels, each with a confidence from 0 to 100.

    RETURNS (str): A Jinja template for the setting `template` of "spacy.TextCat.v3".
    """
    return (TEMPLATES / "confident_cats.v1.jinja").read_text(encoding="utf8")


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


def parse_reply(task: Any, response: str) -> Dict[str, float]:
    """Read one reply: a label with its confidence a line, or several separated by commas.

    task (Any): A spacy-llm task with `label_dict`, `normalizer` and `exclusive_classes`.
    response (str): The reply.
    RETURNS (Dict[str, float]): A value for every label, or nothing where the reply names none, or
        where it names several though there can be only one.
    """
    lines = [part.strip() for part in re.split(r"[,;\n]", response) if part.strip()]
    values = {label: 0.0 for label in task.label_dict.values()}
    if [line.strip("= ").upper() for line in lines] == ["NONE"] and not task.exclusive_classes:
        return values
    named = {}
    for line in lines:
        label, value = _find_label(task, line), 1.0
        found = None if label else _ANSWER.match(line)
        if found is not None:
            label, value = (
                _find_label(task, found["label"]),
                _read_share(found["number"], found["percent"]),
            )
        if label is not None and value <= 1:
            named[label] = value
    if not named or (task.exclusive_classes and len(named) > 1):
        return {}
    return {**values, **named}


def _find_label(task: Any, name: str) -> Optional[str]:
    found: Optional[str] = task.label_dict.get(task.normalizer(name.strip(" \t:*\"'`")))
    return found


def _read_share(number: str, percent: str) -> float:
    """A stated confidence is over 0 and under 1: a label that was named with 0 is still the one that was
    named, and 1 stands for one that was named without a number."""
    value = float(number)
    if percent or "." not in number or value > 1:
        value /= 100
    return min(max(value, 0.001), 0.999) if value <= 1 else value
