"""What is counted of a judge's work."""

import pytest

from spacy_llmjudge.cli import judge
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.steps.judge_report import make_judge_report, require_answers


def test_documents_that_nobody_was_to_ask_about_are_no_failures():
    states = {"abstained: no_reply": 10, "not_asked": 30}
    with pytest.raises(LLMJudgeError, match=r"none of 10 documents \(10 abstained: no_reply\)"):
        require_answers(states)
    require_answers({"not_sent: no_candidates": 10, "not_asked": 30})


def test_a_higher_budget_is_for_those_that_were_to_be_asked_about(monkeypatch, capsys):
    """100 of 1,000 documents cost one dollar; that 99,000 more are in the pool says nothing about the price."""
    monkeypatch.setattr("sys.argv", ["llmjudge", "judge", "--at-most", "1000"])
    states = {"judged": 100, "not_sent: budget": 900, "not_asked": 99_000}
    with pytest.raises(SystemExit):
        judge._go_on(states, {"a.max_cost": {"max_cost": 1.0, "cost": 1.0}})
    budget = capsys.readouterr().err.split("--a.max_cost")[1].split()[0]
    assert float(budget) == 12.0


def test_replies_that_had_been_kept_are_counted_over_all_sets():
    usage = {"stored": 3, "tokens_in": 10, "tokens_out": 5, "cost": 0.1}
    judged = {"states": {"judged": 4}, "usage": usage}
    report = make_judge_report({"dev": judged, "pool": judged})
    assert (report["stored"], report["tokens_in"], report["cost"]) == (6, 20, 0.1)
    assert make_judge_report({"pool": {"states": {}, "usage": None}})["stored"] is None
