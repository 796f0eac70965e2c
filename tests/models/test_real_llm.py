"""The judge with a real, small LLM in llama.cpp's own server: schema, log-probabilities, accidents."""

import json
import shutil
import signal
import sqlite3
import time
import warnings

import pytest
from conformance import main as conformance
from judge_runs import (
    MODEL,
    ROOT,
    finish,
    judge_command,
    read_judgements,
    resume_command,
    start,
    write_annotated,
)
from llama_server import CONTEXT, NAME, LlamaServer, find_missing
from spacy.util import load_config, load_model_from_config

from spacy_llmjudge.candidates import Candidate, get_status, set_candidates
from spacy_llmjudge.judge.likelihood import align
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.models.openai import make_openai_model
from spacy_llmjudge.transport.messages import Prompt

pytestmark = [pytest.mark.slow, pytest.mark.llm]

TEXTS = ["Roses have black spot.", "Mint dries out.", "Ferns are pale.", "Figs need water."]


@pytest.fixture(scope="module")
def server():
    missing = find_missing()
    assert not missing, f"These tests need packages that are not installed: {'; '.join(missing)}"
    server = LlamaServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Annotated documents, and a ledger without replies: its salt makes the prompts of all runs the same."""
    folder = tmp_path_factory.mktemp("llm")
    write_annotated(folder, TEXTS[:3], TEXTS[3:], place=(0, 1))
    empty = make_ledger_model(make_openai_model("http://localhost/v1", NAME), folder / "empty.db")
    assert empty.salt
    empty.close()
    return folder


def settings_of(server, ledger):
    return {
        "paths.ledger": str(ledger),
        "components.llm_judge.task.labels": "PLANT",
        f"{MODEL}.model.base_url": server.url,
        f"{MODEL}.model.model": NAME,
        f"{MODEL}.model.concurrency": 1,
    }


def command(server, folder, name):
    """A judge with a ledger of its own; a server that is gone is given up soon."""
    shutil.copyfile(folder / "empty.db", folder / f"{name}.db")
    settings = settings_of(server, folder / f"{name}.db")
    settings.update({f"{MODEL}.model.max_tries": 2, f"{MODEL}.model.backoff": 0.1})
    return judge_command(folder, "verify_llamacpp", settings, name)


def finish_with(process, code):
    """RETURNS (str): What it wrote to stderr."""
    found, _, err = finish(process)
    assert found == code, err
    return err


def read_replies(path):
    """What the LLM said to each question, by the question's key; each was answered once."""
    db = sqlite3.connect(path)
    rows = db.execute("SELECT key, reply FROM attempts WHERE state = 'replied'").fetchall()
    db.close()
    replies = {key: json.loads(reply)["choices"][0]["message"]["content"] for key, reply in rows}
    assert len(replies) == len(rows), "nothing is asked twice"
    return replies


def wait_for_replies(path, n, process):
    while process.poll() is None and len(read_replies(path)) < n:
        time.sleep(0.02)
    assert process.poll() is None, "it ended before it was stopped"


def read_verdicts(folder):
    """All of the judgements but the supports, whose last digits are those of a server's cache."""
    return [
        (text, status, [found[:4] for found in candidates])
        for text, status, candidates in read_judgements(folder)
    ]


@pytest.fixture(scope="module")
def calm(server, folder):
    """A run without accidents: its judgements, and the replies that they come from."""
    finish_with(start(command(server, folder, "calm")), 0)
    return read_verdicts(folder / "calm"), read_replies(folder / "calm.db")


def test_verify_is_answered_with_letters_and_their_log_probabilities(calm, folder):
    judgements, replies = calm
    assert len(judgements) == len(replies) == len(TEXTS)
    assert {status["state"] for _, status, _ in judgements} == {"judged"}
    assert set(replies.values()) <= set("ABCD")
    db = sqlite3.connect(folder / "calm.db")
    rows = db.execute("SELECT reply, tokens_in, tokens_out FROM attempts").fetchall()
    db.close()
    for raw, tokens_in, tokens_out in rows:
        assert tokens_in > 100 and 1 <= tokens_out <= 4
        first = json.loads(raw)["choices"][0]["logprobs"]["content"][0]
        assert len(first["top_logprobs"]) == 20


