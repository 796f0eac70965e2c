import numpy as np
import pytest
import torch
from denoise_helpers import make_noisy
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_llmjudge.denoise.branches import Branches, branch_loss, train_branches
from spacy_llmjudge.denoise.diffusion_training import fit_condition
from spacy_llmjudge.denoise.linear import balance_weights, fit_linear
from spacy_llmjudge.denoise.neighbours import (
    ask_neighbours,
    choose_candidates,
    find_centroids,
    mark_noisy,
    score_dynamics,
    strengthen,
)
from spacy_llmjudge.denoise.reverse_process import TIMES, reverse
from spacy_llmjudge.denoise.sidyp import SOFT_PENALTY, fit_soft, refine_sidyp
from spacy_llmjudge.denoise.simplex_diffusion import (
    SIMPLEX,
    STEPS,
    Denoiser,
    add_noise,
    make_schedule,
    to_simplex,
)


@pytest.fixture(scope="module")
def refined():
    x, truth, noisy = make_noisy()
    return x, truth, noisy, refine_sidyp(x, noisy, published=True)


@pytest.mark.slow
def test_relabelling_beats_the_noisy_labels_by_more_than_ten_points(refined):
    x, truth, noisy, done = refined
    assert np.mean(np.array(done.labels) == truth) > np.mean(noisy == truth) + 0.1
    assert np.mean(done.predict(x).argmax(axis=1) == truth) > np.mean(noisy == truth) + 0.1


def test_probabilities_sum_to_one_and_the_report_follows_the_stages(refined):
    _, truth, noisy, done = refined
    assert np.allclose(done.probabilities.sum(axis=1), 1, atol=1e-5)
    assert done.report["noise_rate"] == pytest.approx(0.3, abs=0.06)
    assert done.report["marked"] == pytest.approx(done.report["noise_rate"], abs=0.01)
    stages = {k: np.mean(np.array(v) == truth) for k, v in done.report["stages"].items()}
    assert set(stages) == {"classifier", "candidates", "dynamic_prior"}
    assert stages["candidates"] > np.mean(noisy == truth) + 0.1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_probabilities(refined):
    x, _, noisy, done = refined
    before = torch.random.get_rng_state()
    assert np.array_equal(refine_sidyp(x, noisy, published=True).probabilities, done.probabilities)
    assert torch.equal(before, torch.random.get_rng_state())


def test_classifiers_that_were_trained_elsewhere_are_used():
    x, truth, noisy = make_noisy(n=300)
    own = train_branches(x, noisy, 4, branches=2, epochs=4)
    given = Branches(own.probabilities, own.trajectories, lambda names: own.apply(x[names]))
    done = refine_sidyp(x, noisy, classifiers=given, published=True)
    assert np.mean(done.predict([0, 1, 2, 3]).argmax(axis=1) == truth[:4]) >= 0.5
    assert done.predict([0, 1, 2, 3]).shape == (4, 4)


def test_branches_are_drawn_together():
    x, _, noisy = make_noisy(n=600, noise=0.5)
    apart = {}
    for pull in (5.0, 0.0):
        p = train_branches(x, noisy, 4, epochs=10, agreement=pull).probabilities
        apart[pull] = np.abs(p - p.mean(axis=0)).mean()
    assert apart[5.0] < apart[0.0]


def test_the_loss_of_equal_branches_is_their_cross_entropy():
    logits = torch.randn((1, 5, 3), generator=torch.Generator().manual_seed(0)).expand(3, 5, 3)
    targets = torch.tensor([0, 1, 2, 0, 1])
    plain = torch.nn.functional.cross_entropy(logits[0], targets)
    assert float(branch_loss(logits, targets, 5.0)) == pytest.approx(float(plain), abs=1e-5)


def test_weights_of_items_in_the_loss_are_those_of_torch():
    logits = torch.randn((1, 5, 3), generator=torch.Generator().manual_seed(0))
    targets, weights = torch.tensor([0, 1, 2, 0, 1]), torch.tensor([0.5, 1.0, 2.0, 0.5, 1.0])
    each = torch.nn.functional.cross_entropy(logits[0], targets, reduction="none")
    found = branch_loss(logits, targets, 0.0, weights)
    assert float(found) == pytest.approx(float((weights * each).mean()), abs=1e-6)


def test_certain_candidates_are_learned_as_by_a_balanced_regression():
    rng = np.random.default_rng(0)
    codes = np.array([0] * 40 + [1] * 12 + [2] * 6)
    x = rng.normal(size=(58, 4)) + codes[:, None]
    expected = fit_linear(x, codes, 3, SOFT_PENALTY, balance_weights(codes, 3))
    assert np.allclose(fit_soft(x, np.eye(3)[codes])(x), expected(x), atol=1e-6)


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_regression_on_candidates_beats_the_noisy_labels_too(dynamic):
    x, truth, noisy = make_noisy(n=600)
    done = refine_sidyp(x, noisy, dynamic=dynamic, diffusion_epochs=4)
    assert np.mean(np.array(done.labels) == truth) > np.mean(noisy == truth) + 0.1
    assert done.predict(x[:3]).shape == (3, 4)


