"""Mistakes of the command line: each ends in one clear line, soon, and leaves nothing half-written.

They are made from every option of every verb, and run in this process by the way that `python -m spacy` takes.
"""

import shutil
from pathlib import Path

import pytest
from mistakes import (
    BYTES,
    damaged_files,
    error_lines,
    run_spacy,
    settings_of,
    verbs,
    wrong_arguments,
    wrong_options,
    wrong_settings,
)

from spacy_llmjudge.configs import read_config
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.ledger.store import LedgerStore

CONFIGS = Path(__file__).parents[2] / "configs"
CPU = CONFIGS / "student_cpu.cfg"
RECORDED = CONFIGS / "judges" / "recorded.cfg"
# arguments that have to be there
INPUTS = {
    *(
        "source",
        "sources",
        "corpus",
        "config",
        "judge",
        "model",
        "gold",
        "calibration",
        "annotated",
        "judged",
    ),
    *("labelled", "raw", "ledger", "test", "evidence", "audit"),
    *("round_folder", "texts"),
}
# verbs that would train, build or serve where a mistake is none: only what must fail is tried
EXPENSIVE = {"train", "crossfit", "loop", "unjudged", "package", "review"}
# of a folder or a file that a verb reads, these are damaged
DAMAGED = ("label", "check", "filter", "plan", "summary", "evaluate", "prepare", "annotate")


@pytest.fixture(scope="module")
def world(small_dataset, small_student, tmp_path_factory):
    """What a round leaves behind, on so few documents that a command without a mistake is soon over."""
    folder = tmp_path_factory.mktemp("world")
    dataset, corpus = folder / "assets", folder / "corpus"
    dataset.mkdir()
    for path in small_dataset.iterdir():
        n = 60 if path.stem == "labelled" else 20
        lines = path.read_text(encoding="utf8").splitlines(keepends=True)
        is_set = path.suffix == ".jsonl" and path.stem != "responses"
        (dataset / path.name).write_text("".join(lines[:n] if is_set else lines), encoding="utf8")
    prepare(dataset, corpus)
    steps = [
        ["calibrate", small_student, corpus / "dev.spacy", folder / "calibration.json"],
        [
            "annotate",
            small_student,
            folder / "calibration.json",
            corpus,
            folder / "annotated",
        ],
        ["judge", folder / "annotated", folder / "judged", RECORDED, "--assets", dataset],
        ["filter", folder / "judged", corpus / "dev.spacy", folder / "silver.spacy"],
        ["evaluate", corpus / "test.spacy", f"seed={small_student}"],
    ]
    steps[2] += ["--paths.labelled", corpus / "labelled.spacy"]
    steps[3] += [CONFIGS / "filter.cfg", "--q", "0.4"]
    for step in steps:
        metrics = ["--metrics", folder / "metrics"]
        ending = run_spacy([str(word) for word in [*step, *metrics]], 300)
        assert ending.code == 0, ending
    LedgerStore(folder / "judge.sqlite").close()
    (folder / "texts.txt").write_text("Slugs ate the hostas\n", encoding="utf8")
    return {"assets": dataset, "corpus": corpus, "model": small_student, "at": folder}


def command_lines(assets, corpus, model, at, out):
    """A command line without a mistake for each verb."""
    dev, labelled = corpus / "dev.spacy", corpus / "labelled.spacy"
    judge = [RECORDED, "--assets", assets, "--paths.labelled", labelled]
    steps = ["--student.training.max_steps", 1]
    lines = {
        "init": [out / "project"],
        "settings": ["--vars.steps", 1],
        "encoder": [out / "encoder", "--name", "none"],
        "prepare": [assets, out / "corpus"],
        "check": [corpus],
        "train": [CPU, out / "t", "--paths.gold", labelled, "--paths.dev", dev],
        "calibrate": [model, dev, out / "calibration.json"],
        "annotate": [model, at / "calibration.json", corpus, out / "annotated"],
        "rules": [labelled, RECORDED, out / "rules.txt", "--paths.replies", assets / "rules.txt"],
        "plan": [at / "annotated", *judge, "--no-prompt"],
        "judge": [at / "annotated", out / "judged", *judge],
        "ledger backup": [at / "judge.sqlite", out / "copy.sqlite"],
        "audit": [at / "judged", dev, out / "audit.jsonl", CONFIGS / "filter.cfg"],
        "filter": [at / "judged", dev, out / "silver.spacy", CONFIGS / "filter.cfg"],
        "label": [at / "judged", out / "labels.spacy"],
        "crossfit": [
            labelled,
            CPU,
            RECORDED,
            "--output",
            out / "x",
            "--training",
            out / "t",
            *steps,
        ],
        "loop": [corpus, CPU, RECORDED, "--training", out / "t", "--metrics", out / "m", *steps],
        "evaluate": [corpus / "test.spacy", f"seed={model}", "--metrics", out / "m"],
        "cuts": [at / "judged", corpus / "dev.spacy", out / "cuts.json"],
        "summary": [at / "metrics"],
        "unjudged": [at / "annotated", corpus, CPU, out / "u", "--metrics", out / "m"],
        "package": [model, out / "packages"],
        "watch": [model, assets / "pool.jsonl", "--reference", corpus / "test.spacy"],
        "report": [corpus, at / "metrics", out / "report", "--silver", at / "silver.spacy"],
        "review": [at, "--metrics", out / "m"],
        "disagreements": [model, at / "texts.txt", *judge, "--output", out / "rows.jsonl"],
        "start": [
            assets / "labelled.jsonl",
            assets / "pool.jsonl",
            out / "project",
            "--judge",
            "embedded",
        ],
    }
    lines["export"] = [at / "silver.spacy", out / "tasks.json", "--format", "label-studio"]
    lines["import"] = [assets / "labelled.jsonl", out / "gold.spacy"]
    lines["filter"] += ["--metrics", out / "m", "--q", "0.4"]
    lines["watch"] += ["--calibration", at / "calibration.json"]
    lines["loop"] += ["--filter", CONFIGS / "filter.cfg"]
    lines["crossfit"] += ["--calibration", out / "calibration.json"]
    return {verb: [*verb.split(), *map(str, words)] for verb, words in lines.items()}


