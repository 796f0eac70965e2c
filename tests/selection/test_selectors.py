import numpy as np
import pytest
from selection_helpers import draw_world, make_table

from spacy_llmjudge import registries  # noqa: F401
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.numeric import fold_of
from spacy_llmjudge.selection.certified import make_certified, one_per_document
from spacy_llmjudge.selection.conformal import make_conformal
from spacy_llmjudge.selection.threshold import make_threshold


def table(probability, correct=None, **kwargs):
    p = np.asarray(probability, dtype=float)
    return make_table(p, p, correct, probability=p, **kwargs)


def separated(n, **kwargs):
    """Right ones from .8 up, wrong ones under .6; every candidate in a document of its own."""
    p = np.where(np.arange(n) % 5 == 0, 0.55, 0.8) + np.linspace(0, 0.01, n)
    return table(p, np.arange(n) % 5 != 0, **kwargs)


def test_threshold_keeps_what_reaches_the_cut():
    selection = make_threshold(0.7)(table([0.69, 0.7, 0.9]), table([], []))
    assert selection.accepted.tolist() == [False, True, True]
    assert selection.promise["kind"] is None
    assert "2 of 3 candidates" in selection.statement
    assert "Nothing was held out" in selection.statement


def test_threshold_ranks_by_the_student_alone():
    selector = make_threshold(0.5)
    pool = make_table([0.9, np.nan], [0.01, 0.99])
    scores = selector.score(pool, pool)
    assert scores.pool.tolist() == scores.evidence.tolist() == [0.9, 0.0]
    assert not selector.uses_judge and not selector.uses_proposals


def test_conformal_states_its_promise_with_all_numbers():
    pool, evidence = separated(500), separated(100)
    selection = make_conformal(0.1)(pool, evidence)
    assert selection.promise["kind"] == "expected"
    assert selection.promise["n"] == 100 and selection.promise["errors"] == 20
    assert selection.promise["errors_over_cut"] <= 10
    for part in (
        "at most 0.1 on average",
        "random samples of the same text",
        "q = 0.1",
        "100 candidates, 20 of them wrong",
    ):
        assert part in selection.statement


@pytest.mark.parametrize("selector", [make_conformal(0.1), make_certified(0.2, 0.1)])
def test_nothing_is_promised_with_a_caveat(selector):
    selection = selector(separated(500), separated(200, caveat="they were balanced"))
    assert selection.accepted.any()
    assert selection.promise["kind"] is None
    assert selection.statement.startswith(
        "No promise, because they were balanced: the rule accepts"
    )


@pytest.mark.parametrize(
    "selector", [make_conformal(0.3, floor=0.5), make_certified(0.3, 0.1, floor=0.5)]
)
def test_nothing_under_the_floor_is_accepted(selector):
    pool = table(np.linspace(0, 1, 101))
    selection = selector(pool, table(np.linspace(0, 1, 400), np.ones(400, bool)))
    assert selection.accepted.tolist() == (pool.probability >= 0.5).tolist()


def test_conformal_refuses_with_the_number_it_would_need():
    selection = make_conformal(0.1)(table(np.full(50, 0.9)), table([0.9] * 5, [True] * 5))
    assert not selection.accepted.any() and selection.cut is None
    assert selection.promise["needed"] == 9
    assert (
        "not attainable with 5 held-out candidates, 0 of them wrong; about 9 would be needed"
        in selection.statement
    )


def test_certified_refuses_with_the_number_it_would_need():
    selection = make_certified(0.1, 0.1)(table(np.full(50, 0.9)), table([0.9] * 21, [True] * 21))
    assert not selection.accepted.any()
    assert selection.promise["needed"] == 22 and selection.promise["kind"] is None
    assert "not attainable with 21 held-out candidates (one a document)" in selection.statement


