"""Find the files of a dataset, and read each as what it is for: gold, or a pool with hidden gold."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from spacy.language import Language
from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError, Warnings
from ..storage import PathLike, require_file
from .formats import SUFFIXES, plain_copy, read_examples
from .offsets import annotate
from .rows import read_rows

SPLITS = ("labelled", "dev", "test", "pool")
GOLD = "pool_gold"
# Whoever has one large labelled file calls it train.
_FILE_NAMES = {"labelled": ("labelled", "train")}


def find_file(source: Path, split: str, given: Optional[PathLike] = None) -> Optional[Path]:
    """Find the file of a split.

    source (Path): The folder of the dataset.
    split (str): One of SPLITS, or "pool_gold".
    given (Optional[PathLike]): A file that stands elsewhere.
    RETURNS (Optional[Path]): The file, or None. Two files for one split are an error.
    """
    if given is not None:
        return require_file(given, f"Check the name of the {split} file.")
    paths = [
        source / f"{name}{suffix}"
        for name in _FILE_NAMES.get(split, (split,))
        for suffix in SUFFIXES
    ]
    found = [path for path in paths if path.is_file()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise LLMJudgeError(Errors.J616.format(folder=source, split=split, names=names))
    return found[0] if found else None


def expected_names(split: str) -> str:
    """RETURNS (str): The names that a file of a split may have, for messages."""
    names = " or ".join(_FILE_NAMES.get(split, (split,)))
    return f"{names} with one of the suffixes {', '.join(SUFFIXES)}"


class Reader:
    """Reads the files of a dataset, and counts what is dropped on the way.

    nlp (Language): Its tokenizer cuts plain text.
    misaligned (str): "error", or "drop" for spans that do not fall on tokens.
    """

    def __init__(self, nlp: Language, misaligned: str = "error") -> None:
        self.nlp = nlp
        self.misaligned = misaligned
        self.dropped: Dict[str, Counter] = {split: Counter() for split in SPLITS}

    def read_gold(self, path: Path, split: str) -> List[Doc]:
        """Read documents that are of use only with annotation, and not empty."""
        counts = self.dropped[split]
        docs = []
        for doc in self._read(path, counts):
            if not doc.text.strip():
                counts["empty"] += 1
            elif not doc.has_annotation("ENT_IOB"):
                counts["without_annotation"] += 1
            else:
                docs.append(doc)
        if counts["without_annotation"]:
            found = {"path": path, "n": counts["without_annotation"], "split": split}
            warnings.warn(Warnings.JW601.format(**found), stacklevel=2)
        if not docs:
            raise self.empty_error(path, split)
        return docs

    def read_pool(self, path: Path, gold_path: Optional[Path]) -> Iterator[Doc]:
        """Read the pool with the gold that is known for it, one document at a time.

        path (Path): The pool. What annotation it carries is its gold.
        gold_path (Optional[Path]): The gold of the pool, row by row, with or without the texts.
        """
        docs = self._read(path, self.dropped["pool"])
        if gold_path is None:
            return docs
        if gold_path.suffix == ".jsonl":
            return self._add_gold_rows(docs, path, gold_path)
        return self._pair_with_gold(docs, path, gold_path)

    def empty_error(self, path: Path, split: str) -> LLMJudgeError:
        """RETURNS (LLMJudgeError): The error about a file of which nothing is left, and why."""
        counts = {name: n for name, n in self.dropped[split].items() if n}
        listed = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
        reason = f"dropped were {listed}" if listed else "it is empty"
        return LLMJudgeError(Errors.J617.format(path=path, split=split, reason=reason))

    def _read(self, path: Path, counts: Counter) -> Iterator[Doc]:
        return read_examples(path, self.nlp, misaligned=self.misaligned, counts=counts)

    def _add_gold_rows(self, docs: Iterable[Doc], path: Path, gold_path: Path) -> Iterator[Doc]:
        how = {"misaligned": self.misaligned, "counts": self.dropped["pool"]}
        pairs = _zip_exactly(docs, path, read_rows(gold_path), gold_path)
        for n, doc, (where, row) in pairs:
            tokens = row.get("tokens")
            words = " ".join(map(str, tokens)) if isinstance(tokens, list) else None
            if row.get("text", words) not in (None, doc.text):
                raise LLMJudgeError(Errors.J620.format(where=where, row=n, pool=path))
            if doc.has_annotation("ENT_IOB"):
                doc = plain_copy(doc, entities=False)
            annotate(doc, row, where, **how)
            yield doc

    def _pair_with_gold(self, docs: Iterable[Doc], path: Path, gold_path: Path) -> Iterator[Doc]:
        gold = self._read(gold_path, self.dropped["pool"])
        for n, doc, gold_doc in _zip_exactly(docs, path, gold, gold_path):
            if doc.text != gold_doc.text:
                where = f"{gold_path}, document {n}"
                raise LLMJudgeError(Errors.J620.format(where=where, row=n, pool=path))
            yield gold_doc


def _zip_exactly(
    docs: Iterable[Doc], path: Path, gold: Iterable[Any], gold_path: Path
) -> Iterator[Tuple[int, Doc, Any]]:
    docs, gold = iter(docs), iter(gold)
    n = 0
    for n, doc in enumerate(docs, start=1):
        item = next(gold, None)
        if item is None:
            n_pool = n + sum(1 for _ in docs)
            raise _count_error(path, n_pool, gold_path, n - 1)
        yield n, doc, item
    n_left = sum(1 for _ in gold)
    if n_left:
        raise _count_error(path, n, gold_path, n + n_left)


def _count_error(path: Path, n_pool: int, gold_path: Path, n_gold: int) -> LLMJudgeError:
    found = {"pool": path, "n_pool": n_pool, "gold": gold_path, "n_gold": n_gold}
    return LLMJudgeError(Errors.J619.format(**found))
