"""The line that says what the judge is doing."""

import json
import threading
import warnings

import pytest
from cli_helpers import error_line, run
from english import NLP
from loopback import Answer, Loopback, chat

from spacy_llmjudge.candidates import Candidate, set_candidates
from spacy_llmjudge.cli.progress import Meter
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.steps.judge import judge

CONFIG = "configs/judges/vllm.cfg"
MODEL = "components.llm_judge.model"


@pytest.fixture
def annotated(tmp_path):
    """Sixty documents in shards of ten, the last ones the least certain."""
    docs = []
    for i in range(60):
        doc = NLP.make_doc(f"the roses of garden {i}")
        set_candidates(doc, [Candidate(1, 2, "PLANT", posterior=0.99 - i / 130)])
        docs.append(doc)
    process_shards(docs, tmp_path / "annotated" / "pool", list, fingerprint={}, shard_size=10)
    return tmp_path / "annotated" / "pool"


def settings(server, folder):
    return {
        "paths.ledger": str(folder / "ledger.db"),
        "components.llm_judge.task.labels": ["PLANT"],
        f"{MODEL}.model.base_url": server.url,
        f"{MODEL}.model.concurrency": 2,
        f"{MODEL}.model.use_schema": False,
    }


@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 10, "completion_tokens": 5}])
def test_it_counts_what_is_asked_and_not_what_is_there(annotated, tmp_path, usage, request):
    root = request.config.rootpath
    meter, lines = Meter("Judging pool"), []

    def script(served):
        lines.append(meter.line())
        return Answer(chat(usage=usage))

    with Loopback(script) as server:
        overrides = settings(server, tmp_path)
        judge(
            annotated,
            tmp_path / "judged",
            root / CONFIG,
            at_most=5,
            overrides=overrides,
            progress=meter.shard,
            on_judge=meter.watch,
        )
    assert len(lines) == 5
    assert all(line.startswith("Judging pool: ") and " of 5 docs" in line for line in lines)
    last = meter.line()
    assert "5 of 5 docs" in last and "00:00 left" in last
    tokens = "tokens unknown" if usage is None else "tokens 50 in, 25 out"
    assert tokens in last

    again = Meter("Judging pool")
    judge(
        annotated,
        tmp_path / "judged",
        root / CONFIG,
        at_most=5,
        overrides=overrides,
        progress=again.shard,
        on_judge=again.watch,
    )
    assert "5 of 5 docs" in again.line()


def test_a_model_without_a_price_is_one_line(annotated, tmp_path, request, monkeypatch):
    """The meter, which looks at the same ledger, says nothing of its own."""
    raised = []
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.append(args.exc_value))
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"as_of": "2026-01-31", "usd_per_million_tokens": {}}))
    root = request.config.rootpath
    with Loopback() as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {
            **settings(server, tmp_path),
            f"{MODEL}.max_cost": 1.0,
            f"{MODEL}.prices": prices,
        }
        options["components.llm_judge.task.labels"] = "PLANT"
        options[f"{MODEL}.model.use_schema"] = "false"
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        folders = [annotated.parent, tmp_path / "judged", root / CONFIG]
        result = run("judge", *folders, "--only", "pool", *arguments)
    assert "[J323]" in error_line(result)
    assert raised == [] and server.requests == []
