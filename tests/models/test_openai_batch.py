"""`llmjudge.OpenAIBatch.v1` in its ledger, against a service on loopback that behaves as the documents say."""

import _thread
import json
import pickle
import signal
import socket
import threading
import time
import warnings
from pathlib import Path

import pytest
from asking import ask, numbers, select
from batch_service import Batch, BatchService, echo, error
from judge_runs import write_annotated
from loopback import Answer, Loopback, chat
from spacy.util import load_config, load_model_from_config

from spacy_llmjudge.cli.plan import make_plan
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.ledger.plan import plan_requests
from spacy_llmjudge.models.openai import make_openai_batch_model, make_openai_model
from spacy_llmjudge.steps.judge import judge
from spacy_llmjudge.transport.messages import Prompt

CONFIG = Path(__file__).parents[2] / "configs" / "judges" / "openai_batch.cfg"
QUICK = {"first_pause": 0.005, "longest_pause": 0.02, "backoff": 0.002, "timeout": 5.0}
# 100 tokens in and 20 out, at half of 1 and 4 dollars a million
COST = 0.5 * (100 + 4 * 20) / 1e6


def make(server, path, ledger=None, **settings):
    settings = {"model": "tiny", "max_tokens": 50, **QUICK, **settings}
    model = make_openai_batch_model(base_url=server.url, **settings)
    return make_ledger_model(model, path / "ledger.db", **(ledger or {}))


def direct(server, path, **settings):
    model = make_openai_model(server.url, "tiny", max_tokens=50, backoff=0.002, **settings)
    return make_ledger_model(model, path / "ledger.db")


def ask_and_close(model, *prompts):
    try:
        return ask(model, *prompts)
    finally:
        model.close()


def rows(path, sql="SELECT state, reason, COUNT(*) FROM attempts GROUP BY 1, 2 ORDER BY 1, 2"):
    return select(path / "ledger.db", sql)


@pytest.mark.parametrize("mistral", [False, True])
def test_replies_come_in_order_each_paid_once_at_half_price(mistral, tmp_path, prices):
    service = BatchService(twice=True, mistral=mistral)
    settings = {"dialect": "mistral"} if mistral else {}
    with Loopback(service.answer) as server:
        model = make(server, tmp_path, {"prices": prices, "max_cost": 1.0}, **settings)
        found = ask(model, *numbers(30), "prompt 3")
        usage = model.usage()
    assert found == [f"reply to {p}" for p in [*numbers(30), "prompt 3"]]
    assert service.paid == dict.fromkeys(numbers(30), 1)
    assert len(service.batches) == 1
    assert usage["cost"] == pytest.approx(30 * COST)
    assert (usage["requests"], usage["replied"], usage["stored"]) == (30, 31, 1)
    assert (usage["tokens_in"], usage["tokens_out"]) == (3000, 600)
    assert rows(tmp_path) == [("replied", None, 30)]
    assert rows(tmp_path, "SELECT * FROM batches") == []


def test_a_direct_run_serves_what_a_batch_paid_for_and_the_other_way_round(tmp_path):
    service = BatchService()
    settings = {"system": "role", "seed": 3, "top_logprobs": 2, "use_schema": True}
    prompts = [Prompt(f"q{i}", options=("A",), schema={"type": "object"}, sample=i) for i in (0, 1)]
    with Loopback(service.answer) as server:
        by_batch = ask(make(server, tmp_path, **settings), *prompts)
        stored = ask(direct(server, tmp_path, **settings), *prompts)
        ask(direct(server, tmp_path), "once more")
        n_batches = len(service.batches)
        ask(make(server, tmp_path), "once more")
    assert by_batch == stored == ["reply to q0", "reply to q1"]
    assert set(service.paid.values()) == {1}
    assert len(service.batches) == n_batches


def test_the_body_of_a_line_is_the_request_that_would_be_sent_alone(tmp_path):
    service = BatchService()
    with Loopback(service.answer) as server:
        ask(make(server, tmp_path), "a")
        ask(direct(server, tmp_path / "other"), "a")
        alone = server.requests[-1].data
    (line,) = service.files["file-0"].splitlines()
    assert json.loads(line)["body"] == alone
    assert json.loads(line)["custom_id"] == rows(tmp_path, "SELECT key FROM attempts")[0][0]
    assert (json.loads(line)["method"], json.loads(line)["url"]) == ("POST", "/v1/chat/completions")


