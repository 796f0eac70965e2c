from spacy_llmjudge.transport.messages import Reply
from spacy_llmjudge.transport.tally import Tally


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
