"""`annotate`: pseudo-label documents with candidates, posteriors and confidences."""

from pathlib import Path
from typing import Optional

from ..candidates import CANDIDATE_CUT
from ..streams import SHARD_SIZE
from .arguments import Arg, Opt, splits_of
from .cluster import Address, On, Workers, place_of
from .printer import msg
from .progress import progress_bar
from .timing import timed
from .user_errors import user_errors


@user_errors
def annotate_cli(
    # fmt: off
    model: str = Arg(..., help="Pipeline with NER: a folder or an installed package"),
    calibration: Path = Arg(..., help="File that `calibrate` wrote"),
    corpus: Path = Arg(..., help="Folder that `prepare` wrote; its pool and dev are annotated"),
    output: Path = Arg(..., help="Folder that gets pool/ and dev/ in shards"),
    pipe_name: str = Opt(
        "auto",
        "--pipe-name",
        help="Component whose predictions are annotated; auto: the one that fits",
    ),
    candidate_cut: float = Opt(
        CANDIDATE_CUT, "--cut", help="Keep candidates with at least this posterior"
    ),
    shard_size: int = Opt(SHARD_SIZE, "--shard-size", help="Documents in a shard"),
    only: Optional[str] = Opt(
        None, "--only", help="pool or dev: leave the other one out, if you have no dev set"
    ),
    gpu_id: int = Opt(-1, "--gpu-id", "-g", help="GPU ID or -1 for CPU"),
    metrics: Optional[Path] = Opt(None, "--metrics", help="Folder for timings"),
    on: str = On,
    ray_address: Optional[str] = Address,
    ray_workers: int = Workers,
    # fmt: on
) -> None:
    """Pseudo-label the pool, and dev in the same way: it is the evidence for the selection.

    A run that was stopped resumes with the shards that are missing.
    """
    from ..steps.annotate import annotate
    from ..steps.loading import cluster_at
    from ..streams import count_docs

    place = place_of(on, ray_address, ray_workers)
    with timed("annotate", metrics), cluster_at(place) as cluster:
        for split in splits_of(only):
            source = corpus / f"{split}.spacy"
            with progress_bar(count_docs(source), f"Annotating {split}") as progress:
                manifest = annotate(
                    model,
                    calibration,
                    source,
                    output / split,
                    out_of_fold=split == "dev",
                    labels=corpus / "labelled.spacy",
                    pipe_name=pipe_name,
                    candidate_cut=candidate_cut,
                    shard_size=shard_size,
                    gpu_id=gpu_id,
                    progress=progress,
                    cluster=cluster,
                )
            n_docs = sum(shard["docs"] for shard in manifest["shards"])
            msg.good(f"{output / split}: {n_docs} documents")


def register(app) -> None:
    app.command("annotate")(annotate_cli)