def test_files_keep_their_limits(tmp_path):
    service = BatchService()
    with Loopback(service.answer) as server:
        asked = numbers(25)
        assert ask(make(server, tmp_path, max_requests=10), *asked) == [
            f"reply to {p}" for p in asked
        ]
        sizes = sorted(len(batch.lines) for batch in service.batches.values())
        ask(make(server, tmp_path, max_bytes=1000, max_requests=3), *[f"b{i}" for i in range(9)])
    assert sizes == [5, 10, 10]
    later = list(service.batches.values())[3:]
    assert max(len(service.files[batch.file]) for batch in later) <= 1000


def test_a_run_asks_ahead_with_one_batch_for_all_its_documents(tmp_path):
    service = BatchService(
        lambda body, n: (
            (400, error("flagged").body)
            if body["messages"][-1]["content"] == "bad"
            else echo(body, n)
        )
    )
    with Loopback(service.answer) as server:
        model = make(server, tmp_path)
        asked = [*numbers(6), "bad"]
        model.ask_ahead(lambda: ([p] for p in asked))
        found = [ask(model, p)[0] for p in asked]
    assert len(service.batches) == 1
    assert found[:6] == [f"reply to {p}" for p in asked[:6]]
    assert (found[6].state, found[6].reason) == ("abstained", "content_filter")


def test_what_expired_is_asked_again_and_costs_nothing(tmp_path, prices):
    def sleeps(body, number):
        return number == 0 and body["messages"][-1]["content"] in ("prompt 1", "prompt 4")

    service = BatchService(day=0.05, sleeps=sleeps)
    with Loopback(service.answer) as server:
        model = make(server, tmp_path, {"prices": prices, "max_cost": 1.0})
        assert ask(model, *numbers(6)) == [f"reply to {p}" for p in numbers(6)]
        assert model.usage()["cost"] == pytest.approx(6 * COST)
    assert [len(batch.lines) for batch in service.batches.values()] == [6, 2]
    assert rows(tmp_path) == [("failed", "batch_expired", 2), ("replied", None, 6)]


def test_what_always_expires_is_given_up_after_its_tries(tmp_path):
    service = BatchService(day=0.02, sleeps=lambda body, n: body["messages"][-1]["content"] == "b")
    with Loopback(service.answer) as server:
        found = ask(make(server, tmp_path, max_tries=3), "a", "b")
    assert found[0] == "reply to a"
    assert (found[1].state, found[1].reason) == ("not_sent", "batch_expired")
    assert len(service.batches) == 3


def test_a_partly_failed_batch_asks_again_for_what_can_be_had(tmp_path):
    def reply(body, attempt):
        prompt = body["messages"][-1]["content"]
        if prompt == "prompt 2" and attempt < 3:
            return 500, {"error": {"message": "The server had an error"}}
        if prompt == "prompt 3":
            return 400, {"error": {"message": "maximum context length", "code": "x"}}
        return echo(body, attempt)

    service = BatchService(reply)
    with Loopback(service.answer) as server:
        found = ask(make(server, tmp_path), *numbers(5))
    assert [str(r) for r in found] == [
        "" if p == "prompt 3" else f"reply to {p}" for p in numbers(5)
    ]
    assert (found[3].state, found[3].reason) == ("abstained", "prompt_too_long")
    assert service.tries["prompt 2"] == 3 and service.tries["prompt 3"] == 1
    assert set(service.paid.values()) == {0, 1}


def test_a_field_that_the_server_refuses_is_left_out_of_the_next_batch(tmp_path):
    def reply(body, attempt):
        if "seed" in body:
            return 400, {"error": {"message": "Unsupported parameter: 'seed'", "param": "seed"}}
        return echo(body, attempt)

    service = BatchService(reply)
    with Loopback(service.answer) as server, pytest.warns(UserWarning, match="JW330.*seed"):
        found = ask(make(server, tmp_path), *numbers(5))
    assert found == [f"reply to {p}" for p in numbers(5)]
    assert [len(batch.lines) for batch in service.batches.values()] == [5, 5]


def test_a_batch_that_fails_validation_ends_the_run_in_one_line(tmp_path):
    service = BatchService()
    with Loopback(service.answer) as server:
        model = make(server, tmp_path, endpoint="/v1/elsewhere")
        service._check = lambda row, lines, asked: ("invalid_url", "No such endpoint.")
        with pytest.raises(LLMJudgeError, match="J361.*batch_0.*line 1: No such endpoint"):
            ask(model, *numbers(3))
    assert rows(tmp_path) == [("failed", "batch_failed", 3)]
    assert rows(tmp_path, "SELECT charge FROM totals") == [(0,)]
    assert rows(tmp_path, "SELECT * FROM batches") == []


