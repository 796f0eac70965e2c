"""Turn the files of a dataset into the corpus that every later step reads.

`labelled.spacy`, `dev.spacy`, `test.spacy` and `pool.spacy`; the pool without labels, and what gold
there is for it apart in `pool_gold.spacy`, for measuring only. All of them appear, or none.
"""

import random
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from spacy.tokens import Doc, DocBin

from ..errors import Errors, LLMJudgeError
from ..storage import PathLike, require_file, staged, write_bytes, write_docs, write_json
from .duplicates import leave_out, texts_of
from .formats import plain_copy
from .language import make_blank
from .sampling import (
    count_labels,
    sample_mentions_per_label,
    sample_sentences_per_label,
)
from .splits import GOLD, SPLITS, Reader, expected_names, find_file

REPORT = "prepare.json"
_FILES = (*(f"{name}.spacy" for name in (*SPLITS, GOLD)), REPORT)

Files = Dict[str, Optional[Path]]


def prepare(
    source: PathLike,
    out: PathLike,
    *,
    labelled: Optional[PathLike] = None,
    dev: Optional[PathLike] = None,
    test: Optional[PathLike] = None,
    pool: Optional[PathLike] = None,
    pool_gold: Optional[PathLike] = None,
    lang: str = "en",
    shots: Optional[int] = None,
    mentions: Optional[int] = None,
    holdout: int = 0,
    seed: int = 0,
    misaligned: str = "error",
    ignore_unseen_labels: bool = False,
) -> Dict[str, Any]:
    """Read a dataset, check it, and write it as a corpus.

    source (Path): The folder with `labelled` (or `train`), `dev`, `test`, `pool` and `pool_gold`, in
        any suffix that can be read; `dev`, `test` and `pool_gold` may be absent.
    out (Path): The folder of the corpus.
    labelled, dev, test, pool, pool_gold (Optional[Path]): A file that stands elsewhere.
    lang (str): The language, whose tokenizer cuts plain text.
    shots (Optional[int]): Keep this many sentences a label of the labelled file. Without a pool
        file, the rest becomes the pool, and its labels the gold of the pool.
    mentions (Optional[int]): The same, for about this many mentions a label.
    holdout (int): Without a dev file, how many documents of that rest, at random, become dev.
    seed (int): The seed of the sample.
    misaligned (str): "error", or "drop" for spans that do not fall on tokens.
    ignore_unseen_labels (bool): Accept labels in dev and test that the labelled set lacks.
    RETURNS (Dict[str, Any]): `documents`, `entities` and `labels` by split; `dropped`: counts by
        split and reason; `repaired_tags`: counts by split; `settings`. The same is in
        `prepare.json`.
    """
    source, out = require_file(source, "Name the folder of the dataset."), Path(out)
    sizes = [size for size in (shots, mentions) if size is not None]
    if len(sizes) > 1 or any(size < 1 for size in sizes):
        raise LLMJudgeError(Errors.J621.format(shots=shots, mentions=mentions))
    given = dict(zip((*SPLITS, GOLD), (labelled, dev, test, pool, pool_gold)))
    files = {split: find_file(source, split, path) for split, path in given.items()}
    sampling = {"shots": shots, "mentions": mentions, "holdout": holdout, "seed": seed}
    reader = Reader(make_blank(lang), misaligned)
    docs, rest = _read_sets(source, files, reader, sampling)
    _remove_duplicates(docs, files, reader)
    if not ignore_unseen_labels:
        _require_known_labels(docs)
    pool_docs = iter(rest)
    if files["pool"] is not None:
        pool_docs = reader.read_pool(files["pool"], files[GOLD])
    with staged(out, _FILES) as stage:
        for split, split_docs in docs.items():
            write_docs(stage / f"{split}.spacy", split_docs)
        found = _write_pool(stage, pool_docs, docs, reader.dropped["pool"])
        if not found["pool"]["documents"]:
            raise reader.empty_error(files["pool"] or files["labelled"], "pool")
        report = _make_report(docs, found, reader.dropped)
        names = {split: str(path) for split, path in files.items() if path is not None}
        report["settings"] = {"files": names, "lang": lang, **sampling}
        write_json(stage / REPORT, report)
    return report