def test_dynamics_score_wrong_labels_higher():
    x, truth, noisy = make_noisy()
    path = train_branches(x, noisy, 4).trajectories[0]
    scores = score_dynamics(path, noisy)
    assert scores[noisy != truth].mean() > scores[noisy == truth].mean()
    marked = mark_noisy(scores, noisy, 0.3)
    assert np.mean(noisy[marked] != truth[marked]) > 0.5
    assert np.mean(noisy[~marked] != truth[~marked]) < 0.15


def test_items_without_a_label_are_marked_and_do_not_vote():
    x, _, noisy = make_noisy(n=200)
    noisy[:50] = -1
    path = np.repeat(x[:, None, :], 2, axis=1)
    marked = mark_noisy(score_dynamics(path, noisy), noisy, 0.1)
    assert marked[:50].all() and marked[50:].sum() == 15
    votes = ask_neighbours(x, noisy, marked, 4, 5)
    assert np.allclose(votes.sum(axis=1), 1)


def test_unmarked_items_keep_their_label_and_marked_ones_do_not_vote_for_themselves():
    x, _, noisy = make_noisy(n=200)
    marked = np.arange(200) < 60
    votes = ask_neighbours(x, noisy, marked, 4, 5)
    assert (votes[60:].argmax(axis=1) == noisy[60:]).all()
    assert (votes[60:].max(axis=1) > 0.99).all()
    assert (votes[:60].max(axis=1) < 0.999).any()


def test_centroids_are_the_means_of_classes():
    path = np.arange(12, dtype=float).reshape(3, 2, 2)
    found = find_centroids(path, np.array([0, 0, 1]), 2)
    assert np.allclose(found[0], path[:2].mean(axis=0)) and np.allclose(found[1], path[2])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=4, max_size=4), st.integers(0, 3), st.integers(1, 10))
def test_the_odds_of_a_guess_grow_by_one_over_steps(masses, guess, steps):
    weights = np.array([masses]) / sum(masses)
    p = weights[0, guess]
    after = strengthen(weights, np.array([guess]), steps)[0, guess]
    assert after / (1 - after) == pytest.approx(p / (1 - p) + 1 / steps)


def test_a_guess_that_is_no_candidate_changes_nothing():
    weights = np.array([[0.6, 0.4, 0.0]])
    assert np.array_equal(strengthen(weights, np.array([2]), 4), weights)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.0, 1), min_size=5, max_size=5).filter(lambda v: sum(v) > 0.1))
def test_candidates_are_shares_of_votes(masses):
    votes = np.array([masses]) / sum(masses)
    weights, uncertain = choose_candidates(votes)
    assert weights.sum() == pytest.approx(1)
    assert ((weights > 0) <= (votes > 0)).all()
    assert bool(uncertain[0]) == bool(votes.max() < 0.9)
    assert (weights > 0).sum() > 1 or votes.max() >= 0.9 or (votes > 0).sum() == 1


def test_the_schedule_starts_at_one_and_falls():
    for steps in (10, 200):
        schedule = make_schedule(steps)
        assert float(schedule[0]) == 1.0
        assert (schedule[1:] < schedule[:-1]).all()


def test_points_of_labels_have_the_published_softmax():
    point = to_simplex(torch.tensor([2]), 9)
    assert point.tolist()[0] == [-5.0] * 2 + [5.0] + [-5.0] * 6
    assert float(point.softmax(dim=-1)[0, 2]) == pytest.approx(0.9996, abs=1e-4)
    assert float(to_simplex(torch.tensor([2]), 9, 1.0).softmax(dim=-1)[0, 2]) == pytest.approx(
        0.48, abs=0.005
    )


def test_noise_has_the_spread_of_the_schedule():
    schedule = make_schedule(200)
    point = to_simplex(torch.zeros(20000, dtype=torch.long), 3)
    step = torch.full((20000,), 120)
    noised = add_noise(point, step, schedule, torch.Generator().manual_seed(0))
    left = float(schedule[120])
    assert float(noised[:, 0].mean()) == pytest.approx(SIMPLEX * left**0.5, abs=0.15)
    assert float(noised[:, 0].std()) == pytest.approx(SIMPLEX * (1 - left) ** 0.5, abs=0.1)


def test_the_reverse_process_is_told_the_time_on_the_scale_of_the_training():
    told = []

    class Spy(Denoiser):
        def forward(self, noised, step, known, noisy):
            told.append(int(step[0]))
            return super().forward(noised, step, known, noisy)

    denoiser = Spy(3, 4, 8, STEPS)
    known, noisy = denoiser.item(torch.zeros(2, 4)), to_simplex(torch.tensor([0, 1]), 3)
    reverse(denoiser, known, noisy, TIMES, torch.Generator().manual_seed(0))
    assert told == [190, 170, 150, 130, 110, 90, 70, 50, 30, 10]


def test_wide_trajectories_are_projected_epoch_by_epoch():
    paths = np.random.default_rng(0).normal(size=(150, 8, 100)).astype("float32")
    flat = fit_condition(paths)(paths)
    assert flat.shape == (150, 8 * 64)
    assert np.mean(flat**2) == pytest.approx(1.0, abs=0.05)
