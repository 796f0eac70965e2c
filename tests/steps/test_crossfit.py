"""Cross-fitting on files: nobody sees the documents that he is evidence on, and nothing is promised."""

import json
import random
from pathlib import Path

import pytest
from spacy.vocab import Vocab
from spacy_llm.registry import registry as llm_registry

from spacy_llmjudge.candidates import get_candidates, get_status
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.steps.crossfit import CrossfitSettings, crossfit, split_folds
from spacy_llmjudge.steps.filter import filter_candidates
from spacy_llmjudge.steps.judge import judge
from spacy_llmjudge.storage import read_docs, read_json, sha256_path, write_docs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
RECORDED = CONFIGS / "judges" / "recorded.cfg"
PROMPTS = []


@llm_registry.llm_models("tests.AnswersFromFile.v1")
def make_model(path: str):
    """A model that knows the gold, with some errors, and keeps the prompts that it got."""
    rows = [json.loads(line) for line in Path(path).open(encoding="utf8")]
    replies = {row["text"]: json.dumps(row["response"]) for row in rows}

    def answer(prompts):
        nested = [list(group) for group in prompts]
        PROMPTS.extend(prompt for group in nested for prompt in group)
        return [[replies[prompt.text] for prompt in group] for group in nested]

    answer.__annotations__ = _annotations()
    return answer


def _annotations():
    from typing import Iterable

    return {"prompts": Iterable[Iterable[str]], "return": Iterable[Iterable[str]]}


def write_replies(docs, path):
    """What a judge would say that is right in nine cases of ten."""
    rng, rows = random.Random(0), []
    for doc in docs:
        listed = [
            {"text": ent.text, "label": ent.label_, "confidence": rng.choice([70, 80, 90])}
            for ent in doc.ents
            if rng.random() < 0.9
        ]
        response = {"entities": listed, "alternatives": []}
        rows.append(json.dumps({"text": doc.text, "response": response}))
    path.write_text("\n".join(rows) + "\n", encoding="utf8")


def make_settings(folder, corpus, **changes):
    judge = folder / "judge.cfg"
    text = RECORDED.read_text(encoding="utf8")
    judge.write_text(text.replace("llmjudge.Recorded.v1", "tests.AnswersFromFile.v1"))
    labelled = list(read_docs(corpus / "labelled.spacy", Vocab()))
    write_replies(labelled, folder / "replies.jsonl")
    defaults = {
        "labelled": corpus / "labelled.spacy",
        "config": CONFIGS / "student_cpu.cfg",
        "judge": judge,
        "output": folder / "crossfit",
        "training": folder / "training",
        "calibration": folder / "calibration.json",
        "overrides": {
            "student": {"training.max_steps": 30},
            "judge": {"paths.replies": str(folder / "replies.jsonl")},
        },
        "n_folds": 3,
    }
    return CrossfitSettings(**{**defaults, **changes})


