"""What offsets count: characters, or UTF-16 units as JavaScript does, and so many annotation tools.

The two differ behind characters such as emoji, which are two units. A file shows which it is where its
spans fall on tokens, and on the words that they state, in one reading only.
"""

from dataclasses import replace
from itertools import accumulate
from typing import Iterable, List, NamedTuple, Optional, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from .record import Mention, Record

CHARACTERS, UTF16 = "characters", "utf-16"
_LAST_SINGLE = "\uffff"


class Unit(NamedTuple):
    """name (str): CHARACTERS or UTF16.
    n_decisive (int): How many documents can be read in this way only.
    n_open (int): How many can be read in both ways.
    """

    name: str
    n_decisive: int
    n_open: int


def depends_on_unit(record: Record) -> bool:
    """RETURNS (bool): Whether the offsets of a record mean other characters in the other unit."""
    if not record.mentions or not any(c > _LAST_SINGLE for c in record.text):
        return False
    return any(from_utf16(m, record.text) != m for m in record.mentions)


def find_unit(records: Iterable[Record], nlp: Language) -> Unit:
    """Find out what the offsets of a file count.

    records (Iterable[Record]): What is in the file.
    nlp (Language): Its tokenizer cuts the texts.
    RETURNS (Unit): UTF-16 where at least one document can be read so only, and none can only be read as
        characters; else characters.
    """
    n_characters = n_utf16 = n_open = 0
    for record in records:
        if depends_on_unit(record):
            doc = make_tokens(record, nlp)
            as_characters = all(_fits(m, doc) for m in record.mentions or ())
            as_utf16 = all(_fits(m, doc) for m in convert(record).mentions or ())
            n_characters += as_characters and not as_utf16
            n_utf16 += as_utf16 and not as_characters
            n_open += as_characters and as_utf16
    if n_utf16 and not n_characters:
        return Unit(UTF16, n_utf16, n_open)
    return Unit(CHARACTERS, n_characters, n_open)


def convert(record: Record) -> Record:
    """RETURNS (Record): The record, whose offsets counted UTF-16 units, with characters. Offsets that lie in
    no text stay as they are."""
    if record.mentions is None:
        return record
    converted = tuple(from_utf16(m, record.text) or m for m in record.mentions)
    return replace(record, mentions=converted)


def to_utf16(record: Record) -> Record:
    """RETURNS (Record): The record, whose offsets counted characters, with UTF-16 units."""
    if record.mentions is None:
        return record
    units = [0, *accumulate(1 + (c > _LAST_SINGLE) for c in record.text)]
    shifted = (replace(m, start=units[m.start], end=units[m.end]) for m in record.mentions)
    return replace(record, mentions=tuple(shifted))


def from_utf16(mention: Mention, text: str) -> Optional[Mention]:
    """RETURNS (Optional[Mention]): A mention in UTF-16 units, in characters; None where it begins or ends
    inside of a character, or outside of the text."""
    starts = [0, *accumulate(1 + (c > _LAST_SINGLE) for c in text)]
    characters = {unit: i for i, unit in enumerate(starts)}
    if mention.start not in characters or mention.end not in characters:
        return None
    return replace(mention, start=characters[mention.start], end=characters[mention.end])


def trim(mention: Mention, text: str) -> Tuple[int, int]:
    """RETURNS (Tuple[int, int]): Start and end of a mention without the white space at its edges."""
    words = text[mention.start : mention.end]
    start = mention.start + len(words) - len(words.lstrip())
    return start, start + len(words.strip())


def says_its_text(mention: Mention, text: str) -> bool:
    """RETURNS (bool): Whether what stands at the offsets of a mention is what it says stands there."""
    if mention.text is None:
        return True
    return _squeeze(mention.text) == _squeeze(text[mention.start : mention.end])


def make_tokens(record: Record, nlp: Language) -> Doc:
    """RETURNS (Doc): The tokens of a record: its own, or those of the tokenizer."""
    if record.words is None:
        return nlp.make_doc(record.text)
    return Doc(nlp.vocab, words=list(record.words), spaces=list(record.spaces))


def _fits(mention: Mention, doc: Doc) -> bool:
    if not 0 <= mention.start < mention.end <= len(doc.text):
        return False
    start, end = trim(mention, doc.text)
    return says_its_text(mention, doc.text) and doc.char_span(start, end) is not None


def _squeeze(text: str) -> List[str]:
    return text.split()
