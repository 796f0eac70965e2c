"""What the judge's plumbing costs, against chat servers on loopback: throughput, own time, memory.

`throughput_ratio`: requests a second of `llmjudge.OpenAI.v1` in a ledger, with many workers, over those
of spacy-llm's own OpenAI model, at the same server with the same latency. The check that the
constructor of spacy-llm's model makes at api.openai.com is replaced, and nothing else of it.
`own_ms_per_candidate`: processor time of this process for a candidate, at a server without latency, in
a ledger: prompts, requests, commits and replies; one candidate a request.
`rss_mb_at`: memory of this process after so many candidates in one stream.

    python scripts/bench_judge.py --json bench_judge.json
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List

from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.transport.messages import Prompt

SERVER = Path(__file__).parents[1] / "tests" / "models" / "loopback.py"
# As long as a prompt with rules and demonstrations.
PREFIX = "Judge the entity. " * 250


@contextmanager
def serve(latency: float) -> Iterator[str]:
    """Start a server in a process of its own; gives its address."""
    command = [sys.executable, str(SERVER), "--latency", str(latency)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


def make_prompts(n: int) -> Iterable[List[Prompt]]:
    return ([Prompt(f"{PREFIX}Candidate {i}", text=str(i))] for i in range(n))


def count_replies(model: Any, prompts: Iterable[List[Prompt]]) -> int:
    replied = 0
    for replies in model(prompts):
        replied += sum(getattr(reply, "state", "replied") == "replied" for reply in replies)
    return replied


def measure_throughput(latency: float, workers: int, n: int, n_other: int) -> Dict[str, float]:
    """Requests a second of our model in a ledger, and of spacy-llm's."""
    from spacy_llm.models.rest.openai import OpenAI

    OpenAI._verify_auth = lambda self: None
    with serve(latency) as url, tempfile.TemporaryDirectory() as folder:
        model = make_openai_model(url, "bench", concurrency=workers)
        ledger = make_ledger_model(model, Path(folder) / "ledger.db")
        start = time.perf_counter()
        assert count_replies(ledger, make_prompts(n)) == n
        ours = n / (time.perf_counter() - start)
        ledger.close()
        other = OpenAI(
            name="bench",
            endpoint=f"{url}/chat/completions",
            config={},
            strict=True,
            max_tries=5,
            interval=1.0,
            max_request_time=30,
            context_length=None,
        )
        start = time.perf_counter()
        assert count_replies(other, make_prompts(n_other)) == n_other
        theirs = n_other / (time.perf_counter() - start)
    return {"requests_per_second": ours, "spacy_llm_requests_per_second": theirs}


def measure_own_time(workers: int, n: int) -> float:
    """Milliseconds of processor time for a candidate."""
    with serve(0.0) as url, tempfile.TemporaryDirectory() as folder:
        model = make_openai_model(url, "bench", concurrency=workers)
        ledger = make_ledger_model(model, Path(folder) / "ledger.db")
        count_replies(ledger, make_prompts(10))
        start = time.process_time()
        assert count_replies(ledger, make_prompts(n)) == n
        seconds = time.process_time() - start
        ledger.close()
    return 1000 * seconds / n


def read_rss() -> float:
    """Memory of this process in MB: now where the system tells, else the most so far."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_memory(workers: int, counts: List[int]) -> Dict[str, float]:
    """Memory in MB after so many candidates of one stream."""
    found: Dict[str, float] = {}
    with serve(0.0) as url, tempfile.TemporaryDirectory() as folder:
        model = make_openai_model(url, "bench", concurrency=workers)
        ledger = make_ledger_model(model, Path(folder) / "ledger.db")
        for done, _ in enumerate(ledger(make_prompts(max(counts))), 1):
            if done in counts:
                found[str(done)] = read_rss()
        ledger.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="Write the figures to this file")
    parser.add_argument("--latency", type=float, default=0.2, help="Seconds for a reply")
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument("--requests", type=int, default=1600)
    parser.add_argument("--candidates", type=int, default=100_000, help="For the memory")
    options = parser.parse_args()
    workers = options.workers
    figures: Dict[str, Any] = {"latency": options.latency, "workers": workers}
    rates = measure_throughput(options.latency, workers, options.requests, 50)
    ratio = rates["requests_per_second"] / rates["spacy_llm_requests_per_second"]
    figures.update(throughput_ratio=ratio, **rates)
    print(f"{ratio:.1f} times the requests a second of spacy-llm's OpenAI model", flush=True)
    own = figures["own_ms_per_candidate"] = measure_own_time(workers, 4000)
    print(f"{own:.2f} ms of own time for a candidate", flush=True)
    memory = measure_memory(workers, [1000, options.candidates // 10, options.candidates])
    figures["rss_mb_at"] = memory
    shown = ", ".join(f"{size:.0f} MB after {count}" for count, size in memory.items())
    print(f"memory: {shown}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
