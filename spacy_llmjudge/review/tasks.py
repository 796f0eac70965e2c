"""The four tasks: what each asks, in which order, and what its answers become."""

from typing import Callable, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.tokens import Doc

from ..candidates import get_candidates, is_judged
from ..report.text import clean, shorten
from ..selection.audit import Row, read_answer
from ..storage import sha256_json
from ..targets.base import Key, Target
from .disagreements import Disagreement, find_disagreements
from .items import Given, Item, Spans, Task, Word, is_right, make_id, overlap, settings_of, words_of

CERTIFY, AUDIT, DISAGREEMENTS, GOLD = NAMES = ("certify", "audit", "disagreements", "gold")
UNITS = {"ents": "entities", "spans": "spans", "cats": "labels"}
QUESTIONS = {
    "ents": "Is the marked text exactly one entity with this label?",
    "spans": "Is the marked text exactly one span with this label?",
    "cats": "Does this text have this label?",
}

Labelled = Tuple[Doc, Spans]
SaveLabelled = Callable[[List[Labelled]], None]


class Draw(NamedTuple):
    """How items are drawn.

    frame (str): A hash of what they are drawn from.
    seed (int): Another seed, another draw.
    planned (int): How many answers are planned.
    """

    frame: str
    seed: int
    planned: int

    def order(self, items: Iterable[Item]) -> List[Item]:
        """RETURNS (List[Item]): The items in a random order that is the same every time."""
        return sorted(items, key=lambda one: sha256_json([self.seed, self.frame, one.id]))


def make_certify(
    docs: Sequence[Doc],
    target: Target,
    labels: Sequence[str],
    draw: Draw,
    save: Callable[[Task, Given], None],
    *,
    probability: Callable[[Doc, Key], Optional[float]],
    epsilon: Optional[float] = None,
    share: float = 0.1,
) -> Task:
    """Ask whether random accepted spans of a silver are right.

    docs (Sequence[Doc]): The silver.
    target (Target): What is labelled.
    labels (Sequence[str]): The labels to correct with.
    draw (Draw): How spans are drawn.
    save (Callable[[Task, Given], None]): Writes the certificate.
    probability (Callable[[Doc, Key], Optional[float]]): How likely a span was when it was accepted.
    epsilon (Optional[float]): PAC labelling: the share of all spans that may be wrong at the end.
    share (float): The share of wrong spans that the bound should come down to.
    RETURNS (Task): The task.
    """
    items = []
    for number, doc in enumerate(docs):
        words = words_of(doc)
        for key in target.keys(doc):
            p = probability(doc, key)
            found = make_id(number, doc.text, key)
            items.append(Item(found, number, words, (key,), probability=p or 0.0))
    return Task(
        name=CERTIFY,
        question=QUESTIONS[target.name],
        units=UNITS[target.name],
        items=draw.order(items),
        labels=tuple(labels),
        frame=make_id(draw.frame, draw.seed, epsilon),
        planned=min(draw.planned, len(items)),
        save=save,
        epsilon=epsilon,
        share=share,
        **settings_of(target),
    )


def make_audit(rows: Sequence[Row], save: Callable[[List[Row]], None]) -> Task:
    """Ask about the candidates of an audit; answers are written back into its rows.

    rows (Sequence[Row]): What `read_audit` read.
    save (Callable[[List[Row]], None]): Writes the rows.
    RETURNS (Task): The task.
    """
    items = [_audit_item(number, row) for number, row in enumerate(rows)]

    def write(task: Task, given: Given) -> None:
        answered = []
        for item, row in zip(items, rows):
            # what the file says is an answer of its own; what is unclear is left to who wrote it
            answer = row["answer"] if read_answer(row) is None else ""
            if item.id in given:
                answer = "yes" if is_right(item, given[item.id]) else "no"
            answered.append({**row, "answer": answer})
        save(answered)

    return Task(
        name=AUDIT,
        question="Is the marked text exactly right, with this label?",
        units="candidates",
        items=items,
        labels=(),
        frame=make_id([row["id"] for row in rows]),
        planned=len(rows),
        save=write,
    )


def _audit_item(number: int, row: Row) -> Item:
    text, start, end = row["text"], row["start"], row["end"]
    words: List[Word] = [(clean(part), "") for part in (text[:start], text[start:end], text[end:])]
    return Item(str(row["id"]), number, words, ((1, 2, row["label"]),))