@pytest.fixture(scope="module")
def fitted(small_corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("crossfit")
    PROMPTS.clear()
    settings = make_settings(folder, small_corpus)
    return settings, crossfit(settings), list(PROMPTS)


def texts_of(path):
    return {doc.text for doc in read_docs(path, Vocab())}


def test_every_labelled_document_becomes_evidence_once(fitted, small_corpus):
    settings, result, _ = fitted
    docs = list(read_docs(settings.output / "evidence", Vocab()))
    assert sorted(doc.text for doc in docs) == sorted(
        doc.text for doc in read_docs(small_corpus / "labelled.spacy", Vocab())
    )
    assert result["documents"] == len(docs) == 60 and result["folds"] == 3
    assert {get_status(doc)["state"] for doc in docs} == {"judged"}
    found = [c for doc in docs for c in get_candidates(doc)]
    assert {c.source for c in found} == {"student", "judge"}
    assert all(0 < c.confidence < 1 for c in found if c.source == "student")
    assert read_json(settings.output / "crossfit.json") == result


def test_a_document_is_annotated_by_a_student_that_has_not_seen_it(fitted):
    settings, _, _ = fitted
    seen = set()
    for fold in split_folds(settings):
        held_out, rest = texts_of(fold.held_out), texts_of(fold.rest)
        assert held_out and not held_out & rest
        annotated = settings.output / "annotated" / f"fold-{fold.number}"
        assert texts_of(annotated) == held_out
        manifest = read_json(annotated / "manifest.json")
        assert manifest["fingerprint"]["model"] == sha256_path(fold.student)
        seen |= held_out
    assert len(seen) == 60


def test_the_demonstrations_leave_out_what_is_judged(fitted):
    _, _, prompts = fitted
    assert len(prompts) == 60
    for prompt in prompts:
        assert prompt.text not in {row["text"] for row in prompt.demonstrations}
        assert prompt.demonstrations and prompt.count(prompt.text) == 1


def test_every_fold_is_asked_about_all_labels(fitted):
    _, _, prompts = fitted
    assert len({tuple(prompt.labels) for prompt in prompts}) == 1


def test_the_calibration_is_for_the_student_of_all(fitted, small_student, small_corpus, tmp_path):
    settings, result, _ = fitted
    assert result["n_spans"] > 100 and len(read_json(settings.calibration)["folds"]) == 3
    manifest = annotate(
        str(small_student), settings.calibration, small_corpus / "pool.spacy", tmp_path / "pool"
    )
    assert sum(shard["docs"] for shard in manifest["shards"]) == 90
    found = [c for doc in read_docs(tmp_path / "pool", Vocab()) for c in get_candidates(doc)]
    assert found and all(0 < c.confidence < 1 for c in found)


@pytest.fixture(scope="module")
def judged_pool(fitted, small_student, small_corpus, small_dataset, tmp_path_factory):
    settings, folder = fitted[0], tmp_path_factory.mktemp("pool")
    annotate(
        str(small_student), settings.calibration, small_corpus / "pool.spacy", folder / "annotated"
    )
    paths = {
        "paths.labelled": str(small_corpus / "labelled.spacy"),
        "paths.replies": str(small_dataset / "responses.jsonl"),
    }
    judge(folder / "annotated", folder / "judged", RECORDED, overrides=paths)
    return folder / "judged"


@pytest.mark.parametrize("name", ["filter", "filter_weighted"])
def test_filter_takes_it_for_dev_and_promises_nothing(
    fitted, judged_pool, small_corpus, tmp_path, name
):
    report = filter_candidates(
        judged_pool,
        fitted[0].output / "evidence",
        small_corpus / "labelled.spacy",
        CONFIGS / f"{name}.cfg",
        tmp_path / "silver.spacy",
        tmp_path / "selection.json",
        overrides={"selector.q": 0.2},
    )
    assert report["decisions"]["accepted"] > 0
    assert report["evidence"] == "crossfit" and report["promise"]["kind"] is None
    assert report["statement"].startswith("This is cross-fitted, and its numbers promise nothing")
    assert "at most 0.2 on average" not in report["statement"]
    assert set(report["reliability"]) == {"student", "judge", "fused"}


def test_a_second_run_asks_and_trains_nothing(fitted):
    settings, result, _ = fitted
    PROMPTS.clear()
    record = settings.training / "fold-0" / "stages.json"
    before = record.stat().st_mtime_ns, sha256_path(settings.output / "evidence")
    assert crossfit(settings) == result
    assert PROMPTS == []
    assert (record.stat().st_mtime_ns, sha256_path(settings.output / "evidence")) == before


def test_a_judge_with_demonstrations_of_its_own_is_refused(small_corpus, tmp_path):
    settings = make_settings(tmp_path, small_corpus)
    text = settings.judge.read_text()
    fixed = f'demonstrations = "{small_corpus / "labelled.spacy"}"'
    settings.judge.write_text(text.replace("demonstrations = ${paths.labelled}", fixed))
    with pytest.raises(LLMJudgeError, match=r"\[J824\].*paths.labelled"):
        crossfit(settings)
    assert not settings.training.exists() and not settings.calibration.exists()


def test_too_few_documents_are_one_line(small_corpus, tmp_path):
    docs = list(read_docs(small_corpus / "labelled.spacy", Vocab()))
    write_docs(tmp_path / "one.spacy", docs[:1])
    settings = make_settings(tmp_path, small_corpus, labelled=tmp_path / "one.spacy")
    with pytest.raises(LLMJudgeError, match=r"\[J825\].*1 documents in 1 fold"):
        crossfit(settings)
    assert not settings.output.exists()


def test_one_fold_is_refused(small_corpus, tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J112\].*n_folds is 1"):
        crossfit(make_settings(tmp_path, small_corpus, n_folds=1))


@pytest.mark.slow
def test_a_judge_that_knows_no_answer_is_one_line(small_corpus, small_dataset, tmp_path):
    overrides = {
        "student": {"training.max_steps": 1},
        "judge": {"paths.replies": str(small_dataset / "responses.jsonl")},
    }
    settings = make_settings(tmp_path, small_corpus, judge=RECORDED, n_folds=2, overrides=overrides)
    with pytest.raises(LLMJudgeError, match=r"\[J826\].*none of 60.*no_recorded_reply"):
        crossfit(settings)
    assert not (settings.output / "evidence").exists()
