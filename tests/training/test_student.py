from pathlib import Path

import pytest
import spacy

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_json, write_docs
from spacy_llmjudge.training.student import adopt_student, load_student, train_student

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


@pytest.mark.slow
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
    assert names == ["model-best", "stages.json"]
    assert read_json(tmp_path / "m" / "stages.json")["stages"]["train"]["result"]["seconds"] > 0


def test_a_training_that_fails_keeps_the_model_before(small_corpus, tmp_path):
    train_student(CONFIG, tmp_path / "m", overrides=settings(small_corpus))
    broken = {**settings(small_corpus), "paths.silver": str(tmp_path / "nope.spacy")}
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*nope.spacy.*paths.silver"):
        train_student(CONFIG, tmp_path / "m", overrides=broken)
    assert (tmp_path / "m" / "model-best" / "meta.json").exists()


@pytest.mark.parametrize("name, code", [("{folder}/nowhere", "J001"), ("nobody/nowhere", "J661")])
def test_an_encoder_that_is_nowhere_is_one_line(name, code, small_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    given = {**settings(small_corpus), "paths.encoder": name.format(folder=tmp_path)}
    with pytest.raises(LLMJudgeError, match=rf"\[{code}\].*nowhere") as caught:
        train_student(CONFIG.with_name("student.cfg"), tmp_path / "m", overrides=given)
    assert "\n" not in str(caught.value) and not (tmp_path / "m").exists()


def test_a_missing_config_is_one_line(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*nope.cfg"):
        train_student(tmp_path / "nope.cfg", tmp_path / "m")


def test_a_pipeline_that_is_there_becomes_the_student(small_student, tmp_path):
    result = adopt_student(str(small_student), tmp_path / "deep" / "round-0")
    assert "PEST" in result["labels"]
    assert spacy.load(tmp_path / "deep" / "round-0" / "model-best").has_pipe("ner")


def test_a_pipeline_without_ner_is_one_line(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(LLMJudgeError, match=r"\[J655\].*'ner or beam_ner'"):
        adopt_student(str(tmp_path / "blank"), tmp_path / "m")


def test_a_pipeline_that_does_not_exist_is_one_line(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*nope"):
        adopt_student(str(tmp_path / "nope"), tmp_path / "m")


@pytest.mark.slow
def test_a_student_goes_on_from_another(small_corpus, small_student, tmp_path):
    still = {**settings(small_corpus), "training.optimizer.learn_rate": 0.0}
    found = train_student(CONFIG, tmp_path / "m", start=small_student, overrides=still)
    for part in ("tok2vec/model", "ner/model", "ner/moves"):
        before, after = (
            (folder / part).read_bytes()
            for folder in (small_student, tmp_path / "m" / "model-best")
        )
        assert before == after, part
    assert found["trained"]
    assert not train_student(CONFIG, tmp_path / "m", start=small_student, overrides=still)[
        "trained"
    ]
    moved = train_student(
        CONFIG, tmp_path / "m", start=small_student, overrides=settings(small_corpus)
    )
    assert moved["trained"]
    assert (tmp_path / "m/model-best/ner/model").read_bytes() != (
        small_student / "ner/model"
    ).read_bytes()
    nlp = spacy.load(tmp_path / "m" / "model-best")
    assert all("source" not in block for block in nlp.config["components"].values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m"]


def test_what_cannot_be_gone_on_from_is_one_line(small_corpus, small_student, tmp_path):
    def go_on(start, **changes):
        overrides = {**settings(small_corpus), **changes}
        with pytest.raises(LLMJudgeError) as caught:
            train_student(CONFIG, tmp_path / "m", start=start, overrides=overrides)
        assert not (tmp_path / "m").exists() and "\n" not in str(caught.value)
        return str(caught.value)

    assert "[J001]" in go_on(tmp_path / "nope")
    (tmp_path / "empty").mkdir()
    assert "[J683]" in go_on(tmp_path / "empty")
    spacy.blank("en").to_disk(tmp_path / "blank")
    assert "the config trains ['tok2vec', 'ner']" in go_on(tmp_path / "blank")
    nlp = spacy.blank("en")
    doc = nlp("Ask Ada")
    doc.ents = [spacy.tokens.Span(doc, 1, 2, label="PERSON")]
    write_docs(tmp_path / "gold.spacy", [doc])
    text = go_on(small_student, **{"paths.gold": str(tmp_path / "gold.spacy")})
    assert "[J658]" in text and "does not know the labels ['PERSON']" in text


def test_a_gpu_that_is_not_there_is_one_line(small_student, small_corpus, tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J660\] GPU 999 cannot be used"):
        train_student(CONFIG, tmp_path / "s", overrides=settings(small_corpus), gpu_id=999)
    with pytest.raises(LLMJudgeError, match=r"\[J660\]"):
        load_student(str(small_student), 999)
    assert not any(tmp_path.iterdir())
