"""Confidence on new texts against a reference, from files."""

import json
import shutil

import pytest
from mistakes import error_lines, run_spacy

from spacy_llmjudge.steps.calibrate import calibrate

FOREIGN = [
    f"{place} beat {other} {n}-{n % 3} on Saturday, and the shares of {other} Holdings PLC fell by {n} %."
    for n in range(5)
    for place in ("Arsenal", "Leeds United", "Bayern", "Ajax")
    for other in ("Chelsea", "Lyon", "Porto")
]


@pytest.fixture(scope="module")
def calibration(small_student, small_corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("calibration") / "calibration.json"
    calibrate(str(small_student), small_corpus / "dev.spacy", path)
    return path


@pytest.fixture
def run(small_student, small_corpus, calibration):
    def run(texts, *more, reference=small_corpus / "test.spacy", model=small_student):
        words = ["watch", model, texts, "--reference", reference, "--calibration", calibration]
        return run_spacy([str(word) for word in [*words, "--alpha", "0.05", *more]])

    return run


def write_lines(path, texts):
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf8")
    return path


def test_texts_of_the_same_kind_are_no_drift(run, small_dataset, tmp_path):
    again = tmp_path / "again.jsonl"
    ending = run(small_dataset / "pool.jsonl", "--again", again, "--n-again", "7")
    assert ending.code == 0, ending
    rows = [json.loads(line) for line in again.read_text(encoding="utf8").splitlines()]
    texts = {json.loads(line)["text"] for line in (small_dataset / "pool.jsonl").open()}
    assert len(rows) == 7 and {row["text"] for row in rows} <= texts
    for row in rows:
        for span in row["spans"]:
            assert 0 <= span["confidence"] <= 1
            assert row["text"][span["start"] : span["end"]].strip()


def test_other_texts_are_drift_and_say_so_with_the_exit_code(run, tmp_path):
    ending = run(write_lines(tmp_path / "new.txt", FOREIGN))
    assert ending.code == 3 and "Drift" in ending.output and not error_lines(ending), ending


@pytest.mark.slow
def test_a_pipeline_with_its_own_fitted_component_needs_no_file(
    small_student, small_corpus, small_dataset, tmp_path
):
    import spacy

    from spacy_llmjudge.storage import read_docs
    from spacy_llmjudge.training.readers import make_example

    nlp = spacy.load(small_student)
    component = nlp.add_pipe("calibrated_confidence")
    docs = list(read_docs(small_corpus / "dev.spacy", nlp.vocab))
    component.fit([make_example(nlp, doc) for doc in docs])
    nlp.to_disk(tmp_path / "model")
    words = ["watch", tmp_path / "model", small_dataset / "pool.jsonl", "--alpha", "0.05"]
    words += ["--reference", small_corpus / "test.spacy"]
    assert run_spacy(list(map(str, words))).code == 0


@pytest.mark.parametrize(
    "option, value, code",
    [
        ("--alpha", "0", "J684"),
        ("--alpha", "1", "J684"),
        ("--alpha", "nan", "J682"),
        ("--alpha", "0.0001", "J684"),
        ("--threshold", "1.5", "J684"),
        ("--permutations", "0", None),
        ("--n-again", "0", None),
        ("--seed", "-1", None),
        ("--reference", "nope.spacy", "J001"),
        ("--reference", "/tmp", "J975"),
        ("--calibration", "nope.json", "J001"),
        ("--pipe-name", "nope", "J655"),
        ("--gpu-id", "99", "J660"),
    ],
)
def test_what_cannot_be_is_one_line(option, value, code, run, small_dataset):
    ending = run(small_dataset / "pool.jsonl", option, value)
    assert ending.raised is None and ending.code in (1, 2), ending
    (line,) = error_lines(ending)
    assert code is None or f"[{code}]" in line


@pytest.mark.parametrize("which", ["texts", "reference", "calibration"])
def test_what_is_read_is_never_written_over(run, small_dataset, tmp_path, which):
    files = {"texts": tmp_path / "new.jsonl", "reference": tmp_path / "old.jsonl"}
    for path in files.values():
        shutil.copyfile(small_dataset / "pool.jsonl", path)
    files["calibration"] = tmp_path / "calibration.json"
    files["calibration"].write_text("{}")
    before = files[which].read_bytes()
    (tmp_path / "link.jsonl").symlink_to(files[which])
    words = ["--again", tmp_path / "link.jsonl", "--calibration", files["calibration"]]
    ending = run(files["texts"], *words, reference=files["reference"], model="no_such_model")
    assert ending.code == 1 and "[J938]" in error_lines(ending)[0], ending
    assert files[which].read_bytes() == before and (tmp_path / "link.jsonl").is_symlink()


def test_too_few_texts_and_no_calibration_are_one_line(
    run, small_student, small_corpus, small_dataset, tmp_path
):
    few = write_lines(tmp_path / "few.txt", [*FOREIGN[:9], "", "  "])
    assert "[J974]" in error_lines(run(few))[0]
    words = ["watch", small_student, small_dataset / "pool.jsonl", "--reference"]
    ending = run_spacy([str(word) for word in [*words, small_corpus / "test.spacy"]])
    assert ending.code == 1 and "[J973]" in error_lines(ending)[0]
