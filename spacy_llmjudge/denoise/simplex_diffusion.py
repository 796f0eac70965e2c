"""Diffusion on the label simplex: labels as points, the noise that goes onto them, and the network that takes
it off."""

from math import cos, pi

import torch
from torch import Tensor, nn
from torch.nn import functional

SIMPLEX = 5.0
# How many steps put the noise on in training.
STEPS = 200


def to_simplex(codes: Tensor, n_classes: int, value: float = SIMPLEX) -> Tensor:
    """The point of a label: +value at its class and -value elsewhere (Mahabadi et al. 2024).

    codes (Tensor): Shape (...).
    n_classes (int): C.
    value (float): Half the side.
    RETURNS (Tensor): Shape (..., C).

    >>> to_simplex(torch.tensor([1]), 3).tolist()
    [[-5.0, 5.0, -5.0]]
    """
    return value * (2.0 * functional.one_hot(codes, n_classes) - 1.0)


def make_schedule(steps: int) -> Tensor:
    """How much of a label is left after each step: the squared cosine (Nichol and Dhariwal 2021).

    alpha_bar_i = h(i / steps) / h(0) with h(u) = cos^2(pi/2 (u + 1e-4) / (1 + 1e-4)).

    steps (int): T.
    RETURNS (Tensor): Shape (T,), from 1, decreasing.

    >>> [round(left, 2) for left in make_schedule(4).tolist()]
    [1.0, 0.85, 0.5, 0.15]
    """
    h = [cos((i / steps + 1e-4) / (1 + 1e-4) * pi / 2) ** 2 for i in range(steps)]
    return torch.tensor([x / h[0] for x in h], dtype=torch.float32)


class Denoiser(nn.Module):
    """From a noised label, the noisy label and what is known of the item to logits of the label.

    n_classes (int): C.
    width (int): The width of what is known of the item, W.
    hidden (int): The width of the layers.
    steps (int): The number of time steps, T.
    """

    def __init__(self, n_classes: int, width: int, hidden: int, steps: int):
        super().__init__()
        self.item = nn.Sequential(nn.Linear(width, hidden), nn.LayerNorm(hidden))
        self.points = nn.Linear(2 * n_classes, hidden)
        self.inner = nn.Linear(hidden, hidden)
        self.outer = nn.Linear(hidden, n_classes)
        self.norms = nn.ModuleList([nn.LayerNorm(hidden), nn.LayerNorm(hidden)])
        self.time = nn.Linear(hidden, 2 * hidden)
        angles = torch.arange(steps)[:, None] / steps * torch.arange(1, hidden // 2 + 1) * pi / 2
        self.waves: Tensor
        self.register_buffer("waves", torch.cat([angles.cos(), angles.sin()], dim=1))

    def forward(self, noised: Tensor, step: Tensor, known: Tensor, noisy: Tensor) -> Tensor:
        """Estimate the label.

        noised (Tensor): The noised label, shape (B, C).
        step (Tensor): How noised it is, shape (B,), 0 to T - 1.
        known (Tensor): `self.item` of the item, shape (B, hidden).
        noisy (Tensor): The point of the noisy label, shape (B, C).
        RETURNS (Tensor): Logits, shape (B, C).
        """
        first, second = (1 + self.time(self.waves[step])).chunk(2, dim=-1)
        points = torch.cat([noised, noisy], dim=-1) / SIMPLEX
        hidden = functional.softplus(self.norms[0](self.points(points) * first)) * known
        hidden = functional.softplus(self.norms[1](self.inner(hidden) * second))
        return self.outer(hidden)


def add_noise(point: Tensor, step: Tensor, schedule: Tensor, rng: torch.Generator) -> Tensor:
    """RETURNS (Tensor): The point after `step` steps of noise, shape (B, C)."""
    left = schedule[step][:, None]
    noise = torch.randn(point.shape, generator=rng).to(point.device)
    return left.sqrt() * point + (1 - left).sqrt() * SIMPLEX * noise