def test_a_custom_id_that_comes_twice_in_a_file_is_refused_by_the_service(tmp_path):
    service = BatchService()
    with Loopback(service.answer) as server:
        model = make(server, tmp_path)
        line = model._model.write_line("key", model.pending("a").request)
        (tmp_path / "twice.jsonl").write_bytes(line + line)
        with (tmp_path / "twice.jsonl").open("rb") as file_:
            batch_id = model._model.create(
                model._model.upload(file_, "twice.jsonl"), "batch-x", set()
            )
        status = model._model.poll(batch_id)
    assert status.state == "failed"
    assert "line 2" in status.problem.message and "duplicate_custom_id" in status.problem.codes


def test_a_full_queue_makes_smaller_batches(tmp_path):
    service = BatchService(most=4)
    with Loopback(service.answer) as server, pytest.warns(UserWarning, match="JW362"):
        found = ask(make(server, tmp_path, max_requests=8), *numbers(8))
    assert found == [f"reply to {p}" for p in numbers(8)]
    assert set(service.paid.values()) == {1}


def other_batches():
    """Batches of somebody else with the same key, so that the list has more than a page."""
    names = [f"other_{i}" for i in range(7)]
    return {name: Batch(name, "file-x", {}, [], [], 0.0) for name in names}


@pytest.mark.parametrize(
    "where", ["POST /v1/files", "POST /v1/batches", "GET /v1/batches", "GET /v1/files"]
)
@pytest.mark.parametrize(
    "fault", [Answer(fault="reset"), Answer(b"busy", 503), Answer(fault="short_body")]
)
def test_an_answer_that_got_lost_makes_no_second_batch(where, fault, tmp_path):
    service = BatchService()
    service.batches.update(other_batches())
    # A batch whose making is not answered is found in the list of the server.
    service.faults = {where: [fault] if where == "POST /v1/batches" else [fault, fault]}
    with Loopback(service.answer) as server:
        found = ask(make(server, tmp_path), *numbers(4))
    assert service.faults[where] == []
    assert found == [f"reply to {p}" for p in numbers(4)]
    assert len(service.batches) == 8
    assert set(service.paid.values()) == {1}


@pytest.mark.parametrize("status", [403, 404, 429])
def test_a_batch_whose_making_was_not_answered_stays_when_the_list_is_refused(status, tmp_path):
    service = BatchService()
    service.faults = {
        "POST /v1/batches": [Answer(fault="reset")],
        "GET /v1/batches": [Answer(b"{}", status, headers={"Retry-After": "100000"})],
    }
    with Loopback(service.answer) as server:
        with pytest.warns(UserWarning, match="JW313.*lost_answer"):
            found = ask_and_close(make(server, tmp_path), *numbers(2))
        assert {reply.state for reply in found} == {"not_sent"}
        assert rows(tmp_path, "SELECT state FROM attempts") == [("reserved",)] * 2
        assert ask(make(server, tmp_path), *numbers(2)) == [f"reply to {p}" for p in numbers(2)]
    assert len(service.batches) == 1 and set(service.paid.values()) == {1}


def test_a_batch_that_may_be_there_stays_when_a_later_try_is_refused(tmp_path):
    service = BatchService()
    service.faults = {
        "POST /v1/batches": [Answer(fault="reset"), Answer(b"{}", 403)],
        "GET /v1/batches": [Answer({"data": []})],
    }
    with Loopback(service.answer) as server:
        with pytest.warns(UserWarning, match="JW313.*lost_answer"):
            ask_and_close(make(server, tmp_path), *numbers(2))
        assert rows(tmp_path, "SELECT state FROM attempts") == [("reserved",)] * 2
        assert ask(make(server, tmp_path), *numbers(2)) == [f"reply to {p}" for p in numbers(2)]


def test_a_wrong_key_costs_nothing_and_leaves_nothing(tmp_path):
    with Loopback(lambda request: error("Incorrect API key provided", status=401)) as server:
        with pytest.raises(LLMJudgeError, match="J315.*401"):
            ask(make(server, tmp_path), *numbers(4))
    assert rows(tmp_path) == []


