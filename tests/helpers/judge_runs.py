"""Runs of the verb `judge` as processes of their own: a folder to judge, the command, and what came of it."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import spacy

from spacy_llmjudge.candidates import Candidate, get_candidates, get_status, set_candidates
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.storage import read_docs

ROOT = Path(__file__).parents[2]
MODEL = "components.llm_judge.model"
KEY = "sk-canary-5Tq8Wn3KpB6yHs20"


def write_annotated(folder, pool, dev, place=(1, 2)):
    """Annotated documents that have one candidate each, of the same place.

    pool, dev (Iterable[str]): Their texts.
    """
    nlp = spacy.blank("en")
    for split, texts in (("pool", pool), ("dev", dev)):
        docs = []
        for text in texts:
            docs.append(nlp.make_doc(text))
            set_candidates(docs[-1], [Candidate(*place, "PLANT", 0.6)])
        process_shards(docs, folder / "annotated" / split, list, fingerprint={}, shard_size=16)


def write_prices(folder):
    """A table for the model `tiny`: a dollar for a million tokens."""
    prices = {"tiny": {"input": 1.0, "output": 1.0}}
    table = {"as_of": "2026-01-31", "usd_per_million_tokens": prices}
    (folder / "prices.json").write_text(json.dumps(table))


def judge_command(folder, config, settings, name="judged"):
    """The command that judges what `write_annotated` wrote.

    config (str): The name of a config in `configs/judges`.
    settings (Dict[str, Any]): Settings of the config by their dotted names.
    name (str): The folder for the judged documents.
    """
    path = ROOT / "configs" / "judges" / f"{config}.cfg"
    metrics = folder / ("metrics" if name == "judged" else f"{name}-metrics")
    arguments = [folder / "annotated", folder / name, path, "--metrics", metrics]
    arguments += [part for setting, value in settings.items() for part in (f"--{setting}", value)]
    return [sys.executable, "-m", "spacy", "llmjudge", "judge", *map(str, arguments)]


def openai_command(folder, server, **settings):
    """The same with a scripted server that is said to be OpenAI's, and a budget."""
    settings = {
        "paths.ledger": folder / "ledger.sqlite",
        "components.llm_judge.task.labels": "PLANT,DISEASE",
        f"{MODEL}.max_cost": 5.0,
        f"{MODEL}.prices": folder / "prices.json",
        f"{MODEL}.model.base_url": server.url,
        f"{MODEL}.model.model": "tiny",
        f"{MODEL}.model.max_tokens": 200,
        f"{MODEL}.model.concurrency": 4,
        **{f"{MODEL}.{name}": value for name, value in settings.items()},
    }
    return judge_command(folder, "openai", settings)


def start(arguments):
    environment = {
        **os.environ,
        "OPENAI_API_KEY": KEY,
        "OMP_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        arguments, text=True, env=environment, cwd=ROOT, preexec_fn=heed_signals, **pipes
    )


def heed_signals():
    """A test run in the background of a script ignores SIGINT, one under nohup SIGHUP, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def finish(process, timeout=600):
    """RETURNS (Tuple[int, str, str]): The exit code, and what it wrote to stdout and stderr."""
    out, err = process.communicate(timeout=timeout)
    assert "Traceback" not in err
    return process.returncode, out, err


def run(arguments):
    return finish(start(arguments))


def resume_command(err):
    """The command that is printed on a line of its own, for this interpreter."""
    (line,) = [
        line for line in err.splitlines() if line.startswith("python -m spacy llmjudge judge")
    ]
    return [sys.executable, *shlex.split(line)[1:]]


def read_judged(folder):
    """The judged documents of pool and dev."""
    vocab = spacy.blank("en").vocab
    return [doc for split in ("pool", "dev") for doc in read_docs(folder / split, vocab)]


def read_judgements(folder):
    """Text, status, and candidates with verdict and support of every document."""
    return [
        (
            doc.text,
            get_status(doc),
            [(c.start, c.end, c.label, c.verdict, c.support) for c in get_candidates(doc)],
        )
        for doc in read_judged(folder)
    ]


def states_of(folder):
    statuses = map(get_status, read_judged(folder / "judged"))
    return Counter((status["state"], status["reason"]) for status in statuses)
