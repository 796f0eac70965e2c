"""Classifiers side by side that learn noisy labels, and the path that each item takes meanwhile."""

from math import ceil
from typing import Callable, List, NamedTuple, Optional, Tuple

import numpy as np
import torch
from torch import Tensor

from .arrays import MISSING
from .linear import fit_scale


class Branches(NamedTuple):
    """What the classifiers say, and how they came to it.

    probabilities (np.ndarray): P(noisy label | item) of each branch, shape (M, n, C).
    trajectories (np.ndarray): The hidden vector of each item after each epoch, shape (M, n, E, h).
    apply (Callable): From the features of other items to both of these.
    """

    probabilities: np.ndarray
    trajectories: np.ndarray
    apply: Callable[[np.ndarray], Tuple[np.ndarray, np.ndarray]]


def train_branches(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    *,
    branches: int = 3,
    hidden: int = 48,
    epochs: int = 10,
    batch: int = 128,
    learning_rate: float = 3e-3,
    agreement: float = 5.0,
    weights: Optional[np.ndarray] = None,
    shuffle: bool = True,
    seed: int = 0,
) -> Branches:
    """Train M networks with one hidden layer on noisy labels, each drawn towards their mean.

    The loss of a batch is (1/M) sum_m [CE(p_m, noisy) + agreement KL(mean || p_m)]. The second part
    starts after a tenth of the epochs.

    features (np.ndarray): Shape (n, d).
    codes (np.ndarray): Noisy labels, shape (n,), MISSING where there is none: these take no part.
    n_classes (int): C.
    branches (int): M.
    hidden (int): The width of the hidden layer, h.
    epochs (int): E.
    batch (int): Items in a batch.
    learning_rate (float): The step of Adam.
    agreement (float): The weight of the pull towards the mean.
    weights (Optional[np.ndarray]): How much each item counts, shape (n,), with a mean of 1.
    shuffle (bool): Whether to go through the items in a new order in each epoch.
    seed (int): For weights and batches.
    RETURNS (Branches): Probabilities of the last epoch, trajectories, and both for other items.
    """
    rng = torch.Generator().manual_seed(seed)
    scale = fit_scale(features)
    device = choose_device()
    items = torch.from_numpy(scale(features)).to(device)
    targets = torch.from_numpy(codes).to(device)
    mass = None if weights is None else torch.from_numpy(weights.astype("float32")).to(device)
    started = _start(branches, features.shape[1], hidden, n_classes, rng)
    parameters = [w.to(device).requires_grad_() for w in started]
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    labelled = torch.from_numpy(np.flatnonzero(codes != MISSING))
    kept: List[List[Tensor]] = []
    for epoch in range(epochs):
        pull = 0.0 if epoch < max(1, epochs // 10) else agreement
        order = labelled[torch.randperm(len(labelled), generator=rng)] if shuffle else labelled
        for part in order.chunk(ceil(len(order) / batch)):
            logits = _forward(items[part], parameters)[1]
            counts = None if mass is None else mass[part]
            loss = branch_loss(logits, targets[part], pull, counts)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        kept.append([w.detach().clone() for w in parameters])

    def apply(new: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        rows = torch.from_numpy(scale(new)).to(device)
        with torch.no_grad():
            passes = [_forward(rows, w) for w in kept]
            path = torch.stack([inner for inner, _ in passes], dim=2)
            return passes[-1][1].softmax(dim=-1).cpu().numpy(), path.cpu().numpy()

    return Branches(*apply(features), apply)


def branch_loss(
    logits: Tensor, targets: Tensor, agreement: float, weights: Optional[Tensor] = None
) -> Tensor:
    """Cross-entropy of all branches plus the divergence of each from their mean.

    logits (Tensor): Shape (M, B, C).
    targets (Tensor): Shape (B,).
    agreement (float): The weight of the divergence.
    weights (Optional[Tensor]): How much the label of each item counts, shape (B,).
    RETURNS (Tensor): A scalar, the mean over the batch and the branches.
    """
    logs = logits.log_softmax(dim=-1)
    right = logs.gather(2, targets.expand(len(logits), -1)[:, :, None])[:, :, 0]
    fit = -(right if weights is None else weights * right).mean()
    return fit + agreement * divergence(logs).mean()


def divergence(logs: Tensor) -> Tensor:
    """KL(mean of branches || branch) from log-probabilities (M, B, C), shape (M, B)."""
    mean = logs.exp().mean(dim=0)
    return (mean * (mean.clamp_min(1e-8).log() - logs)).sum(dim=-1)


def choose_device() -> torch.device:
    """RETURNS (torch.device): The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _start(
    branches: int, width: int, hidden: int, n_classes: int, rng: torch.Generator
) -> List[Tensor]:
    shapes = [((branches, width, hidden), width), ((branches, 1, hidden), width)]
    shapes += [((branches, hidden, n_classes), hidden), ((branches, 1, n_classes), hidden)]
    return [(torch.rand(s, generator=rng) * 2 - 1) * fan_in**-0.5 for s, fan_in in shapes]


def _forward(items: Tensor, weights: List[Tensor]) -> Tuple[Tensor, Tensor]:
    """RETURNS (Tuple[Tensor, Tensor]): Hidden (M, B, h) and logits (M, B, C)."""
    inner, inner_bias, outer, outer_bias = weights
    hidden = torch.relu(torch.matmul(items, inner) + inner_bias)
    return hidden, torch.matmul(hidden, outer) + outer_bias
