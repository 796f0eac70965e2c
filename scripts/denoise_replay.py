"""SiDyP as its published code has it, bugs included, for the rows `sidyp_faithful` of `benchmark_denoise.py`.

What it does otherwise than `refine_sidyp`: the branches are never drawn together, items are not shuffled,
each update of the candidates takes one guess of the denoiser for all its samples, the denoiser is told a
wrong time, losses are sums, labels that are missing are filled at random, and answers are hard. It is told
the share of wrong labels, as its authors set it by hand, and may let the labels of test items into the
centroids.
"""

from math import ceil
from typing import Any, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from spacy_llmjudge.denoise.arrays import (
    MISSING,
    Denoised,
    check_width,
    decode,
    encode,
    prepare,
)
from spacy_llmjudge.denoise.branches import Branches, divergence, train_branches
from spacy_llmjudge.denoise.diffusion_training import (
    AGREEMENT,
    Task,
    count_warm,
    fit_condition,
    guess,
    make_step,
    measure_batch,
    start_task,
)
from spacy_llmjudge.denoise.neighbours import (
    ask_neighbours,
    choose_candidates,
    find_centroids,
    mark_noisy,
    score_dynamics,
    strengthen,
)
from spacy_llmjudge.denoise.reverse_process import REVERSE_STEPS, Diffusion, reverse
from spacy_llmjudge.denoise.sidyp import Prior, describe_stages
from spacy_llmjudge.denoise.simplex_diffusion import Denoiser, to_simplex

HIDDEN = 128
BATCH = 128
LEARNING_RATE = 1e-3
DIFFUSION_EPOCHS = 10
# Steps of the reverse process, not of the training: what the denoiser is told.
UNSCALED = range(REVERSE_STEPS)


def replay_sidyp(
    features: Any,
    labels: Sequence[Optional[str]],
    noise_rate: float,
    *,
    leak: Optional[Tuple[np.ndarray, Sequence[str]]] = None,
    classifiers: Optional[Branches] = None,
    seed: int = 0,
) -> Denoised:
    """Refine labels as the published code does.

    features (array-like): Shape (n, d).
    labels (Sequence[Optional[str]]): Noisy labels, shape (n,). None: the LLM gave none.
    noise_rate (float): The true share of wrong labels.
    leak (Optional[Tuple[np.ndarray, Sequence[str]]]): Features and gold labels of test items, which that
        code lets into the centroids.
    classifiers (Optional[Branches]): Trained elsewhere; `predict` then takes what their `apply` takes.
    seed (int): For weights and noise.
    RETURNS (Denoised): Labels and probabilities; the items get what new items with their features get.
    """
    matrix, codes, _, classes = prepare(features, labels)
    n = len(classes)
    filled = np.random.default_rng(seed).integers(0, n, len(codes))
    codes = np.where(codes == MISSING, filled, codes)
    own = classifiers is None
    if classifiers is None:
        classifiers = train_branches(matrix, codes, n, agreement=0.0, shuffle=False, seed=seed)
    priors = []
    for branch, path in enumerate(classifiers.trajectories):
        centroids = None
        if leak is not None:
            gold = encode([x if x in classes else None for x in leak[1]], classes)
            both = np.concatenate([path, classifiers.apply(leak[0])[1][branch]])
            centroids = find_centroids(both, np.concatenate([codes, gold]), n)
        marked = mark_noisy(score_dynamics(path, codes, centroids), codes, noise_rate)
        votes = ask_neighbours(matrix, codes, marked, n)
        priors.append(Prior(*choose_candidates(votes), marked))
    model = _train(classifiers.trajectories, codes, priors, seed)
    probabilities = model.predict(classifiers.probabilities, classifiers.trajectories)

    def predict(new: Any) -> np.ndarray:
        rows = check_width(new, matrix.shape[1]) if own else new
        return model.predict(*classifiers.apply(rows))

    report = describe_stages(classifiers, priors, model.weights, codes, classes, noise_rate)
    best = decode(probabilities.argmax(axis=1), classes)
    return Denoised(best, probabilities, classes, predict, report)


def _train(paths: np.ndarray, codes: np.ndarray, priors: Sequence[Prior], seed: int) -> Diffusion:
    conditions = [fit_condition(path) for path in paths]
    inputs = [condition(path) for condition, path in zip(conditions, paths)]
    task = start_task(inputs, codes, priors, HIDDEN, seed)
    order = np.arange(len(codes))
    batches, warm = ceil(len(order) / BATCH), count_warm(DIFFUSION_EPOCHS)
    step = make_step(task.denoisers, LEARNING_RATE, warm * batches, DIFFUSION_EPOCHS * batches)
    for epoch in range(DIFFUSION_EPOCHS):
        if epoch >= warm:
            for branch in range(len(priors)):
                _sharpen(task, branch)
        for part in np.array_split(order, batches):
            parts = measure_batch(task, part, epoch < warm)
            fits = parts.fits / parts.masses.clamp_min(1.0) if epoch < warm else parts.fits
            loss = fits.mean()
            if epoch > warm:
                loss = loss + AGREEMENT * divergence(parts.logs).mean(dim=0).sum()
            step(loss)
    return Diffusion(task.denoisers, conditions, task.weights, seed, _answer)


def _sharpen(task: Task, branch: int) -> None:
    """The published code adds the same guess once for each sample, which is one step of 1."""
    items = np.flatnonzero(task.uncertain[branch])
    if len(items):
        found = guess(task, branch, items, UNSCALED)
        task.weights[branch][items] = strengthen(task.weights[branch][items], found, 1)


def _answer(denoiser: Denoiser, known: Tensor, noisy: Tensor, rng: torch.Generator) -> Tensor:
    best = reverse(denoiser, known, noisy, UNSCALED, rng).argmax(dim=-1)
    return to_simplex(best, noisy.shape[1], 1.0).softmax(dim=-1)
