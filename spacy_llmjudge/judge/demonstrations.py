"""The labelled set as a judge sees it: which documents are shown, and what looked like an entity but is none."""

import math
import random
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import (
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    TypedDict,
    TypeVar,
    Union,
)

from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError
from ..storage import read_docs, read_json_lines, require_file
from ..targets.base import Target
from ..targets.ents import Ents
from .folding import are_whole_words, fold, fold_words

# how demonstrations are chosen
CHOICES = ANY, AMBIGUOUS = ("any", "ambiguous")
_WORD = re.compile(r"\w+")
HINT = "It should hold the labelled documents (.spacy or .jsonl)."


class Entity(TypedDict):
    """A labelled span: its words, its label, and where it starts and ends, in characters."""

    text: str
    label: str
    start: int
    end: int


class Demonstration(TypedDict):
    """A labelled document: its text and its entities, in order."""

    text: str
    entities: List[Entity]


Row = TypeVar("Row")


def read_demonstrations(
    path: Union[str, Path], target: Target = Ents()
) -> Tuple[Demonstration, ...]:
    """Read the labelled documents of a `.spacy` file, a folder of shards, or a `.jsonl` file.

    path (Union[str, Path]): The file. JSONL rows are `{"text", "spans": [{"start", "end", "label"}]}`
        with character offsets.
    target (Target): What is labelled.
    RETURNS (Tuple[Demonstration, ...]): In the order of the file.
    """
    path = require_file(path, HINT)
    found = _read_jsonl(path) if path.suffix == ".jsonl" else _read_spacy(path, target)
    demonstrations = tuple(found)
    if not demonstrations:
        raise LLMJudgeError(Errors.J206.format(path=path))
    return demonstrations


def _read_spacy(path: Path, target: Target) -> Iterator[Demonstration]:
    from spacy.vocab import Vocab

    for doc in read_docs(path, Vocab()):
        yield demonstrate(doc, target)


def demonstrate(doc: Doc, target: Target) -> Demonstration:
    """Make a demonstration from a labelled document.

    doc (Doc): The document.
    target (Target): What is labelled.
    RETURNS (Demonstration): Its text and what it has of the target.
    """
    keys = target.keys(doc)
    places = ((doc[start].idx, doc[start:end].end_char, label) for start, end, label in keys)
    return make_demonstration(doc.text, places)


def _read_jsonl(path: Path) -> Iterator[Demonstration]:
    for number, row in read_json_lines(path):
        try:
            spans = [(int(s["start"]), int(s["end"]), str(s["label"])) for s in row["spans"]]
            text = row["text"]
            fine = isinstance(text, str) and all(0 <= s < e <= len(text) for s, e, _ in spans)
        except (ValueError, TypeError, KeyError):
            fine = False
        if not fine:
            raise LLMJudgeError(Errors.J205.format(path=path, line=number))
        yield make_demonstration(text, spans)


def make_demonstration(text: str, spans: Iterable[Tuple[int, int, str]]) -> Demonstration:
    """Make a demonstration from a text and its entities (start and end character, label)."""
    entities: List[Entity] = [
        {"text": text[start:end], "label": label, "start": start, "end": end}
        for start, end, label in sorted(spans)
    ]
    return {"text": text, "entities": entities}


def labels_in_row(row: Demonstration) -> List[str]:
    """RETURNS (List[str]): The label of every entity of a document."""
    return [entity["label"] for entity in row["entities"]]


def labels_of(demonstrations: Iterable[Demonstration]) -> List[str]:
    """RETURNS (List[str]): The labels that occur, sorted."""
    return sorted({label for row in demonstrations for label in labels_in_row(row)})


def choose_demonstrations(
    demonstrations: Sequence[Demonstration], n: int, seed: int, choose: str = ANY
) -> List[Demonstration]:
    """Choose which documents a prompt shows; see `choose_rows`.

    demonstrations (Sequence[Demonstration]): All labelled documents.
    n (int): How many to show.
    seed (int): The same seed chooses the same documents.
    choose (str): ANY that have the label in question, or the most AMBIGUOUS of them.
    RETURNS (List[Demonstration]): At most n of them.
    """
    first = None if choose == ANY else find_ambiguity(demonstrations)
    return choose_rows(demonstrations, labels_in_row, n, seed, first)


