"""The loop on files, with students that are trained for a few steps."""

import json
from pathlib import Path

import pytest
import spacy
from loop_helpers import POOL, StopRules, made_by, make_settings, make_workspace, run_loop
from spacy.vocab import Vocab

from spacy_llmjudge.candidates import get_status
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.steps.filter import NothingSelected
from spacy_llmjudge.steps.stopping import split_dev
from spacy_llmjudge.storage import read_docs, read_json, sha256_path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workspace(small_corpus, small_student, small_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("loop") / "w"
    return make_workspace(folder, small_corpus, small_student, small_dataset)


@pytest.fixture(scope="module")
def finished(workspace):
    """A workspace in which two rounds were run, and what came of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workspace)
        return workspace, run_loop(make_settings(workspace))


@pytest.fixture
def fresh(small_corpus, small_student, small_dataset, tmp_path, monkeypatch):
    folder = make_workspace(tmp_path / "w", small_corpus, small_student, small_dataset)
    monkeypatch.chdir(folder)
    return folder


# no document without a doubt has a span that so strict a selection accepts, and empty ones alone are none
NOTHING = {"selector.q": 0.001, "silver.max_missing": 0.0}


def texts_of(path):
    return {doc.text for doc in read_docs(path, Vocab())}


def test_every_round_has_its_folders_and_a_manifest(finished):
    folder, result = finished
    assert result["stop"]["reason"] == "max_rounds"
    assert [row["round"] for row in result["rounds"]] == [0, 1, 2]
    assert read_json(folder / "metrics" / "loop.json") == result
    for number in (1, 2):
        manifest = read_json(folder / f"metrics/round-{number}/round.json")
        assert set(manifest["stages"]) == {
            "calibrate",
            "annotate-dev",
            "annotate-pool",
            "judge-dev",
            "judge-pool",
            "held-out",
            "filter",
            "retrain",
            "score",
            "evaluate",
        }
        for stage in manifest["stages"].values():
            for name, digest in stage["outputs"].items():
                # what lies beside the manifest has its name alone
                beside = folder / f"metrics/round-{number}" / name
                assert sha256_path(beside if beside.exists() else folder / name) == digest
        assert manifest["counts"]["spans"] == result["rounds"][number]["spans"]
        assert manifest["scores"]["stopping"] == result["rounds"][number]["score"]
        assert (folder / f"metrics/round-{number}/summary.json").exists()
    assert manifest["stop"] == result["stop"]


def test_a_round_annotates_with_the_student_of_the_round_before(finished):
    folder, _ = finished
    for number in (1, 2):
        student = sha256_path(folder / f"training/round-{number - 1}/model-best")
        stages = read_json(folder / f"metrics/round-{number}/round.json")["stages"]
        assert stages["annotate-pool"]["inputs"]["student"] == student
        manifest = read_json(folder / f"corpus/round-{number}/annotated/pool/manifest.json")
        assert manifest["fingerprint"]["model"] == student
    assert len({sha256_path(folder / f"training/round-{n}/model-best") for n in range(3)}) == 3


def test_the_stopping_part_is_no_evidence(finished):
    folder, _ = finished
    stopping = texts_of(folder / "corpus/loop/stopping.spacy")
    assert stopping
    for number in (1, 2):
        assert not stopping & texts_of(folder / f"corpus/round-{number}/judged/dev")
        stages = read_json(folder / f"metrics/round-{number}/round.json")["stages"]
        gold = sha256_path(folder / "corpus/loop/evidence.spacy")
        assert stages["calibrate"]["inputs"]["gold"] == stages["filter"]["inputs"]["gold"] == gold


def test_the_best_student_by_the_stopping_part_is_named(finished):
    folder, result = finished
    scores = [row["score"] for row in result["rounds"]]
    assert result["best"] == scores.index(max(scores))
    best = spacy.load(folder / f"training/round-{result['best']}/model-best")
    named = spacy.load(folder / "training/loop/model-best")
    text = "Slugs ate my hostas and the neem oil did nothing"
    assert named(text).to_json() == best(text).to_json()


def test_a_single_round_ends_with_the_last_student(fresh):
    rules = StopRules(max_rounds=1)
    result = run_loop(make_settings(fresh, rules=rules))
    paths = spacy.load("training/round-1/model-best").config["paths"]
    assert texts_of(paths["gold"]) == texts_of("corpus/dev.spacy") | texts_of(
        "corpus/labelled.spacy"
    )
    assert result["metrics"] == "round-1"
    promise = read_json("metrics/round-1/selection.json")["promise"]
    run_loop(make_settings(fresh, rules=rules, evidence_trains=False))
    paths = spacy.load("training/round-1/model-best").config["paths"]
    assert texts_of(paths["gold"]) == texts_of("corpus/labelled.spacy")
    # what is promised about the silver does not depend on what its student learns beside it
    assert read_json("metrics/round-1/selection.json")["promise"] == promise
    assert promise["kind"] == "expected"


def test_a_second_run_makes_nothing_again(finished, monkeypatch):
    folder, result = finished
    monkeypatch.chdir(folder)
    before, begun = made_by(folder), []
    files = {path: path.stat().st_mtime_ns for path in folder.glob("corpus/round-*/**/*.spacy")}
    again = run_loop(
        make_settings(folder),
        watch=lambda number, stage, result: begun.append(stage) if result is None else None,
    )
    assert again == result and made_by(folder) == before
    assert set(begun) <= {"retrain"}
    assert files == {path: path.stat().st_mtime_ns for path in files}


class Killed(BaseException):
    pass


@pytest.mark.slow
def test_a_loop_that_is_stopped_anywhere_ends_the_same(finished, fresh):
    reference, result = finished
    done = []

    def stop_once(number, stage, outcome):
        # once before every stage begins, and once when it is done
        moment = (number, stage, outcome is None)
        if moment not in done:
            done.append(moment)
            raise Killed

    for _ in range(60):
        try:
            assert run_loop(make_settings(fresh), watch=stop_once) == result
            break
        except Killed:
            continue
    assert len(done) >= 2 * (2 * 10) and made_by(fresh) == made_by(reference)


@pytest.mark.slow
def test_without_a_stopping_part_all_of_dev_is_evidence(fresh):
    result = run_loop(make_settings(fresh, stop_share=0.0))
    assert result["best"] == 2 and result["chosen_by"] == "the last one"
    assert texts_of("corpus/round-1/judged/dev") == texts_of("corpus/dev.spacy")
    assert not Path("corpus/loop").exists()


@pytest.mark.slow
def test_only_the_very_last_student_learns_from_dev(fresh):
    result = run_loop(make_settings(fresh, stop_share=0.0))
    dev, labelled = (texts_of(f"corpus/{name}.spacy") for name in ("dev", "labelled"))
    paths = {
        name: spacy.load(f"training/{name}/model-best").config["paths"]
        for name in ("round-1", "round-2", "loop")
    }
    assert texts_of(paths["loop"]["gold"]) == dev | labelled
    assert paths["loop"]["silver"] == "corpus/round-2/silver.spacy"
    for number in (1, 2):
        assert texts_of(paths[f"round-{number}"]["gold"]) == labelled
    assert result["metrics"] == "loop"
    summary = read_json("metrics/loop/summary.json")
    assert 0 <= summary["judged"]["f"] <= 1 and summary["silver"]["statement"]
    assert run_loop(make_settings(fresh, stop_share=0.0)) == result


@pytest.mark.slow
def test_a_score_that_does_not_rise_ends_the_loop(fresh):
    rules = StopRules(max_rounds=5, stable=1.0, min_gain=0.9)
    result = run_loop(make_settings(fresh, rules=rules))
    assert result["stop"]["reason"] == "score" and len(result["rounds"]) == 2


@pytest.mark.slow
def test_a_stable_selection_ends_the_loop(fresh):
    rules = StopRules(max_rounds=5, stable=0.01, patience=5)
    result = run_loop(make_settings(fresh, rules=rules))
    assert result["stop"]["reason"] == "stable" and len(result["rounds"]) == 3
    assert result["rounds"][2]["overlap"] > 0.01


@pytest.mark.slow
def test_more_rounds_go_on_from_those_that_are_there(fresh):
    rules = StopRules(max_rounds=1, patience=9, stable=1.0)
    more = {"stop_share": 0.0, "evidence_trains": False}
    run_loop(make_settings(fresh, rules=rules, **more))
    begun = []
    run_loop(
        make_settings(fresh, **more),
        watch=lambda number, stage, outcome: (
            begun.append(number) if outcome is None and stage != "retrain" else None
        ),
    )
    assert set(begun) == {2}
    assert read_json("metrics/round-1/round.json")["stop"] is None


def test_a_first_round_that_selects_nothing_is_one_line(fresh):
    settings = make_settings(fresh, overrides={"filter": NOTHING})
    with pytest.raises(NothingSelected, match=r"\[J802\]"):
        run_loop(settings)
    assert not Path("training/loop").exists() and not Path("corpus/round-1/silver.spacy").exists()


def test_a_loop_without_a_seed_student_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LLMJudgeError, match=r"\[J001\].*round-0.*`train` first"):
        run_loop(make_settings(tmp_path))
    assert not any(tmp_path.iterdir())


def count_evidence():
    split_dev(Path("corpus/dev.spacy"), Path("corpus/loop"), 0.3)
    return len(texts_of("corpus/loop/evidence.spacy"))


def test_a_budget_is_shared_by_the_rounds(fresh):
    n_dev = count_evidence()
    run_loop(make_settings(fresh, budget_calls=n_dev + 20, teacher_steps=0))
    for number in (1, 2):
        report = read_json(f"metrics/round-{number}/judge.json")
        assert report["pool"] == {"judged": 10 * number, "not_asked": POOL - 10 * number}
        assert report["dev"] == {"judged": n_dev}
    assert report["requests"] == n_dev + 20
    silver = [texts_of(f"corpus/round-{number}/silver.spacy") for number in (1, 2)]
    assert len(silver[0]) <= 10 < len(silver[1])
    run_loop(make_settings(fresh, budget_calls=n_dev + 24, teacher_steps=0))
    assert read_json("metrics/round-1/judge.json")["pool"]["judged"] == 12


def test_with_a_budget_a_teacher_annotates_the_pool(fresh):
    rules = StopRules(max_rounds=1)
    settings = make_settings(fresh, rules=rules, budget_calls=50 + 15, teacher_steps=12)
    run_loop(settings)
    report = read_json("metrics/round-1/judge.json")
    assert report["pool"] == {"judged": 15, "not_asked": POOL - 15} and report["requests"] == 65
    teacher = spacy.load("training/teacher/model-best").config
    asked = {
        doc.text
        for doc in read_docs(Path("corpus/round-1/judged/pool"), Vocab())
        if get_status(doc)["state"] == "judged"
    }
    assert texts_of(teacher["paths"]["silver"]) == asked and len(asked) == 15
    assert texts_of(teacher["paths"]["gold"]) == texts_of("corpus/labelled.spacy")
    # the same replies, the candidates of another student, and all of the pool is selected from
    again = list(read_docs(Path("corpus/round-1/teacher/judged/pool"), Vocab()))
    assert {d.text for d in again if get_status(d)["state"] == "judged"} == asked
    manifest = read_json("corpus/round-1/teacher/annotated/pool/manifest.json")
    assert manifest["fingerprint"]["model"] == sha256_path("training/teacher/model-best")
    selection = read_json("metrics/round-1/selection.json")
    assert selection["documents"]["left_out_unjudged"] == 0
    assert selection["promise"]["kind"] is None
    for reason in ("has learned from documents of this pool", "least certain about"):
        assert reason in selection["statement"]
    stages = read_json("metrics/round-1/round.json")["stages"]
    assert stages["retrain"]["inputs"]["start"] == sha256_path("training/teacher/model-best")
    before = sha256_path("training/round-1/model-best")
    run_loop(settings)
    assert sha256_path("training/round-1/model-best") == before


def test_a_budget_for_all_needs_no_teacher_and_keeps_the_promise(fresh):
    rules = StopRules(max_rounds=1)
    run_loop(make_settings(fresh, rules=rules, budget_calls=50 + POOL))
    assert not Path("training/teacher").exists()
    assert read_json("metrics/round-1/selection.json")["promise"]["kind"] == "expected"


def test_a_judge_of_candidates_gets_no_questions_of_a_teacher(fresh):
    rules = StopRules(max_rounds=1)
    run_loop(
        make_settings(
            fresh,
            judge="verify_recorded",
            rules=rules,
            budget_calls=50 + 15,
            overrides={
                "judge": {"paths.replies": str(write_verdicts(fresh))},
                "filter": {"selector.q": 0.6, "selector.floor": 0.05},
            },
        )
    )
    assert read_json("metrics/round-1/judge.json")["pool"]["not_asked"] == POOL - 15
    assert not Path("training/teacher").exists()


def write_verdicts(folder):
    """Recorded replies about every span that a student may propose: the gold of dev and pool."""
    docs = [
        doc
        for name in ("dev", "pool_gold")
        for doc in read_docs(folder / "corpus" / f"{name}.spacy", Vocab())
    ]
    labels = sorted({ent.label_ for doc in docs for ent in doc.ents})
    rows = []
    for doc in docs:
        gold = {(ent.start, ent.end, ent.label_) for ent in doc.ents}
        verdicts = [
            {
                "start": doc[start].idx,
                "end": doc[end - 1].idx + len(doc[end - 1]),
                "label": label,
                "verdict": "correct" if (start, end, label) in gold else "not_entity",
                "confidence": 90,
            }
            for start in range(len(doc))
            for end in range(start + 1, len(doc) + 1)
            for label in labels
        ]
        rows.append(json.dumps({"text": doc.text, "response": {"verdicts": verdicts}}))
    path = folder / "verdicts.jsonl"
    path.write_text("\n".join(rows) + "\n", encoding="utf8")
    return path


def test_a_budget_that_ends_with_the_evidence_is_refused(fresh):
    with pytest.raises(LLMJudgeError, match=r"\[J428\].*50 held-out.*at least 51"):
        run_loop(make_settings(fresh, rules=StopRules(max_rounds=1), budget_calls=50))
    assert not Path("corpus/round-1").exists()


def test_students_go_on_from_the_second_round(fresh):
    run_loop(make_settings(fresh, goes_on=2))
    inputs = [
        read_json(f"metrics/round-{n}/round.json")["stages"]["retrain"]["inputs"] for n in (1, 2)
    ]
    assert inputs[0]["start"] is None and inputs[1]["start"] == sha256_path(
        "training/round-1/model-best"
    )


def test_only_the_first_round_promises_anything(finished):
    folder, _ = finished
    first, second = (read_json(folder / f"metrics/round-{n}/selection.json") for n in (1, 2))
    assert first["promise"]["kind"] == "expected"
    assert (
        second["promise"]["kind"] is None
        and "has learned from documents of this pool" in second["statement"]
    )


@pytest.mark.parametrize(
    "goes_on, given, reason",
    [
        (2, {"components.ner.model.hidden_width": 32}, "components.ner.model.hidden_width is set"),
        (1, {"nlp.pipeline": ["tok2vec", "ner", "parser"]}, "the config trains"),
    ],
)
def test_what_cannot_be_gone_on_from_is_said_before_anything_is_asked(
    goes_on, given, reason, fresh
):
    settings = make_settings(fresh, goes_on=goes_on)
    settings.overrides["student"].update(given)
    with pytest.raises(LLMJudgeError, match=rf"\[J658\].*{reason}"):
        run_loop(settings)
    assert not Path("corpus/round-1").exists()


def test_all_documents_of_the_pool_are_judged_in_every_round(finished):
    folder, _ = finished
    for number in (1, 2):
        report = read_json(folder / f"metrics/round-{number}/judge.json")
        assert report["pool"] == {"judged": POOL}
        assert report["requests"] == POOL + sum(report["dev"].values())
