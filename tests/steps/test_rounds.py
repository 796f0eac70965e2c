"""The steps on files: what they write, that they resume, and what bad input comes to."""

import shutil
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import get_candidates, get_outside, get_status
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.selection.acquisition import doubt
from spacy_llmjudge.selection.files import read_selection
from spacy_llmjudge.shards import process_shards
from spacy_llmjudge.steps import baselines
from spacy_llmjudge.steps.annotate import annotate
from spacy_llmjudge.steps.calibrate import calibrate
from spacy_llmjudge.steps.evaluate import evaluate
from spacy_llmjudge.steps.filter import NothingSelected, filter_candidates
from spacy_llmjudge.steps.judge import judge
from spacy_llmjudge.storage import read_docs, read_json, sha256_file, write_docs

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "configs" / "judges" / "recorded.cfg"
FILTER = ROOT / "configs" / "filter.cfg"


@pytest.fixture(scope="module")
def calibration(small_student, small_corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("calibration") / "calibration.json"
    calibrate(str(small_student), small_corpus / "dev.spacy", path)
    return path


@pytest.fixture(scope="module")
def annotated(small_student, small_corpus, calibration, tmp_path_factory):
    folder = tmp_path_factory.mktemp("annotated")
    for split in ("pool", "dev"):
        annotate(
            str(small_student),
            calibration,
            small_corpus / f"{split}.spacy",
            folder / split,
            out_of_fold=split == "dev",
            shard_size=32,
        )
    return folder


@pytest.fixture(scope="module")
def judged(annotated, small_corpus, small_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")
    for split in ("pool", "dev"):
        judge(
            annotated / split,
            folder / split,
            RECORDED,
            overrides={
                "paths.labelled": str(small_corpus / "labelled.spacy"),
                "paths.rules": str(small_dataset / "rules.txt"),
                "paths.replies": str(small_dataset / "responses.jsonl"),
            },
        )
    return folder


def select(judged, small_corpus, folder, **overrides):
    return filter_candidates(
        judged / "pool",
        judged / "dev",
        small_corpus / "dev.spacy",
        FILTER,
        folder / "silver.spacy",
        folder / "selection.json",
        overrides=overrides,
    )


def docs_of(path):
    return list(read_docs(path, Vocab()))


def test_annotated_documents_carry_posteriors_and_confidences(annotated):
    docs = docs_of(annotated / "pool")
    assert len(docs) == 90
    found = [c for doc in docs for c in get_candidates(doc)]
    assert found and all(0 <= c.posterior <= 1 for c in found)
    assert all(0 < c.confidence < 1 and c.source == "student" for c in found)
    assert all(len(get_outside(doc)) == len(doc) for doc in docs)


def test_held_out_documents_are_scored_without_their_fold(
    small_student, small_corpus, calibration, annotated, tmp_path
):
    annotate(str(small_student), calibration, small_corpus / "dev.spacy", tmp_path / "dev")
    plain = [c.confidence for d in docs_of(tmp_path / "dev") for c in get_candidates(d)]
    folds = [c.confidence for d in docs_of(annotated / "dev") for c in get_candidates(d)]
    assert plain != folds


def test_annotation_takes_up_what_is_missing(
    annotated, small_student, small_corpus, calibration, tmp_path
):
    shutil.copytree(annotated / "pool", tmp_path / "pool")
    (tmp_path / "pool" / "shard-00001.spacy").unlink()
    (tmp_path / "pool" / "manifest.json").unlink()
    before = (tmp_path / "pool" / "shard-00000.spacy").stat().st_mtime_ns
    annotate(
        str(small_student),
        calibration,
        small_corpus / "pool.spacy",
        tmp_path / "pool",
        shard_size=32,
    )
    assert (tmp_path / "pool" / "shard-00000.spacy").stat().st_mtime_ns == before
    assert sha256_file(tmp_path / "pool" / "shard-00001.spacy") == sha256_file(
        annotated / "pool" / "shard-00001.spacy"
    )


def test_labels_that_the_labelled_set_lacks_are_left_out(
    small_student, small_corpus, calibration, tmp_path
):
    vocab = Vocab()
    doc = Doc(vocab, words=["slugs"])
    doc.set_ents([spacy.tokens.Span(doc, 0, 1, label="PEST")])
    write_docs(tmp_path / "labelled.spacy", [doc])
    annotate(
        str(small_student),
        calibration,
        small_corpus / "pool.spacy",
        tmp_path / "pool",
        labels=tmp_path / "labelled.spacy",
    )
    docs = docs_of(tmp_path / "pool")
    assert {c.label for doc in docs for c in get_candidates(doc)} == {"PEST"}
    assert {ent.label_ for doc in docs for ent in doc.ents} <= {"PEST"}


@pytest.mark.parametrize("sentences", [50, pytest.param(5000, marks=pytest.mark.slow)])
def test_odd_documents_pass_through_annotation_and_judge(
    small_student, small_dataset, calibration, tmp_path, sentences
):
    nlp = spacy.blank("en")
    texts = [
        "",
        "   \n ",
        "Bl\u00e4tter \U0001f331 e\u0301 \u202exyz",
        "slugs ate it . " * sentences,
    ]
    write_docs(tmp_path / "odd.spacy", [nlp.make_doc(text) for text in texts])
    annotate(str(small_student), calibration, tmp_path / "odd.spacy", tmp_path / "a")
    judged = judge(
        tmp_path / "a",
        tmp_path / "j",
        RECORDED,
        overrides={
            "paths.replies": str(small_dataset / "responses.jsonl"),
            "components.llm_judge.task.labels": ["PEST"],
        },
    )
    docs = docs_of(tmp_path / "j")
    assert [len(doc) for doc in docs] == [len(nlp.make_doc(text)) for text in texts]
    assert all(get_status(doc)["state"] != "judged" for doc in docs if doc.text.strip())
    assert sum(judged["states"].values()) == 4


def test_nothing_to_calibrate_on_is_one_line(small_student, tmp_path):
    write_docs(tmp_path / "dev.spacy", [spacy.blank("en")("No entity here")])
    with pytest.raises(LLMJudgeError, match=r"\[J801\].*dev.spacy"):
        calibrate(str(small_student), tmp_path / "dev.spacy", tmp_path / "c.json")
    assert not (tmp_path / "c.json").exists()


def test_the_judge_sees_every_document(judged):
    docs = docs_of(judged / "pool")
    assert [get_status(doc)["state"] for doc in docs] == ["judged"] * 90
    verdicts = {c.verdict for doc in docs for c in get_candidates(doc)}
    assert {"correct", "not_entity"} <= verdicts
    assert {c.source for doc in docs for c in get_candidates(doc)} == {"student", "judge"}


def test_a_part_of_the_pool_is_judged_and_nothing_is_promised_for_it(
    annotated, judged, small_corpus, small_dataset, tmp_path
):
    overrides = {
        "paths.labelled": str(small_corpus / "labelled.spacy"),
        "paths.rules": str(small_dataset / "rules.txt"),
        "paths.replies": str(small_dataset / "responses.jsonl"),
    }
    found = judge(
        annotated / "pool", tmp_path / "judged" / "pool", RECORDED, at_most=30, overrides=overrides
    )
    assert found["states"] == {"judged": 30, "not_asked": 60}
    before, after = docs_of(annotated / "pool"), docs_of(tmp_path / "judged" / "pool")
    assert [doc.text for doc in before] == [doc.text for doc in after]
    for old, new, full in zip(before, after, docs_of(judged / "pool")):
        asked = get_status(new)["state"] == "judged"
        assert get_candidates(new) == get_candidates(full if asked else old)
    asked = [doubt(doc) for doc in after if get_status(doc)["state"] == "judged"]
    assert min(asked) >= max(doubt(doc) for doc in after if get_status(doc)["state"] is None)
    shutil.copytree(judged / "dev", tmp_path / "judged" / "dev")
    report = select(tmp_path / "judged", small_corpus, tmp_path)
    # the seed student's own labels of the rest would drown what the judge said
    assert (
        report["settings"]["silver"]["unjudged"] is False
        and report["documents"]["left_out_unjudged"] == 60
    )
    report = select(tmp_path / "judged", small_corpus, tmp_path, **{"silver.unjudged": True})
    assert report["promise"]["kind"] is None and report["unjudged"]["promise"]["kind"] is None
    assert report["statement"].startswith(
        "No promise, because the documents that the judge read are those"
    )
    assert "at most" not in report["statement"]


@pytest.mark.slow
def test_nothing_is_promised_about_a_pool_that_the_student_has_learned_from(
    judged, calibration, small_student, small_corpus, small_dataset, tmp_path
):
    select(judged, small_corpus, tmp_path)
    learned = tmp_path / "learned"
    shutil.copytree(small_student, learned)
    text = (learned / "config.cfg").read_text(encoding="utf8")
    assert "silver = null" in text
    silver = (tmp_path / "silver.spacy").as_posix()
    (learned / "config.cfg").write_text(
        text.replace("silver = null", f'silver = "{silver}"'), encoding="utf8"
    )
    for split in ("pool", "dev"):
        source = small_corpus / f"{split}.spacy"
        annotate(
            str(learned), calibration, source, tmp_path / "a" / split, out_of_fold=split == "dev"
        )
        given = {
            "paths.labelled": str(small_corpus / "labelled.spacy"),
            "paths.rules": str(small_dataset / "rules.txt"),
            "paths.replies": str(small_dataset / "responses.jsonl"),
        }
        judge(tmp_path / "a" / split, tmp_path / "j" / split, RECORDED, overrides=given)
    assert read_json(tmp_path / "a" / "pool" / "manifest.json")["fingerprint"]["learned"] is True
    report = select(tmp_path / "j", small_corpus, tmp_path)
    assert report["promise"]["kind"] is None and report["spans"]
    assert report["statement"].startswith(
        "No promise, because the student has learned from documents of this pool"
    )
    # of documents that it has not seen it is as honest as any
    other = tmp_path / "other.spacy"
    write_docs(other, [Doc(Vocab(), words=["No", "mites", "today"])])
    assert (
        "learned" not in annotate(str(learned), calibration, other, tmp_path / "o")["fingerprint"]
    )
    (tmp_path / "silver.spacy").unlink()
    assert (
        annotate(str(learned), calibration, other, tmp_path / "g")["fingerprint"]["learned"] is True
    )


def test_a_selection_without_a_span_is_no_silver(judged, small_corpus, tmp_path):
    with pytest.raises(NothingSelected, match=r"\[J802\].*Nothing is accepted"):
        select(judged, small_corpus, tmp_path, **{"selector.q": 0.001})
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "overrides, message",
    [
        ({"silver.doubt_cutt": 0.3}, r"\[J410\].*silver\.doubt_cutt.*doubt_cut,"),
        ({"silver.doubt_cut": "abc"}, r"\[J407\].*silver\.doubt_cut is 'abc'.*from 0 to 1"),
        ({"silver.doubt_cut": 7}, r"\[J407\].*doubt_cut is 7"),
        ({"silver.unjudged": "False"}, r"\[J407\].*unjudged is 'False'.*true or false"),
        ({"silver.masking": 1}, r"\[J407\].*masking is 1"),
        ({"selector.@llmjudge_selectors": "foo"}, r"\[J409\].*'foo'.*llmjudge\.Conformal\.v1"),
    ],
)
def test_settings_of_the_selection_are_checked(overrides, message, judged, small_corpus, tmp_path):
    with pytest.raises(LLMJudgeError, match=message):
        select(judged, small_corpus, tmp_path, **overrides)


@pytest.mark.parametrize(
    "text, missing",
    [("[silver]\n", r"\[selector\]"), ("[selector]\nq = 0.1\n", "@llmjudge_selectors")],
)
def test_a_config_without_a_selector_is_one_line(text, missing, judged, small_corpus, tmp_path):
    config = tmp_path / "f.cfg"
    config.write_text(text, encoding="utf8")
    with pytest.raises(LLMJudgeError, match=rf"\[J408\].*lacks {missing}"):
        read_selection(judged / "pool", judged / "dev", small_corpus / "dev.spacy", config)


def test_judging_before_annotating_is_one_line(tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*`annotate` first"):
        judge(tmp_path / "nope", tmp_path / "j", RECORDED)


def test_silver_keeps_its_promise_in_the_report(judged, small_corpus, tmp_path):
    report = select(judged, small_corpus, tmp_path)
    silver = docs_of(tmp_path / "silver.spacy")
    assert len(silver) == report["documents"]["silver"] > 60
    assert sum(len(doc.ents) for doc in silver) == report["spans"]
    assert report["spans"] == report["decisions"]["accepted"]
    assert report["promise"]["q"] == 0.25
    assert "if these and the pool are random samples" in report["statement"]
    assert read_json(tmp_path / "selection.json") == report


def test_a_smaller_q_accepts_fewer(judged, small_corpus, tmp_path):
    loose = select(judged, small_corpus, tmp_path, **{"selector.q": 0.3})
    strict = select(judged, small_corpus, tmp_path, **{"selector.q": 0.02})
    assert strict["decisions"]["accepted"] < loose["decisions"]["accepted"]


def test_the_same_judgements_are_the_same_silver(judged, small_corpus, tmp_path):
    for name in ("a", "b"):
        select(judged, small_corpus, tmp_path / name)
    assert sha256_file(tmp_path / "a" / "silver.spacy") == sha256_file(
        tmp_path / "b" / "silver.spacy"
    )


def test_gold_of_other_documents_is_one_line(judged, small_corpus, tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J803\].*test.spacy"):
        filter_candidates(
            judged / "pool",
            judged / "dev",
            small_corpus / "test.spacy",
            FILTER,
            tmp_path / "s.spacy",
            tmp_path / "s.json",
        )
    assert not any(tmp_path.iterdir())


def test_labels_of_the_judge_as_they_are(judged, tmp_path):
    counts = baselines.label_with_judge(judged / "pool", tmp_path / "llm.spacy")
    docs = docs_of(tmp_path / "llm.spacy")
    assert counts == {"docs": 90, "spans": sum(len(doc.ents) for doc in docs)}
    assert all(token.ent_iob != 0 for doc in docs for token in doc)


def test_labels_of_a_judge_that_was_not_asked_are_one_line(annotated, tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J804\]"):
        baselines.label_with_judge(annotated / "pool", tmp_path / "llm.spacy")


def test_evaluation_compares_the_judged_student_with_the_others(
    small_student, small_corpus, judged, tmp_path
):
    select(judged, small_corpus, tmp_path)
    summary = evaluate(
        {"seed": str(small_student), "judged": str(small_student)},
        small_corpus / "test.spacy",
        tmp_path,
        silver=tmp_path / "silver.spacy",
        pool_gold=small_corpus / "pool_gold.spacy",
        n_resamples=200,
    )
    assert summary["judged"]["f"] == summary["seed"]["f"]
    assert abs(summary["judged"]["f"] - summary["judged"]["f_seqeval"]) < 1e-9
    assert summary["comparisons"]["seed"]["difference"] == 0
    assert summary["silver"]["precision"] > 0.8
    assert set(summary["calibration"]) == {"student", "judge", "fused"}
    assert read_json(tmp_path / "judged.json")["spacy"]["f"] == summary["judged"]["f"]


def test_an_empty_test_set_is_one_line(small_student, tmp_path):
    write_docs(tmp_path / "test.spacy", [])
    with pytest.raises(LLMJudgeError, match=r"\[J805\].*test.spacy"):
        evaluate({"seed": str(small_student)}, tmp_path / "test.spacy", tmp_path)


@pytest.mark.slow
def test_classic_self_training_takes_the_best_cut_on_dev(annotated, small_corpus, tmp_path):
    report = baselines.train_unjudged(
        annotated,
        small_corpus,
        ROOT / "configs" / "student_cpu.cfg",
        ROOT / "configs" / "filter_threshold.cfg",
        tmp_path / "models",
        tmp_path,
        cuts=(0.02, 0.05, 0.95),
        overrides={"training.max_steps": 2},
    )
    assert report["best"] in report["dev_f"] and set(report["dev_f"]) == {"0.02", "0.05"}
    assert (tmp_path / "models" / "best" / "model-best" / "meta.json").exists()


def test_cuts_that_leave_nothing_are_one_line(annotated, small_corpus, tmp_path):
    with pytest.raises(LLMJudgeError, match=r"\[J811\].*0.95, 0.99"):
        baselines.train_unjudged(
            annotated,
            small_corpus,
            ROOT / "configs" / "student_cpu.cfg",
            ROOT / "configs" / "filter_threshold.cfg",
            tmp_path / "models",
            tmp_path,
            cuts=(0.95, 0.99),
        )


def test_held_out_documents_that_were_copied_count_once(judged, small_corpus, tmp_path):
    report = select(judged, small_corpus, tmp_path)
    assert "repeated_evidence" not in report
    copied = tmp_path / "copied"
    shutil.copytree(judged, copied)
    docs = docs_of(judged / "dev")
    gold = docs_of(small_corpus / "dev.spacy")
    process_shards([*docs, *docs, *docs], copied / "dev", list, fingerprint={})
    write_docs(tmp_path / "gold.spacy", [*gold, *gold, *gold])
    with pytest.warns(UserWarning, match=r"\[JW664\] 100 of 150 held-out documents"):
        found = filter_candidates(
            copied / "pool",
            copied / "dev",
            tmp_path / "gold.spacy",
            FILTER,
            tmp_path / "silver.spacy",
            tmp_path / "selection.json",
        )
    assert found.pop("repeated_evidence") == 100
    assert found == report