def test_a_budget_is_kept_and_what_turns_out_cheaper_makes_room_for_more(tmp_path, prices):
    service = BatchService()
    with Loopback(service.answer) as server:
        probe = make(server, tmp_path / "probe", {"prices": prices})
        bound = plan_requests(probe, [[numbers(1)[0]]]).cost_bound
        ledger = {"prices": prices, "max_cost": 3.5 * bound}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = ask(make(server, tmp_path, ledger), *numbers(40))
        spent = make(server, tmp_path, ledger).usage()["cost"]
    n_replied = sum(reply.state == "replied" for reply in found)
    assert 3 < n_replied < 40
    assert {(r.state, r.reason) for r in found[n_replied:]} == {("not_sent", "budget")}
    assert n_replied == sum(service.paid.values())
    assert spent == pytest.approx(n_replied * COST) and spent + bound > ledger["max_cost"]


def test_a_plan_has_half_the_price_and_the_number_of_batches(tmp_path, prices):
    with Loopback() as server:
        asked = [[p] for p in numbers(25)]
        ledger = make_ledger_model(
            make_openai_model(server.url, "tiny", max_tokens=50), tmp_path / "l", prices=prices
        )
        full = plan_requests(ledger, asked)
        half = plan_requests(make(server, tmp_path, {"prices": prices}, max_requests=10), asked)
        assert server.requests == []
    assert half.cost == pytest.approx(full.cost / 2)
    assert half.cost_bound == pytest.approx(full.cost_bound / 2)
    assert (full.batches, half.batches) == (0, 3)


def test_the_table_may_have_a_price_for_batches_and_the_tier_of_a_reply_is_known(tmp_path):
    table = {
        "tiny": {"input": 1.0, "output": 4.0, "tiers": {"batch": {"input": 0.1, "output": 0.2}}}
    }
    (tmp_path / "p.json").write_text(
        json.dumps({"as_of": "2026-01-31", "usd_per_million_tokens": table})
    )
    service = BatchService(lambda body, n: (200, {**echo(body, n)[1], "service_tier": "batch"}))
    with Loopback(service.answer) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make(server, tmp_path, {"prices": tmp_path / "p.json", "max_cost": 1.0})
        ask(model, *numbers(2))
        assert model.usage()["cost"] == pytest.approx(2 * (100 * 0.1 + 20 * 0.2) / 1e6)


def ask_and_interrupt(model, server, prompts):
    """Ask, and interrupt the main thread once the batch was looked at."""

    def watch():
        while not any(r.method == "GET" for r in server.requests):
            time.sleep(0.005)
        _thread.interrupt_main()

    # tests that run in the background of a script ignore SIGINT
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=watch, daemon=True).start()
    try:
        with warnings.catch_warnings(record=True) as shown, pytest.raises(KeyboardInterrupt):
            warnings.simplefilter("always")
            ask(model, *prompts)
    finally:
        signal.signal(signal.SIGINT, before)
    return [str(w.message) for w in shown]


@pytest.mark.parametrize("cancels", [False, True])
def test_an_interrupted_run_leaves_its_batch_or_cancels_it_and_the_next_one_gets_it(
    cancels, tmp_path
):
    service = BatchService(sleeps=lambda body, n: "prompt 1" in body["messages"][-1]["content"])
    with Loopback(service.answer) as server:
        model = make(server, tmp_path, cancel_on_interrupt=cancels)
        (said,) = ask_and_interrupt(model, server, numbers(3))
        assert said.startswith("[JW361]" if cancels else "[JW360]") and "batch_0" in said
        assert (service.batches["batch_0"].cancelled is not None) == cancels
        service.sleeps = lambda body, n: False
        found = ask(make(server, tmp_path), *numbers(3))
    assert found == [f"reply to {p}" for p in numbers(3)]
    assert set(service.paid.values()) == {1}
    assert [len(batch.lines) for batch in service.batches.values()] == ([3, 1] if cancels else [3])


def test_another_run_waits_for_a_batch_and_says_so(tmp_path):
    service = BatchService(rate=0.0)
    with Loopback(service.answer) as server:
        first, found = make(server, tmp_path), []
        thread = threading.Thread(target=lambda: found.extend(ask(first, *numbers(2))))
        thread.start()
        while not service.batches:
            time.sleep(0.005)
        threading.Timer(0.2, lambda: setattr(service, "rate", 1e9)).start()
        with pytest.warns(UserWarning, match="JW365"):
            waited = ask(make(server, tmp_path), *numbers(2))
        thread.join()
    assert found == waited == [f"reply to {p}" for p in numbers(2)]
    assert set(service.paid.values()) == {1}


