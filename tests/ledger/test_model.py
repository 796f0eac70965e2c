import json
import logging
import multiprocessing
import os
import pickle
import random
import signal
import sqlite3
import threading
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import pytest
from asking import ask, numbers, select
from forked import Forked
from loopback import Answer, Loopback, chat

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.model import LedgerModel, make_ledger_model
from spacy_llmjudge.ledger.store import LedgerStore
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.transport.messages import Prompt, Reply

RUNNER = Path(__file__).parents[1] / "helpers" / "ledger_run.py"
VARIABLE = "LLMJUDGE_TEST_KEY"
KEY = "sk-canary-7Hq2Zr9LmT4vXw81"


def echo(request):
    return Answer(chat(f"reply to {request.prompt}"))


def make(server, path, **settings):
    own = {k: settings.pop(k) for k in ("max_cost", "prices", "allow_unpriced") if k in settings}
    settings = {"model": "tiny", "concurrency": 8, "backoff": 0.002, "timeout": 5.0, **settings}
    return make_ledger_model(make_openai_model(server.url, **settings), path / "ledger.db", **own)


def rows(path, sql="SELECT * FROM attempts ORDER BY id"):
    return select(path / "ledger.db", sql)


def test_a_reply_is_paid_once(tmp_path):
    with Loopback(echo) as server:
        first = ask(make(server, tmp_path), *numbers(50))
        model = make(server, tmp_path)
        again = ask(model, *numbers(50))
    assert first == again == [f"reply to prompt {i}" for i in range(50)]
    assert len(server.requests) == 50
    usage = model.usage()
    assert (usage["requests"], usage["replied"], usage["stored"]) == (0, 50, 50)


def test_duplicates_in_one_stream_are_sent_once(tmp_path):
    with Loopback(echo, latency=0.05) as server:
        replies = ask(make(server, tmp_path), *(["same"] * 20))
    assert set(replies) == {"reply to same"}
    assert len(server.requests) == 1


def test_samples_of_one_question_are_requests_of_their_own(tmp_path):
    with Loopback(echo) as server:
        ask(make(server, tmp_path), *(Prompt("same", sample=i) for i in range(5)))
        ask(make(server, tmp_path), *(Prompt("same", sample=i) for i in range(5)))
    assert sorted(request.data["seed"] for request in server.requests) == [0, 1, 2, 3, 4]


def test_every_request_is_a_row(tmp_path):
    def script(request):
        return Answer("busy", 503) if request.number == 0 else echo(request)

    with Loopback(script) as server:
        ask(make(server, tmp_path), "p")
    found = rows(tmp_path, "SELECT state, reason, status, reply FROM attempts ORDER BY id")
    assert found[0] == ("failed", "http_503", 503, "busy")
    assert found[1][:3] == ("replied", None, 200)
    assert json.loads(found[1][3])["choices"][0]["message"]["content"] == "reply to p"


def test_a_reply_is_on_the_disk_before_it_is_read(tmp_path):
    seen = {}

    def hook(point):
        states = rows(tmp_path, "SELECT state FROM attempts")
        seen[point] = (states[0][0], len(server.requests))

    with Loopback(echo) as server:
        model = make_openai_model(server.url, "tiny")
        ask(LedgerModel(model, tmp_path / "ledger.db", hook=hook), "p")
    assert seen == {
        "reserved": ("reserved", 0),
        "received": ("reserved", 1),
        "committed": ("replied", 1),
        "parsed": ("replied", 1),
    }


def test_a_changed_parser_reads_again_without_a_request(tmp_path, monkeypatch):
    with Loopback(echo) as server:
        ask(make(server, tmp_path), *numbers(3))
        model = make(server, tmp_path)
        upper = lambda self, raw, body: Reply(raw.upper())  # noqa: E731
        monkeypatch.setattr(type(model._model), "parse", upper)
        replies = ask(model, *numbers(3))
    assert len(server.requests) == 3
    assert all("REPLY TO PROMPT" in reply for reply in replies)


