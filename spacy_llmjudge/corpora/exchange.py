"""`export`: documents for the tools that people label with. `import`: what they labelled there as gold.

What was written is read again before it appears, and compared: whatever a format cannot hold is counted.
"""

import os
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError
from ..storage import require_file, write_docs
from ..targets.base import labels_in_corpus
from ..targets.cats import Cats
from .annotators import merge_repeated
from .choose_target import Wanted, choose_target
from .docbin import read_doc
from .files import Parts
from .formats import DOCBIN_SUFFIX, Part, holds_rows, read_named_rows, read_records, row_context
from .language import make_blank
from .lines import printable
from .outgoing import Outgoing, is_docbin, read_outgoing
from .reader import Reader
from .record import Record
from .settings import ReadSettings, require_choice
from .shapes import brat, find_tool
from .shapes.common import WriteSettings
from .shapes.label_studio import interface
from .tags import SCHEMES
from .utf16 import UTF16, to_utf16
from .writers import FORMATS, Format, write_records

# what a format may lose, and how that is said
LOSSES = {
    "overlapping": "{n} spans that share tokens with another one are left out",
    "partly_known": "{n} documents of which only a part is known are left out",
    "missing": "{n} tokens of which nothing is known look like any token outside of all spans",
    "incorrect": "{n} spans that are known to be wrong, and nothing more, are not marked",
    "open": "{n} labels that nobody decided look like labels that a text does not have",
    "texts": "{n} texts have other white space when they are read again",
    "spans": "{n} documents have other spans when they are read again",
    "labels": "{n} documents lose the labels of the whole text",
    "scores": "{n} documents lose the probabilities of what is in them",
    "documents": "{n} documents cannot be read again",
}


@dataclass(frozen=True)
class ExportSettings:
    """How documents are exported.

    format (str): The name of one of `FORMATS`.
    say (str): "predictions" of a model, to be corrected; "annotations"; or "auto": what the documents are.
    cut (Optional[float]): Write the candidates that are at least this probable, instead of what the documents
        say.
    partial (str): Documents of which only a part is known: "keep" them, or "drop" them.
    overlaps (str): Spans that share tokens, where the format has no place for them: "refuse", or keep the
        "longest" or the "first".
    scheme (str): Of tags in columns.
    offsets (str): What offsets count: "characters" or "utf-16" units.
    model_version (str): The name that predictions get.
    """

    format: str
    say: str = "auto"
    cut: Optional[float] = None
    partial: str = "keep"
    overlaps: str = "refuse"
    scheme: str = "bio"
    offsets: str = "characters"
    model_version: str = "spacy_llmjudge"

    def __post_init__(self) -> None:
        require_choice("format", self.format, tuple(FORMATS))
        require_choice("as", self.say, ("auto", "predictions", "annotations"))
        require_choice("partial", self.partial, ("keep", "drop"))
        require_choice("scheme", self.scheme, tuple(SCHEMES))
        require_choice("offsets", self.offsets, ("characters", UTF16))


class Exported(NamedTuple):
    """documents (int): How many.
    units (int): Spans, or labels of texts, in them.
    name (str): What these are.
    predictions (bool): They are predictions, not annotations.
    lost (List[str]): What the format cannot hold, in sentences.
    interface (str): For Label Studio: the labelling interface that fits.
    """

    documents: int
    units: int
    name: str
    predictions: bool
    lost: List[str]
    interface: str = ""


class Imported(NamedTuple):
    """documents (int): How many.
    units (int): Spans, or labels of texts, in them.
    name (str): What these are.
    dropped (Dict[str, int]): What was left out, by reason.
    tools (List[str]): What each file looks like.
    lost (List[str]): What the output cannot hold, in sentences.
    """

    documents: int
    units: int
    name: str
    dropped: Dict[str, int]
    tools: List[str]
    lost: List[str]


