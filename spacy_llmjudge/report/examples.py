"""The documents that a report shows: what gold, student and silver say, and why a span was kept or left out."""

from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc

from ..candidates import Candidate, get_candidates, is_judged
from ..evaluation.scores import comparable_keys, in_characters
from ..targets.base import Key, Target
from ..targets.policy import REJECTION_CUT
from .compare import Difference, find_differences
from .text import clean, cut_at_spans, find_window, shorten

# characters of a document and spans of it that are shown at most
MOST_TEXT = 1500
MOST_ROWS = 15
# under this probability a candidate that nobody asked for is not worth a line
WORTH_SHOWING = 0.05
NOWHERE: Key = (0, 0, "")


class Piece(NamedTuple):
    """A part of a text that the same spans cover.

    text (str): What stands there.
    begins (List[str]): Labels of the spans that begin here.
    depth (int): How many spans cover it.
    """

    text: str
    begins: List[str]
    depth: int


class Layer(NamedTuple):
    """A text with the spans that somebody sees in it.

    name (str): Who: "gold", "student" or "silver".
    pieces (List[Piece]): The text.
    labels (List[str]): The labels of the document, where these are the target.
    """

    name: str
    pieces: List[Piece]
    labels: List[str]


class Row(NamedTuple):
    """One span of a document.

    kind (str): One of `compare.KINDS`; "unknown" where there is no gold, "not kept" for a candidate that gold
        does not have either.
    span (str): Its text.
    label (str): Its label.
    note (str): What gold says instead, or why it was kept or left out.
    candidate (Optional[Candidate]): Its probabilities, where it was decided on.
    """

    kind: str
    span: str
    label: str
    note: str
    candidate: Optional[Candidate] = None


class Example(NamedTuple):
    """A document of the report.

    part (str): "test" or "silver".
    layers (List[Layer]): The text as each sees it.
    rows (List[Row]): Its spans.
    notes (List[str]): What else there is to say.
    """

    part: str
    layers: List[Layer]
    rows: List[Row]
    notes: List[str]

    @property
    def kinds(self) -> List[str]:
        return sorted({row.kind for row in self.rows})

    @property
    def labels(self) -> List[str]:
        return sorted({row.label for row in self.rows})

    @property
    def is_wrong(self) -> bool:
        return any(kind not in ("right", "not kept", "unknown") for kind in self.kinds)


class Cuts(NamedTuple):
    """From which probability on candidates were accepted.

    judged (Optional[float]): In documents that the judge answered for, or in all; None where there is none.
    unjudged (Optional[float]): In the others, where they were decided on apart.
    """

    judged: Optional[float]
    unjudged: Optional[float] = None


def compare_with_gold(gold: Doc, said: Doc, target: Target) -> List[Difference]:
    """RETURNS (List[Difference]): How a document differs from its gold, where gold says what is right."""
    return find_differences(*comparable_keys(gold, said, target))


def make_test_example(gold: Doc, said: Doc, target: Target) -> Example:
    """Show a document of the test set.

    gold (Doc): The document with gold.
    said (Doc): What the student says about the same tokens.
    target (Target): What is labelled.
    RETURNS (Example): The document.
    """
    differences = compare_with_gold(gold, said, target)
    layers = {"gold": target.keys(gold), "student": target.keys(said)}
    rows = [
        Row(
            d.kind,
            _quote(gold, d.said or d.gold),
            shorten((d.said or d.gold or NOWHERE)[2]),
            _note(gold, d),
        )
        for d in differences
    ]
    return _example("test", gold, layers, rows, [], target)


def make_silver_example(
    decided: Doc,
    silver: Optional[Doc],
    gold: Optional[Doc],
    answers: Dict[Key, bool],
    cuts: Cuts,
    target: Target,
) -> Example:
    """Show a document of the pool.

    decided (Doc): The document with its decided candidates and what the student said.
    silver (Optional[Doc]): The training document made of it; None where it was left out.
    gold (Optional[Doc]): Its hidden gold, where there is any.
    answers (Dict[Key, bool]): What a person said about candidates in an audit.
    cuts (Cuts): From which probability on candidates were accepted.
    target (Target): What is labelled.
    RETURNS (Example): The document.
    """
    cut = cuts.judged if is_judged(decided) or cuts.unjudged is None else cuts.unjudged
    candidates = {c.key: c for c in get_candidates(decided)}
    kept = [] if silver is None else target.keys(silver)
    layers = {"student": target.keys(decided), "silver": kept}
    rows = []
    kinds: Dict[Key, Tuple[str, str]] = {}
    if gold is not None and target.is_annotated(gold):
        layers = {"gold": target.keys(gold), **layers}
        for d in find_differences(layers["gold"], kept):
            key = d.said or d.gold or NOWHERE
            kinds[key] = (d.kind, _note(gold, d))
    shown = {
        key
        for key, c in candidates.items()
        if c.decision == "accepted" or (c.probability or 0) >= WORTH_SHOWING
    }
    for key in {*kinds, *kept, *shown, *answers}:
        kind, note = kinds.get(key, ("unknown" if gold is None else "not kept", ""))
        if key in answers:
            right = answers[key]
            kind = (
                ("right" if right else "spurious")
                if key in kept
                else ("missed" if right else "not kept")
            )
            note = f"a person said {'yes' if right else 'no'}"
        why = explain(candidates.get(key), cut, key in kept, silver is not None)
        text = "; ".join(part for part in (note, why) if part)
        rows.append(
            (key, Row(kind, _quote(decided, key), shorten(key[2]), text, candidates.get(key)))
        )
    rows.sort(key=lambda pair: (pair[1].kind in ("not kept", "unknown"), pair[0]))
    notes = [] if silver is not None else ["left out of the silver: too little of it is known"]
    if not is_judged(decided):
        notes.append("the judge gave no answer about it")
    return _example("silver", decided, layers, [row for _, row in rows], notes, target)