def test_a_prompt_that_failed_is_asked_again_in_the_next_run(tmp_path):
    def script(request):
        return Answer("", 500) if request.number < 2 else echo(request)

    with Loopback(script) as server:
        (first,) = ask(make(server, tmp_path, max_tries=2), "p")
        (second,) = ask(make(server, tmp_path, max_tries=2), "p")
    assert (first.state, first.reason) == ("not_sent", "http_500")
    assert second == "reply to p"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_permanent_error_costs_one_request(tmp_path, monkeypatch, status):
    monkeypatch.setenv(VARIABLE, KEY)
    with Loopback(lambda request: Answer("", status)) as server:
        model = make(server, tmp_path, concurrency=32, api_key_env=VARIABLE)
        start = time.monotonic()
        with pytest.raises(LLMJudgeError, match="J315") as caught:
            ask(model, *numbers(100))
    assert time.monotonic() - start < 2
    for part in (VARIABLE, f"127.0.0.1:{server.port}", str(status)):
        assert part in str(caught.value)
    assert len(server.requests) == 1
    assert rows(tmp_path, "SELECT state, status, charge FROM attempts") == [("failed", status, 0)]


def refuse_one_of_many():
    """RETURNS (tuple): A list that gets the request that was refused, and the script."""
    refused = []

    def script(request):
        if request.number == 30:
            refused.append(request)
            return Answer("", 429, {"Retry-After": "0.7"})
        return Answer(chat(), delay=0.01)

    return refused, script


def test_a_429_pauses_every_worker(tmp_path):
    refused, script = refuse_one_of_many()

    with Loopback(script) as server:
        ask(make(server, tmp_path, concurrency=16), *numbers(150))
    until = refused[0].time + 0.7
    later = server.requests[31:]
    (again,) = [r for r in later if r.prompt == refused[0].prompt]
    assert again.time >= until
    # Each other worker may have had one request under way; none leaves once the answer has arrived.
    assert sum(r.time < until for r in later) <= 15
    assert not [r for r in later if refused[0].time + 0.3 < r.time < until]


def test_a_429_pauses_every_worker_while_it_is_on_its_way_to_the_disk(tmp_path, monkeypatch):
    """A slow disk, on which the answer's commit takes longer than many requests."""
    refused, script = refuse_one_of_many()

    with Loopback(script) as server:
        model = make(server, tmp_path, concurrency=16)
        settle = LedgerStore.settle

        def slow(self, *args, **settings):
            if settings.get("status") == 429:
                time.sleep(0.5)
            settle(self, *args, **settings)

        monkeypatch.setattr(LedgerStore, "settle", slow)
        ask(model, *numbers(150))
    until = refused[0].time + 0.7
    assert sum(r.time < until for r in server.requests[31:]) <= 15


def test_a_number_of_tokens_that_no_row_can_hold_costs_no_reply(tmp_path):
    def script(request):
        usage = {"prompt_tokens": 10**30, "completion_tokens": 1}
        return Answer(chat(f"reply to {request.prompt}", usage=usage))

    with Loopback(script) as server:
        replies = ask(make(server, tmp_path), *numbers(20))
    assert replies == [f"reply to prompt {i}" for i in range(20)]
    assert len(server.requests) == 20


def test_rates_are_kept(tmp_path):
    with Loopback(echo) as server:
        model = make_openai_model(server.url, "tiny", concurrency=16)
        ask(
            make_ledger_model(model, tmp_path / "ledger.db", requests_per_minute=1200), *numbers(40)
        )
    times = [request.time for request in server.requests]
    assert times[-1] - times[0] >= (40 - 20 - 1) / 20 - 0.05


# Money


def true_cost(server):
    """What the server would bill for what it answered, in USD."""
    cost = 0.0
    for request in server.requests:
        tokens_out = request.data["max_tokens"]
        cost += len(request.raw) * 1e-6 + tokens_out * 4e-6 if request.answered else 0.0
    return cost


def longest(request):
    """A reply at its longest, from a tokenizer at its worst."""
    usage = {"prompt_tokens": len(request.raw), "completion_tokens": request.data["max_tokens"]}
    return Answer(chat("x", usage=usage))


