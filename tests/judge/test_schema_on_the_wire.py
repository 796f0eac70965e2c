"""The bytes that a server gets: servers that hold a reply to a schema make the LLM write its properties in the
order in which they stand, so an entity's text must come before how sure the LLM is of it."""

import json

import pytest
import spacy
from loopback import Answer, Loopback, chat
from spacy.tokens import Span

from spacy_llmjudge.judge.tasks.rules import make_rules_task, mine_rules
from spacy_llmjudge.models.openai import make_openai_model

ENTRY = ["text", "label", "confidence"]


def find_schema(request):
    """The schema as a server reads it."""
    return request.data["response_format"]["json_schema"]["schema"]


def assert_in_order(raw, *words):
    places = [raw.index(f'"{word}":{{'.encode()) for word in words]
    assert places == sorted(places)


@pytest.mark.parametrize("ledger", [False, True])
def test_an_annotator_writes_entities_first_and_names_before_it_is_sure(ledger, tmp_path):
    with Loopback() as server:
        model = {
            "@llm_models": "llmjudge.OpenAI.v1",
            "base_url": server.url,
            "model": "tiny",
            "use_schema": True,
        }
        if ledger:
            path = str(tmp_path / "l.db")
            model = {"@llm_models": "llmjudge.Ledger.v1", "path": path, "model": model}
        task = {"@llm_tasks": "llmjudge.Annotate.v1", "labels": ["PLANT", "PEST"]}
        nlp = spacy.blank("en")
        nlp.add_pipe("llm_judge", config={"task": task, "model": model})
        nlp("roses and slugs")
    (request,) = server.requests
    schema = find_schema(request)
    assert list(schema["properties"]) == schema["required"] == ["entities", "alternatives"]
    for name in schema["required"]:
        entry = schema["properties"][name]["items"]
        assert list(entry["properties"]) == entry["required"] == ENTRY
    assert_in_order(request.raw, "properties", "entities", "alternatives")


def test_rules_come_before_the_mentions_that_support_them(tmp_path):
    nlp = spacy.blank("en")
    doc = nlp("roses and ferns like rain")
    doc.ents = [Span(doc, 0, 1, label="PLANT"), Span(doc, 2, 3, label="PLANT")]
    body = json.dumps({"rules": []})
    with Loopback(lambda request: Answer(chat(body))) as server:
        model = make_openai_model(server.url, "tiny", use_schema=True)
        mine_rules([doc], make_rules_task(), model, tmp_path / "rules.txt")
    (request,) = server.requests
    schema = find_schema(request)
    entry = schema["properties"]["rules"]["items"]
    assert list(schema["properties"]) == schema["required"] == ["rules"]
    assert list(entry["properties"]) == entry["required"] == ["rule", "mentions"]


def test_the_message_comes_as_the_task_wrote_it():
    """The order of what surrounds the schema is fixed, too: the same prompt is the same bytes."""
    with Loopback() as server:
        model = make_openai_model(server.url, "tiny", system="role", extra={"z": 1, "a": 2})
        list(model([["p"], ["p"]]))
    first, second = (request.raw for request in server.requests)
    assert first == second
    assert list(json.loads(first)) == [
        "model",
        "max_tokens",
        "z",
        "a",
        "temperature",
        "messages",
        "seed",
    ]
