import json
import math

import pytest
import spacy
from spacy.tokens import Span

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.judge.demonstrations import (
    choose_demonstrations,
    find_ambiguity,
    labels_of,
    make_demonstration,
    near_misses,
    read_demonstrations,
)
from spacy_llmjudge.storage import write_docs


def make_rows():
    rows = [make_demonstration(f"rose number {i}", [(0, 4, "PLANT")]) for i in range(20)]
    rows += [make_demonstration(f"slugs and roses {i}", [(0, 5, "PEST")]) for i in range(2)]
    rows += [make_demonstration(f"nothing {i}", []) for i in range(10)]
    return rows


def test_both_formats_give_the_same(tmp_path):
    nlp = spacy.blank("en")
    doc = nlp("Slugs eat my hostas.")
    doc.ents = [Span(doc, 0, 1, label="PEST"), Span(doc, 3, 4, label="PLANT")]
    write_docs(tmp_path / "labelled.spacy", [doc])
    spans = [{"start": 13, "end": 19, "label": "PLANT"}, {"start": 0, "end": 5, "label": "PEST"}]
    line = json.dumps({"text": doc.text, "spans": spans})
    (tmp_path / "labelled.jsonl").write_text(f"{line}\n\n")
    expected = {
        "text": "Slugs eat my hostas.",
        "entities": [
            {"text": "Slugs", "label": "PEST", "start": 0, "end": 5},
            {"text": "hostas", "label": "PLANT", "start": 13, "end": 19},
        ],
    }
    assert read_demonstrations(tmp_path / "labelled.spacy") == (expected,)
    assert read_demonstrations(tmp_path / "labelled.jsonl") == (expected,)


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"text": "a"}',
        '{"text": 3, "spans": []}',
        '["text"]',
        '{"text": "ab", "spans": [{"start": 0, "end": 3, "label": "X"}]}',
        '{"text": "ab", "spans": [{"start": 1, "end": 1, "label": "X"}]}',
    ],
)
def test_bad_line_names_file_and_line(tmp_path, line):
    path = tmp_path / "labelled.jsonl"
    path.write_text('{"text": "fine", "spans": []}\n' + line + "\n")
    with pytest.raises(LLMJudgeError, match=r"\[J205\].*labelled.jsonl, line 2"):
        read_demonstrations(path)


def test_empty_file_is_an_error(tmp_path):
    (tmp_path / "labelled.jsonl").write_text("\n")
    with pytest.raises(LLMJudgeError, match=r"\[J206\]"):
        read_demonstrations(tmp_path / "labelled.jsonl")


def test_choice_covers_rare_labels_and_entity_free_texts():
    chosen = choose_demonstrations(make_rows(), 6, seed=0)
    assert len(chosen) == 6
    assert labels_of(chosen) == ["PEST", "PLANT"]
    assert sum(not row["entities"] for row in chosen) == 1


def test_choice_is_the_same_for_the_same_seed_only():
    rows = make_rows()
    assert choose_demonstrations(rows, 8, 1) == choose_demonstrations(rows, 8, 1)
    assert any(
        choose_demonstrations(rows, 8, 1) != choose_demonstrations(rows, 8, s) for s in (2, 3)
    )


@pytest.mark.parametrize("n", [0, 1, 5, 32, 100])
def test_choice_shows_no_more_than_asked_and_none_twice(n):
    rows = make_rows()
    chosen = choose_demonstrations(rows, n, 0)
    assert len(chosen) == min(n, len(rows))
    assert len({row["text"] for row in chosen}) == len(chosen)


def test_choice_works_without_entity_free_or_without_marked_documents():
    rows = make_rows()
    marked = [row for row in rows if row["entities"]]
    empty = [row for row in rows if not row["entities"]]
    assert len(choose_demonstrations(marked, 12, 0)) == 12
    assert len(choose_demonstrations(empty, 5, 0)) == 5
    assert choose_demonstrations([], 5, 0) == []


def test_the_most_ambiguous_of_each_label_come_first():
    rows = make_rows()
    rows += [
        make_demonstration("rose fell", []),
        make_demonstration("slugs rose", [(0, 5, "PEST")]),
        make_demonstration("a rose", [(2, 6, "PLANT")]),
    ]
    measure = find_ambiguity(rows)
    # 21 of 23 times a plant, else nothing; the other words have one reading
    entropy = -(21 / 23 * math.log(21 / 23) + 2 / 23 * math.log(2 / 23))
    assert measure(make_demonstration("Rose fell", [])) == pytest.approx(entropy / 2)
    assert measure(make_demonstration("nothing 3", [])) == 0 == measure(make_demonstration("", []))
    for seed in range(3):
        chosen = choose_demonstrations(rows, 6, seed, "ambiguous")
        texts = {row["text"] for row in chosen}
        assert {"rose fell", "slugs rose", "a rose"} <= texts and len(chosen) == 6
        assert sum(not row["entities"] for row in chosen) == 1
        assert choose_demonstrations(rows, 6, seed, "any") == choose_demonstrations(rows, 6, seed)


def test_near_misses_are_unmarked_words_that_are_entities_elsewhere():
    rust = make_demonstration("Orange rust on my mallow", [(7, 11, "DISEASE"), (18, 24, "PLANT")])
    rows = [
        rust,
        make_demonstration("crown rust again", [(0, 10, "DISEASE")]),
        make_demonstration("Rust on the gate, rusty hinge, crown rust", []),
    ]
    assert near_misses(rows[2], rows) == ["Rust", "crown rust"]
    assert near_misses(rust, rows) == []