def export_docs(
    source: Path, output: Path, settings: ExportSettings, *, lang: str = "en", force: bool = False
) -> Exported:
    """Write documents in the format of a tool.

    source (Path): A `.spacy` file or a folder of shards, or gold in any format that can be read.
    output (Path): The file; for brat a new folder.
    settings (ExportSettings): How.
    lang (str): The language.
    force (bool): Replace a file that is there.
    RETURNS (Exported): What was written, and what could not be.
    """
    format_ = FORMATS[settings.format]
    _require_output(output, format_.suffixes, [source], force)
    nlp = make_blank(lang)
    found = _read(source, nlp, settings, format_)
    holds = "labels" if isinstance(found.target, Cats) else "spans"
    if holds not in format_.holds:
        able = ", ".join(name for name, one in FORMATS.items() if holds in one.holds)
        units = found.target.units
        raise LLMJudgeError(Errors.J955.format(format=format_.name, units=units, able=able))
    if settings.offsets == UTF16 and UTF16 not in format_.holds:
        able = ", ".join(name for name, one in FORMATS.items() if UTF16 in one.holds)
        raise LLMJudgeError(Errors.J956.format(format=format_.name, able=able))
    predictions = settings.say == "predictions" or (settings.say == "auto" and found.predicted)
    cats = found.target if isinstance(found.target, Cats) else Cats(())
    labels = {m.label for r in found.records for m in r.mentions or ()}
    if found.target is not cats and is_docbin(source):
        labels |= labels_in_corpus(source, found.target)
    spans = tuple(sorted(labels))
    how = WriteSettings(predictions, settings.model_version, cats.labels, cats.exclusive, spans)
    try:
        counts = _write(found.records, output, format_, how, settings, nlp)
    except OSError as error:
        raise LLMJudgeError(Errors.J003.format(path=output, error=error)) from error
    counts.update(found.counts)
    shown = interface(spans, cats.labels, cats.exclusive)
    return Exported(
        len(found.records),
        sum(map(_count, found.records)),
        found.target.units,
        predictions,
        _say(counts),
        shown if format_.name == "label-studio" else "",
    )


def import_docs(
    sources: Sequence[Path],
    output: Path,
    *,
    wanted: Wanted = Wanted(),
    settings: ReadSettings = ReadSettings(),
    lang: str = "en",
    force: bool = False,
) -> Imported:
    """Write what people labelled as gold that `prepare` and the next round read.

    sources (Sequence[Path]): Files in any format that can be read, and folders of brat. Of a text that is in
        several of them the first is kept, with a warning where they contradict each other.
    output (Path): A `.spacy` or `.jsonl` file.
    wanted (Wanted): What is annotated.
    settings (ReadSettings): How files are read.
    lang (str): The language, whose tokenizer cuts plain text.
    force (bool): Replace a file that is there.
    RETURNS (Imported): What was read, and what was not.
    """
    _require_output(output, frozenset({DOCBIN_SUFFIX, ".jsonl"}), sources, force)
    nlp = make_blank(lang)
    docs, reader = _read_gold(sources, nlp, wanted, settings)
    target, counts = reader.target, reader.dropped["labelled"]
    lost: Counter = Counter()
    if output.suffix.lower() == DOCBIN_SUFFIX:
        write_docs(output, docs)
    else:
        own = ExportSettings("jsonl")
        cats = target if isinstance(target, Cats) else Cats(())
        how = WriteSettings(labels=cats.labels, exclusive=cats.exclusive)
        records = [_say_texts(read_doc(doc, printable(output), target)) for doc in docs]
        lost = _write(records, output, FORMATS["jsonl"], how, own, nlp)
    n_units = sum(len(target.keys(doc)) for doc in docs)
    dropped = {name: n for name, n in sorted(counts.items()) if n and name != "repaired_tags"}
    tools = [_tool_of(source, nlp, settings) for source in sources]
    return Imported(len(docs), n_units, target.units, dropped, tools, _say(lost))


def _require_output(
    output: Path, suffixes: frozenset, sources: Sequence[Path], force: bool
) -> None:
    for source in sources:
        require_file(source, "Check the name of the file.")
        if os.path.realpath(source) == os.path.realpath(output):
            raise LLMJudgeError(Errors.J630.format(source=source, out=output))
    if suffixes and output.suffix.lower() not in suffixes:
        known = " or ".join(sorted(suffixes))
        raise LLMJudgeError(Errors.J957.format(path=output, known=known))
    if output.is_dir() and (suffixes or any(output.iterdir())):
        raise LLMJudgeError(Errors.J958.format(path=output))
    if output.is_file() and not (force and suffixes):
        raise LLMJudgeError(Errors.J959.format(path=output))


def _read(source: Path, nlp: Language, settings: ExportSettings, format_: Format) -> Outgoing:
    how = ReadSettings(overlaps=settings.overlaps)
    limits: Dict[str, Any] = {
        "may_overlap": "overlap" in format_.holds,
        "only_whole": settings.partial == "drop" and "missing" not in format_.holds,
    }
    name = printable(source)
    if is_docbin(source):
        return read_outgoing(source, nlp, how, cut=settings.cut, name=name, **limits)
    if settings.cut is not None:
        raise LLMJudgeError(Errors.J960.format(path=source))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # with spans that overlap the target is spans, so that all are read
        warnings.filterwarnings("ignore", r"\[JW610\]")
        docs, _ = _read_gold([source], nlp, Wanted(), ReadSettings())
        write_docs(Path(folder) / "gold.spacy", docs)
        return read_outgoing(Path(folder) / "gold.spacy", nlp, how, name=name, **limits)


