"""Denoisers that learn candidate labels, one for each branch, and what they make of noisy labels."""

from math import ceil
from typing import Callable, List, NamedTuple, Optional, Protocol, Sequence

import numpy as np
import torch
from torch import Tensor

from .arrays import MISSING
from .branches import choose_device, divergence
from .linear import fit_scale
from .neighbours import strengthen
from .simplex_diffusion import Denoiser, add_noise, make_schedule, reverse, to_simplex

STEPS = 200
REVERSE_STEPS = 10
SAMPLES = 4
DRAWS = 4
WARM_UP = 0.2
AGREEMENT = 2.0
MAX_WIDTH = 512
BLOCK = 16384


class Candidates(Protocol):
    """Weights (n, C) and whether each item has more than one candidate, shape (n,)."""

    weights: np.ndarray
    uncertain: np.ndarray


class Diffusion(NamedTuple):
    """Fitted denoisers.

    denoisers (List[Denoiser]): One for each branch.
    conditions (List[Callable]): From trajectories (n, E, h) to what each denoiser sees, (n, W).
    weights (List[np.ndarray]): The candidates' weights in the end, (n, C) for each branch.
    faithful (bool): Whether answers are hard and times unscaled, as published.
    seed (int): For the noise.
    """

    denoisers: List[Denoiser]
    conditions: List[Callable[[np.ndarray], np.ndarray]]
    weights: List[np.ndarray]
    faithful: bool
    seed: int

    def predict(self, probabilities: np.ndarray, trajectories: np.ndarray) -> np.ndarray:
        """P(label | item), summed over the noisy labels that it may have.

        The mean over branches of sum_c P(noisy = c | item) P(label | noisy = c, trajectory).

        probabilities (np.ndarray): P(noisy label | item), shape (M, n, C).
        trajectories (np.ndarray): Shape (M, n, E, h).
        RETURNS (np.ndarray): Shape (n, C).
        """
        total = np.zeros(probabilities.shape[1:])
        n_items, n_classes = total.shape
        every = np.tile(np.arange(n_classes), n_items)
        for branch, p in enumerate(probabilities):
            items = np.repeat(np.arange(n_items), n_classes)
            q = self._answer(branch, trajectories[branch], items, every)
            total += np.einsum("nc,ncy->ny", p, q.reshape(n_items, n_classes, n_classes))
        return total / len(probabilities)

    def relabel(
        self, probabilities: np.ndarray, trajectories: np.ndarray, codes: np.ndarray
    ) -> np.ndarray:
        """P(label | item, its noisy label); items without one as in `predict`.

        codes (np.ndarray): Noisy labels, shape (n,), MISSING where there is none.
        RETURNS (np.ndarray): Shape (n, C).
        """
        out = np.zeros(probabilities.shape[1:])
        seen = np.flatnonzero(codes != MISSING)
        for branch, path in enumerate(trajectories):
            out[seen] += self._answer(branch, path, seen, codes[seen]) / len(trajectories)
        rest = np.flatnonzero(codes == MISSING)
        if len(rest):
            out[rest] = self.predict(probabilities[:, rest], trajectories[:, rest])
        return out

    def _answer(
        self, branch: int, path: np.ndarray, items: np.ndarray, noisy: np.ndarray
    ) -> np.ndarray:
        """P(label) for pairs of an item and a noisy label, shape (pairs, C)."""
        denoiser, device = self.denoisers[branch], choose_device()
        rng = torch.Generator().manual_seed(self.seed + branch)
        n_classes = denoiser.outer.out_features
        with torch.no_grad():
            known = denoiser.item(torch.from_numpy(self.conditions[branch](path)).to(device))
        out = []
        for start in range(0, len(items), BLOCK):
            part = slice(start, start + BLOCK)
            points = to_simplex(torch.from_numpy(noisy[part]).to(device), n_classes)
            rows = known[torch.from_numpy(items[part]).to(device)]
            total = torch.zeros_like(points)
            # One draw ends at a vertex of the simplex; how sure the denoiser is shows in many.
            for _ in range(1 if self.faithful else DRAWS):
                logits = reverse(
                    denoiser, rows, points, REVERSE_STEPS, STEPS, rng, scaled_time=not self.faithful
                )
                if self.faithful:
                    logits = to_simplex(logits.argmax(dim=-1), n_classes, 1.0)
                total += logits.softmax(dim=-1)
            out.append((total / total.sum(dim=-1, keepdim=True)).cpu().numpy())
        return np.concatenate(out)


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
    faithful: bool = False,
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
    faithful (bool): Whether to replay what the published code does.
    seed (int): For weights, batches and noise.
    RETURNS (Diffusion): The fitted denoisers.
    """
    device, rng = choose_device(), torch.Generator().manual_seed(seed)
    conditions = [fit_condition(path) for path in trajectories]
    inputs = [torch.from_numpy(c(p)).to(device) for c, p in zip(conditions, trajectories)]
    n_classes = priors[0].weights.shape[1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        denoisers = [Denoiser(n_classes, x.shape[1], hidden, STEPS).to(device) for x in inputs]
    weights = [prior.weights.copy() for prior in priors]
    order = np.flatnonzero(codes != MISSING)
    noisy = to_simplex(torch.from_numpy(np.maximum(codes, 0)).to(device), n_classes)
    warm = max(1, int(WARM_UP * epochs))
    batches = ceil(len(order) / batch)
    optimizer = torch.optim.Adam([p for d in denoisers for p in d.parameters()], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _rate(step, warm * batches, epochs * batches)
    )
    for epoch in range(epochs):
        if dynamic and epoch >= warm:
            for branch, prior in enumerate(priors):
                open_ = np.flatnonzero(prior.uncertain & (codes != MISSING))
                p = weights[branch][open_]
                weights[branch][open_] = _sharpen(
                    denoisers[branch], inputs[branch], noisy, p, open_, faithful, rng
                )
        shuffled = order if faithful else order[torch.randperm(len(order), generator=rng).numpy()]
        for part in np.array_split(shuffled, batches):
            pull = AGREEMENT if epoch > warm else 0.0
            loss = _batch_loss(
                denoisers, inputs, noisy, weights, priors, part, epoch < warm, pull, faithful, rng
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_([p for d in denoisers for p in d.parameters()], 1.0)
            optimizer.step()
            schedule.step()
    return Diffusion(denoisers, conditions, weights, faithful, seed)


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


def _rate(step: int, warm: int, total: int) -> float:
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + np.cos(np.pi * (step - warm) / max(1, total - warm)))


def _batch_loss(
    denoisers: List[Denoiser],
    inputs: List[Tensor],
    noisy: Tensor,
    weights: List[np.ndarray],
    priors: Sequence[Candidates],
    part: np.ndarray,
    warming: bool,
    pull: float,
    faithful: bool,
    rng: torch.Generator,
) -> Tensor:
    index = torch.from_numpy(part).to(noisy.device)
    schedule = make_schedule(STEPS).to(noisy.device)
    losses, logs = [], []
    for branch, denoiser in enumerate(denoisers):
        p = torch.from_numpy(weights[branch][part]).float()
        target = torch.multinomial(p, 1, generator=rng)[:, 0]
        weight = p.gather(1, target[:, None])[:, 0].to(noisy.device)
        if warming:
            weight = torch.from_numpy(~priors[branch].uncertain[part]).float().to(noisy.device)
        target = target.to(noisy.device)
        step = torch.randint(0, STEPS, (len(part),), generator=rng).to(noisy.device)
        noised = add_noise(to_simplex(target, p.shape[1]), step, schedule, rng)
        log = denoiser(
            noised, step, denoiser.item(inputs[branch][index]), noisy[index]
        ).log_softmax(-1)
        logs.append(log)
        fit = -(weight * log.gather(1, target[:, None])[:, 0]).sum()
        losses.append(fit if faithful and not warming else fit / weight.sum().clamp_min(1.0))
    loss = torch.stack(losses).mean()
    if pull:
        apart = divergence(torch.stack(logs)).mean(dim=0)
        loss = loss + pull * (apart.sum() if faithful else apart.mean())
    return loss


def _sharpen(
    denoiser: Denoiser,
    inputs: Tensor,
    noisy: Tensor,
    weights: np.ndarray,
    items: np.ndarray,
    faithful: bool,
    rng: torch.Generator,
) -> np.ndarray:
    """Let the denoiser guess on open items, and strengthen what it guesses."""
    if not len(items):
        return weights
    index = torch.from_numpy(items).to(noisy.device)
    with torch.no_grad():
        known = denoiser.item(inputs[index])
    for _ in range(1 if faithful else SAMPLES):
        start = None
        if not faithful:
            drawn = torch.multinomial(torch.from_numpy(weights).float(), 1, generator=rng)[:, 0]
            start = to_simplex(drawn.to(noisy.device), weights.shape[1])
        logits = reverse(
            denoiser,
            known,
            noisy[index],
            REVERSE_STEPS,
            STEPS,
            rng,
            start=start,
            scaled_time=not faithful,
        )
        # The published code adds the same guess once for each sample, which is one step of 1.
        weights = strengthen(
            weights, logits.argmax(dim=-1).cpu().numpy(), 1 if faithful else SAMPLES
        )
    return weights
