"""Divide a dataset into sets that share no text: labelled, dev, test and pool."""

import random
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from spacy.tokens import Doc

from ..errors import Errors, LLMJudgeError
from ..targets.base import Target
from .duplicates import leave_out, remove_duplicates, texts_of
from .files import Parts
from .pool import Pool
from .reader import Reader
from .sampling import (
    count_labels,
    sample_mentions_per_label,
    sample_sentences_per_label,
)
from .split_names import GOLD

Docs = Dict[str, List[Doc]]


class Sampling(NamedTuple):
    """How the labelled file, or the pool, is divided.

    shots (Optional[int]): Sentences a label of the labelled file that are kept.
    mentions (Optional[int]): The same, for mentions a label.
    holdout (int): Documents that become dev.
    seed (int): The seed of the samples.
    """

    shots: Optional[int] = None
    mentions: Optional[int] = None
    holdout: int = 0
    seed: int = 0

    @property
    def sizes(self) -> List[int]:
        return [size for size in (self.shots, self.mentions) if size is not None]


def read_sets(parts: Parts, reader: Reader, sampling: Sampling) -> Tuple[Docs, Iterator[Doc]]:
    """Read labelled, dev and test, and then the pool: its file, or what the sample left over.

    parts (Parts): Where the sets are; there is a labelled one, and a pool or a sample.
    reader (Reader): Makes the documents, and counts what is dropped.
    sampling (Sampling): How the labelled file, or the pool, is divided.
    RETURNS (Tuple[Docs, Iterator[Doc]]): The sets, and the pool with its gold, one at a time.
    """
    assert parts["labelled"] is not None
    gold = reader.read_gold(parts["labelled"], "labelled")
    drawn, rest = _draw(gold, sampling, reader.target)
    if not drawn:
        raise LLMJudgeError(Errors.J625.format(path=parts["labelled"].path))
    docs = {"labelled": drawn}
    if parts["pool"] is None and sampling.holdout:
        docs["dev"], rest = _hold_out(rest, sampling)
    for split in ("dev", "test"):
        part = parts[split]
        if part is not None:
            docs[split] = reader.read_gold(part, split)
    for split in remove_duplicates(docs, reader.dropped):
        part = parts[split] or parts["labelled"]
        if part is not None:
            raise reader.empty_error(part.path, split)
    known = texts_of(doc for split in docs.values() for doc in split)
    if parts["pool"] is None:
        return docs, leave_out(rest, known, reader.dropped["pool"])
    reader.dropped["labelled"]["not_sampled"] = len(rest)
    pool = Pool(reader, parts["pool"], parts[GOLD])
    kept = pool.choose(known, sampling.holdout, sampling.seed)
    if kept.dev.any():
        docs["dev"] = list(pool.read(kept.dev))
    return docs, pool.read(kept.pool)


def require_known_labels(docs: Docs, target: Target, named: Sequence[str]) -> None:
    """Refuse labels in dev and test that the labelled set lacks, and that nobody named."""
    seen = {*count_labels(docs["labelled"], target), *named}
    for split in ("dev", "test"):
        unseen = sorted(set(count_labels(docs.get(split, []), target)) - seen)
        if unseen:
            found = {"unseen": ", ".join(unseen), "seen": ", ".join(sorted(seen)) or "none"}
            raise LLMJudgeError(Errors.J618.format(split=split, **found))


def _draw(docs: List[Doc], sampling: Sampling, target: Target) -> Tuple[List[Doc], List[Doc]]:
    """The few-shot sample, and the rest."""
    if sampling.shots is not None:
        drawn = sample_sentences_per_label(docs, sampling.shots, sampling.seed, target)
    elif sampling.mentions is not None:
        drawn = sample_mentions_per_label(docs, sampling.mentions, sampling.seed, target)
    else:
        return docs, []
    return _part(docs, drawn)


def _hold_out(rest: List[Doc], sampling: Sampling) -> Tuple[List[Doc], List[Doc]]:
    """A dev set from what the sample left over, and the rest of it."""
    if not 0 < sampling.holdout < len(rest):
        found = {"holdout": sampling.holdout, "n_rest": len(rest)}
        raise LLMJudgeError(Errors.J623.format(**found))
    draw = random.Random(f"{sampling.seed} holdout")
    return _part(rest, draw.sample(range(len(rest)), sampling.holdout))


def _part(docs: List[Doc], positions: Iterable[int]) -> Tuple[List[Doc], List[Doc]]:
    drawn = set(positions)
    inside = [doc for i, doc in enumerate(docs) if i in drawn]
    return inside, [doc for i, doc in enumerate(docs) if i not in drawn]