def _read_gold(
    sources: Sequence[Path], nlp: Language, wanted: Wanted, settings: ReadSettings
) -> Tuple[List[Doc], Reader]:
    parts: Parts = {f"file {i}": Part(source) for i, source in enumerate(sources)}
    target = choose_target({"labelled": Part(sources[0]), **parts}, wanted, nlp, settings)
    reader = Reader(nlp, target, settings)
    docs = [doc for source in sources for doc in reader.read_gold(Part(source), "labelled")]
    reader.warn_of_labels(sources[0])
    if len(sources) > 1:
        names = ", ".join(map(printable, sources))
        docs = merge_repeated(docs, target, reader.dropped["labelled"], names)
    return docs, reader


def _tool_of(source: Path, nlp: Language, settings: ReadSettings) -> str:
    if brat.is_folder(source):
        return "brat"
    if not holds_rows(source):
        return "documents of spaCy" if is_docbin(source) else "columns"
    context = row_context(source, nlp, settings)
    where, row = next(read_named_rows(Part(source)))
    return find_tool(row, where, context)


def _write(
    records: Sequence[Record],
    output: Path,
    format_: Format,
    how: WriteSettings,
    settings: ExportSettings,
    nlp: Language,
) -> Counter:
    """Write records, read them again, and let the file appear.

    RETURNS (Counter): What the format cannot hold.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    shifted = map(to_utf16, records) if settings.offsets == UTF16 else records
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as folder:
        made = Path(folder) / output.name
        write_records(list(shifted), made, format_, how, settings.scheme)
        back = ReadSettings(offsets=settings.offsets, predictions=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            counts = compare(records, read_records(Part(made), nlp, back), how.labels)
        os.replace(made, output)
    return counts


def compare(records: Sequence[Record], read: Iterator[Record], labels: Sequence[str]) -> Counter:
    """Count what became of records in a format.

    records (Sequence[Record]): What was written.
    read (Iterator[Record]): What was read again.
    labels (Sequence[str]): All labels of texts.
    RETURNS (Counter): Names of `LOSSES`.
    """
    counts: Counter = Counter()
    for number, record in enumerate(records):
        try:
            found = next(read)
        except (StopIteration, LLMJudgeError):
            counts["documents"] += len(records) - number
            break
        is_same = found.text == record.text
        counts["texts"] += not is_same
        counts["spans"] += _spans(found, is_same) != _spans(record, is_same)
        counts["scores"] += bool(_scores(record)) and _scores(record) != _scores(found)
        if record.unknown:
            counts["missing"] += _n_unknown(record) - _n_unknown(found)
        if record.choice is not None:
            chosen = found.choice.chosen if found.choice is not None else ()
            counts["labels"] += set(chosen) != set(record.choice.chosen)
            counts["open"] += len((_known(found, labels) - _known(record, labels)) & set(labels))
    return counts


def _known(record: Record, labels: Sequence[str]) -> Set[str]:
    """The labels of which a record says whether its text has them."""
    choice = record.choice
    if choice is None:
        return set()
    known = {*choice.chosen, *choice.refused}
    return known if choice.form in ("scores", "answer") else known | set(labels)


def _spans(record: Record, by_offset: bool) -> List[Tuple[object, ...]]:
    """The spans of a record, in an order of their own: by where they are, or by what they say."""
    if record.mentions is None:
        return []
    said = ((m, "".join(record.text[m.start : m.end].split())) for m in record.mentions)
    if by_offset:
        return sorted((m.start, m.end, m.label) for m, _ in said)
    return sorted((words, m.label) for m, words in said)


def _scores(record: Record) -> List[float]:
    return sorted(m.score for m in record.mentions or () if m.score is not None)


def _n_unknown(record: Record) -> int:
    """How many words nothing is known of."""
    return sum(len(record.text[start:end].split()) for start, end in record.unknown)


def _say_texts(record: Record) -> Record:
    mentions = record.mentions
    if mentions is None:
        return record
    said = tuple(replace(m, text=record.text[m.start : m.end]) for m in mentions)
    return replace(record, mentions=said)


def _count(record: Record) -> int:
    return len(record.mentions or ()) + len(record.choice.chosen if record.choice else ())


def _say(counts: Counter) -> List[str]:
    return [text.format(n=counts[name]) for name, text in LOSSES.items() if counts[name] > 0]