def spend(server, path, prices, cap, n=60, **settings):
    settings = {"concurrency": 32, "max_tokens": 50, **settings}
    model = make(server, path, max_cost=cap, prices=prices, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        replies = ask(model, *numbers(n))
        cost = model.usage()["cost"]
    model.close()
    return replies, cost


def check_caps(tmp_path, prices, n_caps):
    rng = random.Random(0)
    n_stopped = 0
    for i in range(n_caps):
        cap = rng.uniform(0.0004, 0.018)
        with Loopback(longest) as server:
            replies, cost = spend(server, tmp_path / str(i), prices, cap)
        billed = true_cost(server)
        assert billed <= cap and billed <= cost + 1e-12
        states = Counter((reply.state, reply.reason) for reply in replies)
        assert set(states) <= {("replied", None), ("not_sent", "budget")}
        n_stopped += ("not_sent", "budget") in states
        # It stopped because the next request might not have fitted, and not long before.
        worst = 400e-6 + 50 * 4e-6
        assert billed > cap - 2 * worst
    assert n_stopped == n_caps


def test_the_budget_is_never_overshot(tmp_path, prices):
    check_caps(tmp_path, prices, 5)


@pytest.mark.slow
def test_the_budget_is_never_overshot_200_times(memory_path, prices):
    check_caps(memory_path, prices, 200)


def test_money_that_comes_free_while_a_request_is_refused_is_spent(tmp_path, prices, monkeypatch):
    """The budget is enough for one at its worst; its reply, which is cheap, comes home between the refusal of
    another and what is made of it."""
    reserve = LedgerStore.reserve

    def slow(store, *args):
        claim = reserve(store, *args)
        while claim.state == "budget" and store.open_rows:
            time.sleep(0.005)
        return claim

    monkeypatch.setattr(LedgerStore, "reserve", slow)
    with Loopback(lambda request: Answer(chat("x"), delay=0.2)) as server:
        replies, _ = spend(server, tmp_path, prices, 0.0006, n=6, concurrency=6)
    assert [reply.state for reply in replies] == ["replied"] * 6


def test_the_budget_survives_a_restart(tmp_path, prices):
    with Loopback(longest) as server:
        first, _ = spend(server, tmp_path, prices, 0.01)
        n_first = len(server.requests)
        second, cost = spend(server, tmp_path, prices, 0.01)
        assert len(server.requests) == n_first
        third, _ = spend(server, tmp_path, prices, 1.0)
    n_answered = sum(reply.state == "replied" for reply in first)
    assert 0 < n_answered < 60
    assert [r.state for r in second].count("replied") == n_answered
    assert cost <= 0.01
    assert all(reply.state == "replied" for reply in third)


def test_the_budget_warns_once_at_80_percent(tmp_path, prices):
    with Loopback(longest) as server:
        model = make(server, tmp_path, max_cost=0.01, prices=prices, max_tokens=50)
        with pytest.warns(UserWarning) as caught:
            ask(model, *numbers(60))
    assert [str(w.message)[:7] for w in caught] == ["[JW310]"]


def test_a_reply_without_usage_is_charged_at_its_worst(tmp_path, prices):
    with Loopback(lambda request: Answer(chat("x", usage=None))) as server:
        model = make(server, tmp_path, max_cost=1.0, prices=prices, max_tokens=50)
        ask(model, "p")
        size = len(server.requests[0].raw)
    assert model.usage()["cost"] == pytest.approx((size + 64) * 1e-6 + 50 * 4e-6)


def test_a_usage_of_nothing_does_not_pass_the_cap(tmp_path, prices):
    """As a server says that counts nothing: 400 requests would go through any cap."""

    def script(request):
        return Answer(chat("x", usage={"prompt_tokens": 0, "completion_tokens": 0}))

    with Loopback(script) as server:
        replies, cost = spend(server, tmp_path, prices, 0.01, n=400)
    worst = (max(len(r.raw) for r in server.requests) + 64) * 1e-6 + 50 * 4e-6
    assert len(server.requests) <= 0.01 / worst + 1 < 400
    assert cost <= 0.01 and replies[-1].reason == "budget"


def test_gateways_that_time_out_do_not_pass_the_cap(tmp_path, prices):
    with Loopback(lambda request: Answer("", 504)) as server:
        _, cost = spend(server, tmp_path, prices, 0.01, n=400, max_tries=2)
    assert len(server.requests) < 60 and 0.005 < cost <= 0.01


def test_thinking_and_cached_tokens_are_charged_as_they_are_billed(tmp_path):
    path = tmp_path / "prices.json"
    row = {"input": 1.0, "output": 4.0, "cached_input": 0.1}
    path.write_text(json.dumps({"as_of": "x", "usd_per_million_tokens": {"tiny": row}}))
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 165}
    usage["prompt_tokens_details"] = {"cached_tokens": 60}
    with Loopback(lambda request: Answer(chat("x", usage=usage))) as server:
        model = make(server, tmp_path, max_cost=1.0, prices=path)
        ask(model, "p")
    assert model.usage()["cost"] == pytest.approx(40e-6 + 60 * 0.1e-6 + 65 * 4e-6)
    assert model.usage()["tokens_out"] == 65


