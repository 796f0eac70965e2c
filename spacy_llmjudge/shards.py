"""Folders of shards: how a step that was stopped resumes with the shards that are missing.

A folder holds files `shard-00000.spacy` and so on, a record of those that are whole (`stages.json`), and
when all of them are there a manifest with their hashes.
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Callable, ContextManager, Dict, Iterable, List, Optional, Sequence, TypeVar

from spacy.tokens import Doc

from .errors import Errors, LLMJudgeError
from .locks import alone
from .stages import Stages, count_made
from .storage import MANIFEST, PathLike, sha256_file, sha256_json, write_docs, write_json
from .streams import SHARD_SIZE

# a document, or more than that
Item = TypeVar("Item")


def process_shards(
    docs: Sequence[Item],
    folder: PathLike,
    process: Callable[[List[Item]], Iterable[Doc]],
    *,
    fingerprint: Dict[str, Any],
    shard_size: int = SHARD_SIZE,
    is_complete: Optional[Callable[[List[Doc]], bool]] = None,
    describe: Optional[Callable[[List[Doc]], Dict[str, Any]]] = None,
    on_shard: Optional[Callable[[int], None]] = None,
    zone: Callable[[], ContextManager[Any]] = nullcontext,
) -> Dict[str, Any]:
    """Process documents shard by shard into a folder; resume where an earlier run stopped.

    docs (Sequence[Item]): The documents, always in the same order. Those of a shard are asked for, as a slice,
        when it has to be made.
    folder (PathLike): Gets the shards, and `manifest.json` when all are whole.
    process (Callable): From the documents of one shard to the documents to write.
    fingerprint (Dict[str, Any]): All that the result depends on, as JSON. Shards that were made
        with another fingerprint are made again.
    shard_size (int): Documents in a shard, at least one.
    is_complete (Optional[Callable[[List[Doc]], bool]]): A shard whose documents are not complete is
        written, and made again the next time.
    describe (Optional[Callable[[List[Doc]], Dict[str, Any]]]): What the manifest says of each shard.
    on_shard (Optional[Callable[[int], None]]): Called with the number of documents that are done.
    zone (Callable): Entered around the work on each shard, such as the `memory_zone` of a pipeline.
    RETURNS (Dict[str, Any]): The manifest: `fingerprint`, `shards` (name, sha256, docs, and what
        `describe` found).
    """
    if shard_size < 1:
        raise LLMJudgeError(Errors.J007.format(found=shard_size))
    with alone(Path(folder)):
        return _process(
            docs,
            Path(folder),
            process,
            fingerprint,
            shard_size,
            is_complete,
            describe or (lambda processed: {}),
            on_shard,
            zone,
        )


def _process(
    docs: Sequence[Item],
    folder: Path,
    process: Callable[[List[Item]], Iterable[Doc]],
    fingerprint: Dict[str, Any],
    shard_size: int,
    is_complete: Optional[Callable[[List[Doc]], bool]],
    describe: Callable[[List[Doc]], Dict[str, Any]],
    on_shard: Optional[Callable[[int], None]],
    zone: Callable[[], ContextManager[Any]],
) -> Dict[str, Any]:
    inputs = {"mark": sha256_json({**fingerprint, "shard_size": shard_size, "docs": len(docs)})}
    stages = Stages(folder)
    shards = []
    for start in range(0, len(docs), shard_size):
        n_docs = min(shard_size, len(docs) - start)
        name = f"shard-{start // shard_size:05d}"
        file_ = folder / f"{name}.spacy"
        about = stages.find(name, inputs, [file_])
        if about is None:
            # a folder of which a part is of other inputs is not finished
            (folder / MANIFEST).unlink(missing_ok=True)
            with zone():
                processed = list(process(list(docs[start : start + n_docs])))
                write_docs(file_, processed)
                about = describe(processed)
                is_whole = is_complete is None or is_complete(processed)
                del processed
            count_made()
            if is_whole:
                stages.keep(name, inputs, [file_], about)
        shards.append({"name": file_.name, "sha256": sha256_file(file_), "docs": n_docs, **about})
        if on_shard is not None:
            on_shard(n_docs)
    for stale in {*folder.glob("shard-*.spacy")} - {folder / shard["name"] for shard in shards}:
        stale.unlink()
    manifest = {"fingerprint": fingerprint, "shards": shards}
    write_json(folder / MANIFEST, manifest)
    stages.finish({})
    return manifest
