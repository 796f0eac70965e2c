import json
import os
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.denoise.linear import make_folds
from spacy_llmjudge.denoise.uu import refine_uu
from spacy_llmjudge.denoise.uu_risk import Rates, fit_scorers, uu_coefficients, uu_risk
from spacy_llmjudge.errors import LLMJudgeError

KINDS = ["pn", "uu", "robust_uu"]


def make_pools(n=400000, prior=0.3, pos=0.8, neg=0.15, seed=0):
    """Scores and truths of two mixtures of the same two classes."""
    rng = np.random.default_rng(seed)

    def draw(share, size):
        truth = rng.random(size) < share
        return np.where(truth, 1.0, -1.0) + rng.normal(size=size) * 1.5, truth

    return draw(pos, n // 2), draw(neg, n // 2), draw(prior, n)


def risk_of(accepted, rejected, rates, kind):
    coefficients = torch.tensor([uu_coefficients(rates)], dtype=torch.float64)
    return uu_risk(torch.tensor(accepted)[None], torch.tensor(rejected)[None], coefficients, kind)


@pytest.mark.parametrize("kind", ["uu", "robust_uu"])
def test_the_risk_of_two_pools_is_the_risk_on_true_labels(kind):
    rates = Rates(0.8, 0.15, 0.3)
    (accepted, _), (rejected, _), (scores, truth) = make_pools()
    found = float(risk_of(accepted, rejected, rates, kind))
    true = np.mean(1 / (1 + np.exp(np.where(truth, scores, -scores))))
    assert found == pytest.approx(true, rel=0.01)
    assert float(risk_of(accepted, rejected, rates, "pn")) > true * 1.05


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 0.95), st.lists(st.floats(-5, 5), min_size=2, max_size=20))
def test_pure_pools_give_the_ordinary_risk(prior, scores):
    rates = Rates(1.0, 0.0, prior)
    accepted, rejected = scores[: len(scores) // 2], scores[len(scores) // 2 :]
    risks = [float(risk_of(accepted, rejected, rates, kind)) for kind in KINDS]
    assert risks[0] == pytest.approx(risks[1], abs=1e-9) == pytest.approx(risks[2], abs=1e-9)


def test_with_the_share_of_accepted_as_prior_it_is_the_mean_loss_of_the_verdicts():
    accepted, rejected = [2.0, -1.0, 0.5], [-3.0, 1.0, 0.2, 0.1, -0.7]
    found = float(risk_of(accepted, rejected, Rates(1.0, 0.0, 3 / 8), "robust_uu"))
    margins = np.array(accepted + [-x for x in rejected])
    assert found == pytest.approx(np.mean(1 / (1 + np.exp(margins))))


def gradient(kind, rates, seed=0):
    rng = torch.Generator().manual_seed(seed)
    u = torch.randn((1, 30), generator=rng, dtype=torch.float64, requires_grad=True)
    v = torch.randn((1, 50), generator=rng, dtype=torch.float64, requires_grad=True)
    coefficients = torch.tensor([uu_coefficients(rates)], dtype=torch.float64)
    uu_risk(u, v, coefficients, kind).sum().backward()
    return torch.cat([u.grad[0], v.grad[0]])


def cosine(a, b):
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))


def test_at_an_even_prior_plain_uu_learns_as_balanced_noisy_training_does():
    balanced = gradient("pn", Rates(1.0, 0.0, 0.5))
    assert cosine(gradient("uu", Rates(0.8, 0.3, 0.5)), balanced) == pytest.approx(1.0, abs=1e-9)
    assert cosine(gradient("uu", Rates(0.8, 0.3, 0.2)), balanced) < 0.99


def test_the_robust_risk_is_never_under_zero_and_turns_around():
    accepted, rejected = [8.0] * 10, [-8.0] * 10
    rates = Rates(0.7, 0.2, 0.5)
    assert float(risk_of(accepted, rejected, rates, "uu")) < 0
    assert float(risk_of(accepted, rejected, rates, "robust_uu")) >= 0


def make_binary(n=1200, seed=0, tpr=0.75, fpr=0.25, prior=0.4):
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < prior
    x = np.where(truth, 0.8, -0.8)[:, None] + rng.normal(size=(n, 4)) * 0.8
    verdicts = np.where(truth, rng.random(n) < tpr, rng.random(n) < fpr)
    gold = [bool(t) if i < 100 else None for i, t in enumerate(truth)]
    return x, truth, verdicts, gold


def test_the_scorer_is_better_than_the_verdicts_that_it_learned_from():
    x, truth, verdicts, gold = make_binary()
    done = refine_uu(x, verdicts, gold)
    assert np.mean(np.array(done.labels) == truth) > np.mean(verdicts == truth) + 0.1
    assert np.mean((done.predict(x)[:, 1] > 0.5) == truth) > np.mean(verdicts == truth) + 0.1
    assert done.report["carried"] and len(done.report["rounds"]) == 1


