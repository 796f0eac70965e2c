import pytest

from spacy_llmjudge.transport.breaker import Breaker


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def feed(breaker, *failures):
    for failure in failures:
        breaker.count(failure)
    return breaker.reason


def test_it_stops_by_the_share_of_failures_and_not_by_those_in_a_row_only(clock):
    breaker = Breaker(window=20, share=0.9, clock=clock)
    # One in ten answers, so that never ten in a row failed.
    assert feed(breaker, *(["a"] * 9 + [None])) is None
    assert feed(breaker, *(["a"] * 9 + [None])) == "a"


def test_a_server_that_fails_half_of_the_prompts_goes_on(clock):
    breaker = Breaker(clock=clock)
    for _ in range(500):
        clock.now += 1.0
        assert feed(breaker, "http_503", None) is None


def test_a_few_failures_at_the_start_are_no_share(clock):
    assert feed(Breaker(window=40, clock=clock), *["http_500"] * 29) is None
    assert feed(Breaker(window=40, clock=clock), *["http_500"] * 30) == "http_500"


def test_it_stops_by_time_when_nobody_listens(clock):
    breaker = Breaker(silence=30.0, least=4, clock=clock)
    feed(breaker, None)
    for _ in range(10):
        clock.now += 2.9
        assert feed(breaker, "refused") is None
    clock.now += 2.9
    assert feed(breaker, "refused") == "refused"


def test_a_prompt_that_no_server_can_answer_is_no_silence(clock):
    """Bad luck at concurrency 1: the first prompts time out, each after all its tries."""
    breaker = Breaker(clock=clock)
    for _ in range(20):
        clock.now += 600.0
        assert feed(breaker, "timeout") is None
    assert feed(breaker, None) is None


def test_after_a_stop_one_that_finds_the_server_down_is_enough(clock):
    breaker = Breaker(window=10, clock=clock)
    assert feed(breaker, *["http_503"] * 10)
    breaker.try_again()
    assert breaker.reason is None
    assert feed(breaker, "timeout") is None
    assert feed(breaker, "refused") == "refused"
    breaker.try_again()
    assert feed(breaker, None, "refused", "refused") is None


def test_it_is_well_while_most_prompts_are_answered(clock):
    breaker = Breaker(clock=clock)
    assert not breaker.is_well, "nobody knows yet"
    feed(breaker, None, None, "http_500")
    assert breaker.is_well
    feed(breaker, *["http_500"] * 3)
    assert not breaker.is_well
