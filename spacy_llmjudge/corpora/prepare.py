"""Turn the files of a dataset into the corpus that every later step reads.

`labelled.spacy`, `dev.spacy`, `test.spacy` and `pool.spacy`; the pool without labels, and what gold
there is for it apart in `pool_gold.spacy`, for measuring only; `target.json`, which says what is
annotated. All of them appear, or none.
"""

import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    TypedDict,
    cast,
)

from spacy.tokens import Doc

from ..candidates import copy_tokens
from ..errors import Errors, LLMJudgeError
from ..stages import once
from ..storage import (
    PathLike,
    require_file,
    sha256_path,
    staged,
    write_docs,
    write_json,
)
from ..streams import Writer, write_documents
from ..targets.base import RECORD, Target, write_target
from .choose_target import Wanted, choose_target
from .class_names import find_class_names
from .files import Parts, expected_names, find_parts, list_folder
from .formats import Part
from .guidelines import RECORD as LABELS
from .guidelines import find_guidelines, read_guidelines, require_known, to_json
from .language import make_blank
from .lines import printable
from .reader import Reader
from .sampling import count_labels
from .sets import Docs, Sampling, read_sets, require_known_labels
from .settings import ReadSettings
from .split_names import GOLD, SPLITS

REPORT = "prepare.json"
FILES = (*(f"{name}.spacy" for name in (*SPLITS, GOLD)), RECORD, LABELS, REPORT)
_ENTITY_ATTRS = ["ENT_IOB", "ENT_TYPE"]


class _Optional(TypedDict, total=False):
    trimmed_spans: Dict[str, int]


class Report(_Optional):
    """What `prepare` did: `documents`, `entities` (or spans, or labels) and `labels` by split;
    `dropped`: counts by split and reason; `repaired_tags` and `trimmed_spans`: counts by split;
    `settings`."""

    documents: Dict[str, int]
    entities: Dict[str, int]
    labels: Dict[str, Dict[str, int]]
    dropped: Dict[str, Dict[str, int]]
    repaired_tags: Dict[str, int]
    settings: Dict[str, Any]


