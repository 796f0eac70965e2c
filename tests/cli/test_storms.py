"""Storms over a run of 500 documents: exit code 1, then 0, and what a calm run would have judged."""

import json
import random
import re
import time
from collections import Counter

import pytest
from judge_runs import (
    openai_command,
    read_judgements,
    resume_command,
    run,
    states_of,
    write_annotated,
    write_prices,
)
from loopback import Answer, Loopback, chat

pytestmark = pytest.mark.slow

N = 500
PAUSE = 3.1
BUSY = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "0.2s"}]}}
SETTINGS = {"model.concurrency": 8, "model.max_tries": 2, "model.backoff": 0.02}


def judge(request):
    """A judge that is of another opinion about every garden."""
    number = int(re.search(r"garden (\d+)", request.prompt)[1])
    found = {"text": "roses", "label": "PLANT", "confidence": 50 + number % 50}
    said = {"entities": [found] if number % 3 else [], "alternatives": []}
    usage = {"prompt_tokens": 100, "completion_tokens": 20}
    return Answer(chat(json.dumps(said), usage=usage), delay=0.005)


def make_folder(folder):
    texts = [f"the roses of garden {i} have black spot" for i in range(N)]
    write_annotated(folder, texts[:400], texts[400:])
    write_prices(folder)
    return folder


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """What is judged when nothing happens."""
    folder = make_folder(tmp_path_factory.mktemp("calm"))
    with Loopback(judge) as server:
        code, _, err = run(openai_command(folder, server, **SETTINGS))
        assert code == 0, err
        assert len(server.requests) == N
    return read_judgements(folder / "judged")


def storm_of_503():
    rng = random.Random(7)
    return lambda r: Answer("busy", 503) if rng.random() < 0.46 else judge(r)


def storm_of_429():
    """Its hint stands in the body only, and it is worse than the tries can take."""
    rng = random.Random(7)
    return lambda r: Answer([BUSY], 429) if rng.random() < 0.3 else judge(r)


def outage():
    """Nobody listens from the 200th request on."""
    return lambda r: judge(r) if r.number < 200 else Answer(fault="refuse", delay=PAUSE - 0.1)


@pytest.mark.parametrize("storm", [storm_of_503, storm_of_429, outage])
def test_a_storm(storm, calm, tmp_path):
    folder, paid = make_folder(tmp_path / "run"), Counter()

    def script(request):
        answer = weather(request)
        paid[request.prompt] += answer.status == 200 and answer.fault is None
        return answer

    with Loopback(script) as server:
        weather = storm()
        code, out, err = run(openai_command(folder, server, **SETTINGS))
        assert code == 1, err
        states = states_of(folder)
        n_judged = states["judged", None]
        assert 100 <= n_judged < N
        assert {state for state, _ in states} == {"judged", "not_sent"}
        assert f"{N - n_judged} documents have no answer yet" in " ".join((out + err).split())
        weather = judge
        time.sleep(PAUSE)
        n_before = len(server.requests)
        code, _, err = run(resume_command(err))
        assert code == 0, err
        asked = [request.prompt for request in server.requests[n_before:]]
        assert len(asked) == len(set(asked)) == N - n_judged, "each that was left, once"
    assert read_judgements(folder / "judged") == calm
    assert len(+paid) == N
    # Whatever was under way when nobody listened any more may be lost, and nothing else.
    assert sum(paid.values()) - N <= (SETTINGS["model.concurrency"] if storm is outage else 0)
