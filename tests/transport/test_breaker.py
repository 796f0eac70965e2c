from spacy_llmjudge.transport.breaker import Breaker


def test_a_breaker_counts_failures_in_a_row():
    breaker = Breaker(limit=3)
    for failure in ("a", "b", None, "c", "d"):
        breaker.count(failure)
    assert breaker.reason is None
    breaker.count("e")
    assert breaker.reason == "e"
    breaker.try_again()
    assert breaker.reason is None
    breaker.count("f")
    assert breaker.reason == "f"
    breaker.try_again()
    for failure in (None, "g", "h"):
        breaker.count(failure)
    assert breaker.reason is None
