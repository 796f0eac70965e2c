import pytest

from spacy_llmjudge.stages import Stages
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
    assert set(stage) == {"inputs", "outputs", "result"}
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