def prepare(
    source: PathLike,
    out: PathLike,
    *,
    labelled: Optional[PathLike] = None,
    dev: Optional[PathLike] = None,
    test: Optional[PathLike] = None,
    pool: Optional[PathLike] = None,
    pool_gold: Optional[PathLike] = None,
    guidelines: Optional[PathLike] = None,
    target: Optional[str] = None,
    spans_key: Optional[str] = None,
    single_label: bool = False,
    exclusive: Optional[bool] = None,
    labels: Sequence[str] = (),
    label_column: Optional[str] = None,
    split_column: str = "split",
    tag_names: Sequence[str] = (),
    lang: str = "en",
    shots: Optional[int] = None,
    mentions: Optional[int] = None,
    holdout: int = 0,
    seed: int = 0,
    misaligned: str = "error",
    overlaps: Optional[str] = None,
    offsets: str = "auto",
    ignore_unseen_labels: bool = False,
) -> Report:
    """Read a dataset, check it, and write it as a corpus.

    source (Path): The folder with `labelled` (or `train`), `dev`, `test`, `pool` and `pool_gold`, in
        any suffix that can be read; `dev`, `test` and `pool_gold` may be absent. Or one file, whose
        rows name their set in a column.
    out (Path): The folder of the corpus.
    labelled, dev, test, pool, pool_gold (Optional[Path]): A file that stands elsewhere.
    guidelines (Optional[Path]): What the labels mean; None: `labels.yml` or `labels.json` in the folder, where it
        is there.
    target (Optional[str]): What is annotated: "ents", "spans" or "cats". None: what the labelled set
        shows.
    spans_key (Optional[str]): The span group of the spans.
    single_label (bool): A span has one label at most.
    exclusive (Optional[bool]): A text has exactly one label, or any number of them. None: what the
        rows show.
    labels (Sequence[str]): The labels that there may be; empty: all that the rows have.
    label_column (Optional[str]): The column with the label of a text, or a list of labels.
    split_column (str): Of a single file: the column that names the set.
    tag_names (Sequence[str]): The names of tags that are numbers, from 0.
    lang (str): The language, whose tokenizer cuts plain text.
    shots (Optional[int]): Keep this many sentences a label of the labelled file. Without a pool
        file, the rest becomes the pool, and its labels the gold of the pool.
    mentions (Optional[int]): The same, for about this many mentions a label.
    holdout (int): Without a dev file, how many documents of that rest, or of the pool where there is
        gold for it, become dev, drawn at random.
    seed (int): The seed of the samples.
    misaligned (str): "error", or "drop" for spans that do not fall on tokens.
    overlaps (Optional[str]): What happens to spans that cannot stand together: "refuse", or keep the
        "longest" or the "first". With one of the latter, spans that overlap are still entities.
    offsets (str): What offsets count: "characters", "utf-16" units, or "auto".
    ignore_unseen_labels (bool): Accept labels in dev and test that the labelled set lacks.
    RETURNS (Report): What was done. The same is in `prepare.json`.
    """
    source, out = require_file(source, "Name the folder of the dataset."), Path(out)
    settings = ReadSettings(
        misaligned, overlaps or "refuse", offsets, label_column, tuple(labels), tuple(tag_names)
    )
    wanted = Wanted(target, spans_key, single_label, exclusive)
    sampling = Sampling(shots, mentions, holdout, seed)
    given = dict(zip((*SPLITS, GOLD), (labelled, dev, test, pool, pool_gold)))
    parts = find_parts(source, given, split_column)
    _require_places(source, out, parts)
    _require_sets(source, parts, sampling)
    inputs: Dict[str, Any] = {
        "files": {split: _hash_part(part) for split, part in parts.items() if part is not None},
        "settings": [asdict(wanted), asdict(settings), sampling, lang, ignore_unseen_labels],
    }

    said = find_guidelines(source) if guidelines is None else Path(guidelines)
    if said is not None:
        inputs["guidelines"] = [printable(said), sha256_path(said)]

    def work() -> Dict[str, Any]:
        unseen = ignore_unseen_labels
        found = _write(source, out, parts, wanted, settings, sampling, lang, unseen, said)
        return dict(found)

    outputs = [out / name for name in FILES]
    return cast(Report, once("prepare", inputs, outputs, work, beside=out / REPORT))


def _hash_part(part: Part) -> List[Any]:
    """What a set depends on: its name, which rows of the file are its own, and the file with the names of tags
    beside it."""
    names = sorted(find_class_names(part.path).items())
    return [printable(part.path), part.split, part.column, sha256_path(part.path), names]


def _write(
    source: Path,
    out: Path,
    parts: Parts,
    wanted: Wanted,
    settings: ReadSettings,
    sampling: Sampling,
    lang: str,
    ignore_unseen_labels: bool,
    guidelines: Optional[Path],
) -> Report:
    nlp = make_blank(lang)
    reader = Reader(nlp, choose_target(parts, wanted, nlp, settings), settings)
    docs, pool_docs = read_sets(parts, reader, sampling)
    if not ignore_unseen_labels:
        require_known_labels(docs, reader.target, settings.labels)
    means = {} if guidelines is None else read_guidelines(guidelines)
    if guidelines is not None:
        known = count_labels([doc for found in docs.values() for doc in found], reader.target)
        of_texts = getattr(reader.target, "labels", ())
        require_known(means, [*known, *settings.labels, *of_texts], guidelines)
    with staged(out, FILES) as stage:
        for split, split_docs in docs.items():
            write_docs(stage / f"{split}.spacy", split_docs)
        found = _write_pool(stage, pool_docs, reader.target)
        part = parts["pool"] or parts["labelled"]
        if not found["pool"].documents and part is not None:
            raise reader.empty_error(part.path, "pool")
        reader.warn_of_labels(source)
        report = _make_report(docs, found, reader)
        report["settings"] = {"files": _names(parts), "lang": lang, **sampling._asdict()}
        report["settings"].update(_given(wanted, settings))
        write_target(stage, reader.target)
        if guidelines is not None:
            write_json(stage / LABELS, to_json(means))
        write_json(stage / REPORT, report)
    return report


