import os
import random
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Corpus
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import Candidate, get_candidates, set_candidates
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.storage import read_docs, read_texts, write_docs
from spacy_llmjudge.streams import (
    Documents,
    Sorter,
    Writer,
    count_docs,
    find_by_text,
    write_documents,
)


def make_docs(n, vocab=None):
    vocab = vocab or Vocab()
    for i in range(n):
        doc = Doc(vocab, words=["slugs", f"ate{i}", "my", "hostas"], spaces=[True] * 3 + [False])
        set_candidates(doc, [Candidate(0, 1, "PEST", 0.5), Candidate(3, 4, f"PLANT{i % 3}")])
        yield doc


def said(docs):
    return [(doc.text, get_candidates(doc)) for doc in docs]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_slices_and_passes_give_the_same_documents_whatever_the_shards(tmp_path, size):
    process_shards(list(make_docs(20)), tmp_path, list, fingerprint={}, shard_size=size)
    expected = said(make_docs(20))
    docs = Documents(tmp_path)
    assert len(docs) == count_docs(tmp_path) == 20
    assert said(docs) == expected
    for start, stop in [(0, 20), (0, 1), (6, 8), (13, 20), (19, 40), (5, 5)]:
        assert said(docs[start:stop]) == expected[start:stop]
    assert said([docs[3]]) == [expected[3]]
    assert list(docs.texts) == [text for text, _ in expected] and docs.texts[7] == expected[7][0]


def test_texts_are_those_of_the_documents(tmp_path):
    vocab = Vocab()
    docs = [
        Doc(vocab, words=["a", "b"]),
        Doc(vocab, words=["it", "'s", " ", "€ 5", "ORTH"], spaces=[False, True, False, True, True]),
        Doc(vocab),
    ]
    write_docs(tmp_path / "x.spacy", docs)
    assert list(read_texts(tmp_path / "x.spacy")) == [doc.text for doc in docs]
    unknown = Doc(vocab, words=["a", "b"], spaces=None)
    assert unknown.has_unknown_spaces
    write_docs(tmp_path / "y.spacy", [unknown])
    (read,) = read_docs(tmp_path / "y.spacy", Vocab())
    assert list(read_texts(tmp_path / "y.spacy")) == [read.text]


def test_few_documents_are_one_file_with_the_bytes_of_a_plain_one(tmp_path):
    write_docs(tmp_path / "plain.spacy", make_docs(600))
    assert write_documents(tmp_path / "ours.spacy", make_docs(600)) == 600
    assert (tmp_path / "ours.spacy").read_bytes() == (tmp_path / "plain.spacy").read_bytes()


def test_many_documents_are_a_folder_that_spacy_reads(tmp_path):
    path = tmp_path / "pool.spacy"
    assert write_documents(path, make_docs(600), most=500) == 600
    assert [len(list(read_docs(file_, Vocab()))) for file_ in sorted(path.glob("*.spacy"))] == [
        256,
        256,
        88,
    ]
    assert said(read_docs(path, Vocab())) == said(make_docs(600))
    texts = [eg.reference.text for eg in Corpus(path)(spacy.blank("en"))]
    assert texts == [doc.text for doc in make_docs(600)]


def test_a_file_takes_the_place_of_a_folder_and_the_other_way_round(tmp_path):
    path = tmp_path / "pool.spacy"
    for n in (300, 10, 300, 0):
        write_documents(path, make_docs(n), most=100)
        assert path.is_dir() == (n > 100) and len(Documents(path)) == n
    assert [one.name for one in tmp_path.iterdir()] == ["pool.spacy"]


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "pool.spacy").mkdir()
    (tmp_path / "pool.spacy" / "letter.txt").write_text("dear gardener")
    with pytest.raises(LLMJudgeError, match="J663"):
        write_documents(tmp_path / "pool.spacy", make_docs(3))
    assert (tmp_path / "pool.spacy" / "letter.txt").exists()


def test_what_fails_on_the_way_leaves_what_was_there(tmp_path):
    def failing():
        yield from make_docs(300)
        raise KeyError("broken")

    path = tmp_path / "pool.spacy"
    write_documents(path, make_docs(3))
    with pytest.raises(KeyError):
        write_documents(path, failing(), most=100)
    assert len(Documents(path)) == 3 and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("most", [3, 50, 1000])
