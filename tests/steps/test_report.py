"""The step `report`: what is on the page, and what happens where something is missing."""

import json
import re
import shutil
import weakref
from html import unescape

import pytest
from report_helpers import copy_doc, make_round
from selection_helpers import draw_documents
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_llmjudge import streams
from spacy_llmjudge.candidates import DECIDED, get_candidates
from spacy_llmjudge.cli import app
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.registries import registry
from spacy_llmjudge.report.page import MOST_EXAMPLES
from spacy_llmjudge.selection.audit import draw_audit
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.steps.report import find_rounds, make_report
from spacy_llmjudge.storage import read_docs, read_json, write_docs, write_json
from spacy_llmjudge.targets.base import make_target

SECTIONS = (
    "run",
    "students",
    "confidence",
    "kept",
    "silver",
    "judge",
    "documents",
    "money",
    "provenance",
)


def read_section(page, name):
    """The text of a section, without its tags and pictures."""
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL).group()
    found = re.sub(r"<svg.*?</svg>", "", found, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found)).split())


@pytest.fixture(scope="module")
def entities(tmp_path_factory):
    return make_round(tmp_path_factory.mktemp("round"))


@pytest.fixture
def inputs(entities, tmp_path):
    """The same, to take something away from."""
    folder = tmp_path / "round"
    shutil.copytree(entities.corpus.parent, folder)
    made = {name: folder / name for name in ("corpus", "metrics")}
    return type(entities)(
        corpus=made["corpus"],
        metrics=made["metrics"] / "round-1",
        silver=made["corpus"] / "round-1" / "silver.spacy",
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ents", "spans", "cats"])
def test_a_round_of_every_target_has_a_whole_page(kind, tmp_path):
    inputs = make_round(tmp_path, kind, q=0.5 if kind == "cats" else 0.3)
    page = make_report(inputs, tmp_path / "out").read_text(encoding="utf8")
    assert re.findall(r'<section id="(\w+)"', page) == list(SECTIONS)
    assert 'class="missing"' not in page
    summary = read_json(inputs.metrics / "summary.json")
    selection = read_json(inputs.metrics / "selection.json")
    run = read_section(page, "run")
    for value in (summary["judged"]["f"], summary["judged"]["f_low"], summary["seed"]["f"]):
        assert f"{100 * value:.1f}" in run
    assert selection["statement"] in run
    assert "asked about 60 documents and abstained on 3" in run and "0.25 US dollars" in run
    for name in ("PLANT", "PEST"):
        assert name in read_section(page, "silver")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "index.html",
        "students.png",
        "kept.png",
        "kept-measured.png",
        *(f"reliability-{name}.png" for name in ("student", "judge", "fused")),
    }