def odd_files(folder):
    """Paths of every kind that is not the one that is wanted."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "empty folder").mkdir(parents=True)
    (folder / "empty").touch()
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "text.txt").write_text("a\nb\n", encoding="utf8")
    (folder / "link").symlink_to(folder / "nowhere")
    (folder / "loop").symlink_to(folder / "loop")
    names = ("missing", "empty folder", "empty", "binary", "text.txt", "link", "loop")
    odd = ("empty/x", "n\udcff", "a\nb\x1b[31m", "x" * 300, "../x/../../y")
    return {name[:20]: folder / name for name in (*names, *odd)} | {
        "no file system": Path("/proc/x")
    }


def mistakes_of(verb, words, folder):
    """All mistakes of a verb, one after the other: the files of one are gone when the next one comes."""
    parameters, files = verbs()[verb], odd_files(folder / "files")
    yield from wrong_options(verb, parameters, words, files)
    yield from wrong_arguments(verb, parameters, words, files, INPUTS)
    prefixes = {"crossfit": "student.", "loop": "student.", "train": "", "plan": "", "filter": ""}
    if verb in prefixes:
        (config,) = [word for word in words if word.endswith(".cfg")][:1]
        settings = settings_of(read_config(config, interpolate=False))
        yield from wrong_settings(verb, words, settings, prefixes[verb])
    if verb in DAMAGED:
        yield from damaged_files(verb, words, folder, BYTES)


def faults(mistake, ending, out):
    """What is wrong with the way in which a command ended."""
    if ending.raised is not None:
        yield f"raised {ending.raised!r}"
    elif ending.code and len(error_lines(ending)) != 1:
        yield f"{len(error_lines(ending))} lines: {ending.output[-300:]!r}"
    if ending.code not in (0, 1, 2):
        yield f"exit code {ending.code}"
    if mistake.must_fail and not ending.code:
        yield "accepted"
    if "Traceback" in ending.output or "\x1b" in ending.output:
        yield f"a traceback or colours: {ending.output[-300:]!r}"
    # the record of a step that is done stands beside what it made
    files = [path.name for path in out.rglob("*") if path.is_file()] if out.exists() else []
    left = [name for name in files if not name.endswith(".made")]
    if any(name.startswith(".") or name.endswith((".tmp", ".partial")) for name in left):
        yield f"half-written: {left}"


def test_every_verb_has_a_command_line_and_there_are_enough_mistakes(tmp_path):
    lines = command_lines(*[Path("/none")] * 4, tmp_path / "out")
    assert set(lines) == set(verbs())
    names = [
        mistake.name
        for verb, words in lines.items()
        for mistake in mistakes_of(verb, words, tmp_path)
        if mistake.must_fail or verb not in EXPENSIVE
    ]
    assert len(names) == len(set(names)) >= 300
    for verb, parameters in verbs().items():
        for _, option, _ in parameters:
            assert not option or any(name.startswith(f"{verb} {option}:") for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("verb", verbs())
def test_a_mistake_is_one_line(verb, world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = command_lines(**world, out=tmp_path / "out")[verb]
    wrong = []
    for mistake in mistakes_of(verb, words, tmp_path):
        if mistake.must_fail or verb not in EXPENSIVE:
            shutil.rmtree(tmp_path / "out", ignore_errors=True)
            odd_files(tmp_path / "files")
            ending = run_spacy(mistake.args)
            found = list(faults(mistake, ending, tmp_path / "out"))
            wrong += [f"{mistake.name}: {'; '.join(found)}"] * bool(found)
    assert not wrong, "\n".join(map(ascii, wrong))


@pytest.mark.slow
def test_what_one_step_made_is_not_replaced_by_another(world):
    at = world["at"]
    judge = [RECORDED, "--assets", world["assets"], "--metrics", at / "m"]
    judge += ["--paths.labelled", world["corpus"] / "labelled.spacy"]
    swapped = ["judge", at / "judged", at / "annotated", *judge]
    over = ["annotate", world["model"], at / "calibration.json", world["corpus"], at / "judged"]
    before = {path: path.read_bytes() for path in at.rglob("*") if path.is_file()}
    for words in (swapped, over):
        ending = run_spacy(list(map(str, words)))
        (line,) = error_lines(ending)
        assert ending.code == 1 and "[J999]" in line, ending
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.slow
def test_a_corpus_is_not_one_set_of_its_documents(world, tmp_path):
    paths = ["--paths.gold", world["corpus"], "--paths.dev", world["corpus"] / "dev.spacy"]
    for words in (["train", CPU, tmp_path / "t", *paths], ["calibrate", world["model"], paths[1]]):
        words = [*words, tmp_path / "c.json"] if words[0] == "calibrate" else words
        ending = run_spacy(list(map(str, words)))
        assert ending.code == 1 and "[J997]" in error_lines(ending)[0], ending
    assert not (tmp_path / "t").exists() and not (tmp_path / "c.json").exists()
