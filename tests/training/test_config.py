"""The component of a student follows from what is labelled."""

from pathlib import Path

import pytest
from spacy.tokens import Doc, Span
from spacy.util import load_model_from_config
from spacy.vocab import Vocab

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import write_docs
from spacy_llmjudge.targets.cats import Cats
from spacy_llmjudge.targets.ents import Ents
from spacy_llmjudge.targets.spans import Spans
from spacy_llmjudge.training.config import fit_config
from spacy_llmjudge.training.student import train_student

CONFIGS = Path(__file__).parents[2] / "configs"
CPU = CONFIGS / "student_cpu.cfg"
TARGETS = [Spans(), Spans("mine", True), Cats(("A", "B")), Cats(("A", "B", "C"), False)]


def test_the_config_of_entities_stays_as_it_is():
    assert fit_config(CPU, Ents(), {}) is None


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_another_target_gets_the_component_that_predicts_it(target):
    fitted = fit_config(CPU, target, {"training.max_steps": 7})
    nlp = load_model_from_config(fitted, auto_fill=True)
    name = nlp.pipe_names[-1]
    assert nlp.pipe_names[0] == "tok2vec" and "ner" not in nlp.pipe_names
    assert nlp.get_pipe_meta(name).factory in target.factories
    assert fitted["training"]["max_steps"] == 7
    # a student learns nothing if the new component does not listen to the shared encoder
    assert nlp.get_pipe(name).model.has_ref("tok2vec")
    assert [listener.upstream_name for listener in nlp.get_pipe("tok2vec").listeners] == ["tok2vec"]
    assert all(weight > 0 for weight in fitted["training"]["score_weights"].values())


def test_a_setting_that_was_given_stays():
    given = {"components.spancat.threshold": 0.2}
    fitted = fit_config(CPU, Spans(), given)
    assert fitted["components"]["spancat"]["threshold"] == 0.2


def test_a_config_without_a_component_for_the_target_is_one_line(tmp_path):
    alone = tmp_path / "student.cfg"
    alone.write_bytes(CPU.read_bytes())
    with pytest.raises(LLMJudgeError, match=r"\[J662\].*tok2vec, ner.*spancat.*components/"):
        fit_config(alone, Spans(), {})


def make_docs(target):
    docs = []
    for i in range(40):
        plant, pest = ["rose", "fern", "ivy"][i % 3], ["mites", "aphids"][i % 2]
        doc = Doc(Vocab(), words=["tiny", pest, "on", "my", plant])
        if target.name == "spans":
            doc.spans["sc"] = [Span(doc, 0, 2, label="PEST"), Span(doc, 0, 5, label="SYMPTOM")]
        else:
            doc.cats = {"MITES": float(pest == "mites"), "APHIDS": float(pest == "aphids")}
        docs.append(doc)
    return docs


@pytest.mark.slow
@pytest.mark.parametrize("target", [Spans(), Cats(("APHIDS", "MITES"))], ids=str)
def test_a_student_of_another_target_learns(target, tmp_path):
    import spacy

    write_docs(tmp_path / "gold.spacy", make_docs(target))
    paths = {key: str(tmp_path / "gold.spacy") for key in ("paths.gold", "paths.dev")}
    result = train_student(CPU, tmp_path / "m", overrides={**paths, "training.max_steps": 60})
    assert result["trained"] and result["score"] > 0.9
    nlp = spacy.load(tmp_path / "m" / "model-best")
    doc = nlp("tiny mites on my fern")
    keys = target.keys(doc)
    expected = [(0, 2, "PEST"), (0, 5, "SYMPTOM")]
    assert keys == (expected if target.name == "spans" else [(0, 5, "MITES")])
    again = train_student(CPU, tmp_path / "m", overrides={**paths, "training.max_steps": 60})
    assert not again["trained"]
