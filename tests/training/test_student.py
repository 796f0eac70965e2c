from pathlib import Path

import pytest
import spacy

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_json
from spacy_llmjudge.training.student import adopt_student, train_student

CONFIG = Path(__file__).parents[2] / "configs" / "student_cpu.cfg"


def settings(corpus, steps=2):
    return {
        "paths.gold": str(corpus / "labelled.spacy"),
        "paths.dev": str(corpus / "dev.spacy"),
        "training.max_steps": steps,
    }


def test_a_student_is_a_plain_pipeline(small_student):
    nlp = spacy.load(small_student)
    assert nlp.pipe_names == ["tok2vec", "ner"]
    assert set(nlp.get_pipe("ner").labels) == {
        "DISEASE",
        "PEST",
        "PLANT",
        "PRODUCT",
        "SYMPTOM",
        "TOOL",
    }


def test_a_training_that_is_finished_is_not_repeated(small_corpus, tmp_path):
    first = train_student(CONFIG, tmp_path / "m", overrides=settings(small_corpus))
    again = train_student(CONFIG, tmp_path / "m", overrides=settings(small_corpus))
    assert first["trained"] and not again["trained"]
    other = train_student(CONFIG, tmp_path / "m", overrides=settings(small_corpus, 3))
    assert other["trained"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m"]


def test_the_last_model_is_kept_and_nothing_else(small_corpus, tmp_path):
    train_student(CONFIG, tmp_path / "m", overrides=settings(small_corpus))
    names = sorted(path.name for path in (tmp_path / "m").iterdir())
    assert names == ["model-best", "trained.json"]
    assert read_json(tmp_path / "m" / "trained.json")["seconds"] > 0


def test_a_training_that_fails_keeps_the_model_before(small_corpus, tmp_path):
    train_student(CONFIG, tmp_path / "m", overrides=settings(small_corpus))
    broken = {**settings(small_corpus), "paths.silver": str(tmp_path / "nope.spacy")}
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*nope.spacy.*paths.silver"):
        train_student(CONFIG, tmp_path / "m", overrides=broken)
    assert (tmp_path / "m" / "model-best" / "meta.json").exists()


def test_a_missing_config_is_one_line(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*nope.cfg"):
        train_student(tmp_path / "nope.cfg", tmp_path / "m")


def test_a_pipeline_that_is_there_becomes_the_student(small_student, tmp_path):
    result = adopt_student(str(small_student), tmp_path / "deep" / "round-0")
    assert "PEST" in result["labels"]
    assert spacy.load(tmp_path / "deep" / "round-0" / "model-best").has_pipe("ner")


def test_a_pipeline_without_ner_is_one_line(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(LLMJudgeError, match=r"\[J655\].*'ner'"):
        adopt_student(str(tmp_path / "blank"), tmp_path / "m")


def test_a_pipeline_that_does_not_exist_is_one_line(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J655\].*nope"):
        adopt_student(str(tmp_path / "nope"), tmp_path / "m")