@pytest.mark.parametrize("served, factor", [("flex", 0.5), ("default", 1.0)])
def test_a_service_tier_is_charged_as_it_was_served(served, factor, tmp_path):
    path = tmp_path / "prices.json"
    row = {"input": 1.0, "output": 4.0, "tiers": {"flex": {"input": 0.5, "output": 2.0}}}
    path.write_text(json.dumps({"as_of": "x", "usd_per_million_tokens": {"tiny": row}}))
    with Loopback(lambda request: Answer(chat("x", service_tier=served))) as server:
        extra = {"service_tier": "flex"}
        model = make(server, tmp_path, max_cost=1.0, prices=path, extra=extra)
        ask(model, "p")
    assert model.usage()["cost"] == pytest.approx(factor * (10e-6 + 5 * 4e-6))


def test_a_tier_without_a_price_is_refused_or_told(tmp_path, prices):
    with Loopback(lambda request: Answer(chat("x", service_tier="scale"))) as server:
        settings = {"max_cost": 1.0, "prices": prices}
        with pytest.raises(LLMJudgeError, match="J331.*'priority'.*'tiny'"):
            ask(make(server, tmp_path, **settings, extra={"service_tier": "priority"}), "p")
        assert server.requests == []
        with pytest.warns(UserWarning, match="JW333.*'scale'"):
            ask(make(server, tmp_path, **settings), "p")


def test_a_time_out_may_have_been_paid_and_a_refusal_was_not(tmp_path, prices):
    def script(request):
        if request.prompt == "hangs":
            return Answer(fault="hang")
        return Answer("", 500)

    with Loopback(script) as server:
        model = make(server, tmp_path, max_cost=1.0, prices=prices, timeout=0.2, max_tries=1)
        ask(model, "fails", "hangs")
    charges = dict(rows(tmp_path, "SELECT reason, charge FROM attempts"))
    assert charges["http_500"] == 0 and charges["timeout"] > 0


def test_an_unknown_price_is_refused_unless_allowed(tmp_path, prices):
    with Loopback(echo) as server:
        with pytest.raises(LLMJudgeError, match="J323.*'other'.*prices.json"):
            ask(make(server, tmp_path, max_cost=1.0, prices=prices, model="other"), "p")
        with pytest.raises(LLMJudgeError, match="J323"):
            ask(make(server, tmp_path, max_cost=1.0), "p")
        assert server.requests == []
        settings = {"max_cost": 1.0, "prices": prices, "model": "other", "allow_unpriced": True}
        with pytest.warns(UserWarning, match="JW314"):
            assert ask(make(server, tmp_path, **settings), "p") == ["reply to p"]


# Kills


@pytest.fixture(scope="module")
def forked(tmp_path_factory):
    forked = Forked(RUNNER, tmp_path_factory.mktemp("errors"))
    yield forked
    forked.close()


@pytest.fixture
def start(forked):
    """A function that starts a run, see `ledger_run`, in a process of its own."""

    def start(server, path, output, *options):
        return forked.start(server.url, path / "ledger.db", output, *options)

    return start