def find_ambiguity(demonstrations: Iterable[Demonstration]) -> Callable[[Demonstration], float]:
    """Learn which words carry one label here and another, or none, there: judges err on such words.

    Token statistics of gold choose demonstrations in DEER (arXiv:2505.23722) too, there for each text anew.

    demonstrations (Iterable[Demonstration]): All labelled documents.
    RETURNS (Callable[[Demonstration], float]): The mean over the words of a document of the entropy, in nats,
        of the labels that the word has in all of them.
    """
    counts: Dict[str, Counter] = defaultdict(Counter)
    for row in demonstrations:
        for word, label in _label_words(row):
            counts[word][label] += 1
    entropies = {
        word: -sum(n / found.total() * math.log(n / found.total()) for n in found.values())
        for word, found in counts.items()
    }

    def measure(row: Demonstration) -> float:
        found = [entropies.get(word, 0.0) for word, _ in _label_words(row)]
        return sum(found) / len(found) if found else 0.0

    return measure


def _label_words(row: Demonstration) -> Iterator[Tuple[str, str]]:
    """The folded words of a document, each with the label of the first entity that it stands in, or nothing."""
    for found in _WORD.finditer(row["text"]):
        inside = (
            e["label"]
            for e in row["entities"]
            if e["start"] < found.end() and found.start() < e["end"]
        )
        yield fold_words(found[0]), next(inside, "")


def choose_rows(
    all_rows: Sequence[Row],
    find_labels: Callable[[Row], Sequence[str]],
    n: int,
    seed: int,
    first: Optional[Callable[[Row], float]] = None,
) -> List[Row]:
    """Choose which documents a prompt shows: every label early, and some without any.

    Rare labels are served first; about one document in six has no label, where there are such, as a
    judge that only sees texts with labels finds some everywhere.

    all_rows (Sequence[Row]): All labelled documents.
    find_labels (Callable[[Row], Sequence[str]]): Finds the labels of one.
    n (int): How many to show.
    seed (int): The same seed chooses the same documents.
    first (Optional[Callable[[Row], float]]): Where several would do, the one with the largest value is taken;
        without it, any.
    RETURNS (List[Row]): At most n of them.
    """
    rows = list(all_rows)
    random.Random(seed).shuffle(rows)
    if first is not None:
        rows.sort(key=first, reverse=True)
    empty = [row for row in rows if not find_labels(row)]
    marked = [row for row in rows if find_labels(row)]
    n_empty = min(len(empty), max(n // 6, n - len(marked)))
    counts = dict.fromkeys(sorted({label for row in marked for label in find_labels(row)}), 0)
    chosen: List[Row] = []
    while marked and len(chosen) < n - n_empty:
        rarest = min(counts, key=lambda label: (counts[label], label))
        has_rarest = [row for row in marked if rarest in find_labels(row)]
        if not has_rarest:
            counts.pop(rarest)
            continue
        row = has_rarest[0]
        marked.remove(row)
        chosen.append(row)
        for label in find_labels(row):
            if label in counts:
                counts[label] += 1
    chosen += empty[:n_empty]
    random.Random(seed + 1).shuffle(chosen)
    return chosen


def near_misses(row: Demonstration, demonstrations: Iterable[Demonstration]) -> List[str]:
    """Find words of one document that were entities elsewhere and were left unmarked here.

    row (Demonstration): The document.
    demonstrations (Iterable[Demonstration]): All labelled documents.
    RETURNS (List[str]): The words as they stand in the text, in order of appearance.
    """
    text = row["text"]
    mentions = {fold_words(e["text"]) for other in demonstrations for e in other["entities"]}
    marked = [(e["start"], e["end"]) for e in row["entities"]]
    folded = fold(text)
    found = {
        (start, end)
        for mention in mentions
        for start, end in folded.find(mention)
        if are_whole_words(text, start, end) and all(end <= s or e <= start for s, e in marked)
    }
    widest = [
        (start, text[start:end])
        for start, end in found
        if not any(s <= start and end <= e and (s, e) != (start, end) for s, e in found)
    ]
    return [words for _, words in sorted(widest)]
