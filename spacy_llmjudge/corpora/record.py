"""What one row, sentence or document of a file says, whichever tool wrote it.

Readers of formats make records, `documents.py` makes documents of them: all that is known of a tool ends
here. Offsets count characters of the text.
"""

from dataclasses import dataclass
from typing import List, Optional, Tuple

# how the labels of a text were given: as a string, a list, a value for each label, or an answer to
# the question whether the text has one label
FORMS = ("label", "list", "scores", "answer")


@dataclass(frozen=True)
class Mention:
    """A labelled stretch of the text.

    start (int): Its first character.
    end (int): The character after the last one.
    label (str): As it stands in the file.
    text (Optional[str]): What the file says stands there.
    score (Optional[float]): How probable a model thinks it.
    """

    start: int
    end: int
    label: str
    text: Optional[str] = None
    score: Optional[float] = None


@dataclass(frozen=True)
class Choice:
    """The labels of a whole text.

    chosen (Tuple[str, ...]): It has these.
    refused (Tuple[str, ...]): It was said not to have these.
    form (str): One of FORMS.
    scores (Tuple[float, ...]): How probable a model thinks each of those that were chosen; empty where it is not
        said.
    """

    chosen: Tuple[str, ...]
    refused: Tuple[str, ...] = ()
    form: str = "label"
    scores: Tuple[float, ...] = ()


@dataclass(frozen=True)
class Record:
    """A text with what somebody said about it.

    where (str): File and line, for messages.
    text (str): The text.
    words (Optional[Tuple[str, ...]]): Its tokens; None leaves them to the tokenizer of the language.
    spaces (Tuple[bool, ...]): Whether a space follows, for every word.
    mentions (Optional[Tuple[Mention, ...]]): None where nobody marked anything.
    unknown (Tuple[Tuple[int, int], ...]): Stretches of the text that nobody looked at.
    partial (bool): Only the mentions are known, and nothing about the rest of the text.
    choice (Optional[Choice]): Its labels; None where nobody gave any.
    answer (str): What an annotator pressed: "accept", "reject" or "ignore".
    repaired (int): How many of its tags continue an entity that nothing started.
    keys (Tuple[str, ...]): The columns of its row, for messages.
    predicted (bool): A model said it, and nobody else.
    unread (bool): Only a model said anything, and that was not asked for.
    """

    where: str
    text: str
    words: Optional[Tuple[str, ...]] = None
    spaces: Tuple[bool, ...] = ()
    mentions: Optional[Tuple[Mention, ...]] = None
    unknown: Tuple[Tuple[int, int], ...] = ()
    partial: bool = False
    choice: Optional[Choice] = None
    answer: str = "accept"
    repaired: int = 0
    keys: Tuple[str, ...] = ()
    predicted: bool = False
    unread: bool = False

    @property
    def is_annotated(self) -> bool:
        """Whether somebody said anything about it that counts."""
        return self.answer == "accept" and not (self.mentions is None and self.choice is None)

    @property
    def edges(self) -> List[Tuple[int, int]]:
        """The first character of each of its own tokens, and the one after the last."""
        found, position = [], 0
        for word, space in zip(self.words or (), self.spaces):
            found.append((position, position + len(word)))
            position += len(word) + space
        return found

    def in_tokens(self) -> List[Tuple[int, int, str]]:
        """RETURNS (List[Tuple[int, int, str]]): First token, the one after the last, and label of its mentions, which
        fall on its own tokens."""
        edges = self.edges
        starts, ends = ({edge[k]: i + k for i, edge in enumerate(edges)} for k in (0, 1))
        return [(starts[m.start], ends[m.end], m.label) for m in self.mentions or ()]