def kept(path):
    if not (path / "ledger.db").exists():
        return {}
    try:
        return dict(rows(path, "SELECT key, reply FROM attempts WHERE state = 'replied'"))
    except sqlite3.OperationalError:
        return {}  # it was killed before it had made the tables


def kill_again_and_again(start, tmp_path, n_kills, n_prompts, workers=16):
    rng = random.Random(1)
    options = ["--prompts", str(n_prompts), "--workers", str(workers)]
    step = max(2, 2 * n_prompts // (n_kills + 1))
    with Loopback(
        lambda r: Answer(chat(f"reply to {r.prompt}"), delay=0.02 * rng.random())
    ) as server:
        before, n_alive = {}, 0
        for _ in range(n_kills):
            process = start(server, tmp_path, tmp_path / "killed.json", *options)
            target = len(server.requests) + rng.randrange(step)
            while process.poll() is None and len(server.requests) < target:
                time.sleep(0.001)
            time.sleep(0.02 * rng.random())
            n_sent = len(server.requests)
            n_alive += process.poll() is None
            process.kill()
            process.finish()
            now = kept(tmp_path)
            # Everything that was on the disk is still there, and what is not was under way.
            assert before.items() <= now.items()
            answered = {request.digest for request in server.requests if request.answered}
            assert len(answered) - len(now) <= workers
            before = now
            assert n_sent <= len(server.requests)
        code, errors = start(server, tmp_path, tmp_path / "killed.json", *options).finish()
        assert code == 0, errors
    with Loopback(echo) as calm:
        code, errors = start(calm, tmp_path / "calm", tmp_path / "calm.json", *options).finish()
        assert code == 0, errors
    assert (tmp_path / "killed.json").read_bytes() == (tmp_path / "calm.json").read_bytes()
    assert len(kept(tmp_path)) == n_prompts
    assert len(server.requests) <= n_prompts + workers * n_kills
    return n_alive


@pytest.mark.slow
def test_kills_lose_at_most_what_is_under_way(start, tmp_path):
    kill_again_and_again(start, tmp_path, 3, 60)


@pytest.mark.slow
def test_60_kills_in_a_run_of_500(start, tmp_path):
    # Each found it at work.
    assert kill_again_and_again(start, tmp_path, 60, 500) == 60


@pytest.mark.slow
@pytest.mark.parametrize("point", ["reserved", "received", "committed", "parsed"])
def test_a_kill_at_each_point_resumes(start, tmp_path, point):
    with Loopback(echo, latency=0.005) as server:
        options = ["--prompts", "30", "--workers", "4"]
        killed = start(
            server, tmp_path, tmp_path / "out.json", *options, "--kill-at", point, "--nth", "9"
        )
        code, _ = killed.finish()
        assert code == -signal.SIGKILL
        at_kill = kept(tmp_path)
        n_sent = Counter(request.digest for request in server.requests)
        code, errors = start(server, tmp_path, tmp_path / "out.json", *options).finish()
        assert code == 0, errors
    replies = json.loads((tmp_path / "out.json").read_text())
    assert [reply[0] for reply in replies] == [f"reply to prompt {i}" for i in range(30)]
    # Only what was sent and not yet on the disk is paid again.
    again = Counter(request.digest for request in server.requests) - n_sent
    assert sum(again.values()) == 30 - len(at_kill)
    states = dict(rows(tmp_path, "SELECT state, COUNT(*) FROM attempts GROUP BY state"))
    assert states["replied"] == 30 and "reserved" not in states


def test_requests_of_a_killed_run_stay_in_the_budget(tmp_path, prices):
    with Loopback(longest) as server:
        model = make(server, tmp_path, max_cost=1.0, prices=prices)
        ask(model, "p")
        model.close()
        db = sqlite3.connect(tmp_path / "ledger.db")
        db.execute(
            "INSERT INTO attempts (key, model, run, state, charge, started)"
            " VALUES ('k', 'm', 'gone', 'reserved', 500000000, '')"
        )
        db.commit()
        db.close()
        model = make(server, tmp_path, max_cost=1.0, prices=prices)
        with pytest.warns(UserWarning, match="JW311.*1 requests"):
            ask(model, "p")
        assert model.usage()["cost"] > 0.5


# Two processes, damage, full disks, interruptions


@pytest.mark.slow
def test_two_processes_send_nothing_twice(start, tmp_path):
    with Loopback(echo, latency=0.01) as server:
        options = ["--prompts", "150", "--workers", "8"]
        runs = [start(server, tmp_path, tmp_path / f"{i}.json", *options) for i in range(2)]
        results = [run.finish() for run in runs]
    assert [code for code, _ in results] == [0, 0], results
    assert set(Counter(request.digest for request in server.requests).values()) == {1}
    assert len(server.requests) == 150
    assert (tmp_path / "0.json").read_bytes() == (tmp_path / "1.json").read_bytes()
    assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]


