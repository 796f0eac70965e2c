"""Measure `annotate` with one worker of a Ray cluster, with more, and without Ray, and compare all bytes.

    python scripts/bench_ray.py --documents 20000 --workers 2 --json docs/many_machines.json

The pool and the student are those of `bench_scale.py`. The workers have started and loaded the student before the clock
runs, on a few documents, as in a run of hours. Nothing else should use the cores meanwhile: the load before each run
is written down.
"""

import argparse
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, Dict, Optional

from bench_scale import ROOT, describe_machine, make_dataset, make_student, verb

from spacy_llmjudge.cluster.connect import Place, connect
from spacy_llmjudge.cluster.spread import Cluster
from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.storage import sha256_path

WARM = "dev"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--work", type=Path, default=ROOT / "bench" / "ray")
    parser.add_argument("--json", type=Path, required=True, help="where to write")
    args = parser.parse_args()
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    make_student(work)
    corpus = work / str(args.documents) / "corpus"
    if not corpus.exists():
        make_dataset(corpus.parent / "data", args.documents)
        verb("prepare", corpus.parent / "data", corpus)
    found: Dict[str, Any] = {"machine": describe_machine(), "documents": args.documents, "runs": {}}
    for name, n in (("without Ray", 0), ("1 worker", 1), (f"{args.workers} workers", args.workers)):
        found["runs"][name] = measure(work, corpus, n)
        print(name, found["runs"][name], flush=True)
    runs = list(found["runs"].values())
    found["same_bytes"] = len({run.pop("sha256") for run in runs}) == 1
    found["speed_up"] = round(runs[1]["seconds"] / runs[2]["seconds"], 2)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf8")
    print(f"speed-up {found['speed_up']}, same bytes: {found['same_bytes']}")
    return 0 if found["same_bytes"] else 1


def measure(work: Path, corpus: Path, n_workers: int) -> Dict[str, Any]:
    """RETURNS (Dict[str, Any]): Seconds, the load of the machine before, and the hash of all that was written."""
    output = corpus.parent / "annotated"
    shutil.rmtree(output, ignore_errors=True)

    def run(name: str, cluster: Optional[Cluster], shard_size: int) -> None:
        annotate(
            str(work / "student" / "model-best"),
            work / "calibration.json",
            corpus / f"{name}.spacy",
            output / name,
            labels=corpus / "labelled.spacy",
            shard_size=shard_size,
            cluster=cluster,
        )

    def timed(cluster: Optional[Cluster]) -> Dict[str, Any]:
        # so small that each worker gets some
        run(WARM, cluster, 4)
        load, start = os.getloadavg()[0], time.monotonic()
        run("pool", cluster, 256)
        return {"seconds": round(time.monotonic() - start, 1), "load_before": round(load, 1)}

    if n_workers:
        with connect(Place(workers=n_workers)) as cluster:
            cost = timed(cluster)
    else:
        cost = timed(None)
    return {**cost, "sha256": sha256_path(output / "pool")}


if __name__ == "__main__":
    raise SystemExit(main())
