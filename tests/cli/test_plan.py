"""`plan` and `rules`: what they say is what is then sent."""

import json
import re
import socket
from pathlib import Path

import pytest
import spacy
from cli_helpers import error_line, run
from english import NLP
from spacy.util import load_config, load_model_from_config

from spacy_llmjudge.candidates import Candidate, get_status, set_candidates
from spacy_llmjudge.steps.judge_config import load_judges, read_judge_config
from spacy_llmjudge.storage import read_docs, write_docs
from spacy_llmjudge.targets.base import write_target
from spacy_llmjudge.targets.cats import Cats

ROOT = Path(__file__).parents[2]
JUDGES = ROOT / "configs" / "judges"
GARDEN = ROOT / "assets" / "garden"
MARK = re.compile("[0-9a-f]{16}")
MODEL = "components.llm_judge.model.model"


@pytest.fixture(scope="module")
def loopback():
    import loopback as module

    return module


@pytest.fixture
def annotated(tmp_path):
    """Twelve documents in pool and dev, with 0 to 3 candidates each."""
    for split, numbers in (("pool", range(8)), ("dev", range(8, 12))):
        docs = []
        for i in numbers:
            doc = NLP.make_doc(f"the roses of garden {i} have black spot")
            found = [Candidate(1, 2, "PLANT", 0.9), Candidate(6, 8, "DISEASE", 0.4)]
            found.append(Candidate(7, 8, "SYMPTOM", 0.03))
            set_candidates(doc, found[: i % 4])
            docs.append(doc)
        write_docs(tmp_path / "annotated" / split / "shard-00000.spacy", docs)
    return tmp_path / "annotated"


def plan(annotated, name, *args, folder):
    path = folder / "plan.json"
    result = run("plan", annotated, JUDGES / f"{name}.cfg", "--json", path, *args)
    assert result.exit_code == 0, result.output
    return json.loads(path.read_text()), " ".join(result.output.split())


@pytest.fixture
def offline(monkeypatch):
    def refuse(*args, **settings):
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_a_plan_counts_and_prices_without_network_key_or_ledger(
    annotated, tmp_path, offline, monkeypatch
):
    monkeypatch.chdir(ROOT)
    ledger = tmp_path / "judge.sqlite"
    found, shown = plan(
        annotated,
        "openai",
        "--paths.ledger",
        ledger,
        "--assets",
        GARDEN,
        "--paths.labelled",
        GARDEN / "labelled.jsonl",
        "--concurrency",
        4,
        "--seconds",
        3,
        folder=tmp_path,
    )
    assert (found["documents"], found["requests"], found["candidates"]) == (12, 12, 18)
    assert found["model"] == "gpt-4.1-mini" and found["seconds"] == 9.0
    expected = found["tokens_in"] * 0.4e-6 + found["tokens_out"] * 1.6e-6
    assert found["cost"] == pytest.approx(expected, rel=1e-6)
    assert found["cost_bound"] > found["cost"] and found["tokens_out_bound"] == 12 * 1024
    assert 0.9 < found["tokens_in"] * 4 / (12 * len(found["first_prompt"])) < 1.4
    for part in (
        "12",
        "gpt-4.1-mini",
        f"{found['cost']:.4f} USD",
        "prices of 2025-06-30",
        "configs/judges/prices.json: check gpt-4.1-mini with your provider",
        "the roses of garden 0",
    ):
        assert part in shown
    assert not ledger.exists()


def test_a_plan_for_a_part_of_the_documents_has_as_many_requests(
    annotated, tmp_path, offline, monkeypatch
):
    monkeypatch.chdir(ROOT)
    found, _ = plan(
        annotated,
        "openai",
        "--paths.ledger",
        tmp_path / "judge.sqlite",
        "--assets",
        GARDEN,
        "--paths.labelled",
        GARDEN / "labelled.jsonl",
        "--at-most",
        5,
        folder=tmp_path,
    )
    # five of the pool, and all of dev
    assert (found["documents"], found["requests"]) == (9, 9)


