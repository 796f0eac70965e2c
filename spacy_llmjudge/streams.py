"""Documents on the disk that are never all in memory: read as they are needed, written as they come.

What has at most `MOST_IN_FILE` documents is one `.spacy` file; more become a folder of that name with shards and a
manifest, which spaCy's own readers take as well.
"""

import operator
import os
import shutil
from bisect import bisect_right
from contextlib import contextmanager, nullcontext
from itertools import accumulate
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union, overload

import numpy as np
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .errors import Errors, LLMJudgeError
from .numeric import hash_text
from .storage import (
    MANIFEST,
    Codecs,
    PathLike,
    list_files,
    make_docs,
    read_bin,
    read_json,
    read_texts,
    replacing,
    require_ours,
    sha256_bytes,
    write_bytes,
    write_json,
)

SHARD_SIZE = 256
MOST_IN_FILE = 10_000
# documents that wait in memory to be sorted
MOST_WAITING = 8192
# behind the last of them
_END: Tuple[int, Optional[Doc]] = (-1, None)


class Documents(Sequence[Doc]):
    """The documents of a `.spacy` file, or of a folder of shards, in their order.

    A slice, and each document of a pass, is made anew. Of a folder one file at a time is in memory.

    path (PathLike): The file or folder.
    vocab (Optional[Vocab]): What the documents share; None: those of each file have one of their own, so that it
        does not grow with all texts.
    """

    def __init__(self, path: PathLike, vocab: Optional[Vocab] = None) -> None:
        self.path = Path(path)
        self._files, counts = _count_docs(self.path)
        self._ends = list(accumulate(counts))
        self._vocab = vocab
        self._codecs = Codecs()
        self._last: Tuple[int, Optional[DocBin]] = (-1, None)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[Doc]:
        for file_ in self._files:
            vocab = Vocab() if self._vocab is None else self._vocab
            yield from make_docs(read_bin(file_, self._codecs), vocab, file_, self._codecs)

    @overload
    def __getitem__(self, index: int) -> Doc: ...

    @overload
    def __getitem__(self, index: slice) -> List[Doc]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[Doc, List[Doc]]:
        if not isinstance(index, slice):
            number = range(len(self))[operator.index(index)]
            return self[number : number + 1][0]
        start, stop, step = index.indices(len(self))
        if step != 1:
            return [self[number] for number in range(start, stop, step)]
        found: List[Doc] = []
        while start < stop:
            number = bisect_right(self._ends, start)
            first = self._ends[number - 1] if number else 0
            end = min(stop, self._ends[number])
            part = _cut(self._read(number), start - first, end - first)
            vocab = Vocab() if self._vocab is None else self._vocab
            found += make_docs(part, vocab, self._files[number], self._codecs)
            start = end
        return found

    @property
    def has_shards(self) -> bool:
        """Whether each file brings its own words: what they need in a vocabulary can go with them."""
        return self.path.is_dir()

    @property
    def texts(self) -> "Texts":
        """Their texts, without making documents."""
        return Texts(self.path, len(self))

    def _read(self, number: int) -> DocBin:
        if self._last[0] != number:
            self._last = (number, read_bin(self._files[number], self._codecs))
        assert self._last[1] is not None
        return self._last[1]


class Texts(Sequence[str]):
    """The texts of documents on the disk. A pass reads them one file at a time; the first that is asked for by its
    number brings all of them into memory."""

    def __init__(self, path: Path, length: int) -> None:
        self._path = path
        self._length = length
        self._all: Optional[List[str]] = None

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[str]:
        return iter(self._all) if self._all is not None else read_texts(self._path)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> List[str]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[str, List[str]]:
        if self._all is None:
            self._all = list(read_texts(self._path))
        return self._all[index]


def texts_of_all(docs: Iterable[Doc]) -> Sequence[str]:
    """RETURNS (Sequence[str]): The texts of documents, wherever they are."""
    return docs.texts if isinstance(docs, Documents) else tuple(doc.text for doc in docs)


