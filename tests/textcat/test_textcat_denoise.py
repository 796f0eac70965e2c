"""Every method gives labels and probabilities for the pool; both kinds of task; what is missing is said."""

import shutil
import warnings

import numpy as np
import pytest
import spacy
from textcat_helpers import make_corpus, make_rows, write_rows

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.storage import read_docs, read_json, write_docs
from spacy_llmjudge.textcat.data import Task, get_choice, get_probabilities, read_task
from spacy_llmjudge.textcat.denoise import METHODS, refine_texts
from spacy_llmjudge.textcat.evaluate import evaluate_texts, table_rows
from spacy_llmjudge.textcat.judge import judge_texts
from spacy_llmjudge.textcat.scores import UNANSWERED, bootstrap_scores, score_matrices
from spacy_llmjudge.textcat.steps import denoise_texts, gather_training

HERE = [method for method in METHODS if method != "confident_learning"]
TASK = Task(("a", "b", "c"), True)
RNG = np.random.default_rng(0)
TRUTH = [("abc"[i % 3],) for i in range(90)]
X = (np.eye(3)[np.arange(90) % 3] * 3 + RNG.normal(size=(90, 3))).astype("float32")
NOISY = [("abc"[(i + 1) % 3],) if i % 4 == 0 else TRUTH[i] for i in range(90)]
GOLD = [TRUTH[i] if i < 45 else None for i in range(90)]


def read(path):
    return list(read_docs(path, spacy.blank("en").vocab))


def right(found):
    return np.mean([TASK.labels[row.argmax()] == t[0] for row, t in zip(found.chosen, TRUTH)])


@pytest.mark.parametrize("method", HERE)
def test_each_method_on_arrays(method):
    found = refine_texts(method, X, NOISY, GOLD, TASK)
    assert found.chosen.shape == found.probabilities.shape == (90, 3)
    assert np.allclose(found.probabilities.sum(axis=1), 1)
    assert found.predict(X[:5]).shape == (5, 3)
    # three of four labels of the LLM are right
    assert right(found) == pytest.approx(67 / 90) if method == "none" else right(found) > 0.8


def test_refusals_get_a_label_but_from_none():
    noisy = [None, *NOISY[1:]]
    assert refine_texts("stacking", X, noisy, GOLD, TASK).known.all()
    kept = refine_texts("none", X, noisy, GOLD, TASK)
    assert kept.known.tolist() == [False] + [True] * 89


@pytest.mark.parametrize("method", ["stacking", "prior_correction", "uu"])
def test_labels_that_the_gold_lacks(method):
    gold = [g if g != ("c",) else None for g in GOLD]
    with pytest.raises(
        LLMJudgeError, match=r"J917.*lacks labels that the LLM gives: c\. .*--allow-missing"
    ):
        refine_texts(method, X, NOISY, gold, TASK)
    with pytest.warns(UserWarning, match=r"\[JW501\].*classes c:") as caught:
        assert refine_texts(method, X, NOISY, gold, TASK, allow_missing=True).known.all()
    assert sum("JW501" in str(warning.message) for warning in caught) == 1


@pytest.mark.parametrize("method", HERE)
def test_an_llm_with_one_label_only(method):
    gold = [("a",) if g else None for g in GOLD]
    with pytest.raises(LLMJudgeError, match="J502"):
        refine_texts(method, X, [("a",)] * 90, gold, TASK)


def test_an_unknown_method_names_the_others():
    with pytest.raises(LLMJudgeError, match="J916.*'magic'.*stacking"):
        refine_texts("magic", X, NOISY, GOLD, TASK)


def test_a_label_without_evidence_keeps_its_verdicts_where_there_are_several():
    task = Task(("a", "b", "c", "never"), False)
    with pytest.warns(UserWarning, match="JW900.*never"):
        found = refine_texts("stacking", X, NOISY, GOLD, task)
    assert not found.chosen[:, 3].any() and found.chosen[:, :3].any(axis=0).all()