def make_disagreements(
    docs: Sequence[Doc], target: Target, labels: Sequence[str], draw: Draw, save: SaveLabelled
) -> Task:
    """Ask about what student and judge disagree on, document by document, where they differ most first.

    A document whose disagreements are all answered becomes gold: with what both agree on, which nobody is asked
    about, and what people say. One that the judge did not answer in full is left out, and so is one in which people
    accept what cannot stand together. Where a text has exactly one label, there is one question about each text.

    docs (Sequence[Doc]): The judged pool.
    target (Target): What is labelled.
    labels (Sequence[str]): The labels to correct with.
    draw (Draw): How many are planned.
    save (SaveLabelled): Writes the gold.
    RETURNS (Task): The task.
    """
    settings = settings_of(target)
    ranked: List[Tuple[float, List[Item]]] = []
    for number, doc in enumerate(docs):
        found = list(find_disagreements(doc, target)) if is_judged(doc) else []
        if found and all(c.verdict != "abstained" for c in get_candidates(doc)):
            strength = sum(one.strength for one in found)
            ranked.append((-strength, _ask_about(doc, number, found, settings["exactly_one"])))
    ranked.sort(key=lambda one: (one[0], one[1][0].document))

    def write(task: Task, given: Given) -> None:
        labelled = []
        for _, asked in ranked:
            if all(one.id in given for one in asked):
                doc = docs[asked[0].document]
                keys = set() if task.exactly_one else _agreed(doc, target)
                keys.update(key for one in asked for key in latest(given, one))
                spans = tuple(sorted(keys))
                if _fits(spans, settings):
                    labelled.append((doc, spans))
        save(labelled)

    items = [one for _, asked in ranked for one in asked]
    return Task(
        name=DISAGREEMENTS,
        question=QUESTIONS[target.name],
        units="disagreements",
        items=items,
        labels=tuple(labels),
        frame=make_id(draw.frame),
        planned=min(draw.planned, len(items)),
        save=write,
        **settings,
    )


def _ask_about(
    doc: Doc, number: int, found: Sequence[Disagreement], exactly_one: bool
) -> List[Item]:
    """RETURNS (List[Item]): An item for each disagreement; where a text has exactly one label, one for the text."""
    words = words_of(doc)
    facts: List[Tuple[str, ...]] = [(one.describe(),) for one in found]
    if exactly_one:
        said = tuple(f"{shorten(one.candidate.label)}: {one.describe()}" for one in found)
        found, facts = [max(found, key=lambda one: one.strength)], [said]
    keys = [one.candidate.key for one in found]
    return [
        Item(make_id(number, doc.text, key), number, words, (key,), fact)
        for key, fact in zip(keys, facts)
    ]


def _agreed(doc: Doc, target: Target) -> Set[Key]:
    predicted = set(target.keys(doc))
    return {c.key for c in get_candidates(doc) if c.verdict == "correct" and c.key in predicted}


def _fits(spans: Spans, settings: Dict[str, bool]) -> bool:
    if settings["exactly_one"] and len(spans) != 1:
        return False
    return settings["overlaps"] or not overlap(spans)


def make_gold(
    docs: Sequence[Doc], target: Target, labels: Sequence[str], draw: Draw, save: SaveLabelled
) -> Task:
    """Ask people to correct random documents of a silver.

    docs (Sequence[Doc]): The silver.
    target (Target): What is labelled.
    labels (Sequence[str]): The labels.
    draw (Draw): How documents are drawn.
    save (SaveLabelled): Writes the gold.
    RETURNS (Task): The task.
    """
    items = [
        Item(make_id(i, doc.text), i, words_of(doc), tuple(sorted(target.keys(doc))))
        for i, doc in enumerate(docs)
    ]

    def write(task: Task, given: Given) -> None:
        save([(docs[one.document], latest(given, one)) for one in task.items if one.id in given])

    return Task(
        name=GOLD,
        question="Correct everything in this document, then accept it.",
        units="documents",
        items=draw.order(items),
        labels=tuple(labels),
        frame=make_id(draw.frame, draw.seed),
        planned=min(draw.planned, len(items)),
        save=write,
        whole=True,
        **settings_of(target),
    )


def latest(given: Given, item: Item) -> Spans:
    """RETURNS (Spans): What was said last about an item."""
    return list(given[item.id].values())[-1]
