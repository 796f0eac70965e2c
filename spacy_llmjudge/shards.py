"""Folders of shards: how a step that was stopped resumes with the shards that are missing.

A folder holds files `shard-00000.spacy` and so on, a record of those that are whole (`stages.json`), and
when all of them are there a manifest with their hashes.
"""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import (
    Any,
    Callable,
    ContextManager,
    Dict,
    Generic,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
)

from spacy.tokens import Doc

from .errors import Errors, LLMJudgeError
from .locks import alone
from .stages import Stages, count_made
from .storage import MANIFEST, PathLike, sha256_file, sha256_json, write_docs, write_json
from .streams import SHARD_SIZE

# a document, or more than that
Item = TypeVar("Item")


class Part(NamedTuple):
    """The documents of one shard.

    path (Path): The file that they are written to.
    start (int): The place of the first one.
    n_docs (int): How many.
    """

    path: Path
    start: int
    n_docs: int

    @property
    def numbers(self) -> range:
        """The places of all of them."""
        return range(self.start, self.start + self.n_docs)


class Made(NamedTuple):
    """What is known of a shard that was written.

    about (Dict[str, Any]): What the manifest says of it.
    is_whole (bool): Whether it need not be made again.
    """

    about: Dict[str, Any]
    is_whole: bool


@dataclass
class Work(Generic[Item]):
    """How shards are made, here or by the workers of a cluster; see `write_shards`."""

    docs: Sequence[Item]
    process: Callable[[List[Item]], Iterable[Doc]]
    is_complete: Optional[Callable[[List[Doc]], bool]] = None
    describe: Optional[Callable[[List[Doc]], Dict[str, Any]]] = None
    zone: Callable[[], ContextManager[Any]] = nullcontext
    said: Optional[Callable[[], Any]] = None

    def make(self, part: Part) -> Made:
        """Write one shard. RETURNS (Made): What is known of it."""
        with self.zone():
            processed = list(self.process(list(self.docs[part.start : part.start + part.n_docs])))
            write_docs(part.path, processed)
            about = self.describe(processed) if self.describe else {}
            return Made(about, self.is_complete is None or self.is_complete(processed))


# Has parts made, and yields each one when it is.
Spread = Callable[[List[Part]], Iterator[Tuple[Part, Made]]]


def process_shards(
    docs: Sequence[Item],
    folder: PathLike,
    process: Callable[[List[Item]], Iterable[Doc]],
    *,
    fingerprint: Dict[str, Any],
    shard_size: int = SHARD_SIZE,
) -> Dict[str, Any]:
    """Process documents shard by shard into a folder; see `write_shards`.

    docs (Sequence[Item]): The documents, always in the same order. Those of a shard are asked for, as a slice,
        when it has to be made.
    process (Callable): From the documents of one shard to the documents to write.
    """
    return write_shards(Work(docs, process), folder, fingerprint=fingerprint, shard_size=shard_size)


def write_shards(
    work: Work[Any],
    folder: PathLike,
    *,
    fingerprint: Dict[str, Any],
    shard_size: int = SHARD_SIZE,
    on_shard: Optional[Callable[[range], Any]] = None,
    spread: Optional[Spread] = None,
) -> Dict[str, Any]:
    """Do work shard by shard into a folder; resume where an earlier run stopped.

    work (Work): The `docs`, as for `process_shards`, and the `process`. Where there is `is_complete`, a shard whose
        documents are not complete is written, and made again the next time. `describe` finds what the manifest says
        of each shard. `zone` is entered around the work on each shard, such as the `memory_zone` of a pipeline.
        `said` is what a worker of a cluster has to say of all that it did so far.
    folder (PathLike): Gets the shards, and `manifest.json` when all are whole.
    fingerprint (Dict[str, Any]): All that the result depends on, as JSON. Shards that were made
        with another fingerprint are made again.
    shard_size (int): Documents in a shard, at least one.
    on_shard (Optional[Callable[[range], Any]]): Called with the places of documents that are done.
    spread (Optional[Spread]): Has the shards made somewhere else, in any order; None makes them here.
    RETURNS (Dict[str, Any]): The manifest: `fingerprint`, `shards` (name, sha256, docs, and what
        `describe` found).
    """
    if shard_size < 1:
        raise LLMJudgeError(Errors.J007.format(found=shard_size))
    folder = Path(folder)
    with alone(folder):
        return _write(work, folder, fingerprint, shard_size, on_shard, spread)


def _write(
    work: Work[Any],
    folder: Path,
    fingerprint: Dict[str, Any],
    shard_size: int,
    on_shard: Optional[Callable[[range], Any]],
    spread: Optional[Spread],
) -> Dict[str, Any]:
    n_all = len(work.docs)
    inputs = {"mark": sha256_json({**fingerprint, "shard_size": shard_size, "docs": n_all})}
    stages = Stages(folder)
    parts = [
        Part(folder / f"shard-{number:05d}.spacy", start, min(shard_size, n_all - start))
        for number, start in enumerate(range(0, n_all, shard_size))
    ]
    found = {part: stages.find(part.path.stem, inputs, [part.path]) for part in parts}
    missing = [part for part in parts if found[part] is None]
    if missing:
        # a folder of which a part is of other inputs is not finished
        (folder / MANIFEST).unlink(missing_ok=True)
    for part in parts:
        if found[part] is not None and on_shard is not None:
            on_shard(part.numbers)
    for part, made in (
        spread(missing) if spread and missing else ((part, work.make(part)) for part in missing)
    ):
        count_made()
        found[part] = made.about
        if made.is_whole:
            stages.keep(part.path.stem, inputs, [part.path], made.about)
        if on_shard is not None:
            on_shard(part.numbers)
    shards = [
        {
            "name": part.path.name,
            "sha256": sha256_file(part.path),
            "docs": part.n_docs,
            **(found[part] or {}),
        }
        for part in parts
    ]
    for stale in {*folder.glob("shard-*.spacy")} - {part.path for part in parts}:
        stale.unlink()
    manifest = {"fingerprint": fingerprint, "shards": shards}
    write_json(folder / MANIFEST, manifest)
    stages.finish({})
    return manifest
