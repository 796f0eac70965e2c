"""Selection of labels of documents: the same statements as for entities, and denoisers of documents."""

import random

import numpy as np
import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, set_candidates, set_status
from spacy_llmjudge.encoders.fetch import fetch_encoder
from spacy_llmjudge.selection.conformal import make_conformal
from spacy_llmjudge.selection.denoised import make_sidyp, make_stacking
from spacy_llmjudge.selection.learned_documents import Documents
from spacy_llmjudge.selection.select import select
from spacy_llmjudge.selection.table import table_from_docs
from spacy_llmjudge.targets.cats import Cats

WORDS = {"FEED": "compost potash", "PEST": "aphids slugs", "WATER": "dry wet"}
LABELS = tuple(sorted(WORDS))
ONE, ANY = Cats(LABELS), Cats(LABELS, False)
VOCAB = Vocab()


def draw(seed, n, target=ONE, noise=0.25):
    """Documents whose words tell their label; the judge takes a part of them for the next label."""
    rng = random.Random(seed)
    docs, gold = [], []
    for i in range(n):
        label = rng.choice(LABELS)
        words = [f"n{seed}x{i}", "about", *rng.choices(WORDS[label].split(), k=3), "today"]
        doc, truth = Doc(VOCAB, words=words), Doc(VOCAB, words=words)
        target.annotate(truth, [(0, len(doc), label)])
        is_wrong = rng.random() < noise
        said = LABELS[(LABELS.index(label) + 1) % 3] if is_wrong else label
        candidates = []
        for name in LABELS:
            p = min(max(0.3 + 0.25 * (name == label) + rng.gauss(0, 0.15), 0.02), 0.98)
            verdict = "correct" if name == said else "wrong_label"
            support = 0.8 if name == said else None
            candidates.append(
                Candidate(
                    0, len(doc), name, posterior=p, confidence=p, verdict=verdict, support=support
                )
            )
        set_candidates(doc, candidates)
        set_status(doc, "judged")
        docs.append(doc)
        gold.append(truth)
    return docs, gold


def share_of_right(silver, pool, gold, target):
    truth = {doc.text: target.keys(one) for doc, one in zip(pool, gold)}
    return np.mean([target.keys(doc) == truth[doc.text] for doc in silver])


@pytest.mark.parametrize("target", [ONE, ANY], ids=["exclusive", "any"])
def test_the_promise_is_about_labels(target):
    pool, gold = draw(1, 300, target)
    evidence, truth = draw(2, 150, target)
    _, silver, report = select(pool, evidence, truth, make_conformal(0.35), target=target)
    assert report["promise"]["kind"] == "expected"
    assert "wrong labels among the accepted ones" in report["statement"]
    assert silver and report["spans"] == sum(len(target.keys(doc)) for doc in silver)
    if target is ONE:
        assert report["candidates"]["pool_without_overlaps"] == 300
        assert all(len(target.keys(doc)) == 1 for doc in silver)
        assert share_of_right(silver, pool, gold, target) > 0.6


def test_where_the_evidence_carries_no_cut_it_says_so_as_for_entities():
    pool, _ = draw(1, 100)
    evidence, truth = draw(2, 10)
    _, silver, report = select(pool, evidence, truth, make_conformal(0.05), target=ONE)
    assert silver == [] and report["decisions"]["accepted"] == 0
    assert report["statement"].startswith("Nothing is accepted: q = 0.05 is not attainable")


@pytest.fixture
def encoder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fetch_encoder("none", tmp_path / "assets" / "encoder")


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_stacking, make_sidyp])
@pytest.mark.parametrize("target", [ONE, ANY], ids=["exclusive", "any"])
def test_a_denoiser_of_documents_finds_what_the_judge_mixes_up(make, target, encoder):
    pool, gold = draw(1, 300, target)
    evidence, truth = draw(2, 120, target)
    _, plain, _ = select(pool, evidence, truth, make_conformal(0.2), target=target)
    _, silver, report = select(pool, evidence, truth, make(0.2), target=target)
    assert report["learned"]["fallback"] is None
    assert report["learned"]["weights"]["learned"] > 0.1
    assert len(silver) > len(plain) and len(silver) > 200
    assert share_of_right(silver, pool, gold, target) > 0.8


def test_documents_are_told_from_their_candidates():
    pool, _ = draw(1, 20)
    evidence, truth = draw(2, 10)
    set_status(pool[3], "abstained", "refused")
    set_candidates(pool[3], [Candidate(0, 6, name, posterior=0.3) for name in LABELS])
    tables = [
        table_from_docs(pool, target=ONE),
        table_from_docs(evidence, truth, target=ONE),
    ]
    tables = [t.replace(features=np.eye(40)[t.document]) for t in tables]
    found = Documents(*tables, n_folds=5)
    assert len(found.texts) == 30 and found.features.shape == (30, 40)
    assert sum(choice is None for choice in found.noisy) == 1
    assert [choice is None for choice in found.gold] == [True] * 20 + [False] * 10
    for row in range(len(found.rows)):
        assert found.features[found.rows[row]].any()
    by_text = {doc.text: ONE.keys(doc)[0][2] for doc in truth}
    for text, choice in zip(found.texts[20:], found.gold[20:]):
        assert choice == (by_text[text],)
