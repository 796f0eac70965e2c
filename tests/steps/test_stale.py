"""What changed is made again, whatever it was; what did not is left alone, and quickly."""

import shutil
import sys
from pathlib import Path

import pytest
import spacy
from spacy.vocab import Vocab

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.selection.caveats import ELSEWHERE, SEEN, find_caveats, word_caveats
from spacy_llmjudge.stages import count_stages
from spacy_llmjudge.steps import annotate as annotate_step
from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.steps.calibrate import calibrate
from spacy_llmjudge.steps.evaluate import evaluate
from spacy_llmjudge.steps.judge import judge, judge_inputs
from spacy_llmjudge.storage import read_docs, read_json, write_docs, write_json
from spacy_llmjudge.training.origin import META, hash_model, read_origin
from spacy_llmjudge.training.package import export_package
from spacy_llmjudge.training.student import adopt_student, train_student

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "student_cpu.cfg"


@pytest.fixture
def made():
    """A function that says how many stages have run since it was asked before."""
    before = [count_stages()[0]]

    def count():
        before.append(count_stages()[0])
        return before[-1] - before[-2]

    return count


@pytest.fixture
def few(small_corpus, tmp_path):
    """Files with a few documents: gold, and a pool without labels."""
    for name, n in (("dev", 12), ("pool", 12), ("labelled", 60)):
        docs = list(read_docs(small_corpus / f"{name}.spacy", Vocab()))[:n]
        write_docs(tmp_path / "few" / f"{name}.spacy", docs)
    return tmp_path / "few"


def retrain(model):
    """Change the weights of a model, as a training into the same folder would."""
    nlp = spacy.load(model)
    layer = next(x for x in nlp.get_pipe("ner").model.walk() if x.name == "precomputable_affine")
    layer.set_param("b", layer.get_param("b") + 1)
    nlp.to_disk(model)


@pytest.mark.slow
def test_steps_follow_a_model_that_was_retrained_in_its_place(small_student, few, tmp_path, made):
    model, fitted = tmp_path / "model", tmp_path / "calibration.json"
    shutil.copytree(small_student, model)

    def run():
        calibrate(str(model), few / "dev.spacy", fitted)
        annotate(str(model), fitted, few / "pool.spacy", tmp_path / "pool")
        return fitted.read_bytes(), (tmp_path / "pool" / "manifest.json").read_bytes()

    first = run()
    assert made() >= 2
    assert run() == first and made() == 0
    retrain(model)
    assert all(a != b for a, b in zip(run(), first)) and made() >= 2
    write_docs(few / "dev.spacy", list(read_docs(few / "dev.spacy", Vocab()))[:9])
    run()
    assert made() >= 2


def test_a_step_with_nothing_to_do_loads_no_model(small_student, few, tmp_path, monkeypatch):
    fitted = tmp_path / "calibration.json"
    calibrate(str(small_student), few / "dev.spacy", fitted)

    def run():
        return annotate(str(small_student), fitted, few / "pool.spacy", tmp_path / "pool")

    first = run()
    monkeypatch.setattr(annotate_step, "load_student", lambda *args: pytest.fail("loaded"))
    assert run() == first
    # a shard that is gone or damaged is made again
    (tmp_path / "pool" / "shard-00000.spacy").write_bytes(b"half")
    with pytest.raises(pytest.fail.Exception):
        run()


