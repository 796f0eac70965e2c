"""The example script on a small trained pipeline of anybody's."""

import importlib.util
import json
from pathlib import Path

import pytest
import spacy
from spacy.training import Example

ROOT = Path(__file__).parents[1]
RECORDED = ROOT / "configs" / "judges" / "recorded.cfg"
TEXTS = ["Slugs ate the hostas", "Worms ate the roses", "Slugs ate the roses", "nobody asked"]


@pytest.fixture(scope="module")
def script():
    path = ROOT / "scripts" / "second_opinion.py"
    spec = importlib.util.spec_from_file_location("second_opinion", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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


def test_disagreements_are_a_table_and_jsonl(script, trained, replies, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n\n")
    output = tmp_path / "out.jsonl"
    arguments = [
        trained,
        tmp_path / "texts.txt",
        RECORDED,
        "--output",
        output,
        "--paths.replies",
        replies,
    ]
    script.main([str(argument) for argument in arguments])
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(r["says"], r["span"], r["label"], r["verdict"], r["support"]) for r in rows] == [
        ("model", "Worms", "PEST", "not_entity", None),
        ("judge", "the roses", "PLANT", "correct", 0.81),
        ("model", "roses", "PLANT", "wrong_boundary", None),
    ]
    for row in rows:
        assert row["text"][row["start"] : row["end"]] == row["span"]
        assert (row["says"] == "judge") or 0 < row["posterior"] <= 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "the roses" in shown and "0.81" in shown
    assert "3 disagreements in 4 texts; no full answer for 1" in shown


def test_texts_of_jsonl(script, write_jsonl):
    assert script.read_texts(write_jsonl([{"text": "a"}, {"text": " "}, {"text": "b\nc"}])) == [
        "a",
        "b\nc",
    ]


def test_a_user_error_is_one_line(script, trained, tmp_path, capsys):
    (tmp_path / "texts.txt").write_text("Slugs\n")
    with pytest.raises(SystemExit) as stopped:
        script.main(
            [
                str(trained),
                str(tmp_path / "texts.txt"),
                str(RECORDED),
                "--paths.replies",
                "gone.jsonl",
            ]
        )
    assert stopped.value.code == 1
    captured = capsys.readouterr()
    assert "[J001]" in captured.out + captured.err
