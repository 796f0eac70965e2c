"""Two nodes on one machine: what they make is what one process makes, whoever dies."""

import json
import os
import shutil
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest
from asking import select
from cluster_prompts import load_nothing, load_prompts
from cluster_runs import SHARD, Run, answer_from, kill_node, renew_node, two_nodes, workers_on
from loopback import Answer, Loopback, chat

from spacy_llmjudge.cluster import spread as room
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.shards import Part, write_shards
from spacy_llmjudge.steps.calibrate import calibrate

pytestmark = pytest.mark.slow
GARDEN = Path(__file__).parents[2] / "assets" / "garden"
POOL, DEV = 300, 50
CONCURRENCY = 4


@pytest.fixture(scope="module")
def nodes():
    with two_nodes() as found:
        yield found


@pytest.fixture(scope="module")
def server():
    script = answer_from(GARDEN / "responses.jsonl")
    # slow enough that something is under way when a node dies
    with Loopback(script, latency=0.02) as found:
        yield found


@pytest.fixture(scope="module")
def corpus(small_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    dataset = shutil.copytree(small_dataset, folder / "dataset")
    rows = (GARDEN / "pool.jsonl").read_text(encoding="utf8").splitlines()[:POOL]
    (dataset / "pool.jsonl").write_text("\n".join(rows) + "\n", encoding="utf8")
    (dataset / "pool_gold.jsonl").unlink()
    prepare(dataset, folder / "corpus")
    prices = {"as_of": "2026-01-31", "usd_per_million_tokens": {"tiny": {"input": 1, "output": 4}}}
    (folder / "corpus" / "prices.json").write_text(json.dumps(prices))
    return folder / "corpus"


@pytest.fixture(scope="module")
def make_run(corpus, small_student):
    """A run in a folder of its own, which is the working directory: settings name no other one."""
    calibration = corpus.parent / "calibration.json"
    calibrate(str(small_student), corpus / "dev.spacy", calibration)

    def make(folder, cluster=None):
        os.chdir(folder)
        return Run(Path(), corpus, small_student, calibration, cluster)

    before = Path.cwd()
    yield make
    os.chdir(before)


@pytest.fixture(scope="module")
def plain(make_run, server, tmp_path_factory):
    """The files that one process makes."""
    folder = tmp_path_factory.mktemp("plain")
    run = make_run(folder)
    run.annotate()
    usage = run.judge(server)["pool"]["usage"]
    run.filter()
    return files_of(folder), usage


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "ledger" not in path.name
    }


def asked_in(server, start):
    """How often each prompt was asked; the mark of its data block differs between ledgers."""
    return Counter(request.digest for request in server.requests[start:])


def test_the_files_are_the_same_byte_for_byte(nodes, make_run, plain, server, tmp_path):
    start = len(server.requests)
    run = make_run(tmp_path)
    with workers_on(nodes) as run.cluster:
        run.annotate()
        usage = run.judge(server)["pool"]["usage"]
        run.filter()
        assert files_of(tmp_path) == plain[0]
        assert len(server.requests) - start == POOL + DEV
        # nothing is left to do
        run.judge(server)
        assert len(server.requests) - start == POOL + DEV
    assert usage == plain[1] and usage["requests"] == POOL
    assert select("ledger.sqlite", "SELECT COUNT(*), COUNT(DISTINCT key) FROM attempts") == [
        (POOL + DEV, POOL + DEV)
    ]


def test_a_node_that_dies_while_it_annotates(nodes, make_run, plain, tmp_path):
    run, killed = make_run(tmp_path), []

    def kill(n_docs):
        if not killed:
            killed.append(kill_node(nodes))

    with workers_on(nodes) as run.cluster:
        run.annotate("pool", progress=kill)
    renew_node(nodes, *killed)
    made = files_of(tmp_path)
    assert made == {name: plain[0][name] for name in made}
    assert "annotated/pool/manifest.json" in made


def test_a_node_that_dies_while_it_judges(nodes, make_run, plain, server, tmp_path):
    run, killed, start = make_run(tmp_path), [], len(server.requests)
    run.annotate()

    def kill_when_both_ask():
        # the worker on the other node, too, has prompts under way by now
        while len(server.requests) < start + 3 * SHARD:
            time.sleep(0.01)
        killed.append(kill_node(nodes))

    thread = threading.Thread(target=kill_when_both_ask)
    with workers_on(nodes) as run.cluster:
        thread.start()
        run.judge(server, "pool")
        thread.join()
        renew_node(nodes, *killed)
        n_twice = len(server.requests) - start - POOL
        run.judge(server, "dev")
    run.filter()
    assert files_of(tmp_path) == plain[0]
    assert 0 <= n_twice <= CONCURRENCY
    assert max(asked_in(server, start).values()) <= 2
    lost = select("ledger.sqlite", "SELECT COUNT(*) FROM attempts WHERE state = 'lost'")
    replied = "SELECT COUNT(*) FROM attempts WHERE state = 'replied'"
    # a request may have died before it left
    assert n_twice <= lost[0][0] <= CONCURRENCY
    assert select("ledger.sqlite", replied) == [(POOL + DEV,)]


