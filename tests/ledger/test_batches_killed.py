"""Runs by batches that are killed with SIGKILL: each reply is paid once, and the next run gets it."""

import json
import os
import random
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from asking import PRICES
from batch_service import BatchService, echo
from forked import Forked
from loopback import Loopback
from message_service import MessageService

from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.openai import make_openai_model

RUNNER = Path(__file__).parents[1] / "helpers" / "batch_run.py"
POINTS = ("reserved", "uploaded", "creating", "created", "received", "committed")
COST = 0.5 * (100 + 4 * 20) / 1e6


class Runs:
    """Runs on one ledger, one after the other."""

    def __init__(self, program, url, path, n):
        (path / "prices.json").write_text(json.dumps(PRICES))
        names = ("ledger.db", "out.json", "prices.json")
        self.words = [url, *(str(path / name) for name in names), "--prompts", str(n)]
        self.output = path / "out.json"
        self.program = program

    def start(self, *more):
        return self.program.start(*self.words, *more)

    def run(self, *more):
        """RETURNS (int): The exit code."""
        return self.start(*more).poll(waits=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    program = Forked(RUNNER, tmp_path_factory.mktemp("errors"))
    yield program
    program.close()


@pytest.fixture
def make_runs(program, tmp_path):
    return lambda server, n: Runs(program, server.url, tmp_path, n)


def cost(path):
    db = sqlite3.connect(path / "ledger.db")
    try:
        return db.execute("SELECT charge FROM totals").fetchone()[0] / 1e9
    finally:
        db.close()


def direct(server, path, n):
    model = make_openai_model(server.url, "tiny", max_tokens=50, concurrency=16)
    ledger = make_ledger_model(model, path / "direct.db")
    found = [[str(r), r.state, r.reason] for (r,) in ledger([[f"prompt {i}"] for i in range(n)])]
    ledger.close()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("make_service", [BatchService, MessageService])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_costs_nothing_twice(point, make_service, tmp_path, make_runs):
    service = make_service()
    with Loopback(service.answer) as server:
        runs = make_runs(server, 30)
        runs.words += ["--anthropic"] if make_service is MessageService else []
        assert runs.run("--kill-at", point) == -signal.SIGKILL
        assert not runs.output.exists()
        assert runs.run() == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert [text for text, _, _ in found] == [f"reply to prompt {i}" for i in range(30)]
    assert service.paid == {f"prompt {i}": 1 for i in range(30)}
    assert cost(tmp_path) == pytest.approx(30 * COST)


@pytest.mark.slow
def test_two_thousand_requests_and_twenty_kills_pay_each_reply_once(tmp_path, make_runs):
    """Half of the kills at points of the code, half at any time; some requests fail or expire first."""

    def reply(body, attempt):
        number = int(body["messages"][-1]["content"].split()[-1])
        if number % 97 == 0 and attempt == 1:
            return 500, {"error": {"message": "The server had an error"}}
        if number % 101 == 5:
            return 400, {"error": {"message": "This prompt was flagged", "code": "content_filter"}}
        return echo(body, attempt)

    def sleeps(body, number):
        return number < 3 and int(body["messages"][-1]["content"].split()[-1]) % 89 == 1

    n, rng = 2000, random.Random(7)
    service = BatchService(reply, rate=0.0, day=30.0, sleeps=sleeps, twice=True)
    codes = []
    with Loopback(service.answer) as server:
        runs = make_runs(server, n)
        for i in range(20):
            # First the batches are made, then their answers come.
            is_late = i >= 12
            service.rate = 1e9 if is_late else 0.0
            if i == 12:
                service.day = 0.5
            if i % 2:
                process = runs.start()
                time.sleep(rng.uniform(0.02, 0.15 if is_late else 1.0))
                process.kill()
                codes.append(process.poll(waits=True))
            else:
                point = rng.choice(POINTS[4:] if is_late else POINTS[:4])
                nth = str(rng.randrange(1, 3 if is_late else 7))
                codes.append(runs.run("--kill-at", point, "--nth", nth))
        assert runs.run() == 0
        by_batch = json.loads(runs.output.read_text())
        paid = dict(service.paid)
        assert direct(server, tmp_path, n) == by_batch
    assert codes == [-signal.SIGKILL] * 20
    good = {f"prompt {i}" for i in range(n) if i % 101 != 5}
    assert {prompt for prompt, count in paid.items() if count == 1} == good
    assert set(paid.values()) <= {0, 1}
    assert cost(tmp_path) == pytest.approx(len(good) * COST)
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".alive")]
