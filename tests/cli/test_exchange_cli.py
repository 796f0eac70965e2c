"""The verbs `export` and `import` on the command line."""

import json
import re
import shlex
import shutil
from pathlib import Path

from cli_helpers import error_line, run
from exchange_helpers import SENTENCES, make_gold, make_silver, said_in

from spacy_llmjudge.corpora.writers import FORMATS

ROOT = Path(__file__).parents[2]
GARDEN = ROOT / "assets" / "garden"
# what people bring back in the commands of docs/in_and_out.md
CORRECTED = {
    "corrected.json": "label-studio",
    "assets/my_data/labelled.jsonl": "jsonl",
    "prodigy.jsonl": "prodigy",
    "doccano_export.jsonl": "doccano",
    "argilla.json": "argilla",
    "brat_corrected": "brat",
}


def test_gold_goes_to_label_studio_and_comes_back(tmp_path):
    done = run("export", GARDEN / "labelled.jsonl", tmp_path / "t.json", "--format", "label-studio")
    assert done.exit_code == 0, done.output
    assert "60 documents, 115 entities as annotations" in " ".join(done.output.split())
    assert '<Label value="PEST"/>' in done.output
    done = run("import", tmp_path / "t.json", tmp_path / "labelled.jsonl")
    assert done.exit_code == 0, done.output
    shown = " ".join(done.output.split())
    assert "t.json: Label Studio" in shown and "60 documents, 115 entities" in shown
    rows = [json.loads(line) for line in (tmp_path / "labelled.jsonl").open(encoding="utf8")]
    gold = [json.loads(line) for line in (GARDEN / "labelled.jsonl").open(encoding="utf8")]
    keys = ("start", "end", "label")
    assert [[{k: s[k] for k in keys} for s in row["spans"]] for row in rows] == [
        [{k: s[k] for k in keys} for s in row["spans"]] for row in gold
    ]


def test_what_cannot_be_held_is_said(tmp_path):
    source = make_gold(tmp_path / "gold.spacy")
    done = run("export", source, tmp_path / "x.conll", "--format", "conll", "--scheme", "bioes")
    assert done.exit_code == 0
    assert "texts have other white space" in " ".join(done.output.split())
    assert "S-PEST" in (tmp_path / "x.conll").read_text(encoding="utf8")


def test_several_files_become_one(tmp_path):
    make_gold(tmp_path / "a.spacy", SENTENCES[:2])
    make_gold(tmp_path / "b.spacy", SENTENCES[1:3])
    done = run("import", tmp_path / "a.spacy", tmp_path / "b.spacy", tmp_path / "all.spacy")
    assert done.exit_code == 0, done.output
    assert "1 left out (duplicates)" in done.output
    assert said_in(tmp_path / "all.spacy") == said_in(
        make_gold(tmp_path / "c.spacy", SENTENCES[:3])
    )


def test_mistakes_are_one_line(tmp_path):
    source = make_gold(tmp_path / "gold.spacy", SENTENCES[:1])
    for arguments, code in (
        (("export", source, tmp_path / "x.json", "--format", "excel"), "J614"),
        (("export", source, tmp_path / "x.txt", "--format", "gliner"), "J957"),
        (("export", source, source, "--format", "jsonl"), "J630"),
        (("import", tmp_path / "none.json", tmp_path / "x.spacy"), "J001"),
        (("import", source, tmp_path / "x.json"), "J957"),
        (("import", tmp_path, tmp_path / "x.spacy"), "J954"),
    ):
        done = run(*arguments)
        assert done.exit_code == 1 and code in error_line(done)
    assert [path.name for path in tmp_path.iterdir()] == ["gold.spacy"]


def test_every_command_of_the_page_runs(tmp_path, monkeypatch):
    """With a silver of a run, and with gold in the place of what people would have corrected."""
    monkeypatch.chdir(tmp_path)
    make_silver(tmp_path / "corpus" / "round-1")
    shutil.copytree(
        tmp_path / "corpus" / "round-1", tmp_path / "corpus" / "round-1" / "judged" / "pool"
    )
    (tmp_path / "corpus" / "round-1" / "judged" / "pool" / "silver.spacy").unlink()
    gold = make_gold(tmp_path / "gold.spacy")
    for name, format_ in CORRECTED.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        assert run("export", gold, name, "--format", format_).exit_code == 0
    text = (ROOT / "docs" / "in_and_out.md").read_text(encoding="utf8")
    commands = re.findall(r"^    python -m spacy llmjudge (.+)$", text, flags=re.MULTILINE)
    assert len(commands) == 16
    for command in commands:
        done = run(*shlex.split(command))
        assert done.exit_code == 0, done.output
    for name in FORMATS:
        assert f"`{name}`" in text
