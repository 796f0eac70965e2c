"""The verb `disagreements` on a small trained pipeline of anybody's."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vocab import Vocab
from typer.testing import CliRunner

from spacy_llmjudge.candidates import Candidate, set_candidates
from spacy_llmjudge.cli import app
from spacy_llmjudge.review.disagreements import Disagreement, find_disagreements
from spacy_llmjudge.steps.disagreements import read_texts
from spacy_llmjudge.targets.cats import Cats

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "configs" / "judges" / "recorded.cfg"
TEXTS = ["Slugs ate the hostas", "Worms ate the roses", "Slugs ate the roses", "nobody asked"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    nlp = spacy.blank("en")
    ner = nlp.add_pipe("ner")
    for label in ("PEST", "PLANT"):
        ner.add_label(label)
    spans = [[(0, 5, "PEST"), (14, 20, "PLANT")], [(0, 5, "PEST"), (14, 19, "PLANT")]]
    examples = [
        Example.from_dict(nlp.make_doc(text), {"entities": ents})
        for text, ents in zip(TEXTS, spans)
    ]
    nlp.initialize(lambda: examples)
    optimizer = nlp.create_optimizer()
    for _ in range(25):
        nlp.update(examples, sgd=optimizer)
    path = tmp_path_factory.mktemp("model")
    nlp.to_disk(path)
    return path


@pytest.fixture
def replies(write_jsonl):
    def entity(text, label, confidence):
        return {"text": text, "label": label, "confidence": confidence}

    rows = {
        TEXTS[0]: [entity("Slugs", "PEST", 97), entity("hostas", "PLANT", 96)],
        TEXTS[1]: [entity("the roses", "PLANT", 81)],
        TEXTS[2]: [entity("Slugs", "PEST", 97), entity("roses", "PLANT", 96)],
    }
    return write_jsonl(
        [{"text": t, "response": {"entities": e, "alternatives": []}} for t, e in rows.items()]
    )


def run(*arguments):
    return CliRunner().invoke(app, ["disagreements", *map(str, arguments)])


def test_disagreements_are_a_table_and_jsonl(trained, replies, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n\n")
    output = tmp_path / "out.jsonl"
    options = ["--output", output, "--paths.replies", replies]
    shown = run(trained, tmp_path / "texts.txt", RECORDED, *options)
    assert shown.exit_code == 0, shown.output
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(r["says"], r["span"], r["label"], r["verdict"], r["support"]) for r in rows] == [
        ("model", "Worms", "PEST", "not_entity", None),
        ("judge", "the roses", "PLANT", "correct", 0.81),
        ("model", "roses", "PLANT", "wrong_boundary", None),
    ]
    for row in rows:
        assert row["text"][row["start"] : row["end"]] == row["span"]
        assert (row["says"] == "judge") or 0 < row["posterior"] <= 1
    printed = " ".join(shown.output.split())
    assert "the roses" in printed and "0.81" in printed
    assert "3 disagreements in 4 texts; no full answer for 1" in printed


def test_texts_of_jsonl(write_jsonl):
    path = write_jsonl([{"text": "a"}, {"text": " "}, {"text": "b\nc"}])
    assert read_texts(path) == ["a", "b\nc"]


@pytest.mark.parametrize(
    ("texts", "config", "more", "code"),
    [
        ("texts.txt", RECORDED, ["--paths.replies", "gone.jsonl"], "J001"),
        ("gone.txt", RECORDED, [], "J001"),
        ("texts.txt", ROOT / "configs" / "filter.cfg", [], "J253"),
        ("texts.txt", RECORDED, ["--pipe-name", "other"], "J655"),
        ("rows.jsonl", RECORDED, [], "J605"),
    ],
)
def test_a_user_error_is_one_line(trained, tmp_path, texts, config, more, code):
    (tmp_path / "texts.txt").write_text("Slugs\n")
    (tmp_path / "rows.jsonl").write_text('{"words": "Slugs"}\n')
    found = run(trained, tmp_path / texts, config, *more)
    assert found.exit_code == 1
    assert f"[{code}]" in found.output and "Traceback" not in found.output


def test_what_both_are_sure_of_differently_is_the_strongest():
    sure = Candidate(0, 1, "A", confidence=0.9, verdict="not_entity")
    unsure = Candidate(1, 2, "A", confidence=0.6, verdict="not_entity")
    proposed = Candidate(2, 3, "A", posterior=0.1, verdict="correct", support=0.8)
    strengths = [
        Disagreement(one, says).strength
        for one, says in ((sure, "model"), (unsure, "model"), (proposed, "judge"))
    ]
    assert strengths == pytest.approx([0.9, 0.6, 0.72])
    assert Disagreement(sure, "model").describe() == (
        "The model marks it (confidence 0.90); the judge says: not entity."
    )


def test_labels_of_documents_disagree_too():
    doc = Doc(Vocab(), words=["slugs", "everywhere"])
    doc.cats = {"PEST": 1.0, "PLANT": 0.0}
    found = [
        Candidate(0, 2, "PEST", verdict="wrong_label"),
        Candidate(0, 2, "PLANT", verdict="correct", support=0.7),
    ]
    set_candidates(doc, found)
    target = Cats(("PEST", "PLANT"))
    assert [(one.says, one.candidate.label) for one in find_disagreements(doc, target)] == [
        ("model", "PEST"),
        ("judge", "PLANT"),
    ]
