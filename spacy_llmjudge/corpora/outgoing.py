"""Documents on their way out: what they say, how probable it is, and what of it is left open.

Silver holds no probabilities: they are those of `decided.spacy` beside it.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional

from spacy.language import Language
from spacy.tokens import Doc

from ..candidates import DECIDED, INCORRECT_KEY, KEY, Candidate, get_candidates
from ..storage import read_docs, require_file
from ..targets.base import Key, Target, find_target
from ..targets.cats import Cats
from ..targets.ents import Ents
from .docbin import read_doc
from .formats import DOCBIN_SUFFIX
from .lines import printable
from .overlapping import settle_overlaps
from .record import Choice, Mention, Record
from .settings import ReadSettings

Scores = Dict[Key, float]


class Outgoing(NamedTuple):
    """records (List[Record]): What the documents say, with tokens.
    target (Target): What is annotated.
    predicted (bool): A model and a judge said it, and no person.
    counts (Counter): What was left out: `overlapping` spans, `partly_known` documents; and `incorrect`, spans
        that are known to be wrong.
    """

    records: List[Record]
    target: Target
    predicted: bool
    counts: Counter


def is_docbin(source: Path) -> bool:
    """RETURNS (bool): Whether a path is a `.spacy` file or a folder of them."""
    return source.suffix.lower() == DOCBIN_SUFFIX or next(source.glob("*.spacy"), None) is not None


def read_outgoing(
    source: Path,
    nlp: Language,
    settings: ReadSettings,
    *,
    cut: Optional[float] = None,
    may_overlap: bool = True,
    only_whole: bool = False,
    name: str = "",
) -> Outgoing:
    """Read what documents say.

    source (Path): A `.spacy` file or a folder of shards.
    nlp (Language): Has the vocabulary.
    settings (ReadSettings): Says what happens to overlapping spans.
    cut (Optional[float]): Take the candidates that are at least this probable, instead of what the documents
        say.
    may_overlap (bool): Whether spans may share tokens.
    only_whole (bool): Leave out documents of which only a part is known.
    name (str): What messages call the source; empty: its path.
    RETURNS (Outgoing): What they say.
    """
    require_file(source, "Name a .spacy file, or a folder of shards.")
    target = find_target(source)
    decided = source.with_name(DECIDED)
    known: Dict[str, Scores] = {}
    # a judged folder has scores of its own
    is_one = source.suffix.lower() == DOCBIN_SUFFIX
    if is_one and source != decided and decided.exists():
        known = {doc.text: _scores(doc) for doc in read_docs(decided, nlp.vocab)}
    counts: Counter = Counter()
    records: List[Record] = []
    predicted = False
    for number, doc in enumerate(read_docs(source, nlp.vocab), start=1):
        where = f"{name or printable(source)}, document {number}"
        is_silver = KEY in doc.spans
        predicted = predicted or is_silver
        scores = _scores(doc) or (known.get(doc.text, {}) if is_silver else {})
        record = _read(doc, where, target, scores, cut)
        if record.unknown and only_whole:
            counts["partly_known"] += 1
            continue
        counts["incorrect"] += len(doc.spans.get(INCORRECT_KEY, ()))
        if not may_overlap and not isinstance(target, Ents):
            record = _settle(record, doc, settings, counts)
        records.append(record)
    return Outgoing(records, target, predicted, counts)


def _scores(doc: Doc) -> Scores:
    found = ((c.key, _score(c)) for c in get_candidates(doc))
    return {key: score for key, score in found if score is not None}


def _score(candidate: Candidate) -> Optional[float]:
    """The best that is known: student and judge fused, else what one of them says."""
    c = candidate
    numbers = (c.probability, c.confidence, c.support, c.posterior)
    return next((number for number in numbers if number is not None), None)


def _read(doc: Doc, where: str, target: Target, scores: Scores, cut: Optional[float]) -> Record:
    record = read_doc(doc, where, target)
    keys: Iterator[Key] = iter(target.keys(doc))
    if cut is not None:
        keys = (key for key, score in sorted(scores.items()) if score >= cut)
    if isinstance(target, Cats):
        return _read_labels(record, doc, list(keys), target, scores, cut)
    if cut is None and record.mentions is None:
        return record
    mentions = tuple(_mention(doc, key, scores) for key in keys)
    unknown = () if cut is not None else record.unknown
    return replace(record, mentions=mentions, unknown=unknown)


def _read_labels(
    record: Record, doc: Doc, keys: List[Key], target: Cats, scores: Scores, cut: Optional[float]
) -> Record:
    if cut is None and not target.is_annotated(doc):
        return replace(record, choice=None)
    chosen = tuple(key[2] for key in keys)
    known = target.labels if cut is not None else tuple(doc.cats)
    refused = tuple(label for label in known if label not in chosen)
    found = [scores.get(key) for key in keys]
    given = tuple(score for score in found if score is not None)
    form = "label" if target.exclusive else "scores"
    return replace(
        record, choice=Choice(chosen, refused, form, given if len(given) == len(keys) else ())
    )


def _mention(doc: Doc, key: Key, scores: Scores) -> Mention:
    span = doc[key[0] : key[1]]
    return Mention(span.start_char, span.end_char, key[2], span.text, scores.get(key))


def _settle(record: Record, doc: Doc, settings: ReadSettings, counts: Counter) -> Record:
    keys = record.in_tokens()
    kept = settle_overlaps(keys, doc, Ents(), settings.overlaps, record.where, counts)
    pairs = zip(keys, record.mentions or ())
    return replace(record, mentions=tuple(m for key, m in pairs if key in kept))
