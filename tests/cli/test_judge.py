"""`judge` through the real command line and a server on loopback: what it shows, where it stops, how it goes on."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from judge_runs import (
    KEY,
    MODEL,
    openai_command,
    read_judged,
    resume_command,
    run,
    start,
    states_of,
    write_annotated,
    write_prices,
)
from loopback import Answer, Loopback, chat
from spacy.cli._util import parse_config_overrides
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.cli.judge import raise_budget, set_option
from spacy_llmjudge.storage import read_docs

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

ANNOTATION = {
    "entities": [{"text": "roses", "label": "PLANT", "confidence": 91}],
    "alternatives": [],
}


@pytest.fixture
def folder(tmp_path):
    """A run folder, with a space in its name, whose pool and dev are annotated."""
    folder = tmp_path / "my run"
    texts = [f"the roses of garden {i} have black spot" for i in range(60)]
    write_annotated(folder, texts[:48], texts[48:])
    write_prices(folder)
    return folder


def bill(request):
    """Tokens that a careful server counts: fewer than bytes, as many out as the reply has words."""
    usage = {"prompt_tokens": len(request.raw) // 4, "completion_tokens": 40}
    return Answer(chat(json.dumps(ANNOTATION), usage=usage))


LINE = re.compile(
    r"Judging (?P<split>\w+): (?P<done>\d+) of (?P<total>\d+) docs \| (?:abstained (?P<abstained>\d+)"
    r" \((?P<reasons>[^)]*)\) \| )?tokens (?P<tokens_in>[\d,]+) in, (?P<tokens_out>[\d,]+) out \|"
    r" (?P<cost>[\d.]+) of (?P<budget>[\d.]+) USD \| (?P<left>[\d:?]+) left"
)


def test_the_progress_shows_documents_reasons_tokens_money_and_time(folder):
    def script(request):
        answer = bill(request)
        if request.number % 8 == 5:
            answer.body = chat("I would rather not say.")
        elif request.number % 8 == 6:
            answer = Answer({"error": "no"}, 422)
        answer.delay = 0.3
        return answer

    with Loopback(script) as server:
        code, out, err = run(openai_command(folder, server, **{"model.max_tries": 1}))
    assert code == 0, err
    seen = [match.groupdict() for match in LINE.finditer(err)]
    between = [s for s in seen if s["split"] == "pool" and 0 < int(s["done"]) < int(s["total"])]
    assert len(between) >= 3
    # It moves: while documents come home, all else comes with them.
    for name in ("done", "tokens_in", "tokens_out", "cost"):
        values = [float(s[name].replace(",", "")) for s in between]
        assert values[-1] > values[0] > 0, name
        # What requests under way could cost at most counts as spent until they are home.
        assert values == sorted(values) or name == "cost"
    last = [s for s in seen if s["split"] == "pool"][-1]
    assert (last["done"], last["total"], last["budget"]) == ("48", "48", "5")
    reasons = dict(reversed(part.split(" ")) for part in last["reasons"].split(", "))
    assert reasons == {"not_json": "6", "http_422": "6"} and last["abstained"] == "12"
    assert any(re.fullmatch(r"\d\d:\d\d", s["left"]) and s["left"] != "00:00" for s in between)
    report = json.loads((folder / "metrics" / "judge.json").read_text())
    assert report["pool"] == {"abstained: http_422": 6, "abstained: not_json": 6, "judged": 36}


@pytest.mark.parametrize("kind", ["refuse", "503", "hint in the body"])
def test_an_outage_ends_with_the_command_that_asks_again(folder, kind):
    down = {
        "refuse": Answer(fault="refuse", delay=1.0),
        "503": Answer("busy", 503),
        "hint in the body": Answer([{"error": {"details": [{"retryDelay": "0.2s"}]}}], 429),
    }[kind]

    def script(request):
        return down if request.number >= 20 else bill(request)

    settings = {"model.max_tries": 2, "model.backoff": 0.05}
    with Loopback(script) as server:
        code, out, err = run(openai_command(folder, server, **settings))
        assert code == 1
        states = states_of(folder)
        n_judged = states.pop(("judged", None))
        assert 15 <= n_judged <= 20 and {state for state, _ in states} == {"not_sent"}
        assert f"{60 - n_judged} documents have no answer yet" in " ".join((out + err).split())
        again = resume_command(err)
        server.script = bill
        time.sleep(1.2)
        n_before = len(server.requests)
        code, out, err = run(again)
        assert code == 0, err
        assert len(server.requests) - n_before == 60 - n_judged, "each that was left, once"
    assert states_of(folder) == {("judged", None): 60}


def test_the_budget_warns_stops_keeps_and_goes_on(folder):
    cap = 0.02
    with Loopback(bill) as server:
        code, out, err = run(openai_command(folder, server, max_cost=cap))
        n_first = len(server.requests)
        billed = sum(len(r.raw) // 4 + 40 for r in server.requests) * 1e-6
        assert code == 1 and 10 < n_first < 60
        # Not one request too many, and not many too few: each may cost this much at its worst.
        worst = (max(len(r.raw) for r in server.requests) + 64 + 200) * 1e-6
        assert cap - 2 * worst < billed <= cap
        shown = " ".join((out + err).split())
        percents = [
            int(found)
            for found in re.findall(r"\[JW310\] (\d+) % of the budget of 0.02 USD", shown)
        ]
        assert percents and 80 <= percents[0] < 100
        assert f"The budget of {cap} USD is used up" in shown
        assert f"{60 - n_first} documents are left. All replies are kept." in shown
        again = resume_command(err)
        assert again[-2] == f"--{MODEL}.max_cost" and float(again[-1]) >= 2 * cap
        assert again[:-2] == [
            a for a in openai_command(folder, server) if a not in (f"--{MODEL}.max_cost", "5.0")
        ]
        ends = {("judged", None): n_first, ("not_sent", "budget"): 60 - n_first}
        assert states_of(folder) == ends
        code, out, err = run(again)
        assert code == 0, err
        assert len(server.requests) == 60
        assert max(Counter(r.digest for r in server.requests).values()) == 1, (
            "nothing is paid twice"
        )
    docs = read_judged(folder / "judged")
    assert {c.verdict for doc in docs for c in get_candidates(doc)} == {"correct"}


def test_ctrl_c_prints_the_command_that_goes_on(folder):
    def script(request):
        return Answer(chat(json.dumps(ANNOTATION)), delay=1.0 if request.number else 0.0)

    with Loopback(script) as server:
        process = start(openai_command(folder, server))
        while len(server.requests) < 5 and process.poll() is None:
            time.sleep(0.01)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        err = ""
        while "python -m spacy" not in err and process.poll() is None:
            err += process.stderr.readline()
        assert time.monotonic() - began < 5
        out, more = process.communicate(timeout=60)
        assert len(server.requests) < 60, "it waits for what is under way, and asks no more"
    assert process.returncode == 130 and "Traceback" not in err + more
    assert resume_command(err) == openai_command(folder, server)


@pytest.mark.parametrize("name, n_times", [("SIGTERM", 1), ("SIGHUP", 1), ("SIGTERM", 2)])
def test_a_signal_keeps_what_is_under_way(folder, name, n_times):
    """As `docker stop`, a batch system and a closed terminal send them."""

    def script(request):
        return Answer(chat(json.dumps(ANNOTATION)), delay=2.0 if request.number else 0.0)

    with Loopback(script) as server:
        process = start(openai_command(folder, server))
        while len(server.requests) < 5 and process.poll() is None:
            time.sleep(0.01)
        for _ in range(n_times):
            process.send_signal(getattr(signal, name))
            time.sleep(0.3)
        out, err = process.communicate(timeout=60)
        n_sent = len(server.requests)
    assert process.returncode == 128 + getattr(signal, name) and "Traceback" not in err
    assert resume_command(err) == openai_command(folder, server)
    db = sqlite3.connect(folder / "ledger.sqlite")
    states = dict(db.execute("SELECT state, COUNT(*) FROM attempts GROUP BY state").fetchall())
    db.close()
    assert states == {"replied": n_sent} and 5 <= n_sent < 60


def test_a_signal_that_is_ignored_stays_ignored(folder):
    """As under nohup."""
    with Loopback(lambda r: Answer(chat(json.dumps(ANNOTATION)), delay=0.2)) as server:
        ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
        process = subprocess.Popen(
            openai_command(folder, server),
            env={**os.environ, "OPENAI_API_KEY": KEY},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=ignore,
        )
        while len(server.requests) < 5 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        assert process.wait(120) == 0
    assert len(server.requests) == 60


def test_a_wrong_key_is_one_request_and_one_line(folder):
    with Loopback(lambda request: Answer({"error": {"message": f"no {KEY}"}}, 401)) as server:
        code, out, err = run(openai_command(folder, server))
    assert code == 1 and len(server.requests) == 1
    (line,) = [line for line in err.splitlines() if "[J" in line]
    for part in ("[J315]", "401", "OPENAI_API_KEY", f"127.0.0.1:{server.port}", "tiny"):
        assert part in line
    assert KEY not in out + err


@pytest.mark.slow
def test_the_key_is_nowhere_in_the_run_and_its_package(folder, small_student, monkeypatch):
    """A server that sends the key back in every way: in replies, in errors, in headers."""
    asked = Counter()

    def script(request):
        header = request.headers["authorization"]
        assert KEY in header
        said = {**ANNOTATION, "note": header}
        # a prompt fails once at most, however the requests are interleaved
        asked[request.prompt] += 1
        first = (200, 500, 200, 429)[request.number % 4]
        status = first if asked[request.prompt] == 1 else 200
        return Answer(
            chat(json.dumps(said), note=header), status, {"X-Echo": header, "Retry-After-Ms": "1"}
        )

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Loopback(script) as server:
        code, out, err = run(openai_command(folder, server))
        assert code == 0, err
        save_pipeline(folder, parse_config_overrides(openai_command(folder, server)[10:]))
    package = [
        sys.executable,
        "-m",
        "spacy",
        "llmjudge",
        "package",
        str(small_student),
        str(folder / "packages"),
    ]
    built, more, errors = run([*package, "--metrics", str(folder / "metrics")])
    assert built == 0, errors
    (wheel,) = folder.glob("packages/*/dist/*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    assert list(folder.glob("unpacked/*/meta.json"))
    # What was not compressed, and what is read out of what was.
    contents = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for split in ("pool", "dev"):
        docs = list(read_docs(folder / "judged" / split, Vocab()))
        # every second reply is an error, and by chance a document gets errors only
        assert {"judged"} <= {get_status(doc)["state"] for doc in docs} <= {"judged", "abstained"}
        text = json.dumps([[doc.text, repr(doc.user_data), repr(dict(doc.spans))] for doc in docs])
        text += json.dumps([repr(get_candidates(doc)) for doc in docs])
        contents[split] = text.encode()
    assert len(contents) > 15
    shown = {"printed": (out + err + more + errors).encode()}
    secret = KEY.encode()
    assert [str(path) for path, data in {**contents, **shown}.items() if secret in data] == []
    assert any(b"[redacted]" in data for path, data in contents.items() if "ledger" in str(path))


def save_pipeline(folder, overrides):
    """Write the pipeline of the judge to disk, after it was used with the key."""
    from spacy.util import load_config, load_model_from_config

    config = load_config(ROOT / "configs" / "judges" / "openai.cfg", overrides=overrides)
    nlp = load_model_from_config(config, auto_fill=True)
    doc = nlp.make_doc("the roses of garden 99 have black spot")
    set_candidates(doc, [Candidate(1, 2, "PLANT", 0.6)])
    assert get_status(nlp(doc))["state"] in ("judged", "abstained")
    nlp.to_disk(folder / "pipeline")


def test_a_budget_is_raised_by_what_is_left():
    assert raise_budget(5.0, 4.9, 1000, 990) == 590.0
    assert raise_budget(0.001, 0.001, 100, 3) == 0.002
    assert raise_budget(0.001, 0.0, 100, 100) == 0.002


@pytest.mark.parametrize("given", [["--a.b", "1", "x"], ["--a.b=1", "x"], ["x"]])
def test_an_option_is_set_once(given):
    assert set_option(given, "--a.b", "2") == ["x", "--a.b", "2"]


def test_a_run_that_asks_nothing_keeps_what_is_known_of_the_one_before(folder):
    with Loopback(bill) as server:
        code, out, err = run(openai_command(folder, server))
        assert code == 0, err
        report = (folder / "metrics" / "judge.json").read_bytes()
        assert json.loads(report)["tokens_in"] > 0
        seconds = (folder / "metrics" / "seconds.json").read_bytes()
        code, out, err = run(openai_command(folder, server))
    assert code == 0 and "Nothing changed since `judge`" in " ".join((out + err).split())
    assert (folder / "metrics" / "judge.json").read_bytes() == report
    assert (folder / "metrics" / "seconds.json").read_bytes() == seconds
