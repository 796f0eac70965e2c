"""Training of the denoisers on candidate labels, one for each branch, while the candidates get sharper."""

from math import ceil
from typing import Callable, List, NamedTuple, Optional, Protocol, Sequence

import numpy as np
import torch
from torch import Tensor

from .arrays import MISSING
from .branches import choose_device, divergence
from .linear import fit_scale
from .neighbours import strengthen
from .reverse_process import TIMES, Diffusion, reverse
from .simplex_diffusion import STEPS, Denoiser, add_noise, make_schedule, to_simplex

SAMPLES = 4
WARM_UP = 0.2
AGREEMENT = 2.0
MAX_WIDTH = 512


class Candidates(Protocol):
    """Weights (n, C) and whether each item has more than one candidate, shape (n,)."""

    @property
    def weights(self) -> np.ndarray: ...

    @property
    def uncertain(self) -> np.ndarray: ...


class Task(NamedTuple):
    """What every batch needs.

    denoisers (List[Denoiser]): One for each branch.
    inputs (List[Tensor]): What each denoiser knows of the items, shape (n, W).
    noisy (Tensor): The points of the noisy labels, shape (n, C).
    weights (List[np.ndarray]): The candidates' weights, (n, C) for each branch; they change.
    uncertain (List[np.ndarray]): Whether each item has more than one candidate, (n,) for each branch.
    rng (torch.Generator): For labels, times and noise.
    """

    denoisers: List[Denoiser]
    inputs: List[Tensor]
    noisy: Tensor
    weights: List[np.ndarray]
    uncertain: List[np.ndarray]
    rng: torch.Generator


class Parts(NamedTuple):
    """What the loss of a batch is made of, for each branch: the weighted cross-entropy, shape (M,), the sum
    of the weights, shape (M,), and the log-probabilities, shape (M, B, C)."""

    fits: Tensor
    masses: Tensor
    logs: Tensor


def train_denoisers(
    trajectories: np.ndarray,
    codes: np.ndarray,
    priors: Sequence[Candidates],
    *,
    epochs: int = 10,
    hidden: int = 128,
    batch: int = 128,
    learning_rate: float = 1e-3,
    dynamic: bool = True,
    seed: int = 0,
) -> Diffusion:
    """Fit a denoiser for each branch to labels drawn from the candidates.

    In the first epochs only settled items are learned. Then the denoiser's own guess on an item
    strengthens that candidate, and labels are drawn in proportion to the weights.

    trajectories (np.ndarray): Shape (M, n, E, h).
    codes (np.ndarray): Noisy labels, shape (n,); what is MISSING takes no part.
    priors (Sequence[Candidates]): The candidates of each branch, length M.
    epochs (int): How often to go over the items.
    hidden (int): The width of the denoisers.
    batch (int): Items in a batch.
    learning_rate (float): The highest step of Adam; it rises in the warm-up and falls in a half cosine.
    dynamic (bool): Whether guesses strengthen candidates.
    seed (int): For weights, batches and noise.
    RETURNS (Diffusion): The fitted denoisers.
    """
    conditions = [fit_condition(path) for path in trajectories]
    inputs = [condition(path) for condition, path in zip(conditions, trajectories)]
    task = start_task(inputs, codes, priors, hidden, seed)
    order = np.flatnonzero(codes != MISSING)
    batches, warm = ceil(len(order) / batch), count_warm(epochs)
    step = make_step(task.denoisers, learning_rate, warm * batches, epochs * batches)
    for epoch in range(epochs):
        if dynamic and epoch >= warm:
            for branch in range(len(priors)):
                sharpen(task, branch, order)
        shuffled = order[torch.randperm(len(order), generator=task.rng).numpy()]
        for part in np.array_split(shuffled, batches):
            parts = measure_batch(task, part, epoch < warm)
            loss = (parts.fits / parts.masses.clamp_min(1.0)).mean()
            if epoch > warm:
                loss = loss + AGREEMENT * divergence(parts.logs).mean(dim=0).mean()
            step(loss)
    return Diffusion(task.denoisers, conditions, task.weights, seed)


def count_warm(epochs: int) -> int:
    """RETURNS (int): How many epochs see only settled items."""
    return max(1, int(WARM_UP * epochs))


def start_task(
    inputs: List[np.ndarray],
    codes: np.ndarray,
    priors: Sequence[Candidates],
    hidden: int,
    seed: int,
) -> Task:
    """RETURNS (Task): Denoisers that have learned nothing yet, and what they are to learn from."""
    device, n_classes = choose_device(), priors[0].weights.shape[1]
    known = [torch.from_numpy(x).to(device) for x in inputs]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        denoisers = [Denoiser(n_classes, x.shape[1], hidden, STEPS).to(device) for x in known]
    noisy = to_simplex(torch.from_numpy(np.maximum(codes, 0)).to(device), n_classes)
    weights, uncertain = [p.weights.copy() for p in priors], [p.uncertain for p in priors]
    rng = torch.Generator().manual_seed(seed)
    return Task(denoisers, known, noisy, weights, uncertain, rng)