def explain(
    candidate: Optional[Candidate], cut: Optional[float], is_kept: bool, has_silver: bool
) -> str:
    """Say why a candidate was kept or left out.

    candidate (Optional[Candidate]): The candidate; None where nobody proposed one.
    cut (Optional[float]): From which probability on candidates were accepted, where there is one for all.
    is_kept (bool): Whether it is in the silver.
    has_silver (bool): Whether its document is.
    RETURNS (str): A sentence without its full stop.
    """
    if candidate is None:
        return "neither student nor judge proposed it"
    p = candidate.probability
    if p is None:
        return "left out: the selector does not use what the judge alone proposes"
    if candidate.decision == "accepted":
        over = "accepted by the selector" if cut is None else f"{p:.3f} reaches the cut {cut:.3f}"
        if is_kept:
            return f"kept: {over}"
        return f"left out: {over}, but {'it overlaps another' if has_silver else 'its document was left out'}"
    if candidate.decision == "rejected":
        verdict = (candidate.verdict or "").replace("_", " ")
        return f"rejected: the judge says {verdict}, and {p:.3f} is not over {REJECTION_CUT:g}"
    if cut is None:
        return f"left out: the selector does not accept {p:.3f} here"
    if p < cut:
        return f"left out: {p:.3f} is under the cut {cut:.3f}"
    return "left out: a likelier candidate takes its place"


def _note(doc: Doc, difference: Difference) -> str:
    """What gold has instead of what was said."""
    gold = difference.gold
    if difference.kind == "label" and gold is not None:
        return f"gold has the label {shorten(gold[2])}"
    if difference.kind == "boundary" and gold is not None:
        return f"gold has \u201c{_quote(doc, gold)}\u201d"
    return {"missed": "in gold only", "spurious": "not in gold"}.get(difference.kind, "")


def _quote(doc: Doc, key: Optional[Key]) -> str:
    if key is None:
        return ""
    start, end, _ = key
    if start == 0 and end == len(doc):
        return "the whole document"
    # a document of 100,000 characters may be one token
    return shorten(doc[start:end].text)


def _example(
    part: str,
    doc: Doc,
    layers: Dict[str, List[Key]],
    rows: Sequence[Row],
    notes: Iterable[str],
    target: Target,
) -> Example:
    notes = list(notes)
    if len(rows) > MOST_ROWS:
        notes.append(f"{len(rows) - MOST_ROWS} more spans are not shown")
    if target.name == "cats":
        window = find_window(len(doc.text), [], MOST_TEXT)
        text = Layer("text", [Piece(_cut_out(doc.text, window), [], 0)], [])
        labels = [
            Layer(name, [], [shorten(key[2]) for key in keys]) for name, keys in layers.items()
        ]
        return Example(part, [text, *labels], list(rows[:MOST_ROWS]), notes)
    spans = {
        # the outer one of two that begin at the same place comes first
        name: sorted(in_characters(doc, keys), key=lambda key: (key[0], -key[1], key[2]))
        for name, keys in layers.items()
    }
    window = find_window(
        len(doc.text), [s[:2] for found in spans.values() for s in found], MOST_TEXT
    )
    shown = [
        Layer(name, list(_pieces(doc.text, window, found)), []) for name, found in spans.items()
    ]
    return Example(part, shown, list(rows[:MOST_ROWS]), notes)


def _pieces(text: str, window: Tuple[int, int], spans: Sequence[Key]) -> Iterator[Piece]:
    for start, end in cut_at_spans(window, [span[:2] for span in spans]):
        covering = [span for span in spans if span[0] <= start and end <= span[1]]
        begins = [shorten(s[2]) for s in covering if s[0] == start or start == window[0]]
        yield Piece(_cut_out(text, (start, end), window), begins, len(covering))


def _cut_out(text: str, part: Tuple[int, int], window: Optional[Tuple[int, int]] = None) -> str:
    window = window or part
    before = "\u2026" if part[0] == window[0] > 0 else ""
    after = "\u2026" if part[1] == window[1] < len(text) else ""
    return f"{before}{clean(text[part[0] : part[1]])}{after}"
