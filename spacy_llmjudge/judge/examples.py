"""Worked questions for the verifying task: right spans, and spans of the labelled set that are nearly right."""

import random
import re
from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .demonstrations import Demonstration, Entity, choose_demonstrations, near_misses
from .folding import are_whole_words, fold_words, is_mark, is_spaceless

# As many right ones as wrong ones: a judge that sees only one kind says it everywhere.
_KINDS = ("correct", "wrong_boundary", "correct", "not_entity", "correct", "wrong_label")


class Example(NamedTuple):
    """A worked question.

    text (str): The text.
    span (str): The words in question.
    label (str): The label in question.
    verdict (str): correct, wrong_label, wrong_boundary or not_entity.
    correction (Optional[str]): The label or the words that it should be.
    """

    text: str
    span: str
    label: str
    verdict: str
    correction: Optional[str] = None


# the words and the label in question, and the correction
Case = Tuple[str, str, Optional[str]]
Maker = Callable[[Demonstration, "_Labelled", random.Random], Optional[Case]]


class _Labelled:
    """The labelled documents, and what they tell about words and labels."""

    def __init__(self, rows: Sequence[Demonstration], labels: Sequence[str]) -> None:
        self.rows = rows
        self.labels = labels
        self.labels_of_words: Dict[str, set] = {}
        for row in rows:
            for entity in row["entities"]:
                known = self.labels_of_words.setdefault(fold_words(entity["text"]), set())
                known.add(entity["label"])
        self.words = {word for text in self.labels_of_words for word in text.split()}


def make_examples(
    demonstrations: Sequence[Demonstration], labels: Sequence[str], n: int, seed: int
) -> List[Example]:
    """Make worked questions from labelled documents, each from another document as far as there are such.

    Half of them ask about entities as they are marked. The others are near misses: an entity with a
    word more or less, an entity under another label (one that the same words carry elsewhere, where
    there is such), and words that are an entity elsewhere and were left unmarked here.

    demonstrations (Sequence[Demonstration]): All labelled documents.
    labels (Sequence[str]): The labels that the judge is asked about.
    n (int): How many to make.
    seed (int): The same seed makes the same examples.
    RETURNS (List[Example]): At most n.
    """
    labelled = _Labelled(demonstrations, labels)
    known: List[Demonstration] = [
        {
            "text": row["text"],
            "entities": [e for e in row["entities"] if e["label"] in labels],
        }
        for row in demonstrations
    ]
    chosen = choose_demonstrations(known, n, seed)
    examples: List[Example] = []
    for i, row in enumerate(chosen):
        rng = random.Random(f"{seed} {row['text']}")
        wanted = _KINDS[i % len(_KINDS)]
        for kind in (wanted, "not_entity", "wrong_boundary", "correct"):
            case = _MAKERS[kind](row, labelled, rng)
            if case is not None:
                span, label, correction = case
                examples.append(Example(row["text"], span, label, kind, correction))
                break
    return examples


def _make_correct(row: Demonstration, labelled: _Labelled, rng: random.Random) -> Optional[Case]:
    if not row["entities"]:
        return None
    entity = rng.choice(row["entities"])
    return entity["text"], entity["label"], None


def _make_wrong_label(
    row: Demonstration, labelled: _Labelled, rng: random.Random
) -> Optional[Case]:
    if not row["entities"] or len(labelled.labels) < 2:
        return None
    entity = rng.choice(row["entities"])
    others = sorted(set(labelled.labels) - {entity["label"]})
    elsewhere = labelled.labels_of_words.get(fold_words(entity["text"]), set())
    label = rng.choice([label for label in others if label in elsewhere] or others)
    return entity["text"], label, entity["label"]


def _make_wrong_boundary(
    row: Demonstration, labelled: _Labelled, rng: random.Random
) -> Optional[Case]:
    entities = list(row["entities"])
    rng.shuffle(entities)
    taken = {(e["start"], e["end"]) for e in entities}
    for entity in entities:
        spans = [span for span in _shift(row["text"], entity) if span not in taken]
        if spans:
            start, end = rng.choice(spans)
            return row["text"][start:end], entity["label"], entity["text"]
    return None


def find_words(text: str) -> List[Tuple[int, int]]:
    """Find the words of a text whose tokens are not known; where words are written without spaces, every
    character counts as one.

    EXAMPLE:
        >>> find_words("re-pot it 北京")
        [(0, 6), (7, 9), (10, 11), (11, 12)]
    """
    words: List[Tuple[int, int]] = []
    for i, character in enumerate(text):
        follows = bool(words) and words[-1][1] == i
        goes_on = follows and not is_spaceless(text[i - 1])
        if character == "_" or character.isalnum():
            goes_on = goes_on and not is_spaceless(character)
        elif is_mark(character):
            goes_on = follows
        elif not (goes_on and character in "'-"):
            continue
        if goes_on:
            words[-1] = (words[-1][0], i + 1)
        elif not is_mark(character):
            words.append((i, i + 1))
    return words


def _shift(text: str, entity: Entity) -> List[Tuple[int, int]]:
    """The spans with one word more or less at either side of an entity."""
    words = find_words(text)
    inside = [w for w in words if entity["start"] <= w[0] and w[1] <= entity["end"]]
    before = [w for w in words if w[1] <= entity["start"]]
    after = [w for w in words if w[0] >= entity["end"]]
    spans = []
    if before:
        spans.append((before[-1][0], entity["end"]))
    if after:
        spans.append((entity["start"], after[0][1]))
    if len(inside) > 1:
        spans += [(inside[1][0], entity["end"]), (entity["start"], inside[-2][1])]
    return spans


def _make_not_entity(row: Demonstration, labelled: _Labelled, rng: random.Random) -> Optional[Case]:
    unmarked = near_misses(row, labelled.rows)
    if unmarked:
        span = rng.choice(unmarked)
        known = sorted(labelled.labels_of_words.get(fold_words(span), set()) & set(labelled.labels))
        label = rng.choice(known or list(labelled.labels))
        return span, label, None
    marked = [(e["start"], e["end"]) for e in row["entities"]]
    free = [
        match.group()
        for match in re.finditer(r"\w{4,}", row["text"])
        if all(match.end() <= start or end <= match.start() for start, end in marked)
        and are_whole_words(row["text"], *match.span())
        and not any(map(is_spaceless, match.group()))
    ]
    # A word of some entity, or else a long one: short words are nothing anybody would ask about.
    likely = [word for word in free if fold_words(word) in labelled.words]
    likely = likely or sorted(free, key=len)[-3:]
    if not likely:
        return None
    return rng.choice(likely), rng.choice(list(labelled.labels)), None


_MAKERS: Dict[str, Maker] = {
    "correct": _make_correct,
    "wrong_label": _make_wrong_label,
    "wrong_boundary": _make_wrong_boundary,
    "not_entity": _make_not_entity,
}
