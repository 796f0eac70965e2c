"""Fixtures that several rooms use: a small dataset, a small trained pipeline, a small project."""

import json
import os
import resource
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
from asking import PRICES
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
GARDEN = ROOT / "assets" / "garden"

# tests run in several processes, and what they start does: with a thread for each core in each of them all would wait
os.environ.setdefault("OMP_NUM_THREADS", "1")

# how long an example takes says how busy the machine is, nothing of the code
settings.register_profile("any_load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any_load")

# about how many fast tests take as long as a slow one
SLOW = 100


def pytest_collection_modifyitems(items):
    """Files that take long come first, so that no process is left with one at the end while the others wait."""
    weights = Counter()
    for item in items:
        weights[item.path] += SLOW if item.get_closest_marker("slow") else 1
    items.sort(key=lambda item: -weights[item.path])


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory):
    """A folder with the few-shot set of the demo and a part of its other files."""
    folder = tmp_path_factory.mktemp("assets") / "small"
    folder.mkdir()
    for name, rows in (
        ("labelled.jsonl", 60),
        ("dev.jsonl", 50),
        ("test.jsonl", 40),
        ("pool.jsonl", 90),
        ("pool_gold.jsonl", 90),
    ):
        lines = (GARDEN / name).read_text(encoding="utf8").splitlines()[:rows]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf8")
    for name in ("rules.txt", "responses.jsonl"):
        shutil.copyfile(GARDEN / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def small_corpus(small_dataset, tmp_path_factory):
    """The small dataset, prepared."""
    from spacy_llmjudge.corpora.prepare import prepare

    folder = tmp_path_factory.mktemp("corpus")
    prepare(small_dataset, folder)
    return folder


@pytest.fixture(scope="session")
def small_student(small_corpus, tmp_path_factory):
    """A student without a transformer that knows a little: the path of its model-best."""
    from spacy_llmjudge.training.student import train_student

    folder = tmp_path_factory.mktemp("training") / "round-0"
    train_student(
        ROOT / "configs" / "student_cpu.cfg",
        folder,
        overrides={
            "paths.gold": str(small_corpus / "labelled.spacy"),
            "paths.dev": str(small_corpus / "dev.spacy"),
            "training.max_steps": 60,
        },
    )
    return folder / "model-best"


@pytest.fixture
def write_jsonl(tmp_path):
    """A function that writes rows to a JSONL file and returns its path."""

    def write(rows, name="data.jsonl"):
        path = tmp_path / name
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text(text, encoding="utf8")
        return path

    return write


@pytest.fixture
def prices(tmp_path):
    """The prices of a model `tiny`."""
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(PRICES))
    return path


@pytest.fixture
def limit_files():
    """Lets no file grow over a size, as a full disk does."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size or soft, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, handler)
