import numpy as np
import pytest
from selection_helpers import make_table

from spacy_llmjudge import registries  # noqa: F401
from spacy_llmjudge.errors import LLMJudgeError
from spacy_llmjudge.selection.certified import make_certified
from spacy_llmjudge.selection.conformal import make_conformal
from spacy_llmjudge.selection.statements import warn_of_labels
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
    assert "not attainable with 21 held-out documents" in selection.statement


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


def test_the_level_and_its_counts_stand_in_the_sentence():
    selection = make_conformal(0.3)(separated(500), separated(100))
    promise = selection.promise
    assert promise["rule"] == {"wrong": 20, "held_out": 100, "accepted": 500, "candidates": 500}
    assert promise["attained"] == pytest.approx(21 / 101) and promise["floor_decides"]
    assert (
        "(20 wrong + 1) / (100 held out + 1) = 20.8 %, where 30 % were allowed; the floor of 0.3 decides, "
        "not q" in selection.statement
    )


@pytest.mark.parametrize("q", [0.05, 0.1, 0.15, 0.2, 0.3])
def test_the_level_is_the_least_share_that_would_have_given_the_same(q):
    rng = np.random.default_rng(0)
    score = rng.random(500)
    evidence = table(score[:200], rng.random(200) < score[:200] ** 0.3)
    pool = table(score[200:])
    selection = make_conformal(q)(pool, evidence)
    level = selection.promise["attained"]
    assert level <= q
    again = make_conformal(level)(pool, evidence)
    assert again.accepted.tolist() == selection.accepted.tolist()
    assert make_conformal(0.99 * level)(pool, evidence).accepted.sum() < selection.accepted.sum()


def test_certified_states_its_counts():
    selection = make_certified(0.2, 0.1)(separated(500), separated(200))
    promise = selection.promise
    assert promise["attained"] == promise["errors_over_cut"] / promise["n_over_cut"] <= 0.2
    assert promise["value"] >= 10 and promise["bound"] == 1 and promise["documents"] == 200
    assert f"{promise['n_over_cut']} would be accepted" in selection.statement


def test_certified_keeps_the_surest_of_a_document_where_it_cannot_keep_all():
    document = np.repeat(np.arange(120), 4)
    p = np.tile([0.97, 0.9, 0.6, 0.5], 120)
    evidence = table(p, p > 0.8, document=document)
    selection = make_certified(0.1, 0.1)(evidence, evidence)
    accepted = selection.accepted
    assert 0 < accepted.sum() and not accepted[p < 0.8].any()
    assert np.bincount(document[accepted]).max() <= selection.promise["bound"]


NAMES = ("A", "B", "C", "D")


def by_label(rng, n, accuracy=(0.99, 0.6, 0.9, 0.9), share=(0.6, 0.36, 0.03, 0.01)):
    label = rng.choice(4, size=n, p=share)
    correct = rng.random(n) < np.array(accuracy)[label]
    noise = rng.normal(size=n)
    score = 1 / (1 + np.exp(-(1 + 0.8 * (2 * correct - 1) + noise)))
    return table(np.round(score, 6), correct, label=label, labels=NAMES)


def shares(selection, pool):
    wrong = [~pool.correct[selection.accepted & (pool.label == i)] for i in range(2)]
    return [rows.mean() if len(rows) else 0.0 for rows in wrong]


def test_each_label_keeps_its_share_where_the_joint_rule_does_not():
    rng, q, joint, apart = np.random.default_rng(0), 0.15, [], []
    for _ in range(150):
        evidence, pool = by_label(rng, 300), by_label(rng, 1500)
        joint.append(shares(make_conformal(q)(pool, evidence), pool))
        apart.append(shares(make_conformal(q, per_label=True)(pool, evidence), pool))
    error = np.std(apart, axis=0) / np.sqrt(len(apart))
    assert (np.mean(apart, axis=0) <= q + 3 * error).all()
    assert np.mean(joint, axis=0)[1] > q + 0.05


def test_per_label_says_what_it_does_not_promise():
    rng = np.random.default_rng(1)
    evidence, pool = by_label(rng, 400), by_label(rng, 1500)
    selection = make_conformal(0.2, per_label=True)(pool, evidence)
    promise = selection.promise
    assert promise["kind"] == "expected by label" and promise["per_label"]
    assert selection.cut is None and promise["attained"] <= 0.2
    assert selection.statement.startswith("Within each label the share of wrong spans")
    assert "for all labels together nothing is promised" in selection.statement
    over = {name: row["held_out_over_cut"] for name, row in selection.labels.items()}
    assert sum(over.values()) == promise["n_over_cut"]


def test_rare_labels_have_one_cut_together():
    rng = np.random.default_rng(2)
    evidence, pool = by_label(rng, 220), by_label(rng, 1500)
    selection = make_conformal(0.2, per_label=True)(pool, evidence)
    rare = pool.label >= 2
    least = (
        pool.probability[selection.accepted & rare].min() if selection.accepted[rare].any() else 2
    )
    assert (selection.accepted[rare] == (pool.probability[rare] >= least)).all()
    # as one group they have enough evidence, on their own they would not
    alone = pool.take(rare), evidence.take(evidence.label >= 2)
    together = make_conformal(0.2)(*alone)
    assert selection.accepted[rare].tolist() == together.accepted.tolist()


def test_per_label_refuses_with_a_number():
    evidence = table([0.9] * 5, [True] * 5)
    selection = make_conformal(0.1, per_label=True)(table(np.full(50, 0.9)), evidence)
    assert not selection.accepted.any() and selection.promise["needed"] == 9
    assert "q = 0.1 within a label is not attainable" in selection.statement


def test_weights_and_cuts_by_label_exclude_each_other():
    with pytest.raises(LLMJudgeError, match="J517"):
        make_conformal(weighted=True, per_label=True)


def test_labels_over_q_are_named():
    rng = np.random.default_rng(3)
    evidence, pool = by_label(rng, 400), by_label(rng, 1500)
    selection = make_conformal(0.15)(pool, evidence)
    warning = warn_of_labels(selection.labels, selection.promise)
    row = selection.labels["B"]
    assert row["wrong_over_cut"] > 0.15 * row["held_out_over_cut"]
    assert f"{row['wrong_over_cut']} of {row['held_out_over_cut']})" in warning
    assert "B (" in warning and "A (" not in warning
    assert warn_of_labels({"A": selection.labels["A"]}, selection.promise) is None
    assert warn_of_labels(selection.labels, {**selection.promise, "q": None}) is None
