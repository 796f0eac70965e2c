"""The steps give the same whatever files the pool lies in, and hold a part of it at a time."""

import weakref
from pathlib import Path

import pytest
from spacy.vocab import Vocab

from spacy_llmjudge import streams
from spacy_llmjudge.candidates import DECIDED, get_candidates
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.steps import judge as judge_step
from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.steps.calibrate import calibrate
from spacy_llmjudge.steps.filter import filter_candidates
from spacy_llmjudge.steps.judge import judge
from spacy_llmjudge.storage import MANIFEST, read_docs, read_json
from spacy_llmjudge.streams import Documents, write_documents

CONFIGS = Path(__file__).parents[2] / "configs"
pytestmark = pytest.mark.slow


def said(path):
    return [(doc.text, get_candidates(doc)) for doc in read_docs(path, Vocab())]


@pytest.fixture(scope="module")
def run(small_student, small_corpus, small_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    calibration = folder / "calibration.json"
    calibrate(str(small_student), small_corpus / "dev.spacy", calibration)
    paths = {
        "paths.labelled": str(small_corpus / "labelled.spacy"),
        "paths.rules": str(small_dataset / "rules.txt"),
        "paths.replies": str(small_dataset / "responses.jsonl"),
    }

    def make(name, pool, shard_size, at_most=None, batch=256):
        out = folder / name
        for split, source in (("pool", pool), ("dev", small_corpus / "dev.spacy")):
            made, annotated = out / "made" / split, out / "annotated" / split
            # a shard is a batch too, and the last bits of a posterior depend on what shares a batch
            annotate(
                str(small_student),
                calibration,
                source,
                made,
                out_of_fold=split == "dev",
                shard_size=batch,
            )
            said = read_json(made / MANIFEST)["fingerprint"]
            docs = Documents(made)
            process_shards(docs, annotated, list, fingerprint=said, shard_size=shard_size)
            judge(
                annotated,
                out / "judged" / split,
                CONFIGS / "judges" / "recorded.cfg",
                overrides=paths,
                at_most=at_most if split == "pool" else None,
            )
        filter_candidates(
            out / "judged" / "pool",
            out / "judged" / "dev",
            small_corpus / "dev.spacy",
            CONFIGS / "filter.cfg",
            out / "silver.spacy",
            out / "selection.json",
            decided=out / DECIDED,
        )
        return out

    return make


@pytest.fixture(scope="module")
def plain(run, small_corpus):
    return run("plain", small_corpus / "pool.spacy", 256)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_pool_in_shards_gives_the_same_as_one_in_a_file(run, plain, small_corpus, tmp_path, size):
    pool = tmp_path / "pool.spacy"
    docs = list(read_docs(small_corpus / "pool.spacy", Vocab()))
    process_shards(docs, pool, list, fingerprint={}, shard_size=size)
    out = run(f"shards-{size}", pool, size)
    for name in ("annotated/pool", "judged/pool", DECIDED):
        assert said(out / name) == said(plain / name)
    assert (out / "silver.spacy").read_bytes() == (plain / "silver.spacy").read_bytes()
    assert read_json(out / "selection.json") == read_json(plain / "selection.json")


def test_the_documents_that_are_asked_about_do_not_depend_on_the_shards(
    run, small_corpus, tmp_path
):
    pool = tmp_path / "pool.spacy"
    assert write_documents(pool, read_docs(small_corpus / "pool.spacy", Vocab()), most=20) == 90
    found = []
    for name, source, size in (("some", small_corpus / "pool.spacy", 256), ("few", pool, 7)):
        out = run(name, source, size, at_most=12)
        found.append(said(out / "judged" / "pool"))
        states = read_json(out / "judged" / "pool" / MANIFEST)["shards"]
        assert sum(shard["states"]["not_asked"] for shard in states) == 90 - 12
    assert found[0] == found[1]


def test_a_step_that_is_done_reads_no_document(run, plain, small_corpus, monkeypatch):
    def forbidden(*args):
        raise AssertionError("a document was read")

    monkeypatch.setattr(Documents, "__getitem__", forbidden)
    monkeypatch.setattr(Documents, "__iter__", forbidden)
    run("plain", small_corpus / "pool.spacy", 256)


def test_a_part_of_the_pool_is_in_memory(run, small_corpus, tmp_path, monkeypatch):
    pool = tmp_path / "pool.spacy"
    docs = list(read_docs(small_corpus / "pool.spacy", Vocab()))
    process_shards(docs, pool, list, fingerprint={}, shard_size=7)
    alive, largest = weakref.WeakSet(), [0]
    make = streams.make_docs

    def count(binary, vocab, where, codecs):
        for doc in make(binary, vocab, where, codecs):
            # those of the silver wait apart to be sorted
            if Path(where).suffix == ".spacy":
                alive.add(doc)
                largest[0] = max(largest[0], len(alive))
            yield doc

    monkeypatch.setattr(streams, "make_docs", count)
    monkeypatch.setattr(judge_step, "SHARD_SIZE", 7)
    run("counted", pool, 7, batch=7)
    assert 7 <= largest[0] <= 2 * 7