def test_a_server_that_is_killed_and_started_again(server, folder, calm):
    """The run ends with exit code 1 and the command that continues; that asks for the rest alone."""
    path = folder / "restart.db"
    process = start(command(server, folder, "restart"))
    wait_for_replies(path, 2, process)
    server.kill()
    again = resume_command(finish_with(process, 1))
    n_first = len(read_replies(path))
    assert 2 <= n_first < len(TEXTS)
    server.start()
    finish_with(start(again), 0)
    assert (read_verdicts(folder / "restart"), read_replies(path)) == calm
    db = sqlite3.connect(path)
    states = dict(db.execute("SELECT state, COUNT(*) FROM attempts GROUP BY state").fetchall())
    db.close()
    assert states["replied"] == len(TEXTS) and set(states) <= {"replied", "failed"}


def test_ctrl_c_in_the_middle(server, folder, calm):
    path = folder / "interrupt.db"
    process = start(command(server, folder, "interrupt"))
    wait_for_replies(path, 1, process)
    process.send_signal(signal.SIGINT)
    again = resume_command(finish_with(process, 130))
    n_first = len(read_replies(path))
    assert 1 <= n_first < len(TEXTS)
    finish_with(start(again), 0)
    assert (read_verdicts(folder / "interrupt"), read_replies(path)) == calm


def test_annotate_is_held_to_the_schema_and_its_order(server, folder, tmp_path):
    settings = {**settings_of(server, tmp_path / "l.db"), f"{MODEL}.model.max_tokens": 40}
    config = load_config(ROOT / "configs" / "judges" / "llamacpp.cfg", overrides=settings)
    nlp = load_model_from_config(config, auto_fill=True)
    judge = nlp.get_pipe("llm_judge")
    for text in TEXTS[:2]:
        doc = nlp.make_doc(text)
        set_candidates(doc, [Candidate(0, 1, "PLANT", 0.6)])
        assert get_status(nlp(doc))["state"] in ("judged", "abstained")
    judge.model.close()
    replies = read_replies(tmp_path / "l.db")
    assert len(replies) == 2
    for reply in replies.values():
        assert reply.replace(" ", "").replace("\n", "").startswith('{"entities":[')
        # A small model tells no entity from another, but it has to name it before it is sure of it.
        names = [reply.find(f'"{name}"') for name in ("text", "label", "confidence")]
        assert names == sorted(names) or -1 in names


def test_the_tokens_of_a_real_reply_stand_where_their_log_probabilities_say(server, tmp_path):
    """Also of characters of several bytes; the server is asked for no alternatives."""
    settings = {
        "max_tokens": 60,
        "extra": {"grammar": 'root ::= "{\\"text\\": \\"Zoë 🌱 漢字\\"}"'},
    }
    model = make_ledger_model(make_openai_model(server.url, NAME, **settings), tmp_path / "l.db")
    ((reply,),) = model([[Prompt("Say it.", logprobs=True)]])
    model.close()
    assert reply == '{"text": "Zoë 🌱 漢字"}' and reply.logprobs
    assert b"".join(token.data for token in reply.tokens).startswith(reply.encode())
    pieces = align(reply, reply.tokens)
    assert reply.tokens[-1].data == b"", "the token that ends a reply spells nothing"
    assert {i for piece in pieces for i in range(piece.start, piece.end)} == set(range(len(reply)))
    assert all(piece.logprob <= 0 for piece in pieces)


def test_the_responses_api_of_a_real_server(server, tmp_path):
    """llama.cpp has it without log-probabilities, and says so in words of its own."""
    settings = {"api": "responses", "top_logprobs": 5, "max_tokens": 16, "system": "Be brief."}
    model = make_ledger_model(make_openai_model(server.url, NAME, **settings), tmp_path / "l.db")
    with pytest.warns(UserWarning, match="JW330.*top_logprobs"):
        ((reply,),) = model([[Prompt("Say hello.", options=("A", "B"))]])
    assert reply.state == "replied" and reply.usage["tokens_out"] <= 16
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(model([[Prompt("Say hello.", options=("A", "B"))]])) == [[reply]]
    assert model._store.count() == {"failed": 1, "replied": 1}
    model.close()


def test_what_the_conformance_script_finds(server, tmp_path, capsys):
    output = tmp_path / "found.json"
    arguments = ["--base-url", server.url, "--model", NAME, "--output", str(output)]
    assert conformance([*arguments, "--long-words", str(2 * CONTEXT)]) == 0
    found = json.loads(output.read_text())
    assert found["settings"] == {"use_schema": True, "top_logprobs": 20}
    assert found["requests"] <= 10
    assert [c["title"] for c in found["checks"] if c["ok"] is False] == []