def test_a_seed_model_is_taken_again_when_it_changed(small_student, tmp_path, made):
    model = tmp_path / "theirs"
    shutil.copytree(small_student, model)
    adopt_student(str(model), tmp_path / "round-0")
    (tmp_path / "round-0" / "calibration.json").write_text("{}")
    made()
    adopt_student(str(model), tmp_path / "round-0")
    assert made() == 0 and (tmp_path / "round-0" / "calibration.json").exists()
    retrain(model)
    adopt_student(str(model), tmp_path / "round-0")
    assert made() == 1
    weights = [path / "ner" / "model" for path in (model, tmp_path / "round-0" / "model-best")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_an_upgraded_package_is_another_model(tmp_path, monkeypatch):
    for name in ("en_fake", "en_fake-1.0.dist-info"):
        (tmp_path / name).mkdir()
    (tmp_path / "en_fake-1.0.dist-info" / "METADATA").write_text("Name: en_fake\nVersion: 1.0\n")
    (tmp_path / "en_fake" / "__init__.py").write_text("")
    (tmp_path / "en_fake" / "weights").write_text("1")
    monkeypatch.syspath_prepend(tmp_path)
    before = hash_model("en_fake")
    assert before is not None and hash_model("en_fake") == before
    (tmp_path / "en_fake" / "weights").write_text("2")
    assert hash_model("en_fake") not in (None, before)
    assert hash_model("no_such_package") is None
    sys.modules.pop("en_fake")


JUDGE = """
[paths]
labelled = null
rules = null

[nlp]
lang = "en"
pipeline = ["llm_judge"]

[components]

[components.llm_judge]
factory = "llm_judge"

[components.llm_judge.model]
@llm_models = "llmjudge.Ledger.v1"
path = "{folder}/judge.sqlite"
prices = "{folder}/prices.json"

[components.llm_judge.model.model]
@llm_models = "llmjudge.Transformers.v1"
name = "{folder}/llm"
"""


@pytest.mark.parametrize("name", ["rules.txt", "labelled.jsonl", "prices.json", "llm/weights"])
def test_all_that_a_judge_reads_counts(name, tmp_path):
    write_json(tmp_path / "pool" / "manifest.json", {"fingerprint": {}, "shards": []})
    (tmp_path / "llm").mkdir()
    for file_ in ("rules.txt", "labelled.jsonl", "prices.json", "llm/weights", "judge.sqlite"):
        (tmp_path / file_).write_text("SQLite format 3\0" if "sqlite" in file_ else "1")
    (tmp_path / "judge.cfg").write_text(JUDGE.format(folder=tmp_path))
    given = {
        "paths.rules": str(tmp_path / "rules.txt"),
        "paths.labelled": str(tmp_path / "labelled.jsonl"),
    }

    def inputs():
        return judge_inputs(tmp_path / "pool", tmp_path / "judge.cfg", given)[1]

    before = inputs()
    (tmp_path / "judge.sqlite").write_text("SQLite format 3\0 with a reply")
    assert inputs() == before
    (tmp_path / name).write_text("2")
    assert inputs() != before


def test_a_tokenizer_that_was_edited_is_another_encoder(small_corpus, few, tmp_path):
    """The record of an encoder names the hash of its weights alone."""
    config = tmp_path / "student.cfg"
    text = CONFIG.read_text(encoding="utf8")
    config.write_text(text.replace("[paths]", "[paths]\nencoder = null", 1), encoding="utf8")
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "w.bin").write_bytes(b"w")
    from spacy_llmjudge.storage import sha256_file

    record = {"name": "x", "weights": "w.bin", "sha256": sha256_file(encoder / "w.bin")}
    write_json(encoder / "encoder.json", record)
    (encoder / "tokenizer.json").write_text("1")

    def train():
        paths = {
            f"paths.{x}": str(few / f"{y}.spacy") for x, y in (("gold", "labelled"), ("dev", "dev"))
        }
        given = {**paths, "paths.encoder": str(encoder), "training.max_steps": 1}
        return train_student(config, tmp_path / "m", overrides=given)["trained"]

    assert train() and not train()
    (encoder / "tokenizer.json").write_text("2")
    assert train()
    (encoder / "w.bin").write_bytes(b"edited")
    with pytest.raises(LLMJudgeError, match=r"\[J651\]"):
        train()


