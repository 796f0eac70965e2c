"""The strings that a packaged pipeline needs, without those that only its training texts brought in.

The string store of a trained pipeline holds every word that it has seen, phone numbers and names included.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Set, Union

import srsly

from ..storage import write_json

if TYPE_CHECKING:
    from spacy.language import Language

STRINGS = Path("vocab") / "strings.json"


def strip_strings(nlp: "Language", model: Path) -> None:
    """Take out of a pipeline on the disk the strings that it does not need.

    nlp (Language): The pipeline.
    model (Path): Where it was written to.
    """
    needed = needed_strings(nlp)
    path = model / STRINGS
    write_json(path, [text for text in srsly.read_json(path) if text in needed])


def needed_strings(nlp: "Language") -> Set[str]:
    """Find the strings that a pipeline needs: those of its language, of its labels, those that its tokenizer and
    components name, in words or by their hash, and those that have a vector.

    nlp (Language): The pipeline.
    RETURNS (Set[str]): The strings.

    EXAMPLE:
        >>> import spacy
        >>> nlp = spacy.blank("en")
        >>> doc = nlp("Call 555-0199 now")
        >>> "555" in nlp.vocab.strings, "555" in needed_strings(nlp)
        (True, False)
    """
    named: Set[Union[str, int]] = set(type(nlp)().vocab.strings)
    named.update(nlp.vocab.vectors.keys())
    for part in (nlp.tokenizer, *(pipe for _, pipe in nlp.components)):
        named.update(getattr(part, "labels", ()))
        if hasattr(part, "to_bytes"):
            named.update(_names_in(part.to_bytes(exclude=["vocab"])))
    return {text for text in nlp.vocab.strings if text in named or nlp.vocab.strings[text] in named}


def _names_in(data: Any) -> Iterator[Union[str, int]]:
    """YIELDS (Union[str, int]): The strings and numbers in what a component writes, which may be msgpack or JSON inside
    of msgpack."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _names_in(key)
            yield from _names_in(value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _names_in(value)
    elif isinstance(data, (str, int)):
        yield data
        yield from _names_in(_decode(data))
    elif isinstance(data, bytes):
        yield from _names_in(_decode(data))


def _decode(data: Union[str, int, bytes]) -> Any:
    """RETURNS (Any): The structure that a string or bytes stand for; None where they are what they are."""
    found = None
    try:
        if isinstance(data, bytes):
            found = srsly.msgpack_loads(data)
        elif isinstance(data, str) and data[:1] in ("{", "["):
            found = json.loads(data)
    except Exception:
        # weights, or text that looks like JSON
        return None
    return found if isinstance(found, (dict, list, tuple)) else None
