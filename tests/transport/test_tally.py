from pathlib import Path

from spacy_llmjudge.transport.messages import Reply
from spacy_llmjudge.transport.tally import Tally, add_counts


def test_replies_are_counted_by_how_they_ended():
    tally = Tally()
    tally.request()
    tally.reply(Reply("a", usage={"tokens_in": 3, "tokens_out": 1}))
    tally.reply(Reply("b", usage={"tokens_in": 30, "tokens_out": 10}), stored=True)
    tally.reply(Reply("", state="abstained", reason="truncated"))
    tally.reply(Reply("", state="not_sent", reason="refused"))
    assert tally.counts(0.5, 2.0) == {
        "requests": 1,
        "replied": 2,
        "stored": 1,
        "abstained": {"truncated": 1},
        "not_sent": {"refused": 1},
        "tokens_in": 3,
        "tokens_out": 1,
        "cost": 0.5,
        "max_cost": 2.0,
    }


def test_tokens_that_nobody_counted_are_not_none():
    tally = Tally()
    assert tally.counts()["tokens_in"] == 0
    tally.reply(Reply("a"), stored=True)
    assert tally.counts()["tokens_in"] == 0
    tally.reply(Reply("a"))
    assert tally.counts()["tokens_in"] is None and tally.counts()["tokens_out"] is None
    tally.reply(Reply("a", usage={"tokens_in": 3, "tokens_out": 1}))
    assert tally.counts()["tokens_in"] == 3


def test_what_several_models_did_on_one_ledger_adds_up():
    first, second = Tally(), Tally()
    for tally, state in ((first, "replied"), (second, "replied"), (second, "not_sent")):
        tally.request()
        usage = {"tokens_in": 3, "tokens_out": 2} if tally is first else None
        tally.reply(
            Reply("", state=state, reason=None if state == "replied" else "budget", usage=usage)
        )
    ledger = Path("ledger/judge.sqlite")
    both = [first.counts(1.5, 2.0), second.counts(1.5, 2.0)]
    counts = add_counts(both, [ledger, Path("ledger/../ledger/judge.sqlite")])
    assert (counts["requests"], counts["replied"], counts["not_sent"]) == (3, 2, {"budget": 1})
    assert (counts["tokens_in"], counts["tokens_out"]) == (3, 2), "the second server does not count"
    assert (counts["cost"], counts["max_cost"]) == (1.5, 2.0), "the ledger counts all runs together"
    assert add_counts([first.counts()], [None]) == first.counts()
    assert add_counts([], []) is None


def test_costs_of_several_ledgers_add_up():
    paths = [Path("a.sqlite"), Path("b.sqlite"), Path("a.sqlite"), None]
    parts = [
        Tally().counts(cost, most) for cost, most in ((3, 20), (5, 5), (3.5, 20), (None, None))
    ]
    counts = add_counts(parts, paths)
    assert (counts["cost"], counts["max_cost"]) == (8.5, 25)
