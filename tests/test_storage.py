import os
import time

import catalogue
import pytest
import srsly
from catalogue import Registry
from spacy.tokens import Doc, DocBin, SpanGroup
from spacy.vocab import Vocab

from spacy_llmjudge import storage
from spacy_llmjudge.candidates import Candidate, get_candidates, set_candidates
from spacy_llmjudge.errors import LLMJudgeError


def make_docs(n):
    vocab = Vocab()
    return [Doc(vocab, words=["document", str(i)]) for i in range(n)]


def texts(path):
    return [doc.text for doc in storage.read_docs(path, Vocab())]


def test_documents_come_back_as_they_were(tmp_path):
    assert storage.write_docs(tmp_path / "a" / "x.spacy", make_docs(3)) == 3
    assert texts(tmp_path / "a" / "x.spacy") == ["document 0 ", "document 1 ", "document 2 "]


def test_json_lines_have_their_numbers_and_say_what_is_wrong(tmp_path):
    path = tmp_path / "rows.jsonl"
    text = '\ufeff{"text": "a\u2028b"}\r\n\n\ufeff[1]\n{"text"\n'
    path.write_bytes(text.encode("utf8") + b'"\xff"')
    rows = dict(storage.read_json_lines(path))
    assert list(rows) == [1, 3, 4, 5]
    assert (rows[1], rows[3]) == ({"text": "a\u2028b"}, [1])
    assert isinstance(rows[4], ValueError) and isinstance(rows[5], UnicodeDecodeError)


def with_candidates(n):
    docs = make_docs(n)
    for doc in docs:
        set_candidates(doc, [Candidate(0, 1, "A", posterior=0.5), Candidate(1, 2, "B")])
    return docs


def test_the_bytes_are_those_of_a_plain_docbin(tmp_path):
    docs = with_candidates(5)
    storage.write_docs(tmp_path / "x.spacy", docs)
    plain = DocBin(docs=docs, store_user_data=False)
    assert (tmp_path / "x.spacy").read_bytes() == plain.to_bytes()
    again = list(storage.read_docs(tmp_path / "x.spacy", Vocab()))
    assert [get_candidates(doc) for doc in again] == [get_candidates(doc) for doc in docs]


def test_packages_are_searched_once_a_file_and_not_for_every_document(tmp_path, monkeypatch):
    searches = []
    search = Registry.get_entry_points

    def count(self):
        searches.append(self.namespace)
        return search(self)

    monkeypatch.setattr(Registry, "get_entry_points", count)
    storage.write_docs(tmp_path / "x.spacy", with_candidates(30))
    assert len(list(storage.read_docs(tmp_path / "x.spacy", Vocab()))) == 30
    codecs = [namespace for namespace in searches if "srsly" in namespace]
    assert 0 < len(codecs) <= 4


def test_what_another_package_adds_to_msgpack_is_used(tmp_path, monkeypatch):
    def encode(value, chain=None):
        return sorted(value) if isinstance(value, set) else chain(value)

    monkeypatch.setitem(catalogue.REGISTRY, (*srsly.msgpack_encoders.namespace, "sets"), encode)
    (doc,) = make_docs(1)
    doc.spans["x"] = SpanGroup(doc, name="x", attrs={"seen": {3, 1}})
    storage.write_docs(tmp_path / "x.spacy", [doc])
    (again,) = storage.read_docs(tmp_path / "x.spacy", Vocab())
    assert again.spans["x"].attrs == {"seen": [1, 3]}


def test_staged_files_appear_together_and_those_of_an_earlier_run_go(tmp_path):
    folder = tmp_path / "corpus"
    with storage.staged(folder, ("a.json", "b.json")) as stage:
        storage.write_json(stage / "a.json", 1)
        storage.write_json(stage / "b.json", 1)
        assert [path.name for path in folder.iterdir()] == [stage.name]
    (folder / "mine").write_text("kept")
    with storage.staged(folder, ("a.json", "b.json")) as stage:
        storage.write_json(stage / "a.json", 2)
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "mine"]
    assert storage.read_json(folder / "a.json") == 2


def test_a_stage_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyError):
        with storage.staged(tmp_path / "corpus", ("a.json",)) as stage:
            storage.write_json(stage / "a.json", 1)
            raise KeyError
    assert not (tmp_path / "corpus").exists()