def test_a_budget_is_never_overshot(nodes, tmp_path):
    """A token costs half a dollar, a reply has 1 to 10, and 5 dollars are reserved for it."""
    prices = {"input": 0.0, "output": 500_000.0}
    table = {"as_of": "2026-01-31", "usd_per_million_tokens": {"tiny": prices}}
    (tmp_path / "prices.json").write_text(json.dumps(table))
    paid = Counter()

    def script(request):
        tokens = 1 + request.number * 7 % 10
        run = request.prompt.partition(":")[0]
        paid[run] += tokens / 2
        return Answer(chat("yes", usage={"prompt_tokens": 5, "completion_tokens": tokens}))

    with Loopback(script) as server, workers_on(nodes) as cluster:
        for number in range(50):
            budget = 10 + number / 2
            ledger = tmp_path / f"{number}.sqlite"
            prompts = [f"{number}: prompt {i}" for i in range(40)]
            load = partial(
                load_prompts, server.url, ledger, tmp_path / "prices.json", prompts, 16, budget
            )
            work = load()
            manifest = write_shards(
                work,
                tmp_path / str(number),
                fingerprint={},
                shard_size=20,
                spread=cluster.spread(load),
            )
            ended = Counter(end for shard in manifest["shards"] for end in shard["ended"])
            assert set(ended) == {"replied", "budget"}
            # what was not spent is not enough for one more
            assert budget - 5 < paid[str(number)] <= budget
            ((spent,),) = select(ledger, "SELECT charge FROM totals")
            assert spent == paid[str(number)] * 10**9
            assert sum(said["requests"] for said in cluster.said.values()) == ended["replied"]


def test_a_pause_that_a_server_asks_for_pauses_both_nodes(nodes, tmp_path, prices):
    refused, asked = [], Counter()

    def script(request):
        asked[request.prompt.partition(":")[0]] += 1
        if min(asked["first"], asked["second"]) >= 5 and not refused:
            refused.append(time.monotonic())
            return Answer({}, status=429, headers={"Retry-After": "4"})
        # slowly, until the second worker has begun as well
        return Answer(chat("yes"), delay=0.05 if len(+asked) == 2 else 1.0)

    prompts = [f"{half}: prompt {i}" for half in ("first", "second") for i in range(60)]
    with Loopback(script) as server, workers_on(nodes) as cluster:
        load = partial(
            load_prompts, server.url, tmp_path / "l.sqlite", prices, prompts, CONCURRENCY, 5.0
        )
        spread = cluster.spread(load)
        write_shards(load(), tmp_path / "out", fingerprint={}, shard_size=60, spread=spread)
        came = [(request.prompt.partition(":")[0], request.time) for request in server.requests]
    (when,) = refused
    for half in ("first", "second"):
        after = [at - when for name, at in came if name == half]
        assert any(at < 0 for at in after) and any(at > 4 for at in after)
        assert not [at for at in after if 1.5 < at < 3.9]


def make_nothing(cluster, folder, **settings):
    """RETURNS (List[int]): How many GPUs the worker of each shard had."""
    spread = cluster.spread(load_nothing, **settings)
    manifest = write_shards(load_nothing(), folder, fingerprint={}, shard_size=1, spread=spread)
    return [shard["gpus"] for shard in manifest["shards"]]


def test_workers_have_the_gpus_that_the_work_needs_and_no_others(nodes, tmp_path):
    with workers_on(nodes) as cluster:
        found = [make_nothing(cluster, tmp_path / str(i), gpus=n) for i, n in enumerate((0, 1, 0))]
    assert found == [[0, 0], [1, 1], [0, 0]]


def test_a_cluster_whose_cores_are_taken_is_waited_for_and_that_is_said(
    nodes, tmp_path, monkeypatch
):
    import ray

    monkeypatch.setattr(room, "_QUIET", 1.0)
    ray.init(address=nodes.address, logging_level="error", log_to_driver=False)
    try:
        taken = ray.util.placement_group([{"CPU": 1}, {"CPU": 1}])
        assert taken.wait(60)
        timer = threading.Timer(3.0, ray.util.remove_placement_group, [taken])
        with workers_on(nodes) as cluster, pytest.warns(UserWarning, match="JW977") as caught:
            timer.start()
            assert make_nothing(cluster, tmp_path / "out") == [0, 0]
        timer.join()
    finally:
        ray.shutdown()
    assert len(caught) == 1


def test_a_keeper_that_died_is_one_line(nodes, tmp_path):
    import ray

    with workers_on(nodes, workers=1) as cluster:
        parts = [Part(tmp_path / f"{i}.spacy", i, 1) for i in range(2)]
        made = cluster.spread(load_nothing)(parts)
        assert next(made)[0] == parts[0]
        # nobody asks it before another worker dies
        for actor in [cluster._keeper, *cluster._actors.values()]:
            ray.kill(actor)
        with pytest.raises(LLMJudgeError, match=r"\[J967\].*has ended"):
            list(made)
