"""The whole job as one function, with recorded replies and a student without a transformer."""

import json

import pytest

from spacy_llmjudge import selftrain
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import sha256_file

SMALL = {"encoder": "none", "seed_steps": 60, "steps": 60}


def run(data, folder, **settings):
    given = {"replies": data / "responses.jsonl", "rules": data / "rules.txt", **SMALL, **settings}
    return selftrain(data / "labelled.jsonl", data / "pool.jsonl", "recorded", folder, **given)


@pytest.mark.slow
def test_files_and_a_judge_become_a_pipeline(small_dataset, tmp_path):
    sets = {name: small_dataset / f"{name}.jsonl" for name in ("dev", "test", "pool_gold")}
    result = run(small_dataset, tmp_path / "mine", **sets, q=0.3)
    assert result.nlp.pipe_names == ["tok2vec", "ner"]
    silver = list(result.silver)
    assert silver and sum(len(doc.ents) for doc in silver) == result.summary["silver"]["spans"]
    assert result.summary["silver"]["q"] == 0.3
    assert result.summary["judged"]["f"] > result.summary["seed"]["f"]
    assert (result.folder / "project.yml").exists()
    before = sha256_file(result.model / "ner" / "model")
    again = run(small_dataset, tmp_path / "mine", **sets, q=0.3)
    assert sha256_file(again.model / "ner" / "model") == before
    assert again.summary["seconds"] == result.summary["seconds"], "nothing was done twice"


def read_reply(line):
    """What an LLM that is always right would say about a labelled row."""
    row = json.loads(line)
    entities = [
        {"text": row["text"][s["start"] : s["end"]], "label": s["label"], "confidence": 95}
        for s in row["spans"]
    ]
    return {"text": row["text"], "response": {"entities": entities, "alternatives": []}}


@pytest.mark.slow
def test_two_files_are_enough_and_nothing_is_promised(small_dataset, tmp_path):
    replies = tmp_path / "replies.jsonl"
    rows = [read_reply(line) for line in (small_dataset / "labelled.jsonl").open(encoding="utf8")]
    known = (small_dataset / "responses.jsonl").read_text(encoding="utf8")
    replies.write_text("".join(json.dumps(row) + "\n" for row in rows) + known, encoding="utf8")
    result = run(small_dataset, tmp_path / "mine", replies=replies)
    assert "its numbers promise nothing" in result.summary["silver"]["statement"]
    held_out = result.summary["held_out"]
    assert held_out["crossfitted"] and held_out["documents"] == 60
    assert held_out["judge"]["f"] == 1.0 > held_out["student"]["f_high"]
    assert "judged" not in result.summary and result.summary["loop"]["metrics"] == "round-1"
    assert not (tmp_path / "mine" / "corpus" / "dev.spacy").exists()
    assert result.nlp("my roses have aphids").has_annotation("ENT_IOB")
    assert result.summary["judge"]["requests"] > 0


@pytest.mark.slow
def test_more_rounds_need_dev(small_dataset, tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J429\].*no dev set, and more than one round"):
        run(small_dataset, tmp_path / "mine", rounds=2, seed_steps=1)


def test_a_judge_that_is_nowhere_is_one_line(small_dataset, tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J840\].*'gpt'.*recorded"):
        selftrain(
            small_dataset / "labelled.jsonl",
            small_dataset / "pool.jsonl",
            "gpt",
            tmp_path / "mine",
            encoder="none",
        )
    assert not (tmp_path / "mine" / "corpus").exists()
