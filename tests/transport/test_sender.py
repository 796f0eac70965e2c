from pathlib import Path

import pytest

from spacy_llmjudge.ledger.foreign import ForeignModel
from spacy_llmjudge.ledger.model import LedgerModel
from spacy_llmjudge.models.embedded import make_embedded_model
from spacy_llmjudge.models.local import make_transformers_model
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.models.recorded import make_recorded_model
from spacy_llmjudge.transport.messages import Prompt
from spacy_llmjudge.transport.sender import Metered, Sender


def echo(prompts):
    return [[f"reply to {prompt}" for prompt in group] for group in prompts]


SENDERS = {
    "openai": lambda: make_openai_model("http://127.0.0.1:9/v1", "tiny"),
    "transformers": lambda: make_transformers_model("tiny"),
    "embedded": lambda: make_embedded_model("assets/encoder"),
    "recorded": lambda: make_recorded_model("replies.jsonl"),
    "foreign": lambda: ForeignModel(echo),
}


@pytest.mark.parametrize("name", SENDERS)
def test_every_model_of_ours_is_a_sender(name):
    sender = SENDERS[name]()
    assert isinstance(sender, Sender)
    assert sender.name and sender.host and sender.concurrency >= 1
    request = sender.make_request("p")
    assert sender.identify(request) != sender.identify(sender.make_request("q"))
    tokens_in, tokens_out = sender.bound_tokens(request)
    assert tokens_in > len(request) and (tokens_out is None or tokens_out > 0)


@pytest.mark.parametrize("name", ["transformers", "embedded", "recorded"])
def test_our_own_models_are_told_apart_by_what_the_prompt_carries(name):
    sender = SENDERS[name]()
    prompts = [Prompt("same", candidates=[(0, 1, label)]) for label in ("A", "B")]
    first, second = (sender.make_request(prompt) for prompt in prompts)
    assert first != second


def test_a_foreign_model_reads_the_string_alone():
    sender = ForeignModel(echo)
    assert sender.make_request(Prompt("same", text="a")) == sender.make_request("same")


def test_a_function_is_no_sender_and_a_ledger_counts():
    assert not isinstance(echo, Sender)
    assert isinstance(LedgerModel(echo, Path("unused.db")), Metered)
    assert isinstance(SENDERS["openai"](), Metered) and not isinstance(echo, Metered)


def test_what_a_sender_brought_is_read_with_and_without_its_body():
    sender = ForeignModel(echo)
    outcome = sender.send("p")
    assert sender.parse(outcome.raw, outcome.body) == sender.parse(outcome.raw) == "reply to p"