@pytest.mark.parametrize("n, requests", [(1, 15), (8, 9)])
def test_a_plan_of_the_verifying_judge_is_what_is_sent(
    annotated, tmp_path, monkeypatch, loopback, n, requests
):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    answer = loopback.Answer(loopback.chat("A | 90"))
    with loopback.Loopback(lambda request: answer) as server:
        settings = {
            f"{MODEL}.base_url": server.url,
            f"{MODEL}.concurrency": 1,
            "components.llm_judge.task.candidates_per_prompt": n,
            "paths.labelled": str(GARDEN / "labelled.jsonl"),
            "paths.ledger": str(tmp_path / "judge.sqlite"),
        }
        args = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
        found, _ = plan(annotated, "verify_openai", *args, folder=tmp_path)
        assert server.requests == []
        config = load_config(JUDGES / "verify_openai.cfg", overrides=settings, interpolate=True)
        nlp = load_model_from_config(config, auto_fill=True)
        docs = [doc for split in ("pool", "dev") for doc in read_docs(annotated / split, nlp.vocab)]
        list(nlp.pipe(docs))
        prompts = [request.prompt for request in server.requests]
        again, _ = plan(annotated, "verify_openai", *args, folder=tmp_path)
        assert len(server.requests) == len(prompts)
    # Of the 18 candidates, three are under the cut of this config.
    assert found["candidates"] == 15
    assert found["requests"] == len(prompts) == requests
    # The mark is drawn with a secret of the ledger, which was not there yet.
    assert MARK.sub("*", prompts[0]) == MARK.sub("*", found["first_prompt"])
    assert prompts[0] == again["first_prompt"]
    assert (again["requests"], again["stored"], again["cost"]) == (0, requests, 0.0)


def test_a_plan_over_the_budget_says_so(annotated, tmp_path, offline, monkeypatch):
    monkeypatch.chdir(ROOT)
    _, shown = plan(
        annotated,
        "openai",
        "--paths.labelled",
        GARDEN / "labelled.jsonl",
        "--components.llm_judge.model.max_cost",
        "0.00001",
        "--no-prompt",
        folder=tmp_path,
    )
    assert "over the budget of 1e-05 USD" in shown and "the roses of garden" not in shown


def test_a_model_without_a_price_has_no_cost(annotated, tmp_path, offline):
    found, shown = plan(
        annotated, "ollama", "--paths.labelled", GARDEN / "labelled.jsonl", folder=tmp_path
    )
    assert found["cost"] is None and "not known" in shown and found["concurrency"] == 4