@pytest.mark.slow
def test_baselines_of_another_seed_or_corpus_are_no_baselines(small_student, few, tmp_path):
    origin = read_origin(small_student)
    models = {"seed": str(small_student)}
    for name, change in {
        "judged": {},
        "unjudged": {"seed": 1},
        "llm_labels": {"pool": "another"},
    }.items():
        models[name] = str(tmp_path / name)
        shutil.copytree(small_student, models[name])
        meta = Path(models[name]) / "meta.json"
        write_json(meta, {**read_json(meta), META: {**origin, **change}})
    with pytest.warns(UserWarning, match=r"\[JW663\].*unjudged") as caught:
        summary = evaluate(models, few / "dev.spacy", tmp_path / "metrics", n_resamples=10)
    assert len(caught) == 2 and set(summary["comparisons"]) == {"seed"}
    meta = Path(models["unjudged"]) / "meta.json"
    write_json(meta, {**read_json(meta), META: origin})
    with pytest.warns(UserWarning, match=r"\[JW663\].*llm_labels"):
        summary = evaluate(models, few / "dev.spacy", tmp_path / "metrics", n_resamples=10)
    assert set(summary["comparisons"]) == {"seed", "unjudged"}
    assert read_json(tmp_path / "metrics" / "summary.json") == summary


def annotate_dev(model, few, folder, source=None):
    calibrate(str(model), few / "dev.spacy", folder / "calibration.json")
    found = annotate(
        str(model),
        folder / "calibration.json",
        source or few / "dev.spacy",
        folder / "dev",
        out_of_fold=True,
    )
    return found["fingerprint"]


@pytest.mark.slow
def test_a_student_that_was_trained_on_dev_promises_nothing(small_corpus, few, tmp_path):
    shutil.copyfile(few / "dev.spacy", tmp_path / "same.spacy")
    model = tmp_path / "m" / "model-best"
    for gold, seen in (("labelled", False), ("dev", True)):
        paths = {"paths.gold": str(few / f"{gold}.spacy"), "paths.dev": str(few / "dev.spacy")}
        train_student(CONFIG, tmp_path / "m", overrides={**paths, "training.max_steps": 1})
        found = annotate_dev(model, few, tmp_path)
        assert bool(found.get(SEEN)) is seen and ELSEWHERE not in found
    assert find_caveats({}, found) == [SEEN] and find_caveats(found, {}) == []
    assert "held-out documents among them" in word_caveats([SEEN])


def test_dev_in_the_examples_of_the_judge_promises_nothing(small_student, few, tmp_path):
    calibrate(str(small_student), few / "dev.spacy", tmp_path / "calibration.json")
    source = tmp_path / "annotated"
    annotate(str(small_student), tmp_path / "calibration.json", few / "dev.spacy", source)
    replies = tmp_path / "replies.jsonl"
    replies.write_text("", encoding="utf8")
    for shown, name in ((False, "labelled"), (True, "dev")):
        given = {"paths.labelled": str(few / f"{name}.spacy"), "paths.replies": str(replies)}
        config = ROOT / "configs" / "judges" / "recorded.cfg"
        found = judge(source, tmp_path / "judged", config, overrides=given)["fingerprint"]
        assert bool(found.get(SEEN)) is shown


@pytest.mark.slow
def test_our_own_package_promises_nothing(small_student, few, tmp_path):
    wheel = export_package(small_student, tmp_path / "packages", name="ours", version="1.0.0")
    (model,) = wheel.parents[1].glob("en_ours/en_ours-*")
    assert read_origin(model) == read_origin(small_student)
    found = annotate_dev(model, few, tmp_path)
    assert find_caveats({}, found) == find_caveats(found, {}) == [ELSEWHERE]
    # a foreign pipeline is taken as it is
    meta = {key: value for key, value in read_json(model / "meta.json").items() if key != META}
    write_json(model / "meta.json", meta)
    assert not find_caveats({}, annotate_dev(model, few, tmp_path))
