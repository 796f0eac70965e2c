"""Rivals of the benchmark: other taggers, other tools, and ours without each part."""

import sys

import benchmark
import benchmark_taggers
import numpy as np
import pytest
import spacy
from benchmark_cell import Cell
from benchmark_parts import PARTS, Alone, Everything
from benchmark_rivals import RIVALS, cleanlab, leave_open, skweak
from benchmark_taggers import bio_tags, load_tagger, read_bio, train_classifier
from encoder_helpers import make_encoder
from selection_helpers import make_table
from spacy.tokens import Doc, Span

from spacy_llmjudge.evaluation.scores import evaluate_model
from spacy_llmjudge.storage import write_docs

KEYS = [(0, 2, "Dish"), (2, 3, "Dish"), (4, 5, "Price")]


def make_doc(words, keys, missing=()):
    doc = Doc(spacy.blank("en").vocab, words=words)
    doc.set_ents(
        [Span(doc, *key) for key in keys],
        missing=[Span(doc, i, i + 1) for i in missing],
        default="outside",
    )
    return doc


def keys_of(doc):
    return [(ent.start, ent.end, ent.label_) for ent in doc.ents]


def test_entities_become_tags_and_come_back():
    doc = make_doc("hot soup bread for nine please".split(), KEYS, missing=[5])
    tags = bio_tags(doc)
    assert tags == ["B-Dish", "I-Dish", "B-Dish", "O", "B-Price", None]
    assert read_bio(tags[:5]) == KEYS


def test_a_tag_inside_of_nothing_begins_an_entity():
    assert read_bio(["I-A", "I-A", "O", "I-B", "I-A"]) == [(0, 2, "A"), (3, 4, "B"), (4, 5, "A")]


def test_a_wrong_token_leaves_its_entity_open_and_nothing_else():
    made = leave_open(make_doc("hot soup bread for nine please".split(), KEYS), {1, 5})
    assert [token.ent_iob_ for token in made] == ["", "", "B", "O", "B", ""]
    assert keys_of(made) == KEYS[1:]


@pytest.mark.parametrize("rival", [cleanlab, skweak])
def test_a_missing_package_is_one_line(rival, monkeypatch):
    name = {cleanlab: "cleanlab.token_classification.filter", skweak: "skweak.generative"}[rival]
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SystemExit, match=f"pip install {name.split('.')[0]}"):
        rival(None, 300)


def test_every_rival_and_part_is_a_row():
    names = {name.split("/")[2] for name, _ in benchmark.list_rows() if name.startswith("mit_restaurant/10/")}  # fmt: skip
    assert {*RIVALS, *PARTS} <= names
    of_curve = [name for name, _ in benchmark.list_rows() if "/ours_q0.1/" in name]
    assert of_curve == ["mit_restaurant/10/ours_q0.1/300/0"]


def sources():
    """Ten pool and forty held-out candidates on which the judge is right and the student is not."""
    right = np.arange(40) % 2 == 0
    evidence = make_table(np.where(right, 0.2, 0.9), np.where(right, 0.95, 0.05), right)
    evidence = evidence.replace(verdict=np.where(right, evidence.verdict[0], 3))
    return make_table([0.2, 0.9] * 5, [0.95, 0.05] * 5), evidence


@pytest.mark.parametrize("source, accepted", [("judge", [0, 2, 4, 6, 8]), ("student", [])])
def test_one_source_alone_ranks(source, accepted):
    pool, evidence = sources()
    selector = Alone(q=0.25, floor=0.3, source=source)
    scores = selector.score(pool, evidence)
    chosen = selector.select(
        pool.replace(probability=scores.pool), evidence.replace(probability=scores.evidence)
    )
    assert np.flatnonzero(chosen.accepted).tolist() == accepted


def test_without_selection_all_that_anybody_says_is_kept():
    pool, evidence = sources()
    table = make_table(
        [0.1] * 4,
        verdict=["correct", "not_entity", "not_entity", None],
        predicted=[False, True, False, False],
        probability=np.full(4, 0.01),
    )
    found = Everything().select(table, evidence.replace(probability=np.full(40, 0.5)))
    assert found.accepted.tolist() == [True, True, False, False]


@pytest.mark.slow
def test_a_token_classifier_learns_what_a_student_would_and_predicts_as_one(tmp_path, monkeypatch):
    words = "cheap soup and cold tea".split()
    docs = [
        make_doc([*words[i:], *words[:i]], [((1 - i) % 5, (1 - i) % 5 + 1, "Dish")])
        for i in range(5)
    ]
    (tmp_path / "encoder").mkdir()
    encoder = make_encoder(tmp_path / "encoder", words)
    monkeypatch.setattr(benchmark_taggers, "fetch", lambda work: encoder)
    monkeypatch.setitem(
        benchmark_taggers.TRAINING, "training.optimizer.learn_rate.initial_rate", 3e-3
    )
    gold, silver = tmp_path / "gold.spacy", tmp_path / "silver.spacy"
    write_docs(gold, docs[:2])
    write_docs(silver, docs[2:])
    cell = Cell("garden", None, "frontier", 0, tmp_path, tmp_path)
    model = train_classifier(cell, "tiny", silver, gold, 60)
    predicted = evaluate_model(load_tagger(model), docs)
    assert [keys_of(doc) for doc in predicted] == [keys_of(doc) for doc in docs]
    written = (model / "config.json").stat().st_mtime_ns
    assert train_classifier(cell, "tiny", silver, gold, 60) == model
    assert (model / "config.json").stat().st_mtime_ns == written
