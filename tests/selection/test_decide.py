import numpy as np
import pytest
from selection_helpers import draw_world

from spacy_llmjudge.selection.conformal import make_conformal
from spacy_llmjudge.selection.decide import ACCEPTED, MIN_UNJUDGED, decide
from spacy_llmjudge.selection.table import ABSTAINED, UNJUDGED

Q = 0.25


def leave_unanswered(table, documents, verdict=ABSTAINED):
    rows = np.isin(table.document, documents)
    return table.replace(
        verdict=np.where(rows, verdict, table.verdict),
        support=np.where(rows, np.nan, table.support),
    )


def draw_abstaining(rng, n_docs):
    """The judge says nothing about most documents in which much is wrong, and about few others."""
    world = draw_world(rng, n_docs)
    wrong = np.bincount(world.document, weights=~world.correct, minlength=n_docs)
    share = wrong / np.bincount(world.document, minlength=n_docs)
    return leave_unanswered(world, np.flatnonzero(rng.random(n_docs) < 0.1 + 0.6 * share))


def share_of_wrong(pool, accepted):
    return float((~pool.correct[accepted]).mean()) if accepted.any() else 0.0


def test_what_is_left_unanswered_is_selected_by_held_out_documents_that_were_too():
    rng, selector, alike, others = np.random.default_rng(0), make_conformal(Q), [], []
    for _ in range(60):
        evidence, pool = draw_abstaining(rng, 250), draw_abstaining(rng, 500)
        decisions = decide(pool, evidence, selector)
        rows = decisions.parts["unjudged"]
        assert "unanswered" not in decisions.selections["unjudged"].statement
        alike.append(share_of_wrong(pool, rows & (decisions.decision == ACCEPTED)))
        # all held-out documents, with the judge hidden: as if abstaining said nothing
        hidden = evidence.hide_judge()
        hidden = hidden.replace(probability=selector.score_unjudged(hidden, evidence))
        part = pool.take(rows).replace(probability=decisions.probability[rows])
        others.append(share_of_wrong(part, selector.select(part, hidden).accepted))
    error = np.std(alike) / np.sqrt(len(alike))
    assert np.mean(alike) <= Q + 3 * error
    assert np.mean(others) > Q + 0.05


def test_too_few_unanswered_held_out_documents_promise_nothing():
    rng = np.random.default_rng(0)
    evidence = leave_unanswered(draw_world(rng, 200), [0, 1, 2])
    pool = leave_unanswered(draw_world(rng, 400), np.arange(100))
    selections = decide(pool, evidence, make_conformal(Q)).selections
    n = int(np.isin(evidence.document, [0, 1, 2]).sum())
    assert n < MIN_UNJUDGED
    assert selections["judged"].promise["kind"] == "expected"
    assert selections["unjudged"].promise["kind"] is None
    assert f"the judge left only {n} candidates of the held-out" in selections["unjudged"].statement


@pytest.mark.parametrize("also_abstained", [False, True])
def test_what_nobody_asked_about_is_not_like_what_was_left_unanswered(also_abstained):
    rng = np.random.default_rng(0)
    evidence = leave_unanswered(draw_world(rng, 200), np.arange(60))
    pool = leave_unanswered(draw_world(rng, 400), np.arange(100), UNJUDGED)
    if also_abstained:
        pool = leave_unanswered(pool, np.arange(50))
    selections = decide(pool, evidence, make_conformal(Q)).selections
    assert selections["unjudged"].promise["kind"] is None
    unasked = leave_unanswered(evidence, np.arange(60), UNJUDGED)
    alike = decide(pool, unasked, make_conformal(Q)).selections["unjudged"]
    assert alike.promise["kind"] == (None if also_abstained else "expected")