def test_probabilities_are_about_right():
    x, truth, verdicts, gold = make_binary(n=4000)
    p = refine_uu(x, verdicts, gold).probabilities[:, 1]
    bins = np.minimum((p * 5).astype(int), 4)
    gaps = [
        abs(p[bins == b].mean() - truth[bins == b].mean()) * np.mean(bins == b) for b in set(bins)
    ]
    assert sum(gaps) < 0.1


def test_abstentions_take_no_part_and_are_labelled_in_the_end():
    x, truth, verdicts, gold = make_binary()
    answers = [None if i % 5 == 0 else bool(v) for i, v in enumerate(verdicts)]
    labels = np.array(refine_uu(x, answers, gold).labels)
    assert np.mean(labels[::5] == truth[::5]) > 0.85


def test_verdicts_at_chance_are_an_error():
    x, truth, _, _ = make_binary()
    coin = np.random.default_rng(5).random(len(truth)) < 0.5
    with pytest.raises(LLMJudgeError, match="J511"):
        refine_uu(x, coin, [bool(t) for t in truth])


def test_theta_plus_under_theta_minus_is_an_error():
    x, truth, _, gold = make_binary()
    with pytest.raises(LLMJudgeError, match="J511"):
        refine_uu(x, ~truth, gold)


def test_labels_that_got_worse_on_the_gold_are_warned_of():
    rng = np.random.default_rng(0)
    truth = rng.random(600) < 0.5
    verdicts = np.where(rng.random(600) < 0.05, ~truth, truth).tolist()
    weak = np.where(truth, 0.3, -0.3)[:, None] + rng.normal(size=(600, 3))
    gold = [bool(t) if i < 100 else None for i, t in enumerate(truth)]
    with pytest.warns(UserWarning, match=r"\[JW504\].* on 100 items is"):
        done = refine_uu(weak, verdicts, gold)
    before, after = (done.report["rounds"][0][f"gold_error_{when}"] for when in ("before", "after"))
    assert (
        before == pytest.approx(np.mean(np.array(verdicts)[:100] != truth[:100]), abs=0.02)
        and after > before
    )


def test_a_pool_of_one_batch_is_learned():
    rng = np.random.default_rng(1)
    truth = np.arange(80) % 2 == 0
    verdicts = np.where(rng.random(80) < 0.25, ~truth, truth).tolist()
    x = np.where(truth, 1.0, -1.0)[:, None] * [1, 1] + 0.6 * rng.normal(size=(80, 2))
    done = refine_uu(x, verdicts, truth.tolist(), hidden=16)
    assert (
        np.mean(np.array(done.labels) == truth) > 0.95 > 0.85 > np.mean(np.array(verdicts) == truth)
    )


def test_too_little_gold_keeps_the_verdicts_and_says_so():
    x, truth, verdicts, _ = make_binary(tpr=0.6, fpr=0.35)
    gold = [None] * len(truth)
    for verdict in (True, False):
        for i in [np.flatnonzero((verdicts == verdict) & (truth == t))[0] for t in (True, False)]:
            gold[i] = bool(truth[i])
        for i in np.flatnonzero((verdicts == verdict) & (truth == verdict))[1:4]:
            gold[i] = bool(truth[i])
    with pytest.warns(UserWarning, match="JW500"):
        done = refine_uu(x, verdicts, gold)
    assert done.labels == verdicts.tolist()
    assert not done.report["carried"]
    # of the labels that are returned
    found = done.report["rounds"][0]
    assert found["gold_error_after"] == found["gold_error_before"]
    assert set(done.probabilities[:, 1].round(6)) == {
        round(done.report["rounds"][0]["rates"]["True"][name]["value"], 6)
        for name in ("theta_pos", "theta_neg")
    }


