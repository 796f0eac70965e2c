import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.transport.limits import Door, Limits, TokenBucket

STEPS = st.tuples(st.floats(0, 3), st.floats(0.1, 20))


@settings(max_examples=200, deadline=None)
@given(st.floats(1, 6000), st.lists(STEPS, min_size=1, max_size=40))
def test_no_stretch_of_time_has_more_than_the_rate_and_a_burst(per_minute, steps):
    now = [0.0]
    bucket = TokenBucket(per_minute, clock=lambda: now[0])
    starts = []
    for pause, units in steps:
        now[0] += pause
        starts.append((now[0] + bucket.take(units), units))
    times = [start for start, _ in starts]
    assert times == sorted(times)
    for i in range(len(starts)):
        for j in range(i, len(starts)):
            units = sum(units for _, units in starts[i : j + 1])
            allowed = bucket.rate * (times[j] - times[i]) + max(bucket.burst, starts[i][1])
            assert units <= allowed * (1 + 1e-9) + 1e-6


def test_an_idle_bucket_does_not_save_up():
    now = [0.0]
    bucket = TokenBucket(60, clock=lambda: now[0])
    now[0] = 1000.0
    assert [bucket.take(1) for _ in range(3)] == [0.0, 1.0, 2.0]


def enter_in_threads(limits, stop, n):
    entered = []
    threads = [
        threading.Thread(target=lambda: limits.enter(1, stop) and entered.append(time.monotonic()))
        for _ in range(n)
    ]
    for thread in threads:
        thread.start()
    return threads, entered


def test_the_first_request_goes_alone_until_it_has_proved_the_server():
    limits, stop = Limits(), threading.Event()
    threads, entered = enter_in_threads(limits, stop, 5)
    time.sleep(0.1)
    assert len(entered) == 1
    limits.leave(proved=True)
    for thread in threads:
        thread.join(2)
    assert len(entered) == 5


def test_a_probe_that_proved_nothing_lets_one_other_try():
    limits, stop = Limits(), threading.Event()
    threads, entered = enter_in_threads(limits, stop, 3)
    time.sleep(0.05)
    limits.leave(proved=False)
    time.sleep(0.1)
    assert len(entered) == 2
    stop.set()
    for thread in threads:
        thread.join(2)
    assert len(entered) == 2


def test_a_pause_holds_everybody():
    limits, stop = Limits(), threading.Event()
    limits.leave(proved=True)
    limits.pause(0.2)
    limits.pause(0.05)  # a shorter one does not end a longer one
    start = time.monotonic()
    threads, entered = enter_in_threads(limits, stop, 5)
    for thread in threads:
        thread.join(2)
    assert len(entered) == 5
    assert min(entered) - start >= 0.2


def test_stopping_ends_a_pause():
    limits, stop = Limits(), threading.Event()
    limits.pause(60)
    threading.Timer(0.05, stop.set).start()
    start = time.monotonic()
    assert limits.enter(1, stop) is False
    assert time.monotonic() - start < 1


def test_a_probe_that_was_stopped_before_it_left_holds_up_nobody():
    """As when Ctrl-C comes at that moment, and the same model is asked again."""
    limits, stop = Limits(), threading.Event()
    wait_open = limits.wait_open
    limits.wait_open = lambda stop: stop.set() or wait_open(stop)
    assert limits.enter(1, stop) is False
    limits.wait_open = wait_open
    threads, entered = enter_in_threads(limits, threading.Event(), 1)
    threads[0].join(2)
    assert len(entered) == 1


def test_limits_behind_one_door_share_the_probe_and_the_pause():
    door = Door()
    here, there = Limits(door=door), Limits(door=door)
    stop = threading.Event()
    assert here.enter(1, stop)
    threads, entered = enter_in_threads(there, stop, 1)
    time.sleep(0.05)
    assert not entered
    start = time.monotonic()
    here.pause(0.4)
    here.leave(proved=True)
    threads[0].join(2)
    assert entered[0] - start >= 0.4