def _require_places(source: Path, out: Path, parts: Parts) -> None:
    """Write over no file that is read, and over none that is not ours."""
    # a loop of links has no end to resolve to
    real = os.path.realpath
    read = {real(part.path) for part in parts.values() if part is not None}
    if real(source) == real(out) or read & {real(out / name) for name in FILES}:
        raise LLMJudgeError(Errors.J630.format(source=source, out=out))
    found = [name for name in FILES if (out / name).exists()]
    if found and REPORT not in found:
        raise LLMJudgeError(Errors.J631.format(out=out, names=", ".join(found), record=REPORT))


def _require_sets(source: Path, parts: Parts, sampling: Sampling) -> None:
    sizes = sampling.sizes
    if len(sizes) > 1 or any(size < 1 for size in sizes):
        raise LLMJudgeError(Errors.J621.format(shots=sampling.shots, mentions=sampling.mentions))
    if parts["labelled"] is None:
        place = {"folder": source, "found": list_folder(source)}
        names = expected_names("labelled")
        raise LLMJudgeError(Errors.J615.format(split="labelled", names=names, **place))
    if parts["pool"] is None and not sizes:
        place = {"folder": source, "found": list_folder(source)}
        raise LLMJudgeError(Errors.J622.format(names=expected_names("pool"), **place))
    if sampling.holdout and parts["dev"] is not None:
        raise LLMJudgeError(Errors.J647.format(holdout=sampling.holdout, path=parts["dev"].path))


class _Counts(NamedTuple):
    documents: int
    labels: Counter


def _write_pool(stage: Path, pool: Iterable[Doc], target: Target) -> Dict[str, _Counts]:
    """Write the pool without labels, and its gold, where there is any, row by row beside it.

    RETURNS (Dict[str, _Counts]): For "pool" and "pool_gold".
    """
    gold = Writer(stage / f"{GOLD}.spacy", attrs=_ENTITY_ATTRS)
    labels: Counter = Counter()
    n_gold = 0

    def strip() -> Iterator[Doc]:
        nonlocal n_gold
        for doc in pool:
            n_gold += target.is_annotated(doc)
            labels.update(count_labels([doc], target))
            gold.add(doc)
            yield copy_tokens(doc)

    n_docs = write_documents(stage / "pool.spacy", strip())
    found = {"pool": _Counts(n_docs, Counter())}
    # A pool whose rows all carry an empty list was exported so; that is no gold.
    if labels:
        gold.finish()
        found[GOLD] = _Counts(n_gold, labels)
    gold.discard()
    return found


def _make_report(docs: Docs, pool: Dict[str, _Counts], reader: Reader) -> Report:
    found = {
        split: _Counts(len(split_docs), count_labels(split_docs, reader.target))
        for split, split_docs in docs.items()
    }
    found.update(pool)
    repaired = {split: counts.pop("repaired_tags", 0) for split, counts in reader.dropped.items()}
    trimmed = {split: counts.pop("trimmed", 0) for split, counts in reader.dropped.items()}
    report: Report = {
        "documents": {split: part.documents for split, part in found.items()},
        "entities": {split: sum(part.labels.values()) for split, part in found.items()},
        "labels": {split: dict(sorted(part.labels.items())) for split, part in found.items()},
        "dropped": {
            split: {reason: n for reason, n in sorted(counts.items()) if n}
            for split, counts in reader.dropped.items()
        },
        "repaired_tags": {split: n for split, n in repaired.items() if n},
        "settings": {},
    }
    if any(trimmed.values()):
        report["trimmed_spans"] = {split: n for split, n in trimmed.items() if n}
    return report


def _names(parts: Parts) -> Dict[str, str]:
    return {split: printable(part.path) for split, part in parts.items() if part is not None}


def _given(wanted: Wanted, settings: ReadSettings) -> Dict[str, Any]:
    """The settings that say something which the files do not say themselves."""
    given: Dict[str, Any] = {}
    for record, default in ((wanted, Wanted()), (settings, ReadSettings())):
        for name, value in asdict(record).items():
            if value != getattr(default, name):
                given[name] = list(value) if isinstance(value, tuple) else value
    return given
