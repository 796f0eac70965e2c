"""SiDyP as its published code has it, for the rows of the benchmark."""

import numpy as np
import pytest
import torch
from denoise_helpers import make_noisy
from denoise_replay import UNSCALED, replay_sidyp

from spacy_llmjudge.denoise.reverse_process import reverse
from spacy_llmjudge.denoise.simplex_diffusion import STEPS, Denoiser, to_simplex


@pytest.mark.slow
def test_answers_are_hard():
    x, truth, noisy = make_noisy()
    replayed = replay_sidyp(x, noisy, 0.3)
    assert np.mean(np.array(replayed.labels) == truth) > np.mean(noisy == truth)
    # Each of three branches answers with a vertex, whose softmax at +-1 is .71 with four classes,
    # so that a mean of them is never surer than that.
    assert replayed.probabilities.max() < np.e**1 / (np.e + 3 * np.e**-1) + 1e-6


def test_leaked_test_labels_move_the_centroids():
    x, truth, noisy = make_noisy(n=300)
    plain = replay_sidyp(x, noisy, 0.3)
    leaked = replay_sidyp(x, noisy, 0.3, leak=(x[:100], truth[:100]))
    assert not np.array_equal(plain.probabilities, leaked.probabilities)


def test_items_without_a_label_get_one_at_random():
    x, _, noisy = make_noisy(n=300)
    labels = [None if i % 10 == 0 else int(label) for i, label in enumerate(noisy)]
    replayed = replay_sidyp(x, labels, 0.3)
    assert replayed.report["missing"] == 0 and len(replayed.labels) == 300


def test_the_denoiser_is_told_times_on_another_scale():
    told = []

    class Spy(Denoiser):
        def forward(self, noised, step, known, noisy):
            told.append(int(step[0]))
            return super().forward(noised, step, known, noisy)

    denoiser = Spy(3, 4, 8, STEPS)
    known, noisy = denoiser.item(torch.zeros(2, 4)), to_simplex(torch.tensor([0, 1]), 3)
    reverse(denoiser, known, noisy, UNSCALED, torch.Generator().manual_seed(0))
    assert told == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