def test_certified_accepts_with_one_more():
    selection = make_certified(0.1, 0.1)(table(np.full(50, 0.9)), table([0.9] * 22, [True] * 22))
    assert selection.accepted.all() and selection.promise["kind"] == "probable"
    assert "With probability 0.9" in selection.statement and "delta = 0.1" in selection.statement


@pytest.mark.parametrize("selector", [make_conformal(0.05), make_certified(0.05, 0.1)])
def test_refusal_where_no_number_would_help(selector):
    selection = selector(table(np.full(50, 0.9)), table([0.9] * 100, [False] * 100))
    assert not selection.accepted.any()
    assert "more of them would not help" in selection.statement


@pytest.mark.parametrize("selector", [make_conformal(), make_certified(), make_threshold()])
def test_empty_pool_and_empty_evidence(selector):
    selection = selector(table([]), table([], []))
    assert len(selection.accepted) == 0 and selection.statement


@pytest.mark.parametrize(
    "selector", [make_conformal(), make_conformal(weighted=True), make_certified()]
)
def test_no_evidence_accepts_nothing(selector):
    selection = selector(separated(100), table([], []))
    assert not selection.accepted.any() and "Nothing is accepted" in selection.statement


def test_weighted_leaves_labels_without_evidence_undecided():
    names = ("A", "B")
    pool = table(np.full(100, 0.9), label=np.arange(100) % 2, labels=names)
    evidence = table(np.full(50, 0.9), np.ones(50, bool), label=np.zeros(50, int), labels=names)
    selection = make_conformal(weighted=True)(pool, evidence)
    assert selection.accepted.tolist() == (pool.label == 0).tolist()
    assert "approximately at most" in selection.statement


def test_weighted_is_stricter_where_the_pool_has_more_of_a_bad_label():
    rng = np.random.default_rng(0)

    def draw(n, share):
        label = (rng.random(n) < share).astype(int)
        correct = rng.random(n) < np.where(label == 1, 0.6, 0.98)
        return table(0.5 + 0.5 * rng.random(n), correct, label=label, labels=("A", "B"))

    pool, evidence = draw(1000, 0.7), draw(300, 0.1)
    plain = make_conformal(0.1)(pool, evidence)
    weighted = make_conformal(0.1, weighted=True)(pool, evidence)
    assert weighted.accepted.sum() < plain.accepted.sum()


def test_one_candidate_of_every_document():
    world = draw_world(np.random.default_rng(0), 50)
    picks = one_per_document(world, 0)
    assert world.document[picks].tolist() == list(range(50))
    assert one_per_document(world, 1).tolist() != picks.tolist()


def test_the_pick_depends_on_the_text_alone():
    world = draw_world(np.random.default_rng(0), 50)
    for row in one_per_document(world, 3):
        rows = np.flatnonzero(world.document == world.document[row])
        expected = fold_of(f"3:{world.texts[world.document[row]]}", len(rows))
        assert rows[expected] == row


@pytest.mark.parametrize("make", [make_conformal, make_certified])
@pytest.mark.parametrize("q", [0, 1, -0.1, 10])
def test_shares_out_of_range_are_refused(make, q):
    with pytest.raises(LLMJudgeError, match=rf"J403.*q = {q} .*over 0 and under 1"):
        make(q=q)


@pytest.mark.parametrize(
    "config",
    [
        {"@llmjudge_selectors": "llmjudge.Threshold.v1", "cut": 0.8},
        {"@llmjudge_selectors": "llmjudge.Conformal.v1", "q": 0.2},
        {"@llmjudge_selectors": "llmjudge.Certified.v1", "q": 0.2, "delta": 0.05},
        {"@llmjudge_selectors": "llmjudge.Collaborative.v1", "tau": 0.8},
    ],
)
def test_a_config_reaches_every_selector(config):
    from spacy import registry

    selector = registry.resolve({"selector": config})["selector"]
    assert selector.name == config["@llmjudge_selectors"]
    assert (
        config.items() - {"@llmjudge_selectors": selector.name}.items() <= selector.settings.items()
    )
