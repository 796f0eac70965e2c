"""The step `judge` with a real server: replies arrive, a second run asks nothing, a budget stops it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from loopback import Answer, Loopback, chat
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import get_candidates, get_status
from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.steps.calibrate import calibrate
from spacy_llmjudge.steps.filter import filter_candidates
from spacy_llmjudge.steps.judge import is_asked, judge
from spacy_llmjudge.storage import read_docs

CONFIG = Path(__file__).parents[2] / "configs" / "judges" / "vllm.cfg"
FILTER = Path(__file__).parents[2] / "configs" / "filter.cfg"


@pytest.fixture(scope="module")
def annotated(small_student, small_corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("annotated")
    calibration = folder / "calibration.json"
    calibrate(str(small_student), small_corpus / "dev.spacy", calibration)
    annotate(
        str(small_student), calibration, small_corpus / "dev.spacy", folder / "dev", shard_size=16
    )
    return folder / "dev"


@pytest.fixture(scope="module")
def replies(small_dataset):
    rows = map(json.loads, (small_dataset / "responses.jsonl").open(encoding="utf8"))
    return {row["text"]: row["response"] for row in rows}


def answer_from(replies):
    """A judge that finds the text between the marks of the data block and says what was recorded."""

    def script(request):
        found = [text for text in replies if text in request.prompt.rsplit("TEXT", 1)[-1]]
        found = found or [text for text in replies if text in request.prompt]
        return Answer(chat(json.dumps(replies[max(found, key=request.prompt.rfind)])))

    return script


def overrides(server, corpus, folder, **changes):
    return {
        "paths.labelled": str(corpus / "labelled.spacy"),
        "paths.ledger": str(folder / "ledger.sqlite"),
        "components.llm_judge.model.model.base_url": server.url,
        "components.llm_judge.task.n_demonstrations": 0,
        **changes,
    }


@pytest.mark.slow
def test_a_server_judges_and_is_asked_once(annotated, small_corpus, replies, tmp_path):
    with Loopback(answer_from(replies)) as server:
        settings = overrides(server, small_corpus, tmp_path)
        first = judge(annotated, tmp_path / "a", CONFIG, overrides=settings)
        n_asked = len(server.requests)
        judge(annotated, tmp_path / "b", CONFIG, overrides=settings)
        assert len(server.requests) == n_asked == 50
    docs = list(read_docs(tmp_path / "a", Vocab()))
    assert {get_status(doc)["state"] for doc in docs} == {"judged"}
    listed = [c for doc in docs for c in get_candidates(doc) if c.verdict == "correct"]
    expected = sum(len(replies[doc.text]["entities"]) for doc in docs)
    assert len(listed) >= 0.97 * expected
    assert first["usage"]["requests"] == 50 and first["usage"]["tokens_in"] == 500


@pytest.mark.slow
def test_a_server_that_is_down_leaves_reasons_and_nothing_else(
    annotated, small_corpus, replies, tmp_path
):
    with Loopback(lambda request: Answer("busy", status=503)) as server:
        settings = overrides(server, small_corpus, tmp_path)
        settings["components.llm_judge.model.model.max_tries"] = 1
        result = judge(annotated, tmp_path / "a", CONFIG, overrides=settings)
    assert set(result["states"]) <= {"not_sent: http_503", "not_sent: server_down"}


def test_a_document_without_candidates_needs_no_second_run():
    from spacy.tokens import Doc

    from spacy_llmjudge.candidates import set_status

    doc = Doc(Vocab(), words=["nothing"])
    set_status(doc, "not_sent", "no_candidates")
    assert is_asked([doc])
    for reason in ("budget", "http_503", "refused"):
        set_status(doc, "not_sent", reason)
        assert not is_asked([doc])
    set_status(doc, "abstained", "content_filter")
    assert is_asked([doc])


@pytest.mark.slow
def test_the_number_of_workers_changes_no_byte_of_the_selection(
    annotated, small_corpus, replies, tmp_path
):
    """Replies come back in any order, and the silver and its report are the same."""
    recorded = answer_from(replies)

    def script(request):
        return replace(recorded(request), delay=(len(request.prompt) * 7 % 13) / 500)

    found = set()
    for workers in (1, 4, 32):
        folder = tmp_path / str(workers)
        with Loopback(script) as server:
            settings = overrides(server, small_corpus, folder)
            settings["components.llm_judge.model.model.concurrency"] = workers
            judge(annotated, folder / "judged", CONFIG, overrides=settings)
        silver, report = folder / "silver.spacy", folder / "selection.json"
        judged = (folder / "judged", folder / "judged", small_corpus / "dev.spacy")
        filter_candidates(*judged, FILTER, silver, report)
        found.add((silver.read_bytes(), report.read_bytes()))
    assert len(found) == 1