def test_a_direct_run_leaves_alone_what_waits_in_a_batch(tmp_path):
    service = BatchService(rate=0.0)
    with Loopback(service.answer) as server:
        model = make(server, tmp_path)
        ask_and_interrupt(model, server, numbers(2))
        found = ask(direct(server, tmp_path), *numbers(2), "new")
    assert [(r.state, r.reason) for r in found[:2]] == [("not_sent", "in_batch")] * 2
    assert found[2] == "reply to new"
    assert not service.paid["prompt 0"]


def test_a_batch_that_the_server_has_forgotten_is_made_again(tmp_path):
    service = BatchService(rate=0.0)
    with Loopback(service.answer) as server:
        model = make(server, tmp_path)
        ask_and_interrupt(model, server, numbers(2))
        service.batches.clear()
        service.rate = 1e9
        with pytest.warns(UserWarning, match="JW364.*batch_0"):
            found = ask(make(server, tmp_path), *numbers(2))
    assert found == [f"reply to {p}" for p in numbers(2)]
    assert rows(tmp_path) == [("failed", "batch_no_line", 2), ("replied", None, 2)]


class LateFiles(BatchService):
    """Names the files of a batch a few looks after it has ended.

    late (int): How many.
    """

    late = 3

    def show(self, batch):
        shown = super().show(batch)
        fields = ("output_file", "error_file") if self.mistral else ("output_file_id",)
        if any(shown[field] for field in fields) and self.late:
            self.late -= 1
            shown.update(dict.fromkeys(fields))
        return shown


def half_bad(body, attempt):
    """Every prompt with a 1 fails once."""
    if "1" in body["messages"][-1]["content"] and attempt == 1:
        return 500, {"error": {"message": "oops", "type": "server_error"}}
    return echo(body, attempt)


@pytest.mark.parametrize("mistral", [False, True])
def test_files_that_come_after_the_end_are_waited_for(mistral, tmp_path):
    service = LateFiles(half_bad, mistral=mistral)
    settings = {"dialect": "mistral"} if mistral else {}
    with Loopback(service.answer) as server:
        found = ask(make(server, tmp_path, **settings), *numbers(2))
    assert found == [f"reply to {p}" for p in numbers(2)]
    assert service.late == 0 and set(service.paid.values()) == {1}


def test_files_that_do_not_come_end_the_run_and_nothing_is_asked_again(tmp_path):
    service = LateFiles()
    service.late = 1000
    with Loopback(service.answer) as server:
        with pytest.raises(LLMJudgeError, match="J362.*batch_0.* 2 requests"):
            ask_and_close(make(server, tmp_path), *numbers(2))
        assert rows(tmp_path, "SELECT state FROM attempts") == [("reserved",)] * 2
        service.late = 0
        assert ask(make(server, tmp_path), *numbers(2)) == [f"reply to {p}" for p in numbers(2)]
    assert len(service.batches) == 1


@pytest.mark.parametrize("where", ["GET /v1/batches/", "GET /v1/files/file-output"])
def test_what_is_not_found_for_a_while_is_not_asked_again(where, tmp_path):
    service = BatchService()
    service.faults = {where: [error("No such object", status=404)] * 4}
    with Loopback(service.answer) as server:
        with pytest.warns(UserWarning, match="JW363.*batch_0"):
            found = ask(make(server, tmp_path), *numbers(2))
    assert found == [f"reply to {p}" for p in numbers(2)]
    assert service.faults[where] == [] and len(service.batches) == 1


@pytest.mark.parametrize("where", ["GET /v1/batches/", "GET /v1/files/file-output"])
def test_what_the_list_knows_is_left_to_another_run(where, tmp_path):
    service = BatchService()
    service.faults = {where: [error("No such object", status=404)] * 1000}
    with Loopback(service.answer) as server:
        with pytest.warns(UserWarning, match="JW313.*http_404"):
            found = ask_and_close(make(server, tmp_path), *numbers(2))
        assert {reply.state for reply in found} == {"not_sent"}
        service.faults = {}
        assert ask(make(server, tmp_path), *numbers(2)) == [f"reply to {p}" for p in numbers(2)]
    assert len(service.batches) == 1


def test_a_key_of_another_project_does_not_pay_again(tmp_path):
    service = BatchService(rate=0.0)
    with Loopback(service.answer) as server:
        first = make(server, tmp_path)
        ask_and_interrupt(first, server, numbers(2))
        batches, files = dict(service.batches), dict(service.files)
        service.batches.clear(), service.files.clear()
        with pytest.raises(LLMJudgeError, match="J363.*batch_0"):
            ask_and_close(make(server, tmp_path), *numbers(2))
        assert service.batches == {}
        service.batches.update(batches), service.files.update(files)
        service.rate = 1e9
        assert ask(make(server, tmp_path), *numbers(2)) == [f"reply to {p}" for p in numbers(2)]
    assert set(service.paid.values()) == {1}