def open_new_ledgers(folder, barrier, problems):
    for number in range(40):
        barrier.wait(60)
        try:
            LedgerStore(folder / f"{number}.sqlite").close()
        except LLMJudgeError as error:
            problems.put(str(error))


@pytest.mark.slow
def test_processes_that_make_a_ledger_at_the_same_moment(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, problems = context.Barrier(4), context.Queue()
    arguments = (tmp_path, barrier, problems)
    processes = [context.Process(target=open_new_ledgers, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 4
    assert problems.empty(), problems.get()


@pytest.mark.slow
def test_a_full_disk_stops_before_the_next_request(start, tmp_path):
    with Loopback(lambda r: Answer(chat("x" * 2000), delay=0.005)) as server:
        limit = ["--prompts", "500", "--workers", "4", "--largest-file", "200000"]
        code, errors = start(server, tmp_path, tmp_path / "out.json", *limit).finish()
        assert code == 1 and "J322" in errors
        n_kept, n_sent = len(kept(tmp_path)), len(server.requests)
        assert 0 < n_kept and n_sent - n_kept <= 4
        options = ["--prompts", "500", "--workers", "4"]
        code, errors = start(server, tmp_path, tmp_path / "out.json", *options).finish()
        assert code == 0, errors
    assert len(server.requests) == n_sent + 500 - n_kept


def test_too_little_room_for_the_replies_stops_before_a_request(tmp_path, monkeypatch):
    with Loopback(echo) as server:
        model = make(server, tmp_path)
        ask(model, "p")
        disk = os.statvfs(tmp_path)
        full = os.statvfs_result([4096, 4096, disk.f_blocks, 1, 1, *tuple(disk)[5:]])
        monkeypatch.setattr(os, "statvfs", lambda path: full)
        with pytest.raises(LLMJudgeError, match="J322.*4,096 bytes left"):
            ask(model, "q")
    assert len(server.requests) == 1


@pytest.mark.parametrize("n_bytes, is_enough", [(5_100_000, True), (4_900_000, False)])
def test_the_longest_reply_has_room_before_it_is_asked_for(
    n_bytes, is_enough, tmp_path, monkeypatch
):
    with Loopback(echo) as server:
        model = make(server, tmp_path, max_reply_bytes=4_000_000, concurrency=1)
        ask(model, "p")
        disk = os.statvfs(tmp_path)
        free = os.statvfs_result([1, 1, disk.f_blocks, n_bytes, n_bytes, *tuple(disk)[5:]])
        monkeypatch.setattr(os, "statvfs", lambda path: free)
        if is_enough:
            assert ask(model, "q") == ["reply to q"]
        else:
            with pytest.raises(LLMJudgeError, match="J322"):
                ask(model, "q")
    assert len(server.requests) == 1 + is_enough


def interrupt(start, tmp_path, delay, n_times, *options):
    """Interrupt a run with eight requests under way. RETURNS (tuple): Server, seconds to the end, errors."""

    def script(request):
        if not request.number:
            return Answer(chat())
        return Answer(chat(), fault="hang") if delay is None else Answer(chat(), delay=delay)

    with Loopback(script) as server:
        process = start(server, tmp_path, tmp_path / "out.json", "--workers", "8", *options)
        while len(server.requests) < 9 and process.poll() is None:
            time.sleep(0.01)
        began = time.monotonic()
        for _ in range(n_times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        code, errors = process.finish()
        assert code != 0 and "KeyboardInterrupt" in errors
        return server, time.monotonic() - began


@pytest.mark.slow
@pytest.mark.parametrize("n_times", [1, 2])
def test_ctrl_c_ends_soon_and_keeps_what_comes_home(start, tmp_path, n_times):
    """A second one changes nothing: what is under way is paid for."""
    server, seconds = interrupt(start, tmp_path, 2.0, n_times)
    assert seconds < 8
    assert len(kept(tmp_path)) == len(server.requests) == 9


@pytest.mark.slow
def test_ctrl_c_waits_for_a_server_that_hangs_as_long_as_a_request_can_take(start, tmp_path):
    _, seconds = interrupt(start, tmp_path, None, 1, "--timeout", "3")
    assert 1.5 < seconds < 10


@pytest.mark.slow
def test_ctrl_c_three_times_waits_for_nobody(start, tmp_path):
    _, seconds = interrupt(start, tmp_path, None, 3)
    assert seconds < 8 and len(kept(tmp_path)) == 1


def test_it_works_in_a_forked_process(tmp_path):
    with Loopback(echo) as server:
        model = make(server, tmp_path)
        ask(model, "p")
        child = os.fork()
        if child == 0:
            os._exit(0 if ask(model, "p", "q") == ["reply to p", "reply to q"] else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert ask(model, "q", "r") == ["reply to q", "reply to r"]
    assert len(server.requests) == 3


def test_pickled_and_back(tmp_path):
    with Loopback(echo) as server:
        model = make(server, tmp_path)
        ask(model, "p")
        assert ask(pickle.loads(pickle.dumps(model)), "p", "q")[0] == "reply to p"
    assert len(server.requests) == 2


def test_the_constructor_touches_no_file(tmp_path):
    model = make_openai_model("http://127.0.0.1:9/v1", "tiny")
    make_ledger_model(model, tmp_path / "ledger.db", max_cost=1.0, prices=tmp_path / "none.json")
    assert list(tmp_path.iterdir()) == []


def test_the_salt_is_the_ledgers_own_and_stays(tmp_path):
    with Loopback() as server:
        salt = make(server, tmp_path).salt
        assert make(server, tmp_path).salt == salt
        assert make(server, tmp_path / "other").salt != salt


@pytest.mark.parametrize("name", ["max_cost", "concurrency", "requests_per_minute"])
def test_numbers_below_zero_are_refused(name, tmp_path):
    model = make_openai_model("http://127.0.0.1:9/v1", "tiny")
    with pytest.raises(LLMJudgeError, match=f"J319.*{name}"):
        make_ledger_model(model, tmp_path / "ledger.db", **{name: 0})


def test_no_file_log_or_trace_holds_the_key(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, KEY)

    def script(request):
        echoed = f"you sent {request.headers['authorization']}"
        if request.prompt == "last":
            return Answer({"error": {"message": echoed}}, 403)
        status = 500 if request.number % 3 == 0 else 200
        return Answer(chat(echoed, note=echoed), status)

    caplog.set_level(logging.DEBUG)
    with Loopback(script) as server:
        model = make(server, tmp_path, api_key_env=VARIABLE)
        replies = ask(model, *numbers(9))
        with pytest.raises(LLMJudgeError) as caught:
            ask(model, "last")
        shown = "".join(
            traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
        )
    assert all("redacted" in reply for reply in replies)
    model.close()
    files = [file_ for file_ in tmp_path.rglob("*") if file_.is_file()]
    assert len(files) == 1
    contents = [file_.read_bytes() for file_ in files]
    contents += [text.encode() for text in (shown, caplog.text, repr(model), repr(vars(model)))]
    assert not any(KEY.encode() in content for content in contents)


def test_threads_can_share_a_ledger(tmp_path):
    with Loopback(echo) as server:
        model = make(server, tmp_path)
        found = []
        threads = [
            threading.Thread(target=lambda: found.append(ask(model, *numbers(30))))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [[f"reply to prompt {i}" for i in range(30)]] * 3
    assert len(server.requests) == 30
