"""What people are asked, one item at a time, and what an answer looks like: the same for every task.

An item is a text in words with the spans that somebody sees in it. An answer is the spans as they should be, so that
"right" is the same spans, "wrong" none of them, and a correction others. Labels of documents are spans over all words.
"""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError
from ..report.text import clean
from ..storage import sha256_json
from ..targets.base import Key, Target

# the word, and the white space behind it
Word = Tuple[str, str]
Spans = Tuple[Key, ...]
# of each item: by person, what they said
Given = Mapping[str, Mapping[str, Spans]]


class Item(NamedTuple):
    """One thing to decide on.

    id (str): The same for the same thing, however often a task is made.
    document (int): The number of its document.
    words (List[Word]): The text.
    spans (Spans): What is asked about.
    facts (Tuple[str, ...]): What people may know before they answer.
    probability (float): How likely it is to be right; nothing shows it.
    """

    id: str
    document: int
    words: List[Word]
    spans: Spans
    facts: Tuple[str, ...] = ()
    probability: float = 0.0


@dataclass(frozen=True)
class Task:
    """What is asked, and what becomes of the answers.

    name (str): "certify", "audit", "disagreements" or "gold".
    question (str): What people decide.
    units (str): What is counted: "entities", "spans", "labels", "candidates" or "documents".
    items (Sequence[Item]): In the order in which they are asked about.
    labels (Tuple[str, ...]): The labels that people may choose; without any they only say yes or no.
    frame (str): A hash of what the items were made from.
    planned (int): How many answers were planned.
    save (Callable[[Task, Given], None]): Writes what the answers come to.
    whole (bool): An item is a document with any number of spans, not one span.
    moves (bool): Boundaries may be changed.
    overlaps (bool): Spans may overlap.
    exactly_one (bool): There is exactly one label.
    epsilon (Optional[float]): In PAC labelling, the share of all items that may be wrong at the end.
    share (float): The share of wrong ones that a certificate should come down to.
    """

    name: str
    question: str
    units: str
    items: Sequence[Item]
    labels: Tuple[str, ...]
    frame: str
    planned: int
    save: Callable[["Task", Given], None]
    whole: bool = False
    moves: bool = True
    overlaps: bool = True
    exactly_one: bool = False
    epsilon: Optional[float] = None
    share: float = 0.1
    numbers: Dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.numbers.update({item.id: i for i, item in enumerate(self.items)})

    @property
    def has_certificate(self) -> bool:
        return self.name == "certify"

    def find(self, id_: Any) -> Item:
        """RAISES (LLMJudgeError): J932 where there is no such item."""
        if not isinstance(id_, str) or id_ not in self.numbers:
            raise LLMJudgeError(Errors.J932.format(found="an item that is not asked about"))
        return self.items[self.numbers[id_]]

    def read_spans(self, item: Item, data: Any) -> Spans:
        """Read the spans of an answer.

        item (Item): What they are about.
        data (Any): From a browser: a list of [start, end, label], in words.
        RETURNS (Spans): The spans, in order.
        RAISES (LLMJudgeError): J932 where they cannot be.
        """
        if not isinstance(data, list):
            raise LLMJudgeError(Errors.J932.format(found="no list of spans"))
        spans = []
        known = {*self.labels, *(label for _, _, label in item.spans)}
        for one in data:
            if not (isinstance(one, list) and [type(part) for part in one] == [int, int, str]):
                raise LLMJudgeError(
                    Errors.J932.format(found="a span that is not [start, end, label]")
                )
            start, end, label = one
            if not 0 <= start < end <= len(item.words):
                raise LLMJudgeError(Errors.J932.format(found="a span outside of the text"))
            if label not in known:
                raise LLMJudgeError(Errors.J932.format(found="a label that there is not"))
            spans.append((start, end, label))
        found = tuple(sorted(set(spans)))
        if not self.whole and len(found) > 1:
            raise LLMJudgeError(Errors.J932.format(found="more than one span"))
        if not self.labels and found not in ((), item.spans):
            raise LLMJudgeError(Errors.J932.format(found="a correction, where yes or no is asked"))
        if not self.moves and found and {one[:2] for one in found} != {(0, len(item.words))}:
            raise LLMJudgeError(Errors.J932.format(found="another boundary"))
        if self.whole and self.exactly_one and len(found) != 1:
            raise LLMJudgeError(Errors.J932.format(found="not exactly one label"))
        if not self.overlaps and overlap(found):
            raise LLMJudgeError(Errors.J932.format(found="spans that overlap"))
        return found


def is_right(item: Item, said: Mapping[str, Spans]) -> bool:
    """RETURNS (bool): Whether everybody who answered leaves an item as it is."""
    return all(spans == item.spans for spans in said.values())


def overlap(spans: Sequence[Key]) -> bool:
    """RETURNS (bool): Whether any of some ordered spans overlap."""
    return any(second[0] < first[1] for first, second in zip(spans, spans[1:]))


def words_of(doc: Doc) -> List[Word]:
    """RETURNS (List[Word]): The words of a document, without what a browser would obey."""
    return [(clean(token.text), token.whitespace_) for token in doc]


def make_id(*parts: Any) -> str:
    return sha256_json(parts)[:16]


def settings_of(target: Target) -> Dict[str, bool]:
    """RETURNS (Dict[str, bool]): What a target allows in an answer: settings of `Task`."""
    is_cats = target.name == "cats"
    return {
        "moves": not is_cats,
        "overlaps": target.name != "ents",
        "exactly_one": is_cats and bool(target.to_dict().get("exclusive")),
    }
