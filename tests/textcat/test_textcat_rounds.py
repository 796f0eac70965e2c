"""A round of self-training: students that have not seen a document, fusion, a cut with its statement."""

from pathlib import Path

import pytest
import spacy

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.numeric import fold_of
from spacy_llmjudge.storage import read_docs, read_json
from spacy_llmjudge.textcat.rounds import annotate_texts, select_texts
from spacy_llmjudge.textcat.steps import gather_training

CONFIG = Path(__file__).parents[2] / "configs" / "textcat_cpu.cfg"


def read(path):
    return list(read_docs(path, spacy.blank("en").vocab))


@pytest.fixture(scope="module")
def annotated(corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("round") / "annotated.spacy"
    annotate_texts(CONFIG, corpus, path, n_folds=2, overrides={"training.max_steps": 40})
    return path


def test_students_say_how_likely_each_label_is(corpus, annotated):
    docs = read(annotated)
    assert [doc.text for doc in docs] == [doc.text for doc in read(corpus / "pool.spacy")]
    assert all(sum(doc.cats.values()) == pytest.approx(1, abs=1e-3) for doc in docs)
    evidence = {doc.text for doc in read(corpus / "evidence.spacy")}
    assert {fold_of(text, 2) for text in evidence} == {0, 1}


def test_what_is_sure_enough_is_kept_with_its_statement(corpus, annotated, tmp_path):
    args = (corpus, corpus / "judged", corpus / "features")
    report = select_texts(*args, tmp_path / "s", q=0.4, cats=annotated)
    assert read_json(tmp_path / "s/report.json") == report
    assert report["cut"] is not None and "at most 0.4" in report["statement"]
    kept = [doc for doc in read(tmp_path / "s/pool.spacy") if doc.cats]
    evidence = {doc.text for doc in read(corpus / "evidence.spacy")}
    assert len(kept) == report["accepted"] > 0 and not {doc.text for doc in kept} & evidence
    counts = gather_training(corpus, tmp_path / "train.spacy", tmp_path / "s/pool.spacy")
    assert counts == {"gold": 45, "pool": report["accepted"]}


def test_evidence_that_carries_nothing_promises_nothing(corpus, tmp_path):
    args = (corpus, corpus / "judged", corpus / "features")
    report = select_texts(*args, tmp_path / "s", q=0.01)
    assert report["cut"] is None and report["statement"].startswith("No promise")
    assert report["accepted"] == report["documents"] == 45


def test_settings_that_cannot_be(corpus, tmp_path):
    args = (corpus, corpus / "judged", corpus / "features")
    with pytest.raises(LLMJudgeError, match="J624"):
        select_texts(*args, tmp_path / "s", q=1.5)
    for folds in (0, 1, 60):
        with pytest.raises(LLMJudgeError, match="J921"):
            annotate_texts(CONFIG, corpus, tmp_path / "a.spacy", n_folds=folds)
    assert not any(tmp_path.iterdir())