def make_step(
    denoisers: List[Denoiser], learning_rate: float, warm: int, total: int
) -> Callable[[Tensor], None]:
    """RETURNS (Callable): Takes a loss and moves the weights; the rate rises for `warm` steps, and falls in a half
    cosine up to `total`."""

    def rate(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + np.cos(np.pi * (step - warm) / max(1, total - warm)))

    weights = [p for d in denoisers for p in d.parameters()]
    optimizer = torch.optim.Adam(weights, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)

    def step(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        schedule.step()

    return step


def measure_batch(task: Task, part: np.ndarray, warming: bool) -> Parts:
    """Draw labels, times and noise for a batch, and let each branch denoise it.

    task (Task): The task.
    part (np.ndarray): The items, shape (B,).
    warming (bool): Whether only settled items count.
    RETURNS (Parts): What the loss is made of.
    """
    device, rng = task.noisy.device, task.rng
    index = torch.from_numpy(part).to(device)
    schedule = make_schedule(STEPS).to(device)
    fits, masses, logs = [], [], []
    for branch, denoiser in enumerate(task.denoisers):
        p = torch.from_numpy(task.weights[branch][part]).float()
        target = torch.multinomial(p, 1, generator=rng)[:, 0]
        weight = p.gather(1, target[:, None])[:, 0].to(device)
        if warming:
            weight = torch.from_numpy(~task.uncertain[branch][part]).float().to(device)
        target = target.to(device)
        time = torch.randint(0, STEPS, (len(part),), generator=rng).to(device)
        noised = add_noise(to_simplex(target, p.shape[1]), time, schedule, rng)
        known = denoiser.item(task.inputs[branch][index])
        log = denoiser(noised, time, known, task.noisy[index]).log_softmax(-1)
        fits.append(-(weight * log.gather(1, target[:, None])[:, 0]).sum())
        masses.append(weight.sum())
        logs.append(log)
    return Parts(torch.stack(fits), torch.stack(masses), torch.stack(logs))


def sharpen(task: Task, branch: int, order: np.ndarray) -> None:
    """Let a denoiser guess on the items with several candidates, and strengthen what it guesses."""
    items = order[task.uncertain[branch][order]]
    weights = task.weights[branch][items]
    for _ in range(SAMPLES if len(items) else 0):
        drawn = torch.multinomial(torch.from_numpy(weights).float(), 1, generator=task.rng)[:, 0]
        start = to_simplex(drawn.to(task.noisy.device), weights.shape[1])
        weights = strengthen(weights, guess(task, branch, items, TIMES, start), SAMPLES)
    task.weights[branch][items] = weights


def guess(
    task: Task, branch: int, items: np.ndarray, times: Sequence[int], start: Optional[Tensor] = None
) -> np.ndarray:
    """RETURNS (np.ndarray): The label that a denoiser makes of each item's noisy label, shape (len(items),)."""
    index = torch.from_numpy(items).to(task.noisy.device)
    denoiser = task.denoisers[branch]
    with torch.no_grad():
        known = denoiser.item(task.inputs[branch][index])
    logits = reverse(denoiser, known, task.noisy[index], times, task.rng, start=start)
    return logits.argmax(dim=-1).cpu().numpy()


def fit_condition(trajectories: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Flatten trajectories; where they are wider than MAX_WIDTH, project each epoch by itself.

    trajectories (np.ndarray): Shape (n, E, h).
    RETURNS (Callable): From trajectories, (m, E, h), to a matrix, (m, W), with a mean variance of 1.
    """
    n_items, epochs, width = trajectories.shape
    kept = min(width, max(1, MAX_WIDTH // epochs), n_items)
    bases: Optional[List[np.ndarray]] = None
    if kept < width:
        centred = trajectories - trajectories.mean(axis=0)
        bases = [
            np.linalg.svd(centred[:, e], full_matrices=False)[2][:kept].T for e in range(epochs)
        ]

    def flatten(paths: np.ndarray) -> np.ndarray:
        if bases is None:
            return paths.reshape(len(paths), -1)
        return np.concatenate([paths[:, e] @ basis for e, basis in enumerate(bases)], axis=1)

    flat = flatten(trajectories)
    scale, factor = fit_scale(flat), np.float32(flat.shape[1] ** 0.5)
    return lambda paths: scale(flatten(paths)) * factor
