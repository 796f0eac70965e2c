"""What labels mean: read from one file, checked against the data, shown wherever a label is explained."""

import json

import pytest
import srsly
from corpora_helpers import write_jsonl
from hostile_strings import HOSTILE
from hypothesis import given
from hypothesis import strategies as st

from spacy_llmjudge.corpora.check import check
from spacy_llmjudge.corpora.files import unread_files
from spacy_llmjudge.corpora.guidelines import (
    LabelGuideline,
    definitions_of,
    find_guidelines,
    make_template,
    read_guidelines,
    to_json,
    undefined,
)
from spacy_llmjudge.corpora.prepare import prepare
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_json

FULL = """
PEST:
  name: Pest
  definition: an animal that
    harms plants
  examples: [slugs, "vine weevil larvae"]
  counter_examples: bees
PLANT: a plant by its name
TOOL:
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf8")
    return path


def make_data(folder, labels="PLANT: named plants\n"):
    write_jsonl(
        folder / "labelled.jsonl",
        [
            {"text": "rose blooms", "spans": [[0, 4, "PLANT"]]},
            {"text": "slugs came", "spans": [[0, 5, "PEST"]]},
        ],
    )
    write_jsonl(folder / "pool.jsonl", [{"text": "raw"}, {"text": "rawer"}, {"text": "rawest"}])
    if labels is not None:
        write(folder / "labels.yml", labels)
    return folder


def test_definitions_examples_and_counter_examples(tmp_path):
    found = read_guidelines(write(tmp_path / "labels.yml", FULL))
    harms = "an animal that harms plants"
    assert found["PEST"] == LabelGuideline(
        "Pest", harms, ("slugs", "vine weevil larvae"), ("bees",)
    )
    assert definitions_of(found) == {
        "PEST": f"Pest: {harms}. Examples: slugs; vine weevil larvae. Not: bees.",
        "PLANT": "a plant by its name",
    }
    assert undefined(found, ["TOOL", "PLANT", "WEED"]) == ["TOOL", "WEED"]


def test_json_says_the_same_as_yaml(tmp_path):
    found = read_guidelines(write(tmp_path / "labels.yml", FULL))
    path = write(tmp_path / "labels.json", json.dumps(to_json(found)))
    assert read_guidelines(path) == found


@pytest.mark.parametrize(
    "text, found",
    [
        ("- PEST", "holds a list"),
        ("PEST: [a, b]", "'PEST' is a list"),
        ("PEST: {example: a}", "'PEST' has 'example'"),
        ("PEST: {examples: {a: b}}", "examples of 'PEST' is a dict"),
        ("PEST: {definition: [a]}", "definition of 'PEST' holds a list"),
        ("1: a number", "the label 1 is a int: put it in quotes"),
        ("null: nothing", "put it in quotes"),
        ("PEST: 'a", "cannot be read"),
        ("PEST: a: b", "cannot be read"),
        ("PEST: !!python/object/apply:os.getcwd []", "cannot be read"),
        ("PEST: see ${paths.rules}", "a config would take for a setting"),
        (f"PEST: {'a' * 4001}", "4001 characters"),
    ],
)
def test_another_shape_is_one_line(tmp_path, text, found):
    with pytest.raises(LLMJudgeError) as error:
        read_guidelines(write(tmp_path / "labels.yml", text))
    assert found in str(error.value) and "J961" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_file_says_nothing(tmp_path, text):
    assert read_guidelines(write(tmp_path / "labels.yml", text)) == {}


@given(st.sampled_from([s for s in HOSTILE if len(s) < 3000 and "${" not in s]))
def test_hostile_definitions_are_one_line(tmp_path_factory, text):
    path = write(tmp_path_factory.mktemp("any") / "labels.json", json.dumps({"PEST": text}))
    (line,) = definitions_of(read_guidelines(path)).values() or [""]
    assert len(line.splitlines()) <= 1 and "\x1b" not in line and "\u202e" not in line


@given(st.lists(st.text(min_size=1, max_size=8), unique=True))
def test_a_template_says_nothing_about_any_label(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("any") / "labels.yml"
    path.write_bytes(make_template(labels).encode("utf8"))
    found = read_guidelines(path)
    assert list(found) == labels and definitions_of(found) == {}


def test_the_corpus_keeps_what_labels_mean(tmp_path):
    data = make_data(tmp_path / "data")
    assert find_guidelines(data) == data / "labels.yml"
    report = prepare(data, tmp_path / "corpus")
    assert unread_files(data, report["settings"]["files"].values()) == []
    assert read_json(tmp_path / "corpus" / "labels.json")["PLANT"]["definition"] == "named plants"
    texts = [text for _, text in check(tmp_path / "corpus", q=0.5).messages]
    assert any("No definition of PEST" in text for text in texts)


def test_an_edit_of_the_file_is_seen(tmp_path):
    data = make_data(tmp_path / "data")
    prepare(data, tmp_path / "corpus")
    write(data / "labels.yml", "PEST: animals\n")
    prepare(data, tmp_path / "corpus")
    assert list(read_json(tmp_path / "corpus" / "labels.json")) == ["PEST"]
    (data / "labels.yml").unlink()
    prepare(data, tmp_path / "corpus")
    assert not (tmp_path / "corpus" / "labels.json").exists()
    assert not any("efinition" in text for _, text in check(tmp_path / "corpus", q=0.5).messages)


def test_a_label_that_the_data_lacks_is_an_error(tmp_path):
    data = make_data(tmp_path / "data", "PESTS: animals\n")
    with pytest.raises(LLMJudgeError, match="J962.*PESTS.*PEST, PLANT"):
        prepare(data, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_a_dataset_of_one_file_has_its_own(tmp_path):
    path = write_jsonl(tmp_path / "topics.jsonl", [{"text": "a", "label": "X"}])
    write(tmp_path / "labels.yml", "Y: another dataset\n")
    assert find_guidelines(path) is None
    own = write(tmp_path / "topics.labels.yml", "X: this one\n")
    assert find_guidelines(path) == own


def test_the_demo_has_none():
    """Its recorded replies were given to prompts without definitions."""
    from pathlib import Path

    assert find_guidelines(Path(__file__).parents[2] / "assets" / "garden") is None


def test_srsly_reads_what_people_write():
    assert srsly.yaml_loads("NO: Norway\n") == {"NO": "Norway"}