def test_a_stage_that_cannot_be_moved_leaves_the_files_of_the_earlier_run(tmp_path, monkeypatch):
    folder, names = tmp_path / "corpus", ("new.json", "a.json", "b.json")
    with storage.staged(folder, names) as stage:
        storage.write_json(stage / "a.json", 1)
        storage.write_json(stage / "b.json", 1)
    move = os.replace

    def full_disk(source, target):
        if str(target) == str(folder / "b.json") and source.parent.name != "before":
            raise OSError("No space left on device")
        move(source, target)

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(LLMJudgeError, match="J003"):
        with storage.staged(folder, names) as stage:
            for name in names:
                storage.write_json(stage / name, 2)
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "b.json"]
    assert {storage.read_json(path) for path in folder.iterdir()} == {1}


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J001\] File not found: .*nope.spacy"):
        texts(tmp_path / "nope.spacy")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_one_line(tmp_path, share):
    path = tmp_path / "x.spacy"
    storage.write_docs(path, make_docs(3))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(LLMJudgeError, match=r"\[J002\] .*x.spacy is truncated"):
        texts(path)


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    storage.write_json(path, {"a": 1})

    def no_space(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(LLMJudgeError, match=r"\[J003\].*No space left"):
        storage.write_json(path, {"a": 2})
    assert storage.read_json(path) == {"a": 1}
    assert [file_.name for file_ in tmp_path.iterdir()] == ["x.json"]


def test_broken_json_is_one_line(tmp_path):
    (tmp_path / "x.json").write_text('{"a": ')
    with pytest.raises(LLMJudgeError, match=r"\[J004\].*x.json"):
        storage.read_json(tmp_path / "x.json")


def test_a_hash_of_json_does_not_see_the_order_of_keys():
    assert storage.sha256_json({"a": 1, "b": 2}) == storage.sha256_json({"b": 2, "a": 1})
    assert storage.sha256_json({"a": 1}) != storage.sha256_json({"a": 2})


def test_a_folder_hash_sees_names_and_contents(tmp_path):
    (tmp_path / "a").write_text("x")
    first = storage.sha256_path(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = storage.sha256_path(tmp_path)
    (tmp_path / "b").write_text("y")
    assert len({first, second, storage.sha256_path(tmp_path)}) == 3


@pytest.fixture(params=[0o022, 0o027, 0o002, 0o077])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_are_for_those_whom_the_umask_allows(tmp_path, umask):
    storage.write_json(tmp_path / "a.json", {})
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o666 & ~umask
    (tmp_path / "a.json").chmod(0o640)
    storage.write_json(tmp_path / "a.json", {"b": 1})
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("found", ["mine.txt", ".hidden"])
def test_a_folder_of_somebody_else_is_not_replaced(tmp_path, found):
    fresh, target = tmp_path / "fresh", tmp_path / "work"
    fresh.mkdir()
    target.mkdir()
    (target / found).write_text("years of work")
    with pytest.raises(LLMJudgeError, match=r"\[J663\].*it has no model-best"):
        storage.replace_folder(fresh, target, ["model-best"])
    assert (target / found).read_text() == "years of work" and fresh.is_dir()


def test_our_own_and_empty_folders_are_replaced(tmp_path):
    target = tmp_path / "work"
    target.mkdir()
    for content in ("one", "two"):
        fresh = tmp_path / "fresh"
        (fresh / "model-best").mkdir(parents=True)
        (fresh / "model-best" / content).touch()
        storage.replace_folder(fresh, target, ["model-best"])
        assert [path.name for path in (target / "model-best").iterdir()] == [content]
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_a_folder_comes_back_where_the_new_one_cannot_take_its_place(tmp_path):
    target = tmp_path / "work"
    (target / "model-best").mkdir(parents=True)
    with pytest.raises(FileNotFoundError):
        storage.replace_folder(tmp_path / "gone", target, ["model-best"])
    assert (target / "model-best").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_a_file_in_the_place_of_a_folder_is_not_replaced(tmp_path):
    (tmp_path / "work").write_text("a file")
    (tmp_path / "fresh").mkdir()
    with pytest.raises(LLMJudgeError, match=r"\[J663\]"):
        storage.replace_folder(tmp_path / "fresh", tmp_path / "work", ["model-best"])


def test_a_file_that_was_hashed_before_is_hashed_by_its_times(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"one")
    old = storage.sha256_file(path)
    # a moment later, of the same size, and with the time that it had
    times = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert storage.sha256_file(path) != old
    settled = storage._SETTLED
    try:
        storage._SETTLED = 0
        known = storage.sha256_file(path)
        assert known == storage.sha256_file(path) in storage._HASHES.values()
        time.sleep(0.02)  # the clock of a file system has ticks
        path.write_bytes(b"six")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert storage.sha256_file(path) not in (known, old)
    finally:
        storage._SETTLED = settled


def long_docs():
    vocab = Vocab()
    yield Doc(vocab, words=["slug" * 250_000, "ate"])
    yield Doc(
        vocab, words=["a"] * (storage.MAX_TOKENS + 1), spaces=[False] * (storage.MAX_TOKENS + 1)
    )


@pytest.mark.parametrize("doc", long_docs(), ids=["characters", "tokens"])
def test_a_document_that_no_pipeline_can_read_is_one_line(doc, tmp_path):
    storage.write_docs(tmp_path / "pool.spacy", [*make_docs(2), doc])
    with pytest.raises(LLMJudgeError, match=r"\[J114\] .*pool.spacy has a document") as caught:
        list(storage.read_docs(tmp_path / "pool.spacy", Vocab()))
    assert f"{len(doc)} tokens" in str(caught.value) and len(str(caught.value)) < 500


def test_the_longest_document_is_read(tmp_path):
    n = storage.MAX_TOKENS
    doc = Doc(Vocab(), words=["abcd"] * n, spaces=[False] * n)
    storage.write_docs(tmp_path / "pool.spacy", [doc, Doc(Vocab(), words=[])])
    assert [len(doc) for doc in storage.read_docs(tmp_path / "pool.spacy", Vocab())] == [n, 0]
