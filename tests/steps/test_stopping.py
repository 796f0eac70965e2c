import pytest
from spacy.tokens import Doc, Span
from spacy.vocab import Vocab

from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.numeric import fold_of
from spacy_llmjudge.steps.stopping import (
    Outcome,
    StopRules,
    accepted_in,
    best_round,
    jaccard,
    split_dev,
    why_stop,
)
from spacy_llmjudge.storage import read_docs, sha256_file, write_docs

RULES = StopRules(max_rounds=9, stable=0.98, patience=1)


def reason(*outcomes, rules=RULES):
    stop = why_stop([Outcome(0.3), *outcomes], rules)
    return stop and stop["reason"]


def make_docs(n):
    vocab = Vocab()
    docs = [Doc(vocab, words=["document", str(i)]) for i in range(n)]
    for doc in docs:
        doc.set_ents([Span(doc, 1, 2, label="A")])
    return docs


def test_a_loop_that_gets_better_goes_on():
    assert reason(Outcome(0.4), Outcome(0.5, 0.6)) is None


def test_a_stable_selection_ends_it():
    assert reason(Outcome(0.4), Outcome(0.5, 0.98)) == "stable"
    assert reason(Outcome(0.4), Outcome(0.5, 0.979)) is None


@pytest.mark.parametrize("score", [0.4, 0.39])
def test_a_score_that_does_not_rise_ends_it(score):
    assert reason(Outcome(0.4), Outcome(score, 0.5)) == "score"


def test_patience_waits_for_a_rise():
    patient = StopRules(max_rounds=9, patience=2)
    rounds = [Outcome(0.4), Outcome(0.38, 0.5)]
    assert reason(*rounds, rules=patient) is None
    assert reason(*rounds, Outcome(0.41, 0.5), rules=patient) is None
    assert reason(*rounds, Outcome(0.4, 0.5), rules=patient) == "score"


def test_a_small_rise_is_none_where_more_is_asked_for():
    assert reason(Outcome(0.31), rules=StopRules(max_rounds=9, min_gain=0.02)) == "score"
    assert reason(Outcome(0.33), rules=StopRules(max_rounds=9, min_gain=0.02)) is None


def test_the_budget_ends_it_before_anything_else():
    assert reason(Outcome(0.4), Outcome(0.2, 1.0, budget=True)) == "budget"


def test_rounds_end_it():
    assert reason(Outcome(0.4), Outcome(0.5, 0.1), rules=StopRules(max_rounds=2)) == "max_rounds"


def test_without_a_stopping_part_scores_end_nothing():
    assert why_stop([Outcome(None), Outcome(None), Outcome(None, 0.5)], RULES) is None


def test_the_best_round_is_the_earliest_of_the_highest():
    scores = [0.3, 0.5, 0.4, 0.5]
    assert best_round([Outcome(score) for score in scores]) == 1
    assert best_round([Outcome(0.6), Outcome(0.5)]) == 0
    assert best_round([Outcome(None)] * 4) == 3


@pytest.mark.parametrize(
    "rules",
    [{"max_rounds": 0}, {"stable": 0}, {"stable": 1.1}, {"patience": 0}, {"min_gain": -0.1}],
)
def test_rules_that_cannot_be_kept_are_one_line(rules):
    with pytest.raises(LLMJudgeError, match=rf"\[J823\].*{next(iter(rules))}"):
        StopRules(**rules).check()


def test_dev_is_split_by_text(tmp_path):
    docs = make_docs(400)
    write_docs(tmp_path / "dev.spacy", docs)
    paths = split_dev(tmp_path / "dev.spacy", tmp_path, 0.25)
    evidence, stopping = ({d.text for d in read_docs(path, Vocab())} for path in paths)
    assert not evidence & stopping and evidence | stopping == {d.text for d in docs}
    assert 70 <= len(stopping) <= 130
    write_docs(tmp_path / "dev.spacy", docs[::-1])
    again = split_dev(tmp_path / "dev.spacy", tmp_path / "again", 0.25)
    assert {d.text for d in read_docs(again[1], Vocab())} == stopping
    # the split leaves none of the folds of the calibration empty
    assert {fold_of(text, 5) for text in evidence} == set(range(5))


def test_without_a_share_all_of_dev_is_evidence(tmp_path):
    assert split_dev(tmp_path / "dev.spacy", tmp_path, 0.0) == (tmp_path / "dev.spacy", None)


def test_a_dev_that_is_too_small_is_one_line(tmp_path):
    write_docs(tmp_path / "dev.spacy", make_docs(1))
    with pytest.raises(LLMJudgeError, match=r"\[J821\].*dev.spacy.*--stop-share 0"):
        split_dev(tmp_path / "dev.spacy", tmp_path / "parts", 0.3)
    assert not (tmp_path / "parts").exists()


def test_accepted_spans_in_common(tmp_path):
    docs = make_docs(4)
    write_docs(tmp_path / "a.spacy", docs[:3])
    write_docs(tmp_path / "b.spacy", docs[1:])
    a, b = (accepted_in(tmp_path / name) for name in ("a.spacy", "b.spacy"))
    assert len(a) == len(b) == 3
    assert jaccard(a, b) == 0.5 and jaccard(a, a) == jaccard(a[:0], a[:0]) == 1.0
    assert sha256_file(tmp_path / "a.spacy") != sha256_file(tmp_path / "b.spacy")
