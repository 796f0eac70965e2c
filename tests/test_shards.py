import pytest
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.shards import Work, process_shards, write_shards
from spacy_llmjudge.storage import MANIFEST, read_docs, read_json, write_docs


def make_docs(n):
    return [Doc(Vocab(), words=["document", str(i)]) for i in range(n)]


def texts(path):
    return [doc.text for doc in read_docs(path, Vocab())]


class Interrupted(Exception):
    pass


def run(folder, calls, stop_after=None, mark="a", n=10):
    def process(batch):
        if stop_after is not None and len(calls) == stop_after:
            raise Interrupted
        calls.append([doc.text for doc in batch])
        return batch

    return process_shards(make_docs(n), folder, process, fingerprint={"mark": mark}, shard_size=4)


def test_shards_that_are_done_are_not_made_again(tmp_path):
    calls = []
    with pytest.raises(Interrupted):
        run(tmp_path, calls, stop_after=2)
    assert not (tmp_path / MANIFEST).exists()
    manifest = run(tmp_path, calls)
    assert [len(call) for call in calls] == [4, 4, 2]
    assert [shard["docs"] for shard in manifest["shards"]] == [4, 4, 2]
    assert len(texts(tmp_path)) == 10


def test_shards_of_other_inputs_are_made_again(tmp_path):
    run(tmp_path, [], n=10)
    calls = []
    run(tmp_path, calls, mark="b", n=6)
    assert [len(call) for call in calls] == [4, 2]
    assert len(texts(tmp_path)) == 6


def test_a_shard_that_was_changed_by_hand_is_made_again(tmp_path):
    run(tmp_path, [])
    write_docs(tmp_path / "shard-00001.spacy", make_docs(1))
    calls = []
    run(tmp_path, calls)
    assert [len(call) for call in calls] == [4]
    assert len(texts(tmp_path)) == 10


def test_a_shard_that_is_not_complete_is_made_again(tmp_path):
    calls = []

    def process(batch):
        calls.append(len(batch))
        return batch

    for _ in range(2):
        work = Work(make_docs(10), process, lambda docs: docs[0].text != "document 4 ")
        write_shards(work, tmp_path, fingerprint={}, shard_size=4)
    assert calls == [4, 4, 2, 4]
    assert len(texts(tmp_path)) == 10


def test_a_copy_that_something_else_left_is_no_data(tmp_path):
    run(tmp_path, [])
    write_docs(tmp_path / "shard-00001 (conflict).spacy", make_docs(3))
    assert len(texts(tmp_path)) == 10


def test_a_shard_that_is_gone_is_one_line(tmp_path):
    run(tmp_path, [])
    (tmp_path / "shard-00001.spacy").unlink()
    with pytest.raises(LLMJudgeError, match=r"\[J006\].*shard-00001.spacy is missing"):
        texts(tmp_path)
    run(tmp_path, [])
    assert len(texts(tmp_path)) == 10


def test_shards_that_are_left_of_a_larger_run_go_when_the_new_ones_are_whole(tmp_path):
    run(tmp_path, [], n=10)
    with pytest.raises(Interrupted):
        run(tmp_path, [], stop_after=1, mark="b", n=6)
    assert (tmp_path / "shard-00002.spacy").exists() and not (tmp_path / MANIFEST).exists()
    run(tmp_path, [], mark="b", n=6)
    assert not (tmp_path / "shard-00002.spacy").exists()
    assert set(read_json(tmp_path / "stages.json")["stages"]) == {"shard-00000", "shard-00001"}


def test_a_shard_of_no_documents_is_refused_before_anything_goes(tmp_path):
    run(tmp_path, [])
    with pytest.raises(LLMJudgeError, match=r"\[J007\].*--shard-size"):
        process_shards(make_docs(2), tmp_path, list, fingerprint={}, shard_size=0)
    assert len(texts(tmp_path)) == 10


def test_what_there_is_to_say_of_a_shard_is_kept_with_it(tmp_path):
    calls = []

    def describe(docs):
        calls.append(len(docs))
        return {"n": len(docs)}

    for _ in range(2):
        work = Work(make_docs(6), list, describe=describe)
        manifest = write_shards(work, tmp_path, fingerprint={}, shard_size=4)
        assert [shard["n"] for shard in manifest["shards"]] == [4, 2]
    assert calls == [4, 2]
