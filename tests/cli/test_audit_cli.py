"""`audit` and `filter --audit`: what a person answers is the evidence, and a sample stays a sample."""

import json
from pathlib import Path

import pytest
from cli_helpers import error_line, run
from spacy.vocab import Vocab

from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.steps.calibrate import calibrate
from spacy_llmjudge.steps.judge import judge
from spacy_llmjudge.storage import read_docs, read_json

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"


@pytest.fixture(scope="module")
def judged(small_student, small_corpus, small_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    calibrate(str(small_student), small_corpus / "dev.spacy", folder / "c.json")
    paths = {
        "paths.labelled": str(small_corpus / "labelled.spacy"),
        "paths.replies": str(small_dataset / "responses.jsonl"),
    }
    for split in ("pool", "dev"):
        source, annotated = small_corpus / f"{split}.spacy", folder / "annotated" / split
        annotate(
            str(small_student), folder / "c.json", source, annotated, out_of_fold=split == "dev"
        )
        config = CONFIGS / "judges" / "recorded.cfg"
        judge(annotated, folder / "judged" / split, config, overrides=paths)
    return folder / "judged"


@pytest.fixture(scope="module")
def truth(small_corpus):
    return {
        (doc.text, ent.start_char, ent.end_char, ent.label_)
        for doc in read_docs(small_corpus / "pool_gold.spacy", Vocab())
        for ent in doc.ents
    }


def draw(judged, corpus, path, *args):
    result = run(
        "audit", judged, corpus / "dev.spacy", path, CONFIGS / "filter.cfg", "-n", 60, *args
    )
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


def write(rows, path):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")


def answer(rows, truth):
    identity = ("text", "start", "end", "label")
    return [
        {**row, "answer": "yes" if tuple(row[k] for k in identity) in truth else "no"}
        for row in rows
    ]


def select(judged, corpus, folder, audit, config="filter.cfg", *args):
    gold, silver = corpus / "dev.spacy", folder / "silver.spacy"
    options = ["--metrics", folder, "--audit", audit, *args]
    return run("filter", judged, gold, silver, CONFIGS / config, *options)


@pytest.fixture
def answered(judged, small_corpus, truth, tmp_path):
    path = tmp_path / "audit.jsonl"
    rows = answer(draw(judged, small_corpus, path), truth)
    write(rows, path)
    return path, rows


def test_rows_are_for_a_person(judged, small_corpus, tmp_path):
    rows = draw(judged, small_corpus, tmp_path / "audit.jsonl")
    assert len(rows) == 60 and [row["row"] for row in rows] == list(range(1, 61))
    for row in rows:
        assert row["answer"] == "" and row["of"] == 60
        assert (
            row["text"][row["start"] : row["end"]] == row["span"]
            and f"[{row['span']}]" in row["context"]
        )


def test_the_answers_are_the_evidence(answered, judged, small_corpus, tmp_path):
    path, rows = answered
    result = select(judged, small_corpus, tmp_path, path, "filter.cfg", "--selector.q", 0.2)
    assert result.exit_code == 0, result.output
    report = read_json(tmp_path / "selection.json")
    assert report["evidence"] == "audit" and report["promise"]["kind"] == "expected"
    assert report["promise"]["n"] <= len(rows)


def test_an_audit_is_not_overwritten(answered, judged, small_corpus):
    path, rows = answered
    again = ("audit", judged, small_corpus / "dev.spacy", path, CONFIGS / "filter.cfg")
    assert "[J427]" in error_line(run(*again))
    assert [json.loads(line) for line in path.read_text().splitlines()] == rows
    assert run(*again, "--force", "--seed", 1).exit_code == 0


@pytest.mark.parametrize(
    "code, change",
    [
        ("J405.*Row 60.*1 of 60", lambda rows: [*rows[:-1], {**rows[-1], "answer": ""}]),
        ("J405.*'perhaps'", lambda rows: [{**rows[0], "answer": "perhaps"}, *rows[1:]]),
        ("J423.*Row 2 ", lambda rows: [rows[0], {**rows[1], "label": "OTHER"}, *rows[2:]]),
        ("J423.*Row 1 ", lambda rows: [{**rows[0], "start": rows[0]["start"] + 1}, *rows[1:]]),
        ("J425.*59 rows.*1 to 60", lambda rows: rows[1:]),
        ("J425.*61 rows", lambda rows: [*rows, rows[0]]),
        ("J422.*line 1.*lacks id", lambda rows: [{"text": "foreign", "answer": "yes"}]),
        ("J422.*empty", lambda rows: []),
    ],
)
def test_a_sample_that_is_none_is_one_line(answered, judged, small_corpus, tmp_path, code, change):
    import re

    path, rows = answered
    write(change(rows), path)
    line = error_line(select(judged, small_corpus, tmp_path, path))
    assert re.search(code, line), line
    assert not (tmp_path / "silver.spacy").exists() and not (tmp_path / "selection.json").exists()


def test_a_line_that_is_no_json_is_named(answered, judged, small_corpus, tmp_path):
    path, _ = answered
    path.write_text(path.read_text() + "{cut o\n")
    assert "[J422]" in (line := error_line(select(judged, small_corpus, tmp_path, path)))
    assert "line 61" in line


def test_an_audit_of_something_else_is_refused(answered, judged, small_corpus, tmp_path):
    path, _ = answered
    result = select(judged, small_corpus, tmp_path, path, "filter.cfg", "--selector.floor", 0.4)
    assert "[J424]" in error_line(result)
    other = select(judged, small_corpus, tmp_path, path, "filter_certified.cfg")
    assert "[J424]" in error_line(other)


def test_order_and_case_of_the_answers_do_not_matter(answered, judged, small_corpus, tmp_path):
    path, rows = answered
    assert select(judged, small_corpus, tmp_path, path).exit_code == 0
    before = read_json(tmp_path / "selection.json")
    write([{**row, "answer": row["answer"].upper()} for row in rows[::-1]], path)
    assert select(judged, small_corpus, tmp_path, path).exit_code == 0
    assert read_json(tmp_path / "selection.json") == before


@pytest.mark.parametrize(
    "name, kind",
    [
        ("filter_certified", "probable"),
        ("filter_collaborative", None),
        ("filter_weighted", "expected"),
    ],
)
def test_every_filter_config_runs(judged, small_corpus, tmp_path, name, kind):
    gold, silver = small_corpus / "dev.spacy", tmp_path / "silver.spacy"
    settings = ["--selector.tau", 0.5] if kind is None else ["--selector.q", 0.4]
    result = run(
        "filter", judged, gold, silver, CONFIGS / f"{name}.cfg", "--metrics", tmp_path, *settings
    )
    assert result.exit_code == 0, result.output
    report = read_json(tmp_path / "selection.json")
    assert report["promise"]["kind"] == kind and report["decisions"]["accepted"] > 0


def test_the_reliability_of_every_source_is_saved(judged, small_corpus, tmp_path):
    gold, silver = small_corpus / "dev.spacy", tmp_path / "silver.spacy"
    run("filter", judged, gold, silver, CONFIGS / "filter.cfg", "--metrics", tmp_path)
    report = read_json(tmp_path / "selection.json")
    for name in ("reliability", "reliability_listed"):
        assert set(report[name]) == {"student", "judge", "fused"}
        for figures in report[name].values():
            assert all(figures[key] is not None for key in ("ece", "brier", "log_loss", "auroc"))
            assert sum(b["count"] for b in figures["bins"]) == figures["n"] > 0
            counts = [b["count"] for b in figures["bins"]]
            assert len(counts) > 1
    assert report["reliability_listed"]["fused"]["n"] <= report["reliability"]["fused"]["n"]
