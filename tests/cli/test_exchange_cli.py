"""The verbs `export` and `import` on the command line."""

import json
from pathlib import Path

from cli_helpers import error_line, run
from exchange_helpers import SENTENCES, make_gold, said_in

GARDEN = Path(__file__).parents[2] / "assets" / "garden"


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
