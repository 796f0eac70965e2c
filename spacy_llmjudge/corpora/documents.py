"""Records become documents that carry the annotation of a target."""

from collections import Counter

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..errors import Errors, LLMJudgeError
from ..storage import require_length
from ..targets.base import Target
from ..targets.cats import Cats
from .lines import printable
from .offsets import place
from .overlapping import settle_overlaps
from .record import Choice, Record
from .settings import ReadSettings
from .utf16 import make_tokens


def make_doc(
    record: Record, nlp: Language, target: Target, settings: ReadSettings, counts: Counter
) -> Doc:
    """Make a document of a record. Without annotation for the target it has none.

    record (Record): The record.
    nlp (Language): Its tokenizer cuts texts.
    target (Target): What is annotated.
    settings (ReadSettings): How files are read.
    counts (Counter): Gets the number of spans that were dropped (`misaligned`, `overlapping`) or
        `trimmed`, of tags that were repaired (`repaired_tags`), and of documents that were rejected or
        ignored by their annotator (`not_accepted`), or of which only a part is known where the target
        needs the whole (`partly_known`).
    RETURNS (Doc): The document.
    """
    if len(record.text) > nlp.max_length:
        found = {"length": len(record.text), "limit": nlp.max_length}
        raise LLMJudgeError(Errors.J609.format(where=record.where, **found))
    doc = _tokenise(record, nlp)
    require_length(doc, record.where)
    counts["repaired_tags"] += record.repaired
    if record.answer != "accept":
        counts["not_accepted"] += 1
    elif isinstance(target, Cats):
        if record.choice is not None:
            _annotate_labels(doc, record.choice, target, record, settings, counts)
    elif record.mentions is not None:
        _annotate_spans(doc, record, target, settings, counts)
    return doc


def _tokenise(record: Record, nlp: Language) -> Doc:
    try:
        return make_tokens(record, nlp)
    except Exception as error:
        # tokenizers of some languages are libraries with limits of their own
        reason = printable(f"{type(error).__name__}: {error}"[:200])
        found = {"where": record.where, "lang": nlp.lang, "error": reason}
        raise LLMJudgeError(Errors.J649.format(**found)) from error


def _annotate_spans(
    doc: Doc, record: Record, target: Target, settings: ReadSettings, counts: Counter
) -> None:
    placed = place(record, doc, settings, counts)
    for _, _, label in placed.keys:
        _require_label(label, settings, record.where)
    keys = settle_overlaps(placed.keys, doc, target, settings.overlaps, record.where, counts)
    missing = placed.missing
    if record.partial:
        missing = set(range(len(doc)))
    missing = missing - {i for start, end, _ in keys for i in range(start, end)}
    if missing and target.name != "ents":
        # nothing can be left open beside spans
        counts["partly_known"] += 1
        return
    target.annotate(doc, sorted(keys))
    if missing:
        stretches = [Span(doc, i, i + 1) for i in sorted(missing)]
        doc.set_ents(list(doc.ents), missing=stretches, default="outside")


def _annotate_labels(
    doc: Doc, choice: Choice, target: Cats, record: Record, settings: ReadSettings, counts: Counter
) -> None:
    chosen = {label.strip() for label in choice.chosen}
    refused = {label.strip() for label in choice.refused}
    for label in sorted(chosen | refused):
        _require_label(label, settings, record.where)
    if target.exclusive and not chosen:
        counts["not_accepted" if choice.form == "answer" else "partly_known"] += 1
        return
    if target.exclusive and len(chosen) > 1:
        found = ", ".join(sorted(chosen))
        raise LLMJudgeError(Errors.J634.format(where=record.where, found=found))
    if not len(doc):
        return
    target.annotate(doc, [(0, len(doc), label) for label in sorted(chosen)])
    if not target.exclusive and choice.form in ("answer", "scores"):
        target.keep_labels(doc, chosen | refused)


def _require_label(label: str, settings: ReadSettings, where: str) -> None:
    if settings.labels and label not in settings.labels:
        known = ", ".join(settings.labels)
        raise LLMJudgeError(Errors.J636.format(where=where, label=label, labels=known))