def _read_sets(
    source: Path, files: Files, reader: Reader, sampling: Dict[str, Any]
) -> Tuple[Dict[str, List[Doc]], List[Doc]]:
    """Read labelled, dev and test, and what the sample left over, where that is the pool."""
    shots, mentions, holdout, seed = sampling.values()
    if files["labelled"] is None:
        names = expected_names("labelled")
        raise LLMJudgeError(Errors.J615.format(folder=source, split="labelled", names=names))
    if files["pool"] is None and shots is None and mentions is None:
        names = expected_names("pool")
        raise LLMJudgeError(Errors.J622.format(folder=source, names=names))
    docs = {"labelled": reader.read_gold(files["labelled"], "labelled")}
    rest: List[Doc] = []
    if shots is not None:
        drawn = sample_sentences_per_label(docs["labelled"], shots, seed)
        docs["labelled"], rest = _part(docs["labelled"], drawn)
    elif mentions is not None:
        drawn = sample_mentions_per_label(docs["labelled"], mentions, seed)
        docs["labelled"], rest = _part(docs["labelled"], drawn)
    if not docs["labelled"]:
        raise LLMJudgeError(Errors.J625.format(path=files["labelled"]))
    if holdout:
        if files["dev"] is not None or not 0 < holdout < len(rest):
            raise LLMJudgeError(Errors.J623.format(holdout=holdout, n_rest=len(rest)))
        drawn = random.Random(f"{seed} holdout").sample(range(len(rest)), holdout)
        docs["dev"], rest = _part(rest, drawn)
    for split in ("dev", "test"):
        if files[split] is not None:
            docs[split] = reader.read_gold(files[split], split)
    if files["pool"] is not None:
        reader.dropped["labelled"]["not_sampled"] = len(rest)
    return docs, rest


def _part(docs: List[Doc], positions: Iterable[int]) -> Tuple[List[Doc], List[Doc]]:
    drawn = set(positions)
    inside = [doc for i, doc in enumerate(docs) if i in drawn]
    return inside, [doc for i, doc in enumerate(docs) if i not in drawn]


def _remove_duplicates(docs: Dict[str, List[Doc]], files: Files, reader: Reader) -> None:
    """Remove documents of the labelled set from dev and test."""
    labelled = texts_of(docs["labelled"])
    for split in ("dev", "test"):
        if split not in docs:
            continue
        docs[split] = list(leave_out(docs[split], labelled, reader.dropped[split]))
        if not docs[split]:
            raise reader.empty_error(files[split] or files["labelled"], split)


def _require_known_labels(docs: Dict[str, List[Doc]]) -> None:
    seen = set(count_labels(docs["labelled"]))
    for split in ("dev", "test"):
        unseen = sorted(set(count_labels(docs.get(split, []))) - seen)
        if unseen:
            labels = {
                "unseen": ", ".join(unseen),
                "seen": ", ".join(sorted(seen)) or "none",
            }
            raise LLMJudgeError(Errors.J618.format(split=split, **labels))


def _write_pool(
    stage: Path, pool: Iterable[Doc], docs: Dict[str, List[Doc]], dropped: Counter
) -> Dict[str, Dict[str, Any]]:
    """Write the pool without labels, and its gold, where there is any, row by row beside it.

    RETURNS (Dict[str, Dict[str, Any]]): For "pool" and "pool_gold": `documents` and `labels`.
    """
    known = texts_of(doc for split in docs.values() for doc in split)
    gold = DocBin(attrs=["ENT_IOB", "ENT_TYPE"], store_user_data=False)
    labels: Counter = Counter()
    n_gold = 0

    def strip() -> Iterator[Doc]:
        nonlocal n_gold
        for doc in leave_out(pool, known, dropped):
            n_gold += doc.has_annotation("ENT_IOB")
            labels.update(count_labels([doc]))
            gold.add(doc)
            yield plain_copy(doc, entities=False)

    n_docs = write_docs(stage / "pool.spacy", strip())
    found = {"pool": {"documents": n_docs, "labels": Counter()}}
    # A pool whose rows all carry an empty list was exported so; that is no gold.
    if labels:
        write_bytes(stage / f"{GOLD}.spacy", gold.to_bytes())
        found[GOLD] = {"documents": n_gold, "labels": labels}
    return found


def _make_report(
    docs: Dict[str, List[Doc]],
    pool: Dict[str, Dict[str, Any]],
    dropped: Dict[str, Counter],
) -> Dict[str, Any]:
    found = {
        split: {"documents": len(split_docs), "labels": count_labels(split_docs)}
        for split, split_docs in docs.items()
    }
    found.update(pool)
    repaired = {split: counts.pop("repaired_tags", 0) for split, counts in dropped.items()}
    return {
        "documents": {split: part["documents"] for split, part in found.items()},
        "entities": {split: sum(part["labels"].values()) for split, part in found.items()},
        "labels": {split: dict(sorted(part["labels"].items())) for split, part in found.items()},
        "dropped": {
            split: {reason: n for reason, n in sorted(counts.items()) if n}
            for split, counts in dropped.items()
        },
        "repaired_tags": {split: n for split, n in repaired.items() if n},
    }
