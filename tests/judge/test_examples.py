import pytest

from spacy_llmjudge.judge.demonstrations import make_demonstration, read_demonstrations
from spacy_llmjudge.judge.examples import Example, make_examples


@pytest.fixture(scope="module")
def garden(pytestconfig):
    return read_demonstrations(pytestconfig.rootpath / "assets" / "garden" / "labelled.jsonl")


LABELS = ("DISEASE", "PEST", "PLANT", "PRODUCT", "SYMPTOM", "TOOL")


def test_examples_say_what_is_marked(garden):
    marked = {row["text"]: row["entities"] for row in garden}
    made = make_examples(garden, LABELS, 30, 0)
    assert len(made) == len({example.text for example in made}) == 30
    for example in made:
        span, label, verdict = example.span, example.label, example.verdict
        assert span in example.text
        own = [(e["text"], e["label"]) for e in marked[example.text]]
        if verdict == "correct":
            assert (span, label) in own and example.correction is None
        else:
            assert (span, label) not in own
        if verdict == "wrong_label":
            assert (span, example.correction) in own
        if verdict == "wrong_boundary":
            assert (example.correction, label) in own
        if verdict == "not_entity":
            assert span not in [text for text, _ in own]


def test_all_kinds_occur_and_half_are_right(garden):
    verdicts = [example.verdict for example in make_examples(garden, LABELS, 48, 0)]
    assert {v: verdicts.count(v) >= 4 for v in verdicts} == dict.fromkeys(
        ("correct", "wrong_boundary", "wrong_label", "not_entity"), True
    )
    assert 0.35 <= verdicts.count("correct") / len(verdicts) <= 0.6


def test_near_misses_are_preferred():
    rows = [
        make_demonstration("rust on the gate", []),
        make_demonstration("rust on my mallow", [(0, 4, "DISEASE"), (11, 17, "PLANT")]),
    ]
    made = make_examples(rows, ("DISEASE", "PLANT"), 2, 0)
    by_text = {example.text: example for example in made}
    assert by_text["rust on the gate"] == Example(
        "rust on the gate", "rust", "DISEASE", "not_entity", None
    )


def test_the_seed_decides(garden):
    assert make_examples(garden, LABELS, 12, 1) == make_examples(garden, LABELS, 12, 1)
    assert make_examples(garden, LABELS, 12, 1) != make_examples(garden, LABELS, 12, 2)


def test_labels_that_are_not_asked_about_are_not_asked_about(garden):
    made = make_examples(garden, ("PEST",), 20, 0)
    assert {example.label for example in made} == {"PEST"}
    assert "wrong_label" not in {example.verdict for example in made}


@pytest.mark.parametrize("n", [0, 1, 500])
def test_numbers(garden, n):
    assert len(make_examples(garden, LABELS, n, 0)) <= min(n, len(garden))
    assert make_examples([], LABELS, n, 0) == []
