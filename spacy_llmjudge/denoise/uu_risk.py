"""Many small scorers at once: one hidden layer each, fitted on the risk of two unlabelled pools."""

from math import ceil
from typing import TYPE_CHECKING, Callable, List, NamedTuple, Tuple

import numpy as np

from .linear import fit_scale

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("pn", "uu", "robust_uu")
MAX_JOBS = 16
# Fewer leave the scorer of a small pool near where it started.
MIN_BATCHES = 100


class Rates(NamedTuple):
    """What the risk needs to know of two pools: their positive shares, and that of all items."""

    theta_pos: float
    theta_neg: float
    prior: float


def uu_coefficients(rates: Rates) -> Tuple[float, float, float, float]:
    """The weights of the four pool means in the UU risk (Lu et al. 2019).

    rates (Rates): theta+, theta- and the prior, with theta+ > theta-.
    RETURNS (Tuple[float, float, float, float]): a, b, c, d.

    >>> uu_coefficients(Rates(1.0, 0.0, 0.25))
    (0.25, 0.0, 0.0, 0.75)
    """
    pos, neg, prior = rates
    gap = pos - neg
    return (
        (1 - neg) * prior / gap,
        neg * (1 - prior) / gap,
        (1 - pos) * prior / gap,
        pos * (1 - prior) / gap,
    )


def uu_risk(
    accepted_scores: "Tensor",
    rejected_scores: "Tensor",
    coefficients: "Tensor",
    kind: str = "robust_uu",
    gamma: float = -0.001,
) -> "Tensor":
    """The classification risk of scorers, without labels: from two pools with known positive shares.

    With the loss l(z) = sigmoid(-z), means over the accepted pool U and the rejected pool V, and the
    coefficients a, b, c, d, the two parts below estimate the risk on the positive and on the negative
    class. Neither true part is under 0; where an estimate is, the fit has begun to learn the judge's
    mistakes by heart, and the robust form bends it up: f(x) = x above 0, else gamma x (Lu et al. 2020).

        f(a E_U[l(g)] - c E_V[l(g)]) + f(d E_V[l(-g)] - b E_U[l(-g)])

    "uu" is the same without f. "pn" takes the verdicts for the truth: prior E_U[l(g)] + (1 - prior)
    E_V[l(-g)]. At theta+ = 1 and theta- = 0 all three are equal.

    accepted_scores (Tensor): Scores g of accepted items, shape (J, B) for J scorers.
    rejected_scores (Tensor): Scores of rejected items, shape (J, B').
    coefficients (Tensor): a, b, c, d for each scorer, shape (J, 4).
    kind (str): "pn", "uu" or "robust_uu".
    gamma (float): The slope under 0; at most 0, so that the result is never under 0.
    RETURNS (Tensor): The risk of each scorer, shape (J,).

    >>> import torch
    >>> c = torch.tensor([uu_coefficients(Rates(1.0, 0.0, 0.5))])
    >>> round(float(uu_risk(torch.tensor([[9.0]]), torch.tensor([[-9.0]]), c)), 3)
    0.0
    """
    import torch

    a, b, c, d = coefficients.unbind(dim=1)
    as_pos = [torch.sigmoid(-s).mean(dim=1) for s in (accepted_scores, rejected_scores)]
    as_neg = [torch.sigmoid(s).mean(dim=1) for s in (accepted_scores, rejected_scores)]
    if kind == "pn":  # a - c is the prior, d - b is the rest
        return (a - c) * as_pos[0] + (d - b) * as_neg[1]
    positive = a * as_pos[0] - c * as_pos[1]
    negative = d * as_neg[1] - b * as_neg[0]
    if kind == "robust_uu":
        positive = torch.where(positive > 0, positive, gamma * positive)
        negative = torch.where(negative > 0, negative, gamma * negative)
    return positive + negative


