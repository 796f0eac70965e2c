"""Turn labelled and raw texts into the corpus of a text classification run.

`pool.spacy` without labels, `evidence.spacy` (the gold of a random sample of the pool), `test.spacy`,
`pool_gold.spacy` (what else is known of the pool, for measuring only) and `labels.json`.
"""

import random
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence

from spacy.tokens import Doc

from ..corpora.duplicates import leave_out, normalise, texts_of
from ..corpora.language import make_blank
from ..errors import Errors, LLMJudgeError
from ..storage import PathLike, staged, write_docs, write_json
from .data import LABELS, Task, set_choice, write_task
from .rows import Item, find_kind, read_source

REPORT = "prepare.json"
FILES = ("pool.spacy", "evidence.spacy", "test.spacy", "pool_gold.spacy", LABELS, REPORT)


def prepare_texts(
    source: PathLike,
    out: PathLike,
    *,
    gold: int = 60,
    seed: int = 0,
    lang: str = "en",
    labels: Optional[Sequence[str]] = None,
    label_column: str = "label",
    split_column: str = "split",
) -> Dict[str, Any]:
    """Read a data set, check it, draw the evidence, and write the corpus: all files or none.

    Of texts that are there several times one row stays, one with a label where there is one. The evidence
    is a random sample of those rows of the pool that have a label, never balanced over labels: how often
    the LLM is wrong, and how frequent a label is, can only be read off such a sample. It says something
    about the pool where the rows with a label are a random part of it themselves.

    source (PathLike): A JSONL file with a column for the split, or a folder with `pool.jsonl` and
        `test.jsonl`.
    out (PathLike): The folder of the corpus.
    gold (int): How many documents of the pool become evidence.
    seed (int): Of the draw.
    lang (str): The language, whose tokenizer cuts the texts.
    labels (Optional[Sequence[str]]): The labels of the task; None takes all that the rows have.
    label_column (str): Holds the label of a row, or a list of labels (then any number may be true).
    split_column (str): Of a single file: "pool" or "test".
    RETURNS (Dict[str, Any]): `documents` and `labels` by file, `dropped`, `left_out`, `exclusive`
        and `settings`. The same is in `prepare.json`.
    """
    out = Path(out)
    items, left_out = read_source(source, label=label_column, split=split_column)
    task = _find_task([*items["pool"], *items["test"]], labels, label_column, source)
    dropped: Dict[str, Counter] = {split: Counter() for split in items}
    test = list(leave_out(items["test"], (), dropped["test"]))
    pool = _once(leave_out(items["pool"], texts_of(test), dropped["pool"]), dropped["pool"])
    if not pool:
        reason = f"all {len(items['pool'])} rows are empty, or in the test set as well"
        raise LLMJudgeError(Errors.J905.format(path=source, reason=reason))
    evidence = _draw(pool, gold, seed, source)
    parts = {"pool": pool, "evidence": evidence, "test": test, "pool_gold": pool}
    if not test:
        del parts["test"]
    report = {
        "documents": {name: len(part) for name, part in parts.items()},
        "labels": {
            name: dict(Counter(x for item in part for x in item.choice or ()).most_common())
            for name, part in parts.items()
            if name != "pool"
        },
        "dropped": {name: dict(counts) for name, counts in dropped.items() if sum(counts.values())},
        "left_out": left_out,
        "exclusive": task.exclusive,
        "settings": {"source": str(source), "gold": gold, "seed": seed, "lang": lang},
    }
    _write(out, parts, task, report, lang)
    return report


def _find_task(
    items: List[Item], labels: Optional[Sequence[str]], column: str, source: PathLike
) -> Task:
    exclusive = find_kind(items, column)
    seen = {x: item.where for item in reversed(items) for x in item.choice or ()}
    names = tuple(labels) if labels else tuple(sorted(seen))
    for label, where in seen.items():
        if label not in names:
            raise LLMJudgeError(
                Errors.J906.format(where=where, label=label, labels=", ".join(names))
            )
    if len(names) < (2 if exclusive else 1):
        found = ", ".join(names) or "none at all"
        raise LLMJudgeError(Errors.J904.format(path=source, column=column, found=found))
    return Task(names, exclusive)


def _once(items: Iterable[Item], dropped: Counter) -> List[Item]:
    """Each text once, at its first place, with the first label that it has."""
    kept: Dict[str, Item] = {}
    for item in items:
        text = normalise(item.text)
        before = kept.get(text)
        dropped["duplicates"] += before is not None
        if before is None or (before.choice is None and item.choice is not None):
            kept[text] = item
    return list(kept.values())


def _draw(pool: List[Item], size: int, seed: int, source: PathLike) -> List[Item]:
    """A random sample of the rows with a label."""
    rows = sorted((item for item in pool if item.choice is not None), key=lambda item: item.where)
    if not 1 <= size <= len(rows):
        raise LLMJudgeError(Errors.J907.format(path=source, n=len(rows), size=size))
    return random.Random(f"{seed} evidence").sample(rows, size)


def _write(
    out: Path, parts: Dict[str, List[Item]], task: Task, report: Dict[str, Any], lang: str
) -> None:
    nlp = make_blank(lang)

    def make(item: Item, labelled: bool) -> Doc:
        doc = nlp.make_doc(item.text)
        set_choice(doc, item.choice if labelled else None, task)
        return doc

    with staged(out, FILES) as stage:
        for name, part in parts.items():
            write_docs(stage / f"{name}.spacy", (make(item, name != "pool") for item in part))
        write_task(stage, task)
        write_json(stage / REPORT, report)
