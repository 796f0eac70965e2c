"""What a command loads before it does anything, each looked at in a fresh process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, set_candidates, set_outside
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.storage import read_docs, write_json

CONFIGS = Path(__file__).parents[2] / "configs"

HELP = """
import io, json, sys, time
import spacy.cli
from contextlib import redirect_stdout
from spacy.cli._util import setup_cli

own = time.process_time()
if sys.argv.pop() == "without":
    spacy.registry.cli.get_all = dict
else:
    spacy.registry.cli.get_all()
seconds = time.process_time() - own
sys.argv = ["spacy", "--help"]
printed = io.StringIO()
try:
    with redirect_stdout(printed):
        setup_cli()
except SystemExit:
    pass
print(json.dumps([sorted(sys.modules), seconds, own, "llmjudge" in printed.getvalue()]))
"""

VERBS = """
import json, sys
import spacy.cli
from typer.testing import CliRunner
from spacy_llmjudge.cli import app

heavy = {"spacy_llm", "spacy_transformers", "transformers", "sklearn", "matplotlib", "torch._dynamo"}
loaded = {}
for command in json.loads(sys.argv[1]):
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, (command, result.output)
    loaded[command[0]] = sorted(heavy & set(sys.modules))
print(json.dumps(loaded))
"""


def run_fresh(code, *args):
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def loaded_by(*commands):
    """Heavy modules that are there after each verb, all in one fresh process."""
    return run_fresh(VERBS, json.dumps([[str(word) for word in command] for command in commands]))


@pytest.fixture(scope="module")
def annotated(small_corpus, tmp_path_factory):
    """A folder as `annotate` writes it, with the gold and near misses as candidates."""
    folder = tmp_path_factory.mktemp("annotated")
    for split, gold in (("pool", "pool_gold"), ("dev", "dev")):
        docs = list(read_docs(small_corpus / f"{gold}.spacy", Vocab()))
        for i, doc in enumerate(docs):
            found = {(ent.start, ent.end, ent.label_): 0.9 - i % 7 / 100 for ent in doc.ents}
            found |= {(start, end, "OTHER"): 0.1 for start, end, _ in list(found)}
            values = {"source": "student"}
            candidates = [
                Candidate(*key, posterior=p, confidence=p, **values) for key, p in found.items()
            ]
            set_candidates(doc, candidates)
            set_outside(doc, [0.1 if token.ent_iob_ in "BI" else 0.95 for token in doc])
            doc.ents = []
        process_shards(docs, folder / split, lambda batch: batch, fingerprint={})
    return folder


@pytest.mark.slow
def test_help_with_the_plugin_loads_the_plugin_alone_and_costs_next_to_nothing():
    without, _, _, _ = run_fresh(HELP, "without")
    loaded, seconds, all_before, is_listed = run_fresh(HELP, "with")
    assert is_listed
    added = {name for name in set(loaded) - set(without) if not name.startswith("spacy_llmjudge")}
    assert not added
    # .15 s where spaCy itself takes 3 s
    assert seconds < 0.05 * all_before


@pytest.mark.slow
def test_steps_without_a_student_load_no_transformer_and_no_llm(
    small_dataset, small_corpus, annotated, tmp_path
):
    judged = tmp_path / "judged"
    judge = ["judge", annotated, judged, CONFIGS / "judges" / "recorded.cfg"]
    judge += ["--assets", small_dataset, "--paths.labelled", small_corpus / "labelled.spacy"]
    config = CONFIGS / "filter.cfg"
    gold = small_corpus / "dev.spacy"
    plan = ["plan", annotated, *judge[3:], "--no-prompt"]
    with_judge = loaded_by(plan, judge)
    # spacy-llm loads transformers, which loads its parts when they are used
    assert set(map(tuple, with_judge.values())) == {("spacy_llm", "transformers")}
    nothing = {"precision": None, "statement": None}
    write_json(tmp_path / "m" / "summary.json", {"silver": nothing, "calibration": {}})
    loaded = loaded_by(
        ["init", tmp_path / "project"],
        ["encoder", tmp_path / "encoder", "--name", "none"],
        ["prepare", small_dataset, tmp_path / "corpus"],
        ["check", tmp_path / "corpus"],
        ["label", judged, tmp_path / "labels.spacy"],
        ["audit", judged, gold, tmp_path / "audit.jsonl", config, "-n", 5],
        ["filter", judged, gold, tmp_path / "silver.spacy", config, "--metrics", tmp_path / "m"],
        ["summary", tmp_path / "m"],
    )
    assert len(loaded) == 8 and not any(loaded.values()), loaded