def fit_scorers(
    features: np.ndarray,
    accepted: np.ndarray,
    train: np.ndarray,
    rates: List[Rates],
    *,
    kind: str = "robust_uu",
    gamma: float = -0.001,
    hidden: int = 32,
    epochs: int = 30,
    batch: int = 128,
    learning_rate: float = 3e-3,
    seed: int = 0,
) -> Callable[[np.ndarray], np.ndarray]:
    """Fit one scorer for each job, all jobs side by side.

    Each batch holds as many accepted as rejected items: in a batch as the data comes, a rare pool
    has two or three items, and their mean is noise.

    features (np.ndarray): Shape (n, d).
    accepted (np.ndarray): The pool of each item in each job, shape (J, n), bool.
    train (np.ndarray): What each job may learn from, shape (J, n), bool. Both pools of each job need
        an item there.
    rates (List[Rates]): theta+, theta- and the prior of each job, length J.
    kind (str): "pn", "uu" or "robust_uu".
    gamma (float): See `uu_risk`.
    hidden (int): The width of the hidden layer.
    epochs (int): How often to go over the data; there are at least MIN_BATCHES batches.
    batch (int): Items in a batch.
    learning_rate (float): The step of Adam.
    seed (int): For the weights and the batches.
    RETURNS (Callable): From features, shape (m, d), to scores, shape (J, m). Over 0 is positive.
    """
    import torch

    scale = fit_scale(features)
    items = torch.from_numpy(scale(features))
    parts = [
        _fit_jobs(
            items,
            accepted[i : i + MAX_JOBS],
            train[i : i + MAX_JOBS],
            rates[i : i + MAX_JOBS],
            kind,
            gamma,
            hidden,
            epochs,
            batch,
            learning_rate,
            seed,
        )
        for i in range(0, len(accepted), MAX_JOBS)
    ]

    def score(new: np.ndarray) -> np.ndarray:
        rows = torch.from_numpy(scale(new))
        with torch.no_grad():
            return torch.cat([_forward(rows, part) for part in parts]).numpy()

    return score


def _forward(items: "Tensor", weights: List["Tensor"]) -> "Tensor":
    import torch

    inner, inner_bias, outer, outer_bias = weights
    hidden = torch.relu(torch.matmul(items, inner) + inner_bias)
    return (torch.matmul(hidden, outer) + outer_bias).squeeze(-1)


def _fit_jobs(
    items: "Tensor",
    accepted: np.ndarray,
    train: np.ndarray,
    rates: List[Rates],
    kind: str,
    gamma: float,
    hidden: int,
    epochs: int,
    batch: int,
    learning_rate: float,
    seed: int,
) -> List["Tensor"]:
    import torch

    rng = torch.Generator().manual_seed(seed)
    jobs, width = len(accepted), items.shape[1]
    sizes = [((jobs, width, hidden), width), ((jobs, 1, hidden), width)]
    sizes += [((jobs, hidden, 1), hidden), ((jobs, 1, 1), hidden)]
    weights = []
    for shape, fan_in in sizes:
        bound = fan_in**-0.5
        start = (torch.rand(shape, generator=rng) * 2 - 1) * bound
        weights.append(start.requires_grad_())
    coefficients = torch.tensor([uu_coefficients(r) for r in rates])
    # 1 / (theta+ - theta-) is in all four: without this, a small gap is a large learning rate.
    weight = 1.0 / coefficients.sum(dim=1)
    pools = [_pad(train & (accepted == verdict)) for verdict in (True, False)]
    optimizer = torch.optim.Adam(weights, lr=learning_rate)
    for _ in range(max(MIN_BATCHES, epochs * ceil(len(items) / batch))):
        scores = []
        for index, count in pools:
            draw = torch.rand((jobs, max(1, batch // 2)), generator=rng)
            chosen = index.gather(1, (draw * count[:, None]).long())
            scores.append(_forward(items[chosen], weights))
        risk = uu_risk(scores[0], scores[1], coefficients, kind, gamma)
        optimizer.zero_grad()
        (risk * weight).sum().backward()
        optimizer.step()
    return [w.detach() for w in weights]


def _pad(members: np.ndarray) -> Tuple["Tensor", "Tensor"]:
    """RETURNS (Tuple[Tensor, Tensor]): The items of each row, shape (J, longest), and their number."""
    import torch

    counts = members.sum(axis=1)
    index = np.zeros((len(members), int(counts.max())), dtype="int64")
    for row, row_members in enumerate(members):
        index[row, : counts[row]] = np.flatnonzero(row_members)
    return torch.from_numpy(index), torch.from_numpy(counts)
