"""How tokens are put together to a text: with spaces, but for scripts that are written without."""

import unicodedata
from typing import List, Optional, Sequence, Tuple

from spacy.util import get_words_and_spaces

from ..errors import Errors, LLMJudgeError

# languages whose sentences are written without spaces, by the codes of spaCy
LANGS_WITHOUT_SPACES = ("bo", "ja", "km", "lo", "my", "th", "zh")
_SCRIPTS_WITHOUT_SPACES = (
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "HALFWIDTH KATAKANA",
    "IDEOGRAPHIC",
    "FULLWIDTH",
    "THAI",
    "LAO",
    "KHMER",
    "MYANMAR",
    "TIBETAN",
)

# controls and formats, such as a byte order mark or a zero-width space
_UNSEEN = ("Cc", "Cf")

Edges = List[Tuple[int, int]]


def is_blank(character: str) -> bool:
    """RETURNS (bool): Whether nothing can be seen of a character: white space, a control or a format."""
    return character.isspace() or unicodedata.category(character) in _UNSEEN


def join_words(words: Sequence[str], lang: Optional[str]) -> Tuple[str, Tuple[bool, ...]]:
    """Put tokens together to a text, where a file does not say what stood between them.

    Between two characters of a script without spaces there is none. In a language that is written so, there
    is none beside one of them either.

    words (Sequence[str]): The tokens, none of them empty.
    lang (Optional[str]): The code of the language.
    RETURNS (Tuple[str, Tuple[bool, ...]]): The text, and for every token whether a space follows.

    >>> join_words(["北", "京", "!"], "zh")[0], join_words(["New", "York"], "zh")[0]
    ('北京!', 'New York')
    """
    enough = 1 if lang in LANGS_WITHOUT_SPACES else 2
    spaces = [
        _is_unspaced(first[-1]) + _is_unspaced(second[0]) < enough
        for first, second in zip(words, words[1:])
    ]
    spaces += [False] * bool(words)
    text = "".join(word + " " * space for word, space in zip(words, spaces))
    return text, tuple(spaces)


def spell(words: Sequence[str], text: str, where: str) -> Tuple[Tuple[str, ...], Tuple[bool, ...]]:
    """Find tokens in their text; white space that is none of them becomes a token of its own.

    words (Sequence[str]): The tokens.
    text (str): The text.
    where (str): File and line, for messages.
    RETURNS (Tuple): The tokens, and for each whether a space follows.
    """
    try:
        found, spaces = get_words_and_spaces(list(words), text)
    except ValueError as error:
        raise LLMJudgeError(Errors.J610.format(where=where)) from error
    return tuple(found), tuple(spaces)


def edges_of(words: Sequence[str], text: str) -> Edges:
    """RETURNS (Edges): The first character of each token, and the one after its last one."""
    edges, position = [], 0
    for word in words:
        start = text.find(word, position)
        position = start + len(word)
        edges.append((start, position))
    return edges


def _is_unspaced(character: str) -> bool:
    if character < "\u0e00":
        return False
    return unicodedata.name(character, "").startswith(_SCRIPTS_WITHOUT_SPACES)
