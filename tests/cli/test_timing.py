"""What is kept of a step: its seconds and its command."""

from pathlib import Path

from spacy_llmjudge.cli.timing import timed
from spacy_llmjudge.stages import read_commands, read_seconds


def test_a_step_leaves_its_seconds_and_its_command(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["spacy", "llmjudge", "filter", "my corpus", "--q", "0.2"])
    with timed("filter", tmp_path):
        Path(tmp_path / "made").touch()
    assert set(read_seconds(tmp_path)) == {"filter"}
    assert read_commands(tmp_path) == {
        "filter": "python -m spacy llmjudge filter 'my corpus' --q 0.2"
    }


def test_functions_have_no_command(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["my_notebook.py"])
    with timed("filter", tmp_path):
        pass
    assert read_commands(tmp_path) == {}