@pytest.mark.slow
def test_the_page_needs_no_other_file_and_is_the_same_every_time(entities, tmp_path):
    first, second = (make_report(entities, tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    for picture in first.parent.glob("*.png"):
        assert picture.read_bytes() == (second.parent / picture.name).read_bytes()
    page = first.read_text(encoding="utf8")
    assert not re.findall(r'\b(?:src|href)="(?!#)', page)
    assert re.findall(r"https?://[^\s\"<]+", page) == [
        url for url in re.findall(r"https?://[^\s\"<]+", page) if "www.w3.org" in url
    ], "namespaces only"
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.slow
def test_a_full_disk_leaves_the_report_that_was_there(entities, tmp_path, limit_files):
    make_report(entities, tmp_path)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf8")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    limit_files(max(len(data) for name, data in before.items() if name.endswith(".png")) + 1)
    with pytest.raises(LLMJudgeError, match=r"\[J003\]"):
        make_report(entities, tmp_path)
    limit_files(None)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_every_span_says_why_it_was_kept_or_left_out(entities, tmp_path):
    page = make_report(entities, tmp_path).read_text(encoding="utf8")
    documents = read_section(page, "documents")
    cut = read_json(entities.metrics / "selection.json")["cut"]
    for reason in (
        "kept: ",
        "reaches the cut",
        "is under the cut",
        "rejected: the judge says",
    ):
        assert reason in documents
    assert f"{cut:.3f}" in documents
    silver_rows = re.findall(
        r'<article class="example" data-part="silver".*?</article>', page, re.DOTALL
    )
    assert silver_rows and all("why" in article for article in silver_rows)


def test_silver_and_gold_are_counted_as_they_are(entities, tmp_path):
    page = make_report(entities, tmp_path).read_text(encoding="utf8")
    selection = read_json(entities.metrics / "selection.json")
    silver = read_section(page, "silver")
    for label, row in selection["labels"].items():
        counts = f"{row['wrong_over_cut']} of {row['held_out_over_cut']}"
        assert re.search(f"{label} [^0-9]*{row['pool']} {row['accepted']} {counts}", silver)
    used = next(row for row in selection["by_q"] if row["q"] == selection["settings"]["q"])
    assert (
        used["accepted"] == selection["decisions"]["accepted"] and used["cut"] == selection["cut"]
    )


def make_without(inputs, output, *missing):
    for name in missing:
        (inputs.corpus.parent / name).unlink()
    return make_report(inputs, output).read_text(encoding="utf8")


def test_scores_money_and_gold_that_are_missing_are_left_out_and_said_so(inputs, tmp_path):
    names = ("summary.json", "judge.json")
    missing = [f"metrics/round-1/{name}" for name in names]
    page = make_without(inputs, tmp_path / "out", *missing, "corpus/pool_gold.spacy")
    assert "There are no scores" in read_section(page, "students")
    assert "No judge has worked" in read_section(page, "money")
    assert "nothing says how many of them are right" in read_section(page, "kept")
    assert "documents without gold" in read_section(page, "documents")


def test_a_selection_that_is_missing_is_left_out_and_said_so(inputs, tmp_path):
    missing = ("metrics/round-1/selection.json", "corpus/round-1/decided.spacy")
    page = make_without(inputs, tmp_path / "out", *missing)
    assert "`filter` has not run" in read_section(page, "silver")
    assert "no held-out candidates" in read_section(page, "confidence")
    assert "kept no decisions" in read_section(page, "judge")


def test_without_documents_the_page_says_so(inputs, tmp_path):
    inputs.silver.with_name(DECIDED).unlink()
    (inputs.corpus / "test.spacy").unlink()
    page = make_report(inputs, tmp_path / "out").read_text(encoding="utf8")
    assert "There are no documents to show" in read_section(page, "documents")


def test_nothing_at_all_is_an_error_of_one_line(inputs, tmp_path):
    for name in ("summary.json", "selection.json"):
        (inputs.metrics / name).unlink()
    with pytest.raises(LLMJudgeError, match=r"\[J841\].*round-1"):
        make_report(inputs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_rounds_of_a_loop_are_found_in_their_order(tmp_path):
    for name in ("round-2", "round-10", "round-1"):
        write_json(tmp_path / name / "selection.json", {})
    assert [path.name for path in find_rounds(tmp_path)] == ["round-1", "round-2", "round-10"]
    with pytest.raises(LLMJudgeError, match="J841"):
        find_rounds(tmp_path / "round-1")


def test_predictions_on_another_test_set_are_refused(inputs, tmp_path, entities):
    docs = list(read_docs(inputs.corpus / "test.spacy", Vocab()))
    write_docs(inputs.corpus / "test.spacy", docs[:-1])
    with pytest.raises(LLMJudgeError, match=r"\[J842\].*60 documents.*has 59"):
        make_report(inputs, tmp_path / "out")


def test_answers_of_an_audit_stand_at_their_spans(inputs, tmp_path):
    """Without hidden gold, what a person said is what is known."""
    (inputs.corpus / "pool_gold.spacy").unlink()
    docs = list(read_docs(inputs.silver.with_name(DECIDED), Vocab()))
    doc = next(d for d in docs if any(c.decision == "accepted" for c in get_candidates(d)))
    accepted = next(c for c in get_candidates(doc) if c.decision == "accepted")
    span = doc[accepted.start : accepted.end]
    place = {"text": doc.text, "start": span.start_char, "end": span.end_char}
    row = {"row": 1, "of": 1, "frame": "x", **place, "span": span.text, "label": accepted.label}
    answered = tmp_path / "audit.jsonl"
    answered.write_text(json.dumps({"id": "x", **row, "answer": "no"}) + "\n", encoding="utf8")
    inputs = type(inputs)(inputs.corpus, inputs.metrics, inputs.silver, audit=answered)
    page = make_report(inputs, tmp_path / "out").read_text(encoding="utf8")
    documents = read_section(page, "documents")
    assert "documents that were audited: all 1 documents, 1 with an error" in documents
    assert "+ spurious" in documents and "a person said no; kept: " in documents


def test_draws_of_an_audit_have_what_the_report_reads():
    selector = registry.resolve(
        {"selector": {"@llmjudge_selectors": "llmjudge.Conformal.v1", "q": 0.3}}
    )["selector"]
    (pool, _), (evidence, gold) = draw_documents(1, 20), draw_documents(2, 20)
    rows = draw_audit(pool, evidence, gold, selector, 5, frame="x")
    assert rows and all({"text", "start", "end", "label", "answer"} <= set(row) for row in rows)


@pytest.mark.slow
def test_a_large_pool_is_a_sample_and_the_page_stays_small(tmp_path):
    """Fifty thousand documents, of which some are long: under 5 MB, with the errors first."""
    inputs = make_round(tmp_path, n=400)
    vocab = Vocab()
    decided, gold = inputs.silver.with_name(DECIDED), inputs.corpus / "pool_gold.spacy"
    for path in (decided, gold):
        docs = list(read_docs(path, vocab))
        write_docs(path, (rename(doc, i) for i in range(50_000) for doc in [docs[i % len(docs)]]))
    page = make_report(inputs, tmp_path / "out")
    assert page.stat().st_size < 5_000_000
    said = read_section(page.read_text(encoding="utf8"), "documents")
    assert f"a sample of {MOST_EXAMPLES} of 50000 documents, those with an error first" in said


def test_documents_that_are_shown_are_not_kept(inputs, tmp_path, monkeypatch):
    """As each of them holds the words of all that were read with it."""
    decided, gold = inputs.silver.with_name(DECIDED), inputs.corpus / "pool_gold.spacy"
    for path in (inputs.silver, gold, decided):
        docs = list(read_docs(path, Vocab()))
        path.unlink()
        process_shards(docs, path, list, fingerprint={}, shard_size=5)
    alive, most, make = weakref.WeakSet(), [0], streams.make_docs

    def count(binary, vocab, where, codecs):
        for doc in make(binary, vocab, where, codecs):
            alive.add(doc)
            most[0] = max(most[0], len(alive))
            yield doc

    monkeypatch.setattr(streams, "make_docs", count)
    monkeypatch.setattr(streams, "MOST_WAITING", 5)
    page = make_report(inputs, tmp_path / "out").read_text(encoding="utf8")
    assert f"all {len(docs)} documents" in read_section(page, "documents")
    # a file of what was decided, of silver and of gold, and the next ones
    assert 3 * 5 <= most[0] <= 6 * 5 < len(docs)


def rename(doc, i):
    """A copy under a text of its own, and a long one now and then."""
    names = {"PLANT": "PLANT", "PEST": "PEST"}
    word = f"d{i}" if i % 7 else f"d{i}" + "x" * 3000
    return copy_doc(doc, make_target({"target": "ents"}), names, word)


def test_the_command_writes_the_page_and_says_where(inputs, tmp_path):
    paths = [str(path) for path in (inputs.corpus, inputs.metrics, tmp_path / "out")]
    result = CliRunner().invoke(app, ["report", *paths, "--title", "Mine"])
    assert result.exit_code == 0, result.output
    assert "index.html" in result.output
    assert "<h1>Mine</h1>" in (tmp_path / "out" / "index.html").read_text(encoding="utf8")
    assert "report" in read_json(inputs.metrics / "seconds.json")
    write_json(inputs.metrics / "summary.json", {})
    (inputs.metrics / "selection.json").unlink()
    result = CliRunner().invoke(app, ["report", *paths])
    assert result.exit_code == 1
