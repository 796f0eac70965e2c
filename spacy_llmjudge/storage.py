"""Files that are whole or not there: atomic writes, hashes, JSON and DocBins."""

import errno
import hashlib
import json
import os
import secrets
import shutil
import time
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

from spacy.attrs import ORTH
from spacy.strings import StringStore
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from srsly import msgpack_decoders, msgpack_encoders

from .errors import Errors, LLMJudgeError
from .registries import answering

MANIFEST = "manifest.json"
# what a folder with the sets of a corpus has, which are never one set of documents
_SETS = ("labelled.spacy", "pool.spacy")
PathLike = Union[str, Path]
# what a pipeline can read at once: spaCy's own limit, and as many tokens as so much text has in most languages
MAX_CHARACTERS = 1_000_000
MAX_TOKENS = 250_000
# documents that are made of a file at a time
_AT_ONCE = 256
# nanoseconds after which a change of a file is sure to show in its times
_SETTLED = 2_000_000_000
_HASHES: Dict[Tuple[int, ...], str] = {}


def write_bytes(path: PathLike, data: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it.

    path (PathLike): Where; parent folders are made.
    data (bytes): The content.
    """
    path = Path(path)
    temporary: Optional[Path] = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        # not with tempfile, whose files are for their owner alone, whatever the umask allows
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file_:
            file_.write(data)
            file_.flush()
            os.fsync(file_.fileno())
        if path.exists():
            shutil.copymode(path, temporary)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise LLMJudgeError(Errors.J003.format(path=path, error=error)) from error


@contextmanager
def staged(folder: PathLike, names: Sequence[str]) -> Iterator[Path]:
    """Make the files of a folder: at the end of the block all of them appear, or none.

    folder (PathLike): Where they belong; it is left alone where the block fails.
    names (Sequence[str]): The files, in the order in which they appear. One that was not made goes.
    YIELDS (Path): The folder to make them in.
    """
    folder = Path(folder)
    stage = folder / ".prepare"
    shutil.rmtree(stage, ignore_errors=True)
    try:
        yield stage
        _publish(stage, folder, names)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def replace_folder(source: Path, target: Path, marks: Sequence[str]) -> None:
    """Put a finished folder in the place of the one that an earlier run made.

    source (Path): The new folder, on the same file system.
    target (Path): Where it belongs.
    marks (Sequence[str]): Names of files and folders, of which a folder that we made has at least one.
    RAISES (LLMJudgeError): J663 where something else is there.
    """
    require_ours(target, marks)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target):
        os.replace(source, target)


@contextmanager
def replacing(path: Path) -> Iterator[None]:
    """Put the file or folder that an earlier run made aside for the block, and back where the block fails."""
    stale = path.with_name(f".{path.name}.stale")
    _remove(stale)
    if path.exists():
        os.replace(path, stale)
    try:
        yield
    except BaseException:
        if stale.exists():
            os.replace(stale, path)
        raise
    _remove(stale)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def require_ours(folder: Path, marks: Sequence[str]) -> None:
    """RAISES (LLMJudgeError): J663 where a folder holds something, and not what marks those that we made."""
    if folder.is_dir():
        found = {one.name for one in folder.iterdir()}
        if not found or found & set(marks):
            return
    elif not os.path.lexists(folder):
        return
    raise LLMJudgeError(Errors.J663.format(path=folder, marks=" or ".join(marks)))


def _publish(stage: Path, folder: Path, names: Sequence[str]) -> None:
    """Move staged files into place, after those of an earlier run went; if that fails these come back."""
    before = stage / "before"
    made = [name for name in names if (stage / name).exists()]
    try:
        before.mkdir()
        _move(names, folder, before)
        _move(made, stage, folder)
    except OSError as error:
        _move([name for name in made if not (stage / name).exists()], folder, stage)
        _move(names, before, folder)
        raise LLMJudgeError(Errors.J003.format(path=folder, error=error)) from error


def _move(names: Sequence[str], source: Path, target: Path) -> None:
    for name in names:
        if (source / name).exists():
            os.replace(source / name, target / name)


def is_json(text: str) -> bool:
    """RETURNS (bool): Whether a text is JSON as a whole."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def read_json_if_there(path: Optional[Path]) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): The object in a file; empty where there is no file."""
    return read_json(path) if path is not None and path.exists() else {}


def write_json(path: PathLike, data: Any) -> None:
    """Write JSON with sorted keys, so that the same data is the same file."""
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False)
    write_bytes(path, (text + "\n").encode("utf8"))