def test_further_rounds_are_dropped_where_the_gold_speaks_against_them():
    x, truth, verdicts, gold = make_binary(n=400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = refine_uu(x, verdicts, gold, rounds=4, epochs=10)
    assert "dropped" in done.report["rounds"][-1] or len(done.report["rounds"]) == 4
    errors = [r["gold_error_after"] for r in done.report["rounds"] if "dropped" not in r]
    assert errors[1:] == sorted(errors[1:], reverse=True)
    assert len(done.report["rounds"]) <= 4


def test_a_further_round_that_the_gold_does_not_carry_leaves_the_one_before():
    """And does not hand back the verdicts with the rates of other labels."""
    rng = np.random.default_rng(4)
    truth = rng.random(300) < 0.5
    x = np.where(truth, 1, -1)[:, None] * 0.35 + rng.normal(size=(300, 4))
    verdicts = np.where(rng.random(300) < 0.25, ~truth, truth)
    gold = [bool(t) if i < 30 else None for i, t in enumerate(truth)]
    with pytest.warns(UserWarning, match="JW502.*the gold does not carry"):
        done = refine_uu(x, verdicts, gold, rounds=3, epochs=10, seed=4)
    one = refine_uu(x, verdicts, gold, rounds=1, epochs=10, seed=4)
    assert done.report["carried"] and done.labels == one.labels != verdicts.tolist()


def test_a_further_round_that_empties_a_pool_is_dropped_with_a_warning():
    x, truth, _, gold = make_binary(n=400, prior=0.5)
    far = np.where(truth, 50.0, 1.0)[:, None] * np.ones((1, 2))
    rare = np.arange(400) < 6
    with pytest.warns(UserWarning, match="JW502.*J50[567]"):
        done = refine_uu(far * 0 + 1, rare | truth, gold, rounds=3, epochs=2, kind="pn")
    assert len(set(done.labels)) == 1


def test_many_classes_are_refined_one_against_the_rest():
    rng = np.random.default_rng(0)
    truth = rng.choice(3, 1500, p=[0.6, 0.3, 0.1])
    x = np.eye(3)[truth] * 3 + rng.normal(size=(1500, 3))
    noisy = np.where(rng.random(1500) < 0.4, rng.integers(0, 3, 1500), truth)
    names = np.array(["x", "y", "z"])
    done = refine_uu(
        x, names[noisy], [str(names[t]) if i < 200 else None for i, t in enumerate(truth)]
    )
    assert np.mean(np.array(done.labels) == names[truth]) > np.mean(noisy == truth) + 0.1
    assert done.probabilities.shape == (1500, 3)
    assert np.allclose(done.probabilities.sum(axis=1), 1)
    assert set(done.report["rounds"][0]["rates"]) == {"x", "y", "z"}


def test_the_same_seed_gives_the_same_scores_and_jobs_do_not_touch_each_other():
    x, truth, verdicts, _ = make_binary(n=200)
    train = np.ones((1, 200), dtype=bool)
    rates = [Rates(0.7, 0.2, 0.4)]
    once = fit_scorers(x.astype("f4"), verdicts[None], train, rates, epochs=3)(x)
    again = fit_scorers(x.astype("f4"), verdicts[None], train, rates, epochs=3)(x)
    assert np.array_equal(once, again)


def test_an_item_is_scored_by_a_scorer_that_has_not_seen_its_verdict():
    x, truth, verdicts, gold = make_binary(n=300)
    flipped = verdicts.copy()
    last = len(verdicts) - 1
    flipped[last] = ~flipped[last]
    groups = list(range(300))
    a = refine_uu(x, verdicts, gold, groups=groups, epochs=3, kind="pn")
    b = refine_uu(x, flipped, gold, groups=groups, epochs=3, kind="pn")
    assert (
        make_folds(np.zeros(300), 5, 0, groups)[last]
        == make_folds(np.ones(300), 5, 0, groups)[last]
    )
    assert abs(a.probabilities[last, 1] - b.probabilities[last, 1]) < 0.05


def test_an_unknown_kind_is_refused():
    x, _, verdicts, gold = make_binary(n=100)
    with pytest.raises(LLMJudgeError, match="J513"):
        refine_uu(x, verdicts, gold, kind="nnpu")


@pytest.mark.slow
@pytest.mark.parametrize("width", [200, 384])
def test_a_round_on_1749_items_takes_under_five_seconds(width):
    """Seconds of the processor: a machine that is busy elsewhere must not fail this."""
    rng = np.random.default_rng(0)
    truth = rng.random(1749) < 0.4
    x = rng.normal(size=(1749, width)) + 0.2 * truth[:, None]
    verdicts = np.where(rng.random(1749) < 0.3, ~truth, truth)
    gold = [bool(t) if i < 100 else None for i, t in enumerate(truth)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        start = time.process_time()
        refine_uu(x, verdicts, gold)
        spent = time.process_time() - start
    finally:
        torch.set_num_threads(threads)
    assert spent < 5


DATA = os.environ.get("LLMJUDGE_DATA", "")


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    "label, expected",
    [("Member-Collection", 0.52), ("Cause-Effect", 0.73), ("Component-Whole", 0.59)],
)
def test_robust_is_no_worse_than_plain_uu_on_the_labels_of_an_llm(label, expected):
    from scipy.sparse import hstack
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import f1_score
    from sklearn.preprocessing import normalize

    path = Path(DATA) / "semeval_llm_noise" / "train.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    texts = [row["text"] for row in rows]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit_transform(texts)
    pieces = TfidfVectorizer(analyzer="char", ngram_range=(3, 5), sublinear_tf=True).fit_transform(
        texts
    )
    x = normalize(TruncatedSVD(200, random_state=0).fit_transform(hstack([words, pieces])))
    truth = np.array([row["label"] == label for row in rows])
    verdicts = np.array([row["llm_label"] == label for row in rows])
    rates = [Rates(truth[verdicts].mean(), truth[~verdicts].mean(), truth.mean())]
    everything = np.ones((1, len(rows)), dtype=bool)
    scores = {}
    for kind in ("uu", "robust_uu"):
        fits = [
            fit_scorers(
                x.astype("f4"), verdicts[None], everything, rates, kind=kind, hidden=64, seed=seed
            )(x.astype("f4"))
            for seed in range(3)
        ]
        scores[kind] = np.mean([f1_score(truth, fit[0] > 0) for fit in fits])
    assert scores["robust_uu"] >= scores["uu"]
    assert scores["robust_uu"] == pytest.approx(expected, abs=0.03)
