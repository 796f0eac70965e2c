import doctest

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.selection import label_shift
from spacy_llmjudge.selection.conformal_cut import conformal_cut
from spacy_llmjudge.selection.label_shift import benjamini_hochberg, weighted_conformal

scores = st.lists(st.integers(0, 10).map(lambda i: i / 10), min_size=0, max_size=30)


def test_examples_in_the_docstrings():
    result = doctest.testmod(label_shift)
    assert result.attempted >= 5 and result.failed == 0


@settings(max_examples=100, deadline=None)
@given(scores.filter(len), scores, st.integers(0, 40), st.sampled_from([0.1, 0.3]))
def test_equal_weights_change_nothing(pool, wrong, right, q):
    pool = np.array(pool)
    held_out = np.array(wrong + [1.0] * right)
    is_wrong = np.arange(len(held_out)) < len(wrong)
    cut = conformal_cut(pool, np.array(wrong), len(held_out), q)
    plain = pool >= cut if cut is not None else np.zeros(len(pool), bool)
    weighted = weighted_conformal(
        pool, np.ones(len(pool)), held_out, is_wrong, np.ones(len(held_out)), q
    )
    assert weighted.tolist() == plain.tolist()


def test_an_empty_pool_has_no_p_values():
    assert len(benjamini_hochberg(np.zeros(0), 0.1)) == 0


def test_weights_repair_label_shift():
    rng, q = np.random.default_rng(3), 0.1
    shares = {"plain": [], "weighted": []}
    for _ in range(300):
        hard = {"held_out": rng.random(300) < 0.1, "pool": rng.random(1500) < 0.6}
        score, wrong = {}, {}
        for name, is_hard in hard.items():
            truth = rng.random(len(is_hard)) < np.where(is_hard, 0.5, 0.95)
            score[name] = np.round(0.3 * truth + rng.random(len(is_hard)), 6)
            wrong[name] = ~truth
        weight = {}
        for name, is_hard in hard.items():
            pool_share, held_share = hard["pool"].mean(), hard["held_out"].mean()
            ratio = [(1 - pool_share) / (1 - held_share), pool_share / held_share]
            weight[name] = np.where(is_hard, ratio[1], ratio[0])
        cut = conformal_cut(score["pool"], score["held_out"][wrong["held_out"]], 300, q)
        plain = score["pool"] >= (2 if cut is None else cut)
        weighted = weighted_conformal(
            score["pool"],
            weight["pool"],
            score["held_out"],
            wrong["held_out"],
            weight["held_out"],
            q,
        )
        for name, accepted in (("plain", plain), ("weighted", weighted)):
            share = wrong["pool"][accepted].mean() if accepted.any() else 0.0
            shares[name].append(share)
    error = np.std(shares["weighted"]) / np.sqrt(300)
    assert np.mean(shares["weighted"]) <= q + 3 * error
    assert np.mean(shares["plain"]) > q + 0.02