def test_documents_come_back_in_their_order(tmp_path, most):
    docs = list(make_docs(100))
    ranks = list(range(100))
    random.Random(0).shuffle(ranks)
    sorter = Sorter(tmp_path / "waiting", most)
    for rank, doc in zip(ranks, docs):
        sorter.add(rank, doc)
    assert (tmp_path / "waiting").exists() == (most < 100)
    found = dict(sorter)
    assert list(found) == sorted(ranks)
    assert said(found[rank] for rank in ranks) == said(docs)
    # what they become is what they would have become unsorted
    write_documents(tmp_path / "sorted.spacy", found.values())
    write_docs(tmp_path / "plain.spacy", [docs[ranks.index(i)] for i in range(100)])
    assert (tmp_path / "sorted.spacy").read_bytes() == (tmp_path / "plain.spacy").read_bytes()
    sorter.discard()
    assert not (tmp_path / "waiting").exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_documents(tmp_path):
    def peak(n):
        tracemalloc.start()
        vocab = Vocab()
        writer = Writer(tmp_path / "many.spacy", most=256)
        for _ in range(n // 256):
            for doc in make_docs(256, vocab):
                writer.add(doc)
        writer.finish()
        for doc in Documents(tmp_path / "many.spacy"):
            assert len(doc) == 4
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(256 * 40) < 1.3 * peak(256 * 4)


def test_documents_are_found_by_any_index_that_a_list_takes(tmp_path):
    docs = list(make_docs(7))
    write_documents(tmp_path / "a.spacy", docs, most=2)
    found = Documents(tmp_path / "a.spacy")
    texts = [doc.text for doc in docs]
    assert found[-1].text == texts[-1] and found[np.int64(2)].text == texts[2]
    for cut in (slice(None, None, 2), slice(None, None, -1), slice(5, 1, -2), slice(-3, None)):
        assert [doc.text for doc in found[cut]] == texts[cut]
    for number in (7, -8):
        with pytest.raises(IndexError):
            found[number]


@pytest.mark.parametrize("n", [3, 4])
def test_the_limit_of_a_file_is_exact(tmp_path, n):
    write_documents(tmp_path / "a.spacy", make_docs(n), most=3)
    assert (tmp_path / "a.spacy").is_dir() == (n > 3)
    assert count_docs(tmp_path / "a.spacy") == n


@pytest.mark.parametrize("before,now", [(2, 9), (9, 9), (9, 2)])
def test_what_cannot_be_put_in_its_place_leaves_what_was_there(tmp_path, monkeypatch, before, now):
    path = tmp_path / "a.spacy"
    write_documents(path, make_docs(before), most=5)
    move = os.replace

    def fail(source, target):
        if Path(target) == path and not str(source).endswith(".stale"):
            raise OSError(28, "No space left on device")
        move(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(LLMJudgeError, match="J003"):
        write_documents(path, make_docs(now), most=5)
    monkeypatch.undo()
    assert count_docs(path) == before
    write_documents(path, make_docs(now), most=5)
    assert count_docs(path) == now and [p.name for p in tmp_path.iterdir()] == ["a.spacy"]


@given(st.lists(st.sampled_from("abcdef")), st.lists(st.sampled_from("abcdefgh")))
@settings(max_examples=30, deadline=None)
def test_documents_are_found_by_their_text(texts, others):
    """Of several with the same text the last one counts, as in a dict."""
    vocab = Vocab()
    docs = [Doc(vocab, words=[text], tags=[str(i)]) for i, text in enumerate(others)]
    by_text = {doc.text: doc[0].tag_ for doc in docs}
    with tempfile.TemporaryDirectory() as folder:
        wanted = [f"{text} " for text in texts]
        found = list(find_by_text(wanted, docs, Path(folder) / "waiting"))
        assert not list(Path(folder).iterdir())
    tags = [None if doc is None else doc[0].tag_ for doc in found]
    assert tags == [by_text.get(text) for text in wanted]


def test_documents_that_are_found_wait_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("spacy_llmjudge.streams.MOST_WAITING", 4)
    docs = list(make_docs(30))
    found = find_by_text((doc.text for doc in docs), reversed(docs), tmp_path / "waiting")
    assert said([next(found)]) == said(docs[:1])
    assert (tmp_path / "waiting").exists()
    assert said(found) == said(docs[1:]) and not (tmp_path / "waiting").exists()
