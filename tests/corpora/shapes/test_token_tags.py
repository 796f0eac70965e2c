"""Tags in a row: as strings, or as numbers whose names are known."""

import json

import pytest
from corpora_helpers import ents_of, read_file, records_of, spans_of, write_jsonl

from spacy_llmjudge.corpora.class_names import find_class_names
from spacy_llmjudge.errors import LLMJudgeError

WORDS = ["Vera", "left", "Bergen"]
NAMES = ("O", "B-PER", "I-PER", "B-LOC")


def error_of(row, **settings):
    with pytest.raises(LLMJudgeError) as caught:
        records_of(row, **settings)
    return str(caught.value)


def test_numbers_with_names_from_the_user():
    (record,) = records_of({"tokens": WORDS, "ner_tags": [1, 0, 3]}, tag_names=NAMES)
    assert spans_of(record) == [("Vera", "PER"), ("Bergen", "LOC")]


def test_numbers_without_names_say_how_to_give_them():
    message = error_of({"tokens": WORDS, "ner_tags": [1, 0, 3]})
    assert "[J639]" in message and "number 1" in message and "--tag-names" in message


def test_a_number_that_has_no_name():
    message = error_of({"tokens": WORDS, "ner_tags": [1, 0, 9]}, tag_names=NAMES)
    assert "[J639]" in message and "number 9" in message and "4 names" in message


def test_ignored_numbers_are_missing_tokens():
    (record,) = records_of({"tokens": WORDS, "labels": [1, -100, 3]}, tag_names=NAMES)
    assert [record.text[s:e] for s, e in record.unknown] == ["left"]


def test_another_number_of_tags_than_tokens():
    message = error_of({"tokens": WORDS, "ner_tags": ["O", "O"]})
    assert "[J645]" in message and "2 tags" in message and "3 tokens" in message


def test_a_tag_that_is_none():
    assert "[J613]" in error_of({"tokens": WORDS, "ner_tags": ["O", "person", "O"]})


def test_topics_beside_tokens_are_no_tags():
    (record,) = records_of({"tokens": WORDS, "tags": ["travel", "north"]})
    assert record.mentions is None


@pytest.mark.parametrize("nested", [True, False])
def test_names_stand_beside_the_file(tmp_path, nested):
    features = {
        "tokens": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"},
        "ner_tags": {"feature": {"names": list(NAMES), "_type": "ClassLabel"}, "_type": "Sequence"},
    }
    name, data = "dataset_info.json", {"features": features}
    if nested:
        name, data = "dataset_infos.json", {"default": data}
    (tmp_path / name).write_text(json.dumps(data), encoding="utf8")
    path = write_jsonl(tmp_path / "train.jsonl", [{"tokens": WORDS, "ner_tags": [1, 0, 3]}])
    assert find_class_names(path) == {"ner_tags": NAMES}
    (doc,) = read_file(path)
    assert ents_of(doc) == [("Vera", "PER"), ("Bergen", "LOC")]


def test_names_of_labels_of_texts():
    names = {"label": ("neg", "pos")}
    found = [records_of({"text": "a", "label": n}, class_names=names)[0].choice for n in (1, 0, -1)]
    assert [c and c.chosen for c in found] == [("pos",), ("neg",), None]