@pytest.mark.parametrize("method", ["gold", "stacking", "uu"])
def test_a_label_that_the_llm_never_gives_is_learned_from_gold(method):
    """What it knows of the two other labels is denoised as ever."""
    task = Task(("a", "b"), False)
    noisy = [("a",) if i % 4 else () for i in range(90)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = refine_texts(
            method,
            X,
            noisy,
            [None if g is None else tuple(set(g) & {"a", "b"}) for g in GOLD],
            task,
        )
    is_b = np.array([t == ("b",) for t in TRUTH])
    assert np.mean(found.chosen[:, 1] == is_b) > 0.9 and np.ptp(found.predict(X)[:, 1]) > 0.5
    assert any("JW902" in str(warning.message) for warning in caught) == (method != "gold")


def test_what_one_method_cannot_carry_does_not_stop_the_others(corpus, tmp_path):
    """The LLM gives a label once: no fold can learn it one against the rest."""
    rows = make_rows()
    for row in rows:
        row["llm_label"] = "FEED" if row["llm_label"] == "WATER" else row["llm_label"]
    rows[1]["llm_label"] = "WATER"
    column = {"path": str(write_rows(tmp_path / "llm.jsonl", rows)), "label": "llm_label"}
    judge_texts(corpus, tmp_path / "judged", column=column)
    args = (corpus, tmp_path / "judged", corpus / "features", tmp_path / "d")
    (tmp_path / "d" / "uu").mkdir(parents=True)
    with pytest.warns(UserWarning, match=r"JW901.*uu.*J5(06|11)"):
        reports = denoise_texts(*args, ["uu", "stacking"], allow_missing=True)
    assert list(reports) == ["stacking"] and not (tmp_path / "d" / "uu").exists()
    with pytest.raises(LLMJudgeError, match="J5(06|11)"):
        denoise_texts(*args, ["uu"], allow_missing=True)


@pytest.mark.parametrize("methods, name", [(["none", "stacking"], "mine"), ([], None)])
def test_one_name_is_for_one_method(methods, name, corpus, tmp_path):
    with pytest.raises(LLMJudgeError, match=rf"\[J923\] {len(methods)} denoisers"):
        denoise_texts(
            corpus, corpus / "judged", corpus / "features", tmp_path / "d", methods, name=name
        )
    assert not (tmp_path / "d").exists()


def test_files_of_labels_and_probabilities(corpus, tmp_path):
    reports = denoise_texts(
        corpus, corpus / "judged", corpus / "features", tmp_path, ["stacking", "none"]
    )
    task = read_task(corpus)
    docs = read(tmp_path / "stacking/pool.spacy")
    assert len(docs) == 90 and set(docs[0].cats.values()) == {0.0, 1.0}
    assert get_probabilities(docs[0], task).sum() == pytest.approx(1, abs=1e-4)
    assert len(read(tmp_path / "stacking/test.spacy")) == 30
    assert read_json(tmp_path / "stacking/report.json") == reports["stacking"]
    assert reports["stacking"]["changed"] > 10 and reports["none"]["changed"] == 0


def test_the_table(corpus, tmp_path):
    args = (corpus, corpus / "judged", corpus / "features", tmp_path / "d")
    denoise_texts(*args, ["none", "stacking"])
    denoise_texts(*args, ["gold"], evidence=corpus / "pool_gold.spacy", name="all_gold")
    summary = evaluate_texts(
        corpus, corpus / "judged", tmp_path / "d", tmp_path / "m", n_resamples=50
    )
    assert read_json(tmp_path / "m/summary.json") == summary
    rows = summary["rows"]
    assert rows["llm"]["test"]["accuracy"]["value"] == pytest.approx(22 / 30, abs=0.05)
    assert "pool" not in rows["all_gold"] and rows["stacking"]["pool"]["documents"] == 45
    assert rows["stacking"]["pool"]["accuracy"] > rows["llm"]["pool"]["accuracy"]
    assert [row[0] for row in table_rows(summary)][:2] == ["LLM alone", "LLM labels as they are"]


def test_several_labels_a_document(multilabel_corpus, tmp_path):
    corpus = multilabel_corpus
    denoise_texts(
        corpus,
        corpus / "judged",
        corpus / "features",
        tmp_path,
        ["stacking", "none"],
        allow_missing=True,
    )
    task = read_task(corpus)
    assert len(read(tmp_path / "stacking/pool.spacy")) == 90 and not task.exclusive


@pytest.mark.parametrize("method", ["stacking", "prior_correction", "uu"])
def test_a_label_that_all_of_the_gold_has_keeps_its_verdicts(method):
    task = Task(("a", "b", "c"), False)
    noisy = [(*x, "c") if i % 5 and x != ("c",) else x for i, x in enumerate(NOISY)]
    gold = [None if x is None else tuple({*x, "c"}) for x in GOLD]
    with pytest.warns(UserWarning, match="JW900.*label c"):
        found = refine_texts(method, X, noisy, gold, task)
    assert found.chosen[:, 2].tolist() == ["c" in x for x in noisy]


def test_a_document_without_an_answer_is_not_right_where_no_label_is():
    gold = np.array([[1, 0], [0, 0], [0, 0]], dtype=bool)
    said = np.array([[1, 0], [0, 0], [UNANSWERED, UNANSWERED]])
    assert score_matrices(gold, said)["accuracy"] == pytest.approx(2 / 3)
    assert score_matrices(gold, said)["macro_f1"] == 1.0
    assert bootstrap_scores(gold, gold, said, n_resamples=20)["accuracy"]["value"] == pytest.approx(
        1 / 3
    )


def test_labels_of_another_draw_of_evidence_are_not_measured(corpus, tmp_path):
    mine = tmp_path / "corpus"
    shutil.copytree(corpus, mine)
    args = (mine, corpus / "judged", corpus / "features", tmp_path / "d")
    denoise_texts(*args, ["none"])
    denoise_texts(*args, ["gold"], evidence=corpus / "pool_gold.spacy", name="all_gold")
    write_docs(mine / "evidence.spacy", read(corpus / "evidence.spacy")[1:])
    with pytest.raises(LLMJudgeError, match="J924.*none"):
        evaluate_texts(mine, corpus / "judged", tmp_path / "d", tmp_path / "m", n_resamples=5)
    denoise_texts(*args, ["none"])
    assert (
        "all_gold"
        in evaluate_texts(mine, corpus / "judged", tmp_path / "d", tmp_path / "m", n_resamples=5)[
            "rows"
        ]
    )


def test_one_of_several_methods_may_lack_its_package(corpus, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cleanlab", None)
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    args = (corpus, corpus / "judged", corpus / "features", tmp_path)
    with pytest.warns(UserWarning, match="JW901.*cleanlab"):
        assert list(denoise_texts(*args, ["none", "confident_learning"])) == ["none"]
    with pytest.raises(LLMJudgeError, match="J510"):
        denoise_texts(*args, ["confident_learning"])


def test_what_is_trained_on_is_gold_for_the_evidence(corpus, tmp_path):
    denoise_texts(corpus, corpus / "judged", corpus / "features", tmp_path, ["none"])
    counts = gather_training(corpus, tmp_path / "train.spacy", tmp_path / "none/pool.spacy")
    assert counts == {"gold": 45, "pool": 45}
    task = read_task(corpus)
    gold = {doc.text: get_choice(doc, task) for doc in read(corpus / "evidence.spacy")}
    docs = read(tmp_path / "train.spacy")
    assert all(get_choice(doc, task) == gold[doc.text] for doc in docs if doc.text in gold)


def test_files_of_another_corpus_are_refused(corpus, tmp_path):
    write_docs(tmp_path / "other.spacy", [spacy.blank("en")("not in the pool")])
    args = (corpus, corpus / "judged", corpus / "features", tmp_path)
    rows = [{**row, "text": row["text"].replace("note", "line")} for row in make_rows()]
    other = make_corpus(tmp_path / "other", rows)
    with pytest.raises(LLMJudgeError, match=r"J908.*pool\.npz has 90 rows for 90 documents"):
        denoise_texts(other, other / "judged", corpus / "features", tmp_path, ["none"])
    with pytest.raises(LLMJudgeError, match="J918.*not in the pool"):
        denoise_texts(*args, ["none"], evidence=tmp_path / "other.spacy")
    with pytest.raises(LLMJudgeError, match="J908"):
        denoise_texts(*args, ["stacking"], cats=tmp_path / "other.spacy")