def write_json_lines(path: PathLike, rows: Iterable[Any], errors: str = "strict") -> None:
    """Write a JSON file with a row a line, keys in the order that the rows have.

    path (PathLike): Where.
    rows (Iterable[Any]): What JSON can hold.
    errors (str): For halves of surrogate pairs, as in `str.encode`: "surrogatepass" writes them as they are.
    """
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_bytes(path, text.encode("utf8", errors))


def read_json(path: PathLike, hint: str = "Run the step that makes it first.") -> Any:
    """Read a JSON file; a missing or broken one is an error with a code."""
    path = require_file(path, hint)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise LLMJudgeError(Errors.J004.format(path=path, error=error)) from error


@contextmanager
def shaped(path: PathLike) -> Iterator[None]:
    """Turn what goes wrong in using the content of a file, which something else wrote, into an error with a code.

    path (PathLike): The file.
    RAISES (LLMJudgeError): J971 where the block looks for something that is not in it, or is of another kind.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        text = f"{type(error).__name__}: {error}"
        raise LLMJudgeError(Errors.J971.format(path=path, error=text)) from error


def read_json_lines(path: Path) -> Iterator[Tuple[int, Any]]:
    """Read a file of JSON lines in UTF-8, with or without byte order marks; empty lines are passed over.

    path (Path): The file.
    YIELDS (Tuple[int, Any]): The number of a line and what it holds; the error where it is not JSON.
    """
    with path.open("rb") as file_:
        for number, line in enumerate(file_, 1):
            if line.strip():
                try:
                    yield number, json.loads(line.decode("utf-8-sig"))
                except (ValueError, RecursionError) as error:
                    yield number, error


def is_out_of_files(error: Optional[BaseException]) -> bool:
    """RETURNS (bool): Whether an error comes from a limit on the files and sockets that may be open."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            return True
        error = error.__cause__ or error.__context__
    return False


def require_file(path: PathLike, hint: str = "Run the step that makes it first.") -> Path:
    """RETURNS (Path): The path, where something is there."""
    path = Path(path)
    if not path.exists():
        raise LLMJudgeError(Errors.J001.format(path=path, hint=hint))
    return path


def write_docs(path: PathLike, docs: Iterable[Doc]) -> int:
    """Write documents as one DocBin, whole or not at all.

    RETURNS (int): How many.
    """
    binary = DocBin(store_user_data=False)
    with Codecs().found():
        for doc in docs:
            binary.add(doc)
        data = binary.to_bytes()
    write_bytes(path, data)
    return len(binary)


def read_docs(path: PathLike, vocab: Vocab) -> Iterator[Doc]:
    """Read the documents of a `.spacy` file, or of a folder of shards in their order.

    path (PathLike): The file or folder. Of a folder with a manifest the files that it names are read;
        a copy of one that something else left there is no data.
    vocab (Vocab): The vocabulary that the documents will share.
    YIELDS (Doc): The documents.
    RAISES (LLMJudgeError): J002 where a file is no DocBin, J006 where one of the manifest is missing, J114 where
        a document is too long.
    """
    codecs = Codecs()
    for file_ in list_files(path):
        yield from make_docs(read_bin(file_, codecs), vocab, file_, codecs)


def read_texts(path: PathLike) -> Iterator[str]:
    """Read the texts of a `.spacy` file or a folder of shards, in their order, without making documents."""
    codecs = Codecs()
    for file_ in list_files(path):
        binary = read_bin(file_, codecs)
        strings = StringStore(binary.strings)
        column = binary.attrs.index(ORTH)
        for tokens, spaces, flags in zip(binary.tokens, binary.spaces, binary.flags):
            words = [strings[word] for word in tokens[:, column].tolist()]
            if flags.get("has_unknown_spaces"):
                yield "".join(f"{word} " for word in words)
            else:
                after = spaces[:, 0].tolist()
                yield "".join(f"{word} " if space else word for word, space in zip(words, after))


