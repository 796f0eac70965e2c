from spacy_llmjudge.cluster.counts import CountedTogether
from spacy_llmjudge.transport.messages import Reply
from spacy_llmjudge.transport.tally import Tally


class Model:
    """A model that did something."""

    def __init__(self, cost, n_requests, tokens):
        self.cost = cost
        self.tally = Tally()
        for _ in range(n_requests):
            self.tally.request()
            usage = {"tokens_in": tokens, "tokens_out": 1}
            self.tally.reply(Reply("yes", state="replied", reason=None, usage=usage))

    def usage(self):
        return self.tally.counts(self.cost, 5.0)


def test_what_the_workers_did_is_added_up_and_the_cost_is_that_of_the_ledger():
    # each worker knows what the ledger had spent when it finished a shard
    said = {"a": {"model": Model(1.0, 2, 10).usage()}, "b": {"model": Model(2.0, 3, 10).usage()}}
    found = CountedTogether("model", Model(2.5, 0, 0), said).usage()
    assert (found["requests"], found["replied"], found["tokens_in"]) == (5, 5, 50)
    assert (found["cost"], found["max_cost"]) == (2.5, 5.0)
