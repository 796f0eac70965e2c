"""An outage is no opinion: what it leaves is asked again by the next run, and nothing is paid twice."""

import json
import random
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest
from loopback import Answer, Loopback, chat

from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.openai import make_openai_model

N = 120
PROMPTS = [f"prompt {i}" for i in range(N)]
EXPECTED = [f"reply to {prompt}" for prompt in PROMPTS]
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.3s"}


def echo(request):
    return Answer(chat(f"reply to {request.prompt}"), delay=0.01)


def run(server, path, prompts=PROMPTS, **settings):
    settings = {"concurrency": 8, "backoff": 0.01, "timeout": 5.0, "max_tries": 3, **settings}
    model = make_ledger_model(make_openai_model(server.url, "tiny", **settings), path / "l.db")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        replies = [reply for (reply,) in model([[prompt] for prompt in prompts])]
    model.close()
    return replies


def check_two_runs(script, tmp_path, **settings):
    """One run through trouble and one after it: RETURNS the states of the first."""
    with Loopback(script) as server:
        first = run(server, tmp_path, **settings)
        for reply, expected in zip(first, EXPECTED):
            assert reply.state in ("replied", "not_sent")
            assert reply == (expected if reply.state == "replied" else "")
            assert bool(reply.reason) == (reply.state == "not_sent")
        server.script = echo
        time.sleep(0.6)
        n_before = len(server.requests)
        assert run(server, tmp_path, **settings) == EXPECTED
        asked = [request.prompt for request in server.requests[n_before:]]
        left = [p for p, reply in zip(PROMPTS, first) if reply.state == "not_sent"]
        assert sorted(asked) == sorted(left), "each that was left, once, and no other"
        n_before = len(server.requests)
        assert run(server, tmp_path, **settings) == EXPECTED
        assert len(server.requests) == n_before
    return Counter((reply.state, reply.reason) for reply in first)


def test_a_server_that_goes_away_in_the_middle(tmp_path):
    def script(request):
        if request.number < 40:
            return echo(request)
        return Answer(fault="refuse", delay=0.5)

    states = check_two_runs(script, tmp_path)
    assert states["replied", None] >= 30 and states["not_sent", "refused"] > 10


def test_a_server_that_was_never_there(tmp_path):
    with Loopback() as gone:
        pass
    replies = run(gone, tmp_path)
    assert {reply.state for reply in replies} == {"not_sent"}
    assert {reply.reason for reply in replies} <= {"refused", "server_down"}
    assert sum(reply.reason == "server_down" for reply in replies) > N / 2


def test_an_outage_of_503(tmp_path):
    def script(request):
        return echo(request) if request.number < 40 else Answer("busy", 503)

    states = check_two_runs(script, tmp_path)
    assert states["not_sent", "http_503"] > 10 and states["not_sent", "server_down"] > 10


def test_a_storm_that_fails_half_of_the_requests(tmp_path):
    rng = random.Random(3)

    def script(request):
        return Answer("busy", 503) if rng.random() < 0.46 else echo(request)

    states = check_two_runs(script, tmp_path)
    assert states["replied", None] > 0.7 * N and states["not_sent", "http_503"] > 0


def test_a_429_whose_hint_stands_in_the_body_alone(tmp_path):
    """All workers wait, so that nobody uses up the tries."""
    refused = []

    def script(request):
        if 30 <= request.number < 33:
            refused.append(request.time)
            error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [RETRY_INFO]}
            return Answer(json.dumps([{"error": error}]), 429)
        return echo(request)

    with Loopback(script) as server:
        assert run(server, tmp_path) == EXPECTED
    early = [r for r in server.requests if refused[-1] + 0.1 < r.time < refused[-1] + 0.3]
    assert early == []


def test_a_prompt_that_kills_the_server_is_given_up_after_three_runs(tmp_path):
    def script(request):
        return Answer("", 500) if request.prompt == "prompt 7" else echo(request)

    with Loopback(script) as server:
        ends = [run(server, tmp_path)[7] for _ in range(3)]
        assert [(end.state, end.reason) for end in ends] == [
            ("not_sent", "http_500"),
            ("not_sent", "http_500"),
            ("abstained", "http_500"),
        ]


@pytest.mark.parametrize("answer", [Answer("", 500), Answer(b"", fault="reset")])
def test_no_prompt_is_given_up_while_the_server_fails_most(answer, tmp_path):
    with Loopback(lambda request: answer) as server:
        for _ in range(4):
            replies = run(server, tmp_path, PROMPTS[:12], max_tries=1)
            assert {reply.state for reply in replies} == {"not_sent"}
        server.script = echo
        assert run(server, tmp_path) == EXPECTED


@pytest.mark.slow
@pytest.mark.parametrize("n_files, code", [(3, "J322"), (12, "J972")])
def test_a_limit_on_open_files_ends_a_run_in_one_line_and_loses_nothing(n_files, code, tmp_path):
    script = Path(__file__).parents[1] / "helpers" / "ledger_run.py"
    output = tmp_path / "replies.json"
    with Loopback(lambda request: Answer(chat("reply"), delay=0.3)) as server:
        command = [sys.executable, script, server.url, tmp_path / "l.db", output]
        command += ["--prompts", "120", "--workers", "64"]
        limited = [*command, "--open-files", str(n_files)]
        ended = subprocess.run(list(map(str, limited)), capture_output=True, text=True)
        last = ended.stderr.strip().splitlines()[-1]
        assert ended.returncode == 1 and f"[{code}]" in last and not output.exists()
        n_paid = len(server.requests)
        assert bool(n_paid) == (n_files > 3)
        subprocess.run(list(map(str, command)), check=True)
        assert json.loads(output.read_text()) == [["reply", "replied", None]] * 120
        assert len(server.requests) == 120, f"{n_paid} were paid before"
