import pytest

from spacy_llmjudge import stages as room
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.stages import (
    Stages,
    count_stages,
    hash_named,
    note_version,
    once,
    record_beside,
    require_not_of,
    versions,
)
from spacy_llmjudge.storage import read_json


class Kitchen:
    """A stage that copies one file into another, and counts how often."""

    def __init__(self, folder):
        self.source, self.target = folder / "in.txt", folder / "out.txt"
        self.metrics = folder / "metrics"
        self.source.write_text("one")
        self.runs = 0

    def work(self):
        self.runs += 1
        self.target.write_text(self.source.read_text())
        return {"length": len(self.source.read_text())}

    def cook(self, setting=1, **options):
        stages = Stages(self.metrics)
        inputs = {"source": self.source, "setting": setting}
        return stages.run("copy", inputs, [self.target], self.work, **options)


@pytest.fixture
def kitchen(tmp_path):
    return Kitchen(tmp_path)


def test_a_stage_runs_once(kitchen):
    assert kitchen.cook() == kitchen.cook() == {"length": 3}
    assert kitchen.runs == 1
    stage = read_json(kitchen.metrics / "stages.json")["stages"]["copy"]
    assert set(stage) == {"inputs", "with", "outputs", "result"}
    assert stage["inputs"]["source"] == stage["outputs"][str(kitchen.target)]


@pytest.mark.parametrize("change", ["input", "output", "gone", "setting"])
def test_what_changed_is_made_again(kitchen, change):
    kitchen.cook()
    if change == "input":
        kitchen.source.write_text("other")
    elif change == "output":
        kitchen.target.write_text("edited")
    elif change == "gone":
        kitchen.target.unlink()
    kitchen.cook(setting=2 if change == "setting" else 1)
    assert kitchen.runs == 2 and kitchen.target.read_text() == kitchen.source.read_text()


def test_a_stage_that_failed_is_not_in_the_manifest(kitchen):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stages(kitchen.metrics).run("copy", {}, [], fail)
    assert not (kitchen.metrics / "stages.json").exists()
    kitchen.cook()
    assert kitchen.runs == 1


def test_a_stage_that_resumes_by_itself_is_always_asked(kitchen):
    kitchen.cook(resumes=True)
    seconds = read_json(kitchen.metrics / "seconds.json")
    kitchen.cook(resumes=True)
    assert kitchen.runs == 2
    # nothing new was made, so the time that it took to make it stays
    assert read_json(kitchen.metrics / "seconds.json") == seconds


def test_a_finished_manifest_holds_this_run_only(kitchen):
    kitchen.cook()
    stages = Stages(kitchen.metrics)
    stages.run("other", {}, [], dict)
    assert set(stages.finish({"stop": None})["stages"]) == {"other"}


def test_a_stage_is_run_again_by_another_version(kitchen, monkeypatch):
    assert {"spacy", "torch", "spacy_llmjudge"} <= set(versions())
    kitchen.cook()
    monkeypatch.setattr(room, "version", lambda name: "99.0" if name == "torch" else "1.0")
    room._installed.cache_clear()
    try:
        kitchen.cook()
        kitchen.cook()
    finally:
        room._installed.cache_clear()
    assert kitchen.runs == 2


def test_a_stage_is_run_again_with_other_code(kitchen, monkeypatch):
    monkeypatch.setattr(room, "_GIVEN", {})
    kitchen.cook()
    note_version("code", "abc")
    kitchen.cook()
    assert kitchen.runs == 2


def cook_once(kitchen):
    inputs = {"source": kitchen.source, "folder": kitchen.metrics, "setting": (1, None)}
    outputs = [kitchen.target, kitchen.target.with_name("optional.txt")]
    return once("copy", inputs, outputs, kitchen.work)


@pytest.mark.parametrize("change", [None, "input", "moved", "output", "appeared"])
def test_a_step_that_stands_alone_runs_once(kitchen, change):
    kitchen.metrics.mkdir()
    first, second = kitchen.metrics / "a.txt", kitchen.metrics / "b.txt"
    first.write_text("1\n2\n")
    second.write_text("3\n")
    assert cook_once(kitchen) == {"length": 3}
    before = count_stages()
    if change == "input":
        kitchen.source.write_text("two")
    elif change == "moved":
        # the same lines one after another, but not in the same files
        first.write_text("1\n")
        second.write_text("2\n3\n")
    elif change == "output":
        kitchen.target.write_text("edited")
    elif change == "appeared":
        kitchen.target.with_name("optional.txt").write_text("not ours")
    assert cook_once(kitchen) == {"length": 3}
    made, kept = (now - then for now, then in zip(count_stages(), before))
    assert kitchen.runs == (1 if change is None else 2)
    assert (made, kept) == ((0, 1) if change is None else (1, 0))


def test_a_step_that_failed_is_run_again(kitchen):
    cook_once(kitchen)
    kitchen.source.write_text("two")
    work, kitchen.work = kitchen.work, lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        cook_once(kitchen)
    kitchen.work = work
    cook_once(kitchen)
    assert kitchen.runs == 2


def test_what_a_config_names_counts_by_content(tmp_path):
    (tmp_path / "rules.txt").write_text("PEST: a rule")
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "weights").write_text("1")
    (tmp_path / "judge.sqlite").write_bytes(b"SQLite format 3\0 and pages")
    (tmp_path / "ledger.json").write_text("{}")
    config = {
        "paths": {"ledger": str(tmp_path / "ledger.json"), "rules": None},
        "model": {
            "path": str(tmp_path / "judge.sqlite"),
            "prices": "no such file",
            "files": [str(tmp_path / "rules.txt"), 3, "x\0y"],
            "name": str(tmp_path / "encoder"),
            "lang": "en",
        },
    }
    before = hash_named(config)
    assert set(before) == {str(tmp_path / "rules.txt"), str(tmp_path / "encoder")}
    (tmp_path / "encoder" / "weights").write_text("2")
    (tmp_path / "judge.sqlite").write_bytes(b"SQLite format 3\0 and more pages")
    after = hash_named(config)
    changed = [path for path in before if before[path] != after[path]]
    assert changed == [str(tmp_path / "encoder")]


def test_a_folder_of_documents_is_named_by_its_name_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shard = tmp_path / "silver.spacy" / "shard-00000.spacy"
    shard.parent.mkdir()
    shard.write_bytes(b"one")
    before = hash_named({"silver": "silver.spacy", "word": "silver"})
    assert set(before) == {"silver.spacy"}
    shard.write_bytes(b"two")
    assert hash_named({"silver": "silver.spacy"}) != before


def test_a_step_that_only_plans_is_no_work(tmp_path):
    before = count_stages()[0]
    once("plan", {}, [], dict, beside=tmp_path / "plan", counts=False)
    assert count_stages()[0] == before
    once("work", {}, [], dict, beside=tmp_path / "work")
    assert count_stages()[0] == before + 1


def test_an_output_of_another_step_is_known_by_its_record(tmp_path):
    output = tmp_path / "pot"
    require_not_of(output, record_beside(output))
    once("cook", {}, [output], lambda: output.mkdir() or {})
    with pytest.raises(LLMJudgeError, match=r"J999.*pot was made .* \.pot\.made"):
        require_not_of(output, record_beside(output))
    output.rmdir()
    require_not_of(output, record_beside(output))
    # what made it first is forgotten, or its own next run would be refused
    for _ in range(2):
        require_not_of(output, record_beside(output))
        once("serve", {}, [output], lambda: output.mkdir() or {}, beside=tmp_path / "guests")
    assert output.is_dir() and not record_beside(output).exists()
