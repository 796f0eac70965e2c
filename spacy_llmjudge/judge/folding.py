"""Text that is compared without regard to how it is spelled, with the way back to its characters.

What an LLM copies comes back in another normal form, with other quotes, dashes and spaces, or without the
characters that nobody sees. `fold` takes all of that out, and remembers where each character came from.
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from html.entities import html5
from itertools import groupby
from typing import Iterator, List, Tuple

_QUOTES = dict.fromkeys(map(ord, "`´‘’‚‛′ʹʻʼʽ＇"), "'")
_DOUBLE_QUOTES = dict.fromkeys(map(ord, "“”„‟″«»〝〞＂"), '"')
_SIGNS = {**_QUOTES, **_DOUBLE_QUOTES, ord("−"): "-"}
# they change how a character looks, not what it is: a joiner, variation selectors, the Arabic tatweel
_UNSEEN = {0x034F, 0x0640, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
# a character as HTML spells it
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|([A-Za-z][A-Za-z\d]{1,31}));")
# letters without their strokes and dots, and no hyphens
_PLAIN = {**dict(zip(map(ord, "đłøıħŧ"), "dloiht")), ord("-"): None}
# classes of marks that can be left out, as accents and the vowels of Arabic and Hebrew; not those of Thai,
# the Indian scripts or Japanese
_OPTIONAL_MARKS = {*range(10, 36), *range(202, 241)}
# writing without spaces between words, or with endings that are words: Thai to Myanmar, Khmer, Japanese,
# Chinese and Korean
_SPACELESS = (
    (0x0E00, 0x109F),
    (0x1100, 0x11FF),
    (0x1780, 0x17FF),
    (0x3005, 0x3007),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3130, 0x318F),
    (0x3400, 0x9FFF),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x323AF),
)

Place = Tuple[int, int]


@dataclass(frozen=True)
class Folded:
    """A folded text.

    text (str): Its characters.
    places (List[Place]): For each of them where the character that it came from starts and ends.
    """

    text: str
    places: List[Place]

    def find(self, words: str) -> List[Place]:
        """Find where folded words stand, never beginning or ending inside of a character.

        RETURNS (List[Place]): Start and end in the text that was folded, in order.
        """
        found = []
        for start in find_all(self.text, words):
            end = start + len(words)
            whole = start == 0 or self.places[start - 1] != self.places[start]
            if whole and (end == len(self.text) or self.places[end - 1] != self.places[end]):
                found.append((self.places[start][0], self.places[end - 1][1]))
        return found


def find_all(text: str, words: str) -> Iterator[int]:
    """YIELDS (int): Where words start in a text; none for no words."""
    start = text.find(words) if words else -1
    while start >= 0:
        yield start
        start = text.find(words, start + 1)


def fold(text: str, spaces: bool = True, marks: bool = True) -> Folded:
    """Fold a text: compatible characters (NFKC), case, quotes, dashes, white space, unseen characters, and
    characters that HTML spells out.

    text (str): The text.
    spaces (bool): White space becomes one space; False leaves it out.
    marks (bool): False leaves out accents and vowel points, and hyphens.
    RETURNS (Folded): The folded text, without white space around it.

    EXAMPLE:
        >>> folded = fold("the O’Brien\\u00ad–Ｌｔｄ")
        >>> folded.text, folded.find("o'brien-ltd")
        ("the o'brien-ltd", [(4, 16)])
    """
    pieces: List[str] = [" "]
    places: List[Place] = [(0, 0)]
    for start, end in _characters(text):
        seen = html.unescape(text[start:end])
        folded = fold_character(seen, marks)
        if seen[0].isspace():
            # one for all that nothing seen stands between
            folded = " " if spaces and pieces[-1] != " " else ""
        if folded:
            pieces.append(folded)
            places += [(start, end)] * len(folded)
    joined = "".join(pieces)
    left = len(joined) - len(joined.lstrip())
    stripped = joined.strip()
    return Folded(stripped, places[left : left + len(stripped)])


@lru_cache(maxsize=65536)
def fold_words(words: str, spaces: bool = True, marks: bool = True) -> str:
    """RETURNS (str): What `fold` makes of a few words, without the way back."""
    return fold(words, spaces, marks).text


def _characters(text: str) -> Iterator[Place]:
    """Characters as readers see them: a run of white space, a letter with all its marks, or what HTML
    spells out."""
    start = 0
    for entity in _ENTITY.finditer(text):
        # only what HTML knows: "Moss&Moss;" are two names, and &#1; is no character
        is_known = f"{entity[1]};" in html5 if entity[1] else html.unescape(entity[0])
        if is_known:
            yield from _letters(text, start, entity.start())
            yield entity.span()
            start = entity.end()
    yield from _letters(text, start, len(text))


def _letters(text: str, start: int, stop: int) -> Iterator[Place]:
    for is_space, run in groupby(text[start:stop], str.isspace):
        end = start + len(list(run))
        if is_space:
            yield start, end
        else:
            seen = [i for i in range(start, end) if not is_mark(text[i]) and not is_unseen(text[i])]
            begins = [start, *(i for i in seen if i > start)]
            for first, last in zip(begins, [*begins[1:], end]):
                while last > first + 1 and is_unseen(text[last - 1]):
                    last -= 1
                yield first, last
        start = end


@lru_cache(maxsize=4096)
def fold_character(character: str, marks: bool = True) -> str:
    """RETURNS (str): A letter with its marks in the spelling that is compared, or without marks that can be
    left out; nothing for an unseen one."""
    known = "".join(c for c in character if not is_unseen(c)).translate(_SIGNS)
    folded = unicodedata.normalize("NFKD", known).casefold()
    folded = unicodedata.normalize("NFKD", folded).translate(_SIGNS)
    folded = "".join("-" if unicodedata.category(c) == "Pd" else c for c in folded)
    if marks:
        return folded
    kept = (c for c in folded if unicodedata.combining(c) not in _OPTIONAL_MARKS)
    return "".join(kept).translate(_PLAIN)


def is_mark(character: str) -> bool:
    """RETURNS (bool): Whether a character is written on the one before it."""
    return unicodedata.category(character).startswith("M")


def is_unseen(character: str) -> bool:
    """RETURNS (bool): Whether nobody sees a character: soft hyphens, joiners, marks of direction."""
    return unicodedata.category(character) == "Cf" or ord(character) in _UNSEEN


def is_word_character(character: str) -> bool:
    """RETURNS (bool): Whether a character is a part of a word: a letter, a mark, a digit."""
    return unicodedata.category(character)[0] in "LMN"


def is_spaceless(character: str) -> bool:
    """RETURNS (bool): Whether a character is of a script that has no spaces between words."""
    return any(first <= ord(character) <= last for first, last in _SPACELESS)


def are_whole_words(text: str, start: int, end: int) -> bool:
    """Whether words are no piece of longer ones, in a text whose tokens are not known.

    Where words are written without spaces between them, any two characters may belong to two words.

    text (str): The text.
    start (int): Where the words start.
    end (int): Where they end.
    RETURNS (bool): Whether no letter, mark or digit continues it at either side.
    """
    left = text[start - 1] if start else " "
    right = text[end] if end < len(text) else " "
    if is_mark(right):
        return False
    return not (
        (_continues(left) and not is_spaceless(left) and not is_spaceless(text[start]))
        or (_continues(right) and not is_spaceless(right) and not is_spaceless(text[end - 1]))
    )


def _continues(character: str) -> bool:
    return character == "_" or is_word_character(character)