def count_docs(path: PathLike) -> int:
    """RETURNS (int): How many documents a `.spacy` file or a folder of shards has."""
    return sum(_count_docs(Path(path))[1])


def _count_docs(path: Path) -> Tuple[List[Path], List[int]]:
    files = list_files(path)
    said: Dict[str, int] = {}
    if path.is_dir() and (path / MANIFEST).exists():
        shards = read_json(path / MANIFEST)["shards"]
        said = {shard["name"]: shard["docs"] for shard in shards if "docs" in shard}
    counts = [said.get(file_.name) for file_ in files]
    codecs = Codecs()
    return files, [len(read_bin(f, codecs)) if n is None else n for f, n in zip(files, counts)]


def _cut(binary: DocBin, start: int, stop: int) -> DocBin:
    """RETURNS (DocBin): Some of the documents of another one, which keeps all strings of that one."""
    if stop - start == len(binary):
        return binary
    part = DocBin(store_user_data=binary.store_user_data)
    part.attrs, part.strings = binary.attrs, binary.strings
    for name in ("tokens", "spaces", "cats", "span_groups", "user_data", "flags"):
        setattr(part, name, getattr(binary, name)[start:stop])
    return part


class Writer:
    """Writes documents as they come: one file, or where there are many a folder of shards.

    path (PathLike): Of the file or folder; nothing is there, or what was before, until `finish`.
    attrs (Optional[Sequence[str]]): The columns of the tokens; None: all that a DocBin has.
    most (int): So many documents are still one file.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        attrs: Optional[Sequence[str]] = None,
        most: int = MOST_IN_FILE,
    ) -> None:
        self._path = Path(path)
        self._folder = self._path.with_name(f".{self._path.name}.partial")
        self._settings: Dict[str, Any] = {} if attrs is None else {"attrs": attrs}
        self._most = most
        self._whole: List[DocBin] = []
        self._shards: List[Dict[str, Any]] = []
        self._bin = self._new()
        self._codecs = Codecs()
        self.n_docs = 0
        self.discard()

    def add(self, doc: Doc) -> None:
        """Take in a document."""
        with self._codecs.found():
            self._bin.add(doc)
        if len(self._bin) == SHARD_SIZE:
            self._flush()

    def finish(self) -> int:
        """Put the file or folder in its place. RETURNS (int): How many documents it has."""
        self._flush()
        if self._shards:
            write_json(self._folder / MANIFEST, {"fingerprint": {}, "shards": self._shards})
            with _replacing(self._path):
                os.replace(self._folder, self._path)
        else:
            data = _merge(self._whole, self._new()).to_bytes()
            with _replacing(self._path) if self._path.is_dir() else nullcontext():
                write_bytes(self._path, data)
        return self.n_docs

    def discard(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _new(self) -> DocBin:
        return DocBin(store_user_data=False, **self._settings)

    def _flush(self) -> None:
        if not len(self._bin):
            return
        self._whole.append(self._bin)
        self.n_docs += len(self._bin)
        self._bin = self._new()
        if self._shards or self.n_docs > self._most:
            for binary in self._whole:
                name, data = f"shard-{len(self._shards):05d}.spacy", binary.to_bytes()
                write_bytes(self._folder / name, data)
                self._shards.append(
                    {"name": name, "sha256": sha256_bytes(data), "docs": len(binary)}
                )
            self._whole = []


def write_documents(path: PathLike, docs: Iterable[Doc], most: int = MOST_IN_FILE) -> int:
    """Write documents as one file, or where there are many as a folder of shards.

    RETURNS (int): How many.
    """
    writer = Writer(path, most=most)
    try:
        for doc in docs:
            writer.add(doc)
        return writer.finish()
    finally:
        writer.discard()


class Sorter:
    """Puts documents in an order that is not the one in which they come.

    They wait in DocBins, and where there are many of them on the disk, those with neighbouring ranks in one file.

    folder (Path): A folder of its own for them, which goes in the end.
    most (int): So many wait in memory; 0: MOST_WAITING.
    """

    def __init__(self, folder: Path, most: int = 0) -> None:
        self._folder = folder
        self._most = most or MOST_WAITING
        self._waiting: Dict[int, Tuple[List[int], DocBin]] = {}
        self._n_waiting = 0
        self._codecs = Codecs()
        self.discard()

    def add(self, rank: int, doc: Doc) -> None:
        """Take in a document with its place in the order; those with the same one stay as they came."""
        new: Tuple[List[int], DocBin] = ([], DocBin(store_user_data=False))
        ranks, binary = self._waiting.setdefault(rank // self._most, new)
        ranks.append(rank)
        with self._codecs.found():
            binary.add(doc)
        self._n_waiting += 1
        if self._n_waiting == self._most:
            self._spill()

    def __iter__(self) -> Iterator[Tuple[int, Doc]]:
        """YIELDS (Tuple[int, Doc]): Ranks and documents, in their order."""
        on_disk = {int(path.name) for path in self._folder.glob("*")}
        for number in sorted(on_disk.union(self._waiting)):
            vocab = Vocab()
            found: List[Tuple[int, Doc]] = []
            for ranks, binary in self._parts(number):
                found += zip(ranks, make_docs(binary, vocab, self._folder, self._codecs))
            yield from sorted(found, key=lambda pair: pair[0])

    def discard(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _parts(self, number: int) -> Iterator[Tuple[List[int], DocBin]]:
        path = self._folder / str(number)
        if path.exists():
            with path.open("rb") as file_:
                while file_.peek(1):
                    ranks = np.load(file_).tolist()
                    yield ranks, DocBin().from_bytes(np.load(file_).tobytes())
        if number in self._waiting:
            yield self._waiting[number]

    def _spill(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        for number, (ranks, binary) in self._waiting.items():
            with (self._folder / str(number)).open("ab") as file_:
                np.save(file_, np.array(ranks))
                np.save(file_, np.frombuffer(binary.to_bytes(), dtype="uint8"))
        self._waiting, self._n_waiting = {}, 0


def find_by_text(
    texts: Iterable[str], docs: Iterable[Doc], folder: Path
) -> Iterator[Optional[Doc]]:
    """Find documents by their texts. They are brought into the order of the texts on the disk.

    texts (Iterable[str]): What is looked for; as hashes they are in memory.
    docs (Iterable[Doc]): The documents, in any order; of several with the same text the last one counts.
    folder (Path): A folder of its own for them, which goes in the end.
    YIELDS (Optional[Doc]): The document with each of the texts; None where there is none.
    """
    hashes = np.fromiter(map(hash_text, texts), dtype="uint64")
    known, first, number, count = np.unique(hashes, True, True, True)
    waiting = Sorter(folder)
    try:
        for doc in docs:
            hashed = hash_text(doc.text)
            place = int(np.searchsorted(known, hashed))
            if place < len(known) and known[place] == hashed:
                waiting.add(int(first[place]), doc)
        stream = iter(waiting)
        rank, brought = next(stream, _END)
        repeated: Dict[int, Optional[Doc]] = {}
        for i, place in enumerate(number.tolist()):
            found = repeated.get(place)
            while rank == i:
                found = brought
                rank, brought = next(stream, _END)
            if count[place] > 1:
                repeated[place] = found
            yield found
    finally:
        waiting.discard()


def _merge(parts: Iterable[DocBin], whole: DocBin) -> DocBin:
    for part in parts:
        whole.merge(part)
    return whole


@contextmanager
def _replacing(path: Path) -> Iterator[None]:
    """Put aside what an earlier run made, where it is ours; for users an error of the disk is one with a code."""
    if path.is_dir():
        require_ours(path, [MANIFEST])
    try:
        with replacing(path):
            yield
    except OSError as error:
        raise LLMJudgeError(Errors.J003.format(path=path, error=error)) from error