def test_what_a_first_file_said_holds_when_the_second_one_is_late(tmp_path):
    service = BatchService(half_bad)
    show = service.show

    def errors_first(batch):
        shown = show(batch)
        names = shown["error_file_id"], shown["output_file_id"]
        if all(names):
            shown["output_file_id"], shown["error_file_id"] = names
        return shown

    service.show = errors_first
    service.faults = {"GET /v1/files/file-output": [Answer(fault="reset")] * 2}
    with Loopback(service.answer) as server:
        found = ask(make(server, tmp_path, max_tries=2), *numbers(2))
    assert found == [f"reply to {p}" for p in numbers(2)]


def test_a_server_that_is_gone_for_a_while_is_waited_for(tmp_path):
    service = BatchService()
    service.faults = {"GET /v1/batches": [Answer(fault="reset")] * 6}
    with Loopback(service.answer) as server:
        assert ask(make(server, tmp_path, max_tries=2), "a") == ["reply to a"]
    assert service.faults["GET /v1/batches"] == []


def test_a_server_that_is_not_there_leaves_the_questions_for_another_run(tmp_path):
    with Loopback() as server:
        url = server
    with pytest.warns(UserWarning, match="JW313"):
        found = ask(make(url, tmp_path, max_tries=2), *numbers(2))
    assert [reply.state for reply in found] == ["not_sent"] * 2
    assert rows(tmp_path) == []


def test_it_answers_through_a_ledger_alone():
    model = make_openai_batch_model(base_url="http://127.0.0.1:9/v1", model="tiny")
    with pytest.raises(LLMJudgeError, match="J360"):
        model([["a"]])
    assert pickle.loads(pickle.dumps(model)).max_requests == 50_000


@pytest.mark.parametrize(
    "name, value",
    [
        ("dialect", "groq"),
        ("window", "soon"),
        ("price_share", 1.5),
        ("max_requests", 0),
        ("first_pause", 0.0),
        ("longest_pause", 1.0),
        ("max_tokens", 0),
    ],
)
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(LLMJudgeError, match=f"J319.*{name}"):
        make_openai_batch_model(base_url="http://127.0.0.1:9/v1", model="tiny", **{name: value})


def test_the_config_loads_without_network_key_or_files(tmp_path, monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", None)
    monkeypatch.chdir(tmp_path)
    nlp = load_model_from_config(load_config(CONFIG), auto_fill=True)
    assert nlp.get_pipe("llm_judge").model.batch_sender.price_share == 0.5
    assert list(tmp_path.iterdir()) == []


def test_the_step_asks_about_all_shards_in_one_batch_and_judges_as_without(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-key-for-this-test")
    write_annotated(tmp_path, [f"the roses of garden {i} have spots" for i in range(40)], [])
    said = {"entities": [{"text": "roses", "label": "PLANT", "confidence": 91}], "alternatives": []}
    service = BatchService(lambda body, n: (200, chat(json.dumps(said))))
    with Loopback(service.answer) as server:
        model = "components.llm_judge.model"
        settings = {
            "paths.ledger": str(tmp_path / "ledger.db"),
            "components.llm_judge.task.labels": ["PLANT"],
            f"{model}.prices": str(CONFIG.parent / "prices.json"),
            f"{model}.model.base_url": server.url,
        }
        source = tmp_path / "annotated" / "pool"
        plan = make_plan(source, CONFIG, settings)
        assert (plan["requests"], plan["batches"], plan["seconds"]) == (40, 1, 0.0)
        quick = {f"{model}.model.first_pause": 0.01, **settings}
        judged = judge(source, tmp_path / "judged", CONFIG, overrides=quick)
        assert judged["states"] == {"judged": 40}
        assert (judged["usage"]["requests"], judged["usage"]["stored"]) == (40, 0)
        assert [len(batch.lines) for batch in service.batches.values()] == [40]
        again = judge(source, tmp_path / "direct", CONFIG.parent / "openai.cfg", overrides=settings)
    assert (again["usage"]["requests"], again["usage"]["stored"]) == (0, 40)
    assert sum(service.paid.values()) == 40
    same = [[s["sha256"] for s in found["shards"]] for found in (judged, again)]
    assert same[0] == same[1]
