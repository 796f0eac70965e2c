"""The pool: which of its rows stay, which are held out as evidence, and the gold that is known for it.

A pool may be large: it is read one row at a time, first for what each row is, then for what is kept.
"""

import random
import warnings
from array import array
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Container, Iterable, Iterator, NamedTuple, Optional, Tuple

import numpy as np
from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError
from ..numeric import hash_text
from .duplicates import normalise
from .formats import (
    Part,
    holds_rows,
    read_named_rows,
    read_records,
    row_context,
    settle_unit,
    warn_of_repairs,
)
from .reader import Reader
from .record import Record
from .shapes import read_row


class Kept(NamedTuple):
    """pool (np.ndarray): (n,) True for the rows that stay in the pool.
    dev (np.ndarray): (n,) True for those that are held out.
    """

    pool: np.ndarray
    dev: np.ndarray


@dataclass(frozen=True)
class Pool:
    """The pool of a data set.

    reader (Reader): Makes documents, and counts what is dropped.
    part (Part): The texts. What annotation they carry is their gold.
    gold (Optional[Part]): Their gold, row by row, with or without the texts.
    """

    reader: Reader
    part: Part
    gold: Optional[Part] = None

    def choose(self, known: Container[str], holdout: int, seed: int) -> Kept:
        """Choose the rows that stay: each text once, none that is empty or in another set.

        Of rows with the same text one with gold stays, where there is one. What is held out is a random
        sample of the rows with gold, never balanced over labels: how often a judge is wrong can only be
        read off such a sample.

        known (Container[str]): The normalised texts of the other sets.
        holdout (int): How many rows are held out.
        seed (int): Of the draw.
        RETURNS (Kept): The rows.
        """
        dropped = self.reader.dropped["pool"]
        # of each row with a text of its own its hash, its number, and whether it is without gold
        hashes, numbers, lacks_gold = array("Q"), array("q"), array("b")
        says_anything = False
        n_rows = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for i, record in enumerate(self._records()):
                n_rows = i + 1
                text = normalise(record.text)
                if not text or text in known:
                    dropped["duplicates" if text else "empty"] += 1
                    continue
                says_anything = says_anything or self._says_anything(record)
                hashes.append(hash_text(text))
                numbers.append(i)
                lacks_gold.append(not self._has_gold(record))
        order = np.lexsort((numbers, lacks_gold, hashes))
        # the first of each text
        firsts = order[np.unique(np.array(hashes)[order], return_index=True)[1]]
        dropped["duplicates"] += len(order) - len(firsts)
        kept, with_gold = np.zeros((2, n_rows), dtype=bool)
        kept[np.array(numbers)[firsts]] = True
        if says_anything:
            with_gold[np.array(numbers)[firsts]] = np.array(lacks_gold)[firsts] == 0
        return self._hold_out(kept, with_gold, holdout, seed)

    def read(self, rows: np.ndarray) -> Iterator[Doc]:
        """YIELDS (Doc): The documents of the rows that were chosen, with the gold that is known for them."""
        for i, record in enumerate(self._records()):
            if rows[i]:
                yield self.reader.make_doc(record, "pool")
        warn_of_repairs(self.part.path, self.reader.dropped["pool"]["repaired_tags"])

    def _hold_out(self, kept: np.ndarray, with_gold: np.ndarray, holdout: int, seed: int) -> Kept:
        drawn = np.zeros_like(kept)
        if not holdout:
            return Kept(kept, drawn)
        rows = np.flatnonzero(with_gold).tolist()
        if not 0 < holdout <= len(rows) or holdout == kept.sum():
            found = {"n": len(rows), "holdout": holdout, "path": self.part.path}
            raise LLMJudgeError(Errors.J637.format(**found))
        drawn[random.Random(f"{seed} holdout").sample(rows, holdout)] = True
        return Kept(kept & ~drawn, drawn)

    def _has_gold(self, record: Record) -> bool:
        """Whether all is known of a row: an answer to a binary question is not enough."""
        if record.answer != "accept":
            return False
        if self.reader.target.name != "cats":
            return record.mentions is not None and not record.partial
        return record.choice is not None and record.choice.form != "answer"

    def _says_anything(self, record: Record) -> bool:
        """A pool whose rows all carry an empty list was exported so; that is no gold."""
        if self.reader.target.name == "cats":
            return record.choice is not None and bool(record.choice.chosen)
        return bool(record.mentions)

    def _records(self) -> Iterator[Record]:
        nlp, settings = self.reader.nlp, self.reader.settings
        if self.gold is None:
            return read_records(self.part, nlp, settings, self.reader.target)
        if not holds_rows(self.gold.path):
            return self._pair_with_records()
        return settle_unit(self._pair_with_rows, nlp, settings, self.gold.path)

    def _texts(self) -> Iterator[Record]:
        return read_records(self.part, self.reader.nlp, self.reader.settings, self.reader.target)

    def _pair_with_rows(self) -> Iterator[Record]:
        """Rows of the gold need no text: they belong to the row of the pool with the same number."""
        assert self.gold is not None
        context = row_context(self.gold.path, self.reader.nlp, self.reader.settings)
        rows = read_named_rows(self.gold)
        for n, record, (where, row) in _zip_exactly(
            self._texts(), self.part.path, rows, self.gold.path
        ):
            if row.get("text") is None and row.get("tokens") is None:
                words = {} if record.words is None else {"tokens": list(record.words)}
                row = {**row, "text": record.text, **words}
            gold = read_row(row, where, context)[0]
            yield self._pair(n, record, gold)

    def _pair_with_records(self) -> Iterator[Record]:
        assert self.gold is not None
        gold = read_records(self.gold, self.reader.nlp, self.reader.settings, self.reader.target)
        for n, record, item in _zip_exactly(self._texts(), self.part.path, gold, self.gold.path):
            yield self._pair(n, record, item)

    def _pair(self, n: int, record: Record, gold: Record) -> Record:
        if gold.text != record.text:
            where = {"where": gold.where, "row": n, "pool": self.part.path}
            raise LLMJudgeError(Errors.J620.format(**where))
        if record.words is None:
            return gold
        return replace(gold, words=record.words, spaces=record.spaces)


def _zip_exactly(
    docs: Iterable[Record], path: Path, gold: Iterable[Any], gold_path: Path
) -> Iterator[Tuple[int, Record, Any]]:
    left, right = iter(docs), iter(gold)
    n = 0
    for n, doc in enumerate(left, start=1):
        item = next(right, None)
        if item is None:
            n_pool = n + sum(1 for _ in left)
            raise _count_error(path, n_pool, gold_path, n - 1)
        yield n, doc, item
    n_left = sum(1 for _ in right)
    if n_left:
        raise _count_error(path, n, gold_path, n + n_left)


def _count_error(path: Path, n_pool: int, gold_path: Path, n_gold: int) -> LLMJudgeError:
    found = {"pool": path, "n_pool": n_pool, "gold": gold_path, "n_gold": n_gold}
    return LLMJudgeError(Errors.J619.format(**found))
