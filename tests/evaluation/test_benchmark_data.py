"""The data sets of the benchmark as corpora and replies."""

import json

import pytest
from benchmark_data import asked_texts, cell_folder, make_corpus, read_rows, write_rows

from spacy_llmjudge.models.recorded import make_recorded_model
from spacy_llmjudge.transport.messages import Prompt

ENTS = [[1, 2, "DISH"]]
GENERATED = [['{"entities": [', -0.1], ['{"text": "soup"', -0.5], [', "label": "DISH"}]}', -0.2]]


def tokens(split, i):
    return [f"{split}{i}", "soup", "please"]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data" / "conll03"
    for split, name in (("labelled", "labelled_5shot"), ("dev", "dev"), ("test", "test")):
        rows = [{"tokens": tokens(split, i), "ents": ENTS} for i in range(3)]
        write_rows(folder / f"{name}.jsonl", rows)
    write_rows(folder / "pool.jsonl", [{"tokens": tokens("pool", i)} for i in range(4)])
    write_rows(folder / "pool_gold.jsonl", [{"ents": ENTS}] * 4)
    listed = {"start": 1, "end": 2, "label": "DISH", "confidence": 90}
    answer = {"entities": [listed], "alternatives": []}
    write_rows(folder / "recorded_llm.jsonl", [{"pool_index": i, **answer} for i in (2, 0)])
    write_rows(folder / "recorded_llm_dev.jsonl", [{"dev_index": 1, **answer}])
    weak = [{"pool_index": 3, "generated": GENERATED}]
    write_rows(folder / "recorded_llm_weak.jsonl", weak)
    write_rows(folder / "recorded_llm_weak_dev.jsonl", [{"dev_index": 0, "generated": GENERATED}])
    return tmp_path


def test_offsets_become_the_words_of_a_reply(data):
    folder = cell_folder(data, "conll03", 5, "frontier")
    corpus = make_corpus("conll03", 5, data / "data", folder)
    rows = read_rows(folder / "replies.jsonl")
    assert [row["text"] for row in rows] == [
        "pool0 soup please",
        "pool2 soup please",
        "dev1 soup please",
    ]
    entry = {"text": "soup", "label": "DISH", "confidence": 90}
    assert rows[0]["response"] == {"entities": [entry], "alternatives": []}
    assert asked_texts(corpus, folder / "replies.jsonl", 2) == [row["text"] for row in rows[:2]]
    with pytest.raises(SystemExit, match="replies for 2 pool documents, and 3"):
        asked_texts(corpus, folder / "replies.jsonl", 3)


def test_another_llm_has_a_folder_and_replies_of_its_own_with_their_tokens(data):
    folder = cell_folder(data, "conll03", 5, "weak")
    assert folder.name == "conll03-5-weak"
    make_corpus("conll03", 5, data / "data", folder, "weak")
    rows = read_rows(folder / "replies.jsonl")
    assert [row["text"] for row in rows] == ["pool3 soup please", "dev0 soup please"]
    ((reply,),) = make_recorded_model(folder / "replies.jsonl")(
        [[Prompt("?", text=rows[1]["text"])]]
    )
    assert json.loads(reply) == {"entities": [{"text": "soup", "label": "DISH"}]}
    assert [token.logprob for token in reply.tokens] == [-0.1, -0.5, -0.2]
