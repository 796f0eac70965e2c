import os
import warnings
from pathlib import Path

import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.cluster import worker as room
from spacy_llmjudge.cluster.worker import Setup, Worker
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.shards import Made, Part, Work
from spacy_llmjudge.stages import versions
from spacy_llmjudge.storage import read_texts


@pytest.fixture
def make_worker(monkeypatch):
    # the ledgers of the process that runs the tests stay its own
    monkeypatch.setattr(room, "use_desk", lambda desk: None)
    # nor does the code that an earlier test loaded count
    monkeypatch.setattr("spacy_llmjudge.stages._GIVEN", {})
    before = Path.cwd()

    def make(folder, found=None, prepare=lambda: None):
        return Worker("a", None, Setup(folder, found or versions(), prepare))

    yield make
    os.chdir(before)


def no_work():
    raise AssertionError("nothing should be loaded")


def test_a_machine_with_another_disk_is_one_line(make_worker, tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J965\].*gone is not on all machines"):
        make_worker(tmp_path / "gone").load(no_work)


def test_a_machine_with_another_version_is_one_line(make_worker, tmp_path):
    found = {**versions(), "spacy": "2.0.0"}
    with pytest.raises(LLMJudgeError, match=r"\[J966\].*spacy 3\S+ instead of 2.0.0"):
        make_worker(tmp_path, found).load(no_work)


def test_code_that_one_machine_lacks_is_one_line(make_worker, tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J966\].*code None instead of abc"):
        make_worker(tmp_path, {**versions(), "code": "abc"}).load(no_work)


def test_it_prepares_once_loads_and_makes_shards(make_worker, tmp_path):
    calls = []
    docs = [Doc(Vocab(), words=["document", str(i)]) for i in range(5)]

    def process(batch):
        warnings.warn("[JW310] nearly spent", stacklevel=1)
        calls.append(len(batch))
        return batch

    def load():
        calls.append(Path.cwd())
        return Work(docs, process, describe=lambda made: {"n": len(made)}, said=lambda: len(calls))

    made = make_worker(tmp_path, prepare=lambda: calls.append("prepared"))
    made.load(load)
    done = made.make(Part(Path("out.spacy"), 1, 3))
    assert calls == ["prepared", tmp_path, 3]
    assert done.made == Made({"n": 3}, True)
    assert (done.said, done.warnings) == (3, ["[JW310] nearly spent"])
    assert [text.split()[1] for text in read_texts(tmp_path / "out.spacy")] == ["1", "2", "3"]
    made.load(load)
    assert calls[3:] == [tmp_path]