def test_a_plan_of_a_text_classifier_of_spacy_llm_is_what_is_sent(
    annotated, tmp_path, monkeypatch, loopback
):
    """The labels come from the corpus, as in the step `judge`."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    target = Cats(("PEST", "WATER"), True)
    write_target(tmp_path, target)
    write_docs(annotated / "dev" / "shard-00001.spacy", [NLP.make_doc(" ")])
    answer = loopback.Answer(loopback.chat("PEST 80"))
    with loopback.Loopback(lambda request: answer) as server:
        settings = {
            "components.llm.model.model.base_url": server.url,
            "components.llm.model.model.concurrency": 1,
            "paths.ledger": str(tmp_path / "judge.sqlite"),
        }
        args = [part for name, value in settings.items() for part in (f"--{name}", value)]
        found, shown = plan(annotated, "textcat", *args, folder=tmp_path)
        assert server.requests == [] and "PEST" in found["first_prompt"]
        config = read_judge_config(JUDGES / "textcat.cfg", settings, target)
        _, (judge,) = load_judges(config, JUDGES / "textcat.cfg", target)
        docs = [doc for split in ("pool", "dev") for doc in read_docs(annotated / split, NLP.vocab)]
        assert all(get_status(doc)["state"] == "judged" for doc in list(judge.pipe(docs))[:12])
        assert (found["documents"], found["requests"], len(server.requests)) == (13, 12, 12)
        assert server.requests[0].prompt == found["first_prompt"]
        again, _ = plan(annotated, "textcat", *args, folder=tmp_path)
    assert (again["requests"], again["stored"]) == (0, 12)
    assert found["model"] == "gpt-4.1-mini" and "gpt-4.1-mini" in shown


def test_a_judge_by_another_name_is_found(annotated, tmp_path, offline):
    config = (JUDGES / "ollama.cfg").read_text(encoding="utf8")
    (tmp_path / "renamed.cfg").write_text(
        config.replace("components.llm_judge", "components.referee").replace(
            '"llm_judge"]', '"referee"]'
        ),
        encoding="utf8",
    )
    args = ["--paths.labelled", GARDEN / "labelled.jsonl", "--json", tmp_path / "plan.json"]
    assert run("plan", annotated, tmp_path / "renamed.cfg", *args).exit_code == 0
    assert json.loads((tmp_path / "plan.json").read_text())["requests"] == 12


def test_a_text_classifier_judges_labels_of_documents_only(annotated, tmp_path, offline):
    error = error_line(run("plan", annotated, JUDGES / "textcat.cfg"))
    assert "[J253]" in error and "found: llm" in error


def test_user_errors_are_one_line(annotated, tmp_path, offline):
    assert "nope" in error_line(run("plan", "nope", JUDGES / "openai.cfg"))
    assert "nope.cfg" in error_line(run("plan", annotated, "nope.cfg"))
    (tmp_path / "other.cfg").write_text('[nlp]\nlang = "en"\npipeline = []\n')
    assert "[J253]" in error_line(run("plan", annotated, tmp_path / "other.cfg"))
    empty = tmp_path / "empty.spacy"
    write_docs(empty, [NLP.make_doc("no candidate")])
    args = ["--paths.labelled", GARDEN / "labelled.jsonl"]
    assert "[J254]" in error_line(run("plan", empty, JUDGES / "verify_vllm.cfg", *args))


def test_rules_are_mined_into_a_file_that_is_not_overwritten(tmp_path, loopback):
    nlp = spacy.blank("en")
    doc = nlp("roses and ferns like rain")
    doc.ents = [
        spacy.tokens.Span(doc, 0, 1, label="PLANT"),
        spacy.tokens.Span(doc, 2, 3, label="PLANT"),
    ]
    write_docs(tmp_path / "labelled.spacy", [doc])
    body = json.dumps(
        {
            "rules": [
                {"rule": "Named plants.", "mentions": ["roses", "ferns"]},
                {"rule": "x", "mentions": []},
            ]
        }
    )
    output = tmp_path / "rules.txt"
    with loopback.Loopback(lambda request: loopback.Answer(loopback.chat(body))) as server:
        args = [
            "rules",
            tmp_path / "labelled.spacy",
            JUDGES / "vllm.cfg",
            output,
            f"--{MODEL}.base_url",
            server.url,
            "--paths.ledger",
            tmp_path / "judge.sqlite",
        ]
        result = run(*args)
        assert result.exit_code == 0, result.output
        shown = " ".join(result.output.split())
        assert "rules.txt: 1 rules" in shown and "unsupported (1)" in shown
        assert output.read_text() == "# supported by: roses; ferns\nPLANT: Named plants.\n"
        assert "[J255]" in error_line(run(*args))
        assert run(*args, "--force").exit_code == 0
        assert len(server.requests) == 1, "the ledger has the reply"
        bad = loopback.Answer(loopback.chat("no"))
        server.script = lambda request: bad
        args[3] = tmp_path / "other.txt"
        args[-1] = tmp_path / "other.sqlite"
        assert "[J252]" in error_line(run(*args))
    assert not (tmp_path / "other.txt").exists()
