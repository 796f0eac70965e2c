import threading
import time

import pytest

from spacy_llmjudge.transport.messages import Reply
from spacy_llmjudge.transport.workers import reply_in_order


def test_an_error_reaches_the_caller_at_once_and_stops_the_others():
    asked = []

    def ask(prompt, stop):
        asked.append(prompt)
        if prompt == "bad":
            raise ValueError("stop here")
        stop.wait(30 if prompt == "slow" else 0.001)
        return Reply(prompt)

    prompts = [["slow"], ["bad"], *([f"p{i}"] for i in range(1000))]
    start = time.monotonic()
    with pytest.raises(ValueError, match="stop here"):
        list(reply_in_order(prompts, ask, workers=4))
    assert time.monotonic() - start < 5
    assert len(asked) < 100


def test_an_error_in_the_prompts_stops_the_crew():
    def prompts():
        yield ["p"]
        raise KeyError("broken corpus")

    with pytest.raises(KeyError):
        list(reply_in_order(prompts(), lambda prompt, stop: Reply(prompt), workers=4))
    assert not [t for t in threading.enumerate() if t.name == "llmjudge-worker"]


def test_what_is_under_way_gets_time_to_come_home():
    done = []

    def ask(prompt, stop):
        time.sleep(0.2)
        done.append(prompt)
        return Reply(prompt)

    stream = reply_in_order(([f"p{i}"] for i in range(100)), ask, workers=4, grace=2.0)
    next(stream)
    stream.close()
    assert 4 <= len(done) <= 9


def test_grace_ends():
    release = threading.Event()
    stream = reply_in_order(
        [["quick"], ["stuck"]],
        lambda prompt, stop: Reply(prompt) if prompt == "quick" else release.wait(60),
        workers=2,
        grace=0.2,
    )
    next(stream)
    start = time.monotonic()
    stream.close()
    assert time.monotonic() - start < 2
    release.set()


def test_what_is_looked_up_takes_no_thread_and_keeps_its_place():
    asked = []

    def ask(prompt, stop):
        asked.append(prompt)
        return Reply(f"asked {prompt}")

    def look_up(prompt):
        return Reply(f"found {prompt}") if int(prompt) % 2 else None

    groups = [[str(i), str(i + 1)] for i in range(0, 20, 2)]
    found = list(reply_in_order(groups, ask, workers=3, look_up=look_up))
    assert found == [[f"asked {a}", f"found {b}"] for a, b in groups]
    assert sorted(asked, key=int) == [str(i) for i in range(0, 20, 2)]


def test_empty_groups_keep_their_place():
    groups = [[], ["a"], [], [], ["b", "c"], []]
    found = list(reply_in_order(groups, lambda prompt, stop: Reply(prompt), workers=2))
    assert found == groups