def read_bin(path: Path, codecs: "Codecs") -> DocBin:
    """RETURNS (DocBin): What is in a file, before documents are made of it."""
    try:
        with codecs.found():
            return DocBin().from_bytes(path.read_bytes())
    except Exception as error:
        raise LLMJudgeError(Errors.J002.format(path=path, error=type(error).__name__)) from error


def make_docs(binary: DocBin, vocab: Vocab, where: PathLike, codecs: "Codecs") -> Iterator[Doc]:
    """Make the documents of a DocBin, a few at a time.

    binary (DocBin): What `read_bin` gave.
    vocab (Vocab): The vocabulary that the documents will share.
    where (PathLike): Its file, for messages.
    YIELDS (Doc): The documents.
    """
    docs = binary.get_docs(vocab)
    while True:
        try:
            with codecs.found():
                few = list(islice(docs, _AT_ONCE))
        except Exception as error:
            found = {"path": where, "error": type(error).__name__}
            raise LLMJudgeError(Errors.J002.format(**found)) from error
        if not few:
            return
        for doc in few:
            require_length(doc, where)
            yield doc


def require_length(doc: Doc, where: PathLike) -> None:
    """RAISES (LLMJudgeError): J114 where a document is longer than a pipeline can read at once."""
    length = doc[-1].idx + len(doc[-1]) if len(doc) else 0
    if length > MAX_CHARACTERS or len(doc) > MAX_TOKENS:
        found = {"length": length, "tokens": len(doc), "text": doc[:8].text[:60]}
        limits = {"characters": MAX_CHARACTERS, "most": MAX_TOKENS}
        raise LLMJudgeError(Errors.J114.format(where=where, **found, **limits))


def list_files(path: PathLike) -> List[Path]:
    """RETURNS (List[Path]): The `.spacy` file itself, or the files of a folder of shards in their order."""
    path = require_file(path)
    if not path.is_dir():
        return [path]
    if not (path / MANIFEST).exists():
        files = sorted(path.glob("*.spacy"))
        names = [file_.name for file_ in files]
        if {*_SETS} <= {*names}:
            found = {"path": path, "names": ", ".join(names), "first": files[0]}
            raise LLMJudgeError(Errors.J997.format(**found))
        return files
    with shaped(path / MANIFEST):
        files = [path / shard["name"] for shard in read_json(path / MANIFEST)["shards"]]
    for file_ in files:
        if not file_.exists():
            raise LLMJudgeError(Errors.J006.format(path=file_, manifest=path / MANIFEST))
    return files


class Codecs:
    """What extends msgpack, looked for once among all packages, and not twice for each document with a span group.

    EXAMPLE:
        >>> codecs = Codecs()
        >>> with codecs.found():
        ...     data = DocBin().to_bytes()
    """

    def __init__(self) -> None:
        self._entries = [(one, one.get_all()) for one in (msgpack_encoders, msgpack_decoders)]

    @contextmanager
    def found(self) -> Iterator[None]:
        """Read and write documents in this block."""
        (encoders, of_encoders), (decoders, of_decoders) = self._entries
        with answering(encoders, of_encoders), answering(decoders, of_decoders):
            yield


def sha256_bytes(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: PathLike) -> str:
    """Hash a file. One that has not changed since this process hashed it is not read again."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file_:
        found = os.fstat(file_.fileno())
        last = max(found.st_mtime_ns, found.st_ctime_ns)
        key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if key not in _HASHES:
            for block in iter(lambda: file_.read(1 << 20), b""):
                digest.update(block)
            if time.time_ns() - last < _SETTLED:
                return digest.hexdigest()
            _HASHES[key] = digest.hexdigest()
    return _HASHES[key]


def sha256_path(path: PathLike) -> str:
    """Hash a file, or a folder with the names and contents of all its files."""
    path = require_file(path)
    if path.is_file():
        return sha256_file(path)
    parts = [
        [str(file_.relative_to(path)), sha256_file(file_)]
        for file_ in sorted(path.rglob("*"))
        if file_.is_file()
    ]
    return sha256_json(parts)


def sha256_json(data: Any) -> str:
    """Hash data by its canonical JSON: the order of keys does not matter."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256_bytes(text.encode("utf8"))
