"""Two nodes of Ray on one machine, and a pool that is annotated, judged and filtered with them or without."""

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path

from loopback import Answer, chat

from spacy_llmjudge.cluster.connect import Place, connect
from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.steps.filter import filter_candidates
from spacy_llmjudge.steps.judge import judge

CONFIGS = Path(__file__).parents[2] / "configs"
MODEL = "components.llm_judge.model"
SHARD = 30
# the GPUs are there by name only
SMALL = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 80_000_000}
# a node that is gone is noticed within seconds, not half a minute; a machine that is busy may start workers slowly
SYSTEM = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 10_000,
    "health_check_failure_threshold": 3,
    "worker_register_timeout_seconds": 600,
    "prestart_worker_first_driver": False,
    "worker_niceness": 0,
}


@contextmanager
def two_nodes():
    """YIELDS (ray.cluster_utils.Cluster): One with two nodes of one core and one GPU each."""
    # what is in this folder the workers can import, too
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", PYTHONPATH=os.pathsep.join(filter(None, paths)))
    from ray.cluster_utils import Cluster

    head = {**SMALL, "include_dashboard": False, "_system_config": SYSTEM}
    nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes.add_node(**SMALL)
        yield nodes
    finally:
        nodes.shutdown()


@contextmanager
def workers_on(nodes, **settings):
    """YIELDS (Cluster): Workers, one on each node."""
    with connect(Place(nodes.address, **settings)) as cluster:
        yield cluster


def kill_node(nodes):
    """Kill the raylet of the node that is not the head, with which its workers end."""
    (node,) = nodes.worker_nodes
    (raylet,) = node.all_processes["raylet"]
    os.kill(raylet.process.pid, signal.SIGKILL)
    return node


def renew_node(nodes, node):
    """Put a new node in the place of one that was killed."""
    nodes.remove_node(node, allow_graceful=False)
    nodes.add_node(**SMALL)
    nodes.wait_for_nodes()


def answer_from(replies):
    """A script for the server: what an LLM said about the text of a prompt.

    replies (Path): Rows with `text` and `response`.
    """
    rows = map(json.loads, replies.open(encoding="utf8"))
    known = {row["text"]: json.dumps(row["response"]) for row in rows}

    def script(request):
        found = [text for text in known if text in request.prompt]
        return Answer(chat(known[max(found, key=request.prompt.rfind)]))

    return script


class Run:
    """The steps on a small pool, in a folder of their own.

    folder (Path): Where.
    corpus (Path): What `prepare` wrote.
    model (Path): The student.
    calibration (Path): What `calibrate` wrote.
    cluster (Optional[Cluster]): Who works on the shards.
    """

    def __init__(self, folder, corpus, model, calibration, cluster=None):
        self.folder = folder
        self.corpus = corpus
        self.model = str(model)
        self.calibration = calibration
        self.cluster = cluster

    def annotate(self, *splits, progress=None):
        for split in splits or ("pool", "dev"):
            annotate(
                self.model,
                self.calibration,
                self.corpus / f"{split}.spacy",
                self.folder / "annotated" / split,
                out_of_fold=split == "dev",
                labels=self.corpus / "labelled.spacy",
                shard_size=SHARD,
                progress=progress,
                cluster=self.cluster,
            )

    def judge(self, server, *splits, progress=None, **settings):
        overrides = {
            "paths.ledger": str(self.folder / "ledger.sqlite"),
            "components.llm_judge.task.labels": ["PLANT", "PEST", "DISEASE", "SYMPTOM"],
            f"{MODEL}.prices": str(self.corpus / "prices.json"),
            f"{MODEL}.model.base_url": server.url,
            f"{MODEL}.model.model": "tiny",
            f"{MODEL}.model.api_key_env": None,
            f"{MODEL}.model.concurrency": 4,
            **{f"{MODEL}.{name}": value for name, value in settings.items()},
        }
        return {
            split: judge(
                self.folder / "annotated" / split,
                self.folder / "judged" / split,
                CONFIGS / "judges" / "openai.cfg",
                overrides=overrides,
                shard_size=SHARD,
                progress=progress,
                cluster=self.cluster,
            )
            for split in splits or ("pool", "dev")
        }

    def filter(self):
        filter_candidates(
            self.folder / "judged" / "pool",
            self.folder / "judged" / "dev",
            self.corpus / "dev.spacy",
            CONFIGS / "filter.cfg",
            self.folder / "silver.spacy",
            self.folder / "selection.json",
        )
