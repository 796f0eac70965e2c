"""Ledgers that were damaged from outside: what can be read is kept, and what cannot is asked for again."""

import json
import os
import random
import shutil
import sqlite3
import time
import warnings

import pytest
from loopback import Answer, Loopback, chat

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.ledger.model import make_ledger_model
from spacy_llmjudge.ledger.rescue import find_damage
from spacy_llmjudge.ledger.store import LedgerStore
from spacy_llmjudge.models.openai import make_openai_model

PAGE = 4096
N = 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A closed ledger with short and long replies."""
    path = tmp_path_factory.mktemp("ledger") / "l.db"
    store = LedgerStore(path)
    for i in range(N):
        claim = store.reserve(f"key {i}", "model", 5, None)
        store.settle(claim.row, "replied", charge=3, reply=reply(i))
    store.close()
    return path


def reply(i):
    return json.dumps({"text": f"{i} " + "abcd " * (40 if i % 3 else 2000)})


def damage(path, folder, page, data):
    copy = folder / path.name
    shutil.copy(path, copy)
    with copy.open("r+b") as file_:
        file_.seek(page * PAGE)
        file_.write(data)
    return copy


def all_pages(path, step):
    return range(1, path.stat().st_size // PAGE, step)


def check_page(whole, folder, page, data):
    """Whatever page is gone: what is found is right, and most is found."""
    path = damage(whole, folder, page, data)
    store = LedgerStore(path)
    found = [store.find(f"key {i}") for i in range(N)]
    store.close()
    right = sum(text == reply(i) for i, text in enumerate(found))
    # A damaged reply is not JSON any more, or it was in a page that is not read.
    for i, text in enumerate(found):
        assert text in (None, reply(i)) or not is_json(text)
    return right


def is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("kind", ["zeros", "noise"])
def test_one_page_that_was_overwritten_hides_little(whole, tmp_path, kind):
    rng = random.Random(0)
    pages = list(all_pages(whole, 4))
    for page in pages:
        data = bytes(PAGE) if kind == "zeros" else rng.randbytes(PAGE)
        folder = tmp_path / str(page)
        folder.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert check_page(whole, folder, page, data) >= N - 25
    assert len(pages) > 10


@pytest.mark.slow
def test_any_page_that_was_overwritten_hides_little(whole, tmp_path):
    """But for the root of the table of requests, behind which nothing is found; no other is like it."""
    found = []
    for page in all_pages(whole, 1):
        folder = tmp_path / str(page)
        folder.mkdir()
        found.append(check_page(whole, folder, page, bytes(PAGE)))
    assert sorted(found)[:2] >= [0, N - 25]


def test_two_pages_that_were_overwritten_hide_nothing_between_them(whole, tmp_path):
    leaves = [page for page in all_pages(whole, 1) if whole.read_bytes()[page * PAGE] == 0x0D]
    path = damage(whole, tmp_path, leaves[len(leaves) // 4], bytes(PAGE))
    with path.open("r+b") as file_:
        file_.seek(leaves[3 * len(leaves) // 4] * PAGE)
        file_.write(bytes(PAGE))
    store = LedgerStore(path)
    assert store.rescued is not None
    found = [store.find(f"key {i}") for i in range(N)]
    store.close()
    assert sum(text == reply(i) for i, text in enumerate(found)) >= N - 25


def test_a_whole_ledger_is_left_alone(whole, tmp_path):
    assert find_damage(whole) is None
    shutil.copy(whole, tmp_path / "l.db")
    store = LedgerStore(tmp_path / "l.db")
    assert store.rescued is None
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["l.db"]


def test_a_ledger_without_its_first_page_is_refused_and_left_alone(whole, tmp_path):
    path = damage(whole, tmp_path, 0, b"SQLite format 3\0" + bytes(PAGE - 16))
    data = path.read_bytes()
    with pytest.raises(LLMJudgeError, match="J320.*l.db"):
        LedgerStore(path)
    assert path.read_bytes() == data


def test_a_damaged_ledger_is_not_moved_under_the_feet_of_a_run(whole, tmp_path):
    shutil.copy(whole, tmp_path / "l.db")
    path = tmp_path / "l.db"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _alive = LedgerStore(path)
        os.write(writer, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(reader, 1)
    try:
        page = path.stat().st_size // PAGE // 2
        with path.open("r+b") as file_:
            file_.seek(page * PAGE)
            file_.write(bytes(PAGE))
        with pytest.raises(LLMJudgeError, match="J326.*alive"):
            LedgerStore(path)
        assert not list(tmp_path.glob("*.damaged-*"))
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    store = LedgerStore(path)
    assert store.rescued is not None
    store.close()


def ask(server, path, n):
    model = make_ledger_model(make_openai_model(server.url, "tiny"), path)
    replies = [reply for (reply,) in model([[f"prompt {i}"] for i in range(n)])]
    model.close()
    return replies


def echo(request):
    return Answer(chat(f"reply to {request.prompt}", padding="x" * 5000))


def test_what_was_on_a_damaged_page_is_asked_for_again(tmp_path):
    path = tmp_path / "l.db"
    with Loopback(echo) as server:
        before = ask(server, path, 40)
        n_sent = len(server.requests)
        page = path.stat().st_size // PAGE // 2
        with path.open("r+b") as file_:
            file_.seek(page * PAGE)
            file_.write(bytes(PAGE))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert ask(server, path, 40) == before
        codes = {str(w.message).split()[0] for w in caught}
        assert codes <= {"[JW312]", "[JW335]"} and codes
        assert 0 < len(server.requests) - n_sent < 5
        assert ask(server, path, 40) == before


@pytest.mark.parametrize("text", [b"{", b'{"choices": NaN}', b"\xff\xfe"])
def test_a_reply_that_was_damaged_is_asked_for_again(tmp_path, text):
    path = tmp_path / "l.db"
    with Loopback(echo) as server:
        ask(server, path, 3)
        db = sqlite3.connect(path)
        db.execute("UPDATE attempts SET reply = CAST(? AS TEXT) WHERE id = 2", (text,))
        db.commit()
        db.close()
        with pytest.warns(UserWarning, match="JW335"):
            assert [str(r) for r in ask(server, path, 3)] == [
                f"reply to prompt {i}" for i in range(3)
            ]
        assert len(server.requests) == 4


def test_a_ledger_that_is_damaged_in_the_middle_of_a_run_ends_in_one_line(tmp_path):
    path = tmp_path / "l.db"
    with Loopback(echo) as server:
        ask(server, path, 40)
        model = make_ledger_model(make_openai_model(server.url, "tiny"), path)
        stream = iter(model([[f"prompt {i}"] for i in range(40)]))
        next(stream)
        data = bytearray(path.read_bytes())
        for page in range(2, len(data) // PAGE):
            data[page * PAGE : (page + 1) * PAGE] = bytes(PAGE)
        with path.open("r+b") as file_:
            file_.write(data)
        model._store._reader.execute("PRAGMA shrink_memory")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(LLMJudgeError, match="J335.*Run the same command again"):
                list(stream)
