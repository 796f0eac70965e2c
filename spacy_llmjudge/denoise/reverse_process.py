"""The reverse process of the diffusion: from noise to a label, and what fitted denoisers make of noisy labels."""

from dataclasses import dataclass
from typing import Callable, List, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from .arrays import MISSING
from .branches import choose_device
from .simplex_diffusion import SIMPLEX, STEPS, Denoiser, add_noise, make_schedule, to_simplex

REVERSE_STEPS = 10
# What the denoiser is told in each step, on the scale that it was fitted on.
TIMES = [int((step + 0.5) * STEPS / REVERSE_STEPS) for step in range(REVERSE_STEPS)]
DRAWS = 4
BLOCK = 16384


@torch.no_grad()
def reverse(
    denoiser: Denoiser,
    known: Tensor,
    noisy: Tensor,
    times: Sequence[int],
    rng: torch.Generator,
    *,
    start: Optional[Tensor] = None,
) -> Tensor:
    """Start at noise and take it off in a few steps, each time from the best guess so far.

    denoiser (Denoiser): Fitted.
    known (Tensor): `denoiser.item` of the items, shape (B, hidden).
    noisy (Tensor): The points of the noisy labels, shape (B, C).
    times (Sequence[int]): The time that the denoiser is told in each step, from the last step, where
        all is done, to the first.
    rng (torch.Generator): For the noise.
    start (Optional[Tensor]): Points to start near, shape (B, C); else pure noise.
    RETURNS (Tensor): The logits of the last step, shape (B, C).
    """
    steps = len(times)
    schedule = make_schedule(steps).to(noisy.device)
    last = torch.full((len(noisy),), steps - 1, device=noisy.device)
    current = SIMPLEX * torch.randn(noisy.shape, generator=rng).to(noisy.device)
    if start is not None:
        current = add_noise(start, last, schedule, rng)
    logits = torch.zeros_like(current)
    for step in reversed(range(steps)):
        logits = denoiser(current, torch.full_like(last, times[step]), known, noisy)
        if step:
            guess = to_simplex(logits.argmax(dim=-1), noisy.shape[1])
            current = add_noise(guess, torch.full_like(last, step - 1), schedule, rng)
    return logits


def answer(denoiser: Denoiser, known: Tensor, noisy: Tensor, rng: torch.Generator) -> Tensor:
    """The mean answer of a few draws: one ends at a vertex of the simplex, and how sure the denoiser is
    shows in many.

    denoiser (Denoiser): Fitted.
    known (Tensor): `denoiser.item` of the items, shape (B, hidden).
    noisy (Tensor): The points of the noisy labels, shape (B, C).
    rng (torch.Generator): For the noise.
    RETURNS (Tensor): Shape (B, C); rows in proportion to P(label).
    """
    total = torch.zeros_like(noisy)
    for _ in range(DRAWS):
        total += reverse(denoiser, known, noisy, TIMES, rng).softmax(dim=-1)
    return total


@dataclass(frozen=True)
class Diffusion:
    """Fitted denoisers.

    denoisers (List[Denoiser]): One for each branch.
    conditions (List[Callable]): From trajectories (n, E, h) to what each denoiser sees, (n, W).
    weights (List[np.ndarray]): The candidates' weights in the end, (n, C) for each branch.
    seed (int): For the noise.
    answer (Callable): See `answer`.
    """

    denoisers: List[Denoiser]
    conditions: List[Callable[[np.ndarray], np.ndarray]]
    weights: List[np.ndarray]
    seed: int
    answer: Callable[[Denoiser, Tensor, Tensor, torch.Generator], Tensor] = answer

    def predict(self, probabilities: np.ndarray, trajectories: np.ndarray) -> np.ndarray:
        """P(label | item), summed over the noisy labels that it may have.

        The mean over branches of sum_c P(noisy = c | item) P(label | noisy = c, trajectory).

        probabilities (np.ndarray): P(noisy label | item), shape (M, n, C).
        trajectories (np.ndarray): Shape (M, n, E, h).
        RETURNS (np.ndarray): Shape (n, C).
        """
        n_items, n_classes = probabilities.shape[1], probabilities.shape[2]
        total = np.zeros((n_items, n_classes))
        every = np.tile(np.arange(n_classes), n_items)
        for branch, p in enumerate(probabilities):
            items = np.repeat(np.arange(n_items), n_classes)
            q = self._answer_pairs(branch, trajectories[branch], items, every)
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
            out[seen] += self._answer_pairs(branch, path, seen, codes[seen]) / len(trajectories)
        rest = np.flatnonzero(codes == MISSING)
        if len(rest):
            out[rest] = self.predict(probabilities[:, rest], trajectories[:, rest])
        return out

    def _answer_pairs(
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
            total = self.answer(denoiser, rows, points, rng)
            out.append((total / total.sum(dim=-1, keepdim=True)).cpu().numpy())
        return np.concatenate(out)
