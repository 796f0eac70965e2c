"""A workspace in which a loop can run in seconds."""

import shutil
from pathlib import Path

from spacy.vocab import Vocab

from spacy_llmjudge.steps.loop import run_loop
from spacy_llmjudge.steps.loop_settings import LoopSettings
from spacy_llmjudge.steps.stopping import StopRules
from spacy_llmjudge.storage import read_docs, sha256_path, write_docs

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
POOL = 40


def make_workspace(folder, corpus, student, dataset):
    """A folder with a small corpus, the seed student, and the files of the judge."""
    for name, n in (
        ("labelled", 60),
        ("dev", 50),
        ("pool", POOL),
        ("test", 20),
        ("pool_gold", POOL),
    ):
        docs = list(read_docs(corpus / f"{name}.spacy", Vocab()))[:n]
        write_docs(folder / "corpus" / f"{name}.spacy", docs)
    shutil.copytree(student, folder / "training" / "round-0" / "model-best")
    shutil.copytree(dataset, folder / "assets")
    shutil.copytree(CONFIGS, folder / "configs")
    return folder


def make_settings(folder, *, judge="recorded", overrides=None, **changes):
    """Settings with relative paths, for a run inside of the folder."""
    own = {
        "student": {"training.max_steps": 12},
        "judge": {"paths.rules": "assets/rules.txt", "paths.replies": "assets/responses.jsonl"},
        # with a lower floor all rounds accept the same, and the second is the last
        "filter": {"selector.q": 0.2, "selector.floor": 0.5},
    }
    for name, settings in (overrides or {}).items():
        own[name] = settings
    defaults = {"rules": StopRules(max_rounds=2, stable=1.0, patience=9)}
    return LoopSettings(
        config=Path("configs/student_cpu.cfg"),
        judge=Path(f"configs/judges/{judge}.cfg"),
        filter=Path("configs/filter.cfg"),
        overrides=own,
        **{**defaults, **changes},
    )


def made_by(folder, rounds=2):
    """Hashes of all that a loop is for: silver, reports, weights.

    Not of manifests, which hash inputs whose last bits (1e-17) depend on the machine's moods, nor of
    `meta.json`, where spaCy writes scores by label in the order of a set.
    """
    names = ["metrics/loop.json"]
    for number in range(1, rounds + 1):
        names += [f"corpus/round-{number}/silver.spacy", f"metrics/round-{number}/selection.json"]
    models = [
        f"training/{name}/model-best" for name in ("loop", "round-1", "round-2")[: rounds + 1]
    ]
    names += [f"{model}/{pipe}/model" for model in models for pipe in ("tok2vec", "ner")]
    return {name: sha256_path(folder / name) for name in names}


__all__ = [
    "CONFIGS",
    "POOL",
    "ROOT",
    "StopRules",
    "made_by",
    "make_settings",
    "make_workspace",
    "run_loop",
]
