"""Which labels to doubt, and what the neighbours of a doubtful item say instead."""

from typing import Optional, Tuple, Union

import numpy as np

from ..errors import Errors, LLMJudgeError
from .arrays import MISSING


def score_dynamics(
    trajectories: np.ndarray,
    codes: np.ndarray,
    centroids: Optional[np.ndarray] = None,
) -> np.ndarray:
    """How far each item travels from the centre of its label while a network learns.

    The score is the mean plus the standard deviation, over epochs, of the Euclidean distance to the
    centroid of the item's own label in that epoch. Large: the label is likely to be wrong.

    trajectories (np.ndarray): Shape (n, E, h).
    codes (np.ndarray): Noisy labels, shape (n,), MISSING where there is none.
    centroids (Optional[np.ndarray]): Shape (C, E, h), if they are not to come from these items.
    RETURNS (np.ndarray): Shape (n,); infinite where there is no label.

    >>> path = np.array([[[0.0]], [[0.0]], [[4.0]], [[9.0]], [[9.0]]])
    >>> score_dynamics(path, np.array([0, 0, 0, 1, -1])).round(2).tolist()
    [1.33, 1.33, 2.67, 0.0, inf]
    """
    if centroids is None:
        centroids = find_centroids(trajectories, codes, int(codes.max()) + 1)
    seen = codes != MISSING
    scores = np.full(len(codes), np.inf)
    distance = np.linalg.norm(trajectories[seen] - centroids[codes[seen]], axis=-1)
    scores[seen] = distance.mean(axis=1) + distance.std(axis=1)
    return scores


def find_centroids(trajectories: np.ndarray, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """RETURNS (np.ndarray): The mean of each class in each epoch, shape (C, E, h)."""
    one_hot = (codes[:, None] == np.arange(n_classes)).astype(trajectories.dtype)
    counts = np.maximum(one_hot.sum(axis=0), 1)
    return np.einsum("nc,neh->ceh", one_hot, trajectories) / counts[:, None, None]


def mark_noisy(
    scores: np.ndarray, codes: np.ndarray, noise_rate: Union[float, np.ndarray]
) -> np.ndarray:
    """Mark the share of items with the highest scores; items without a label are marked always.

    scores (np.ndarray): Shape (n,).
    codes (np.ndarray): Noisy labels, shape (n,), MISSING where there is none.
    noise_rate (Union[float, np.ndarray]): The share to mark over all, 0 to 1; or inside each class,
        shape (C,), which keeps small and wide classes from being emptied.
    RETURNS (np.ndarray): Shape (n,), bool.

    >>> mark_noisy(np.array([1.0, 2.0, 3.0, 9.0]), np.array([0, 0, 1, 1]), 0.5).tolist()
    [False, False, True, True]
    >>> mark_noisy(np.array([1.0, 2.0, 3.0, 9.0]), np.array([0, 0, 1, 1]), np.array([0.5, 0.5])).tolist()
    [False, True, False, True]
    """
    marked = codes == MISSING
    if isinstance(noise_rate, np.ndarray):
        groups = [(np.flatnonzero(codes == k), float(rate)) for k, rate in enumerate(noise_rate)]
    else:
        groups = [(np.flatnonzero(~marked), noise_rate)]
    for members, rate in groups:
        order = members[np.argsort(-scores[members], kind="stable")]
        marked[order[: int(rate * len(order))]] = True
    return marked


def ask_neighbours(
    features: np.ndarray,
    codes: np.ndarray,
    marked: np.ndarray,
    n_classes: int,
    neighbours: int = 10,
) -> np.ndarray:
    """The labels of the nearest items that are held to be clean, weighted by 1 / distance.

    An item that is not marked is its own nearest neighbour and keeps its label.

    features (np.ndarray): Shape (n, d).
    codes (np.ndarray): Noisy labels, shape (n,), MISSING where there is none.
    marked (np.ndarray): Which items are held to be noisy, shape (n,): they have no vote.
    n_classes (int): C.
    neighbours (int): How many vote.
    RETURNS (np.ndarray): Shares of votes, shape (n, C).
    RAISES (LLMJudgeError): Where there are fewer voters than neighbours.
    """
    from sklearn.neighbors import NearestNeighbors

    voters = np.flatnonzero(~marked & (codes != MISSING))
    if len(voters) < neighbours:
        raise LLMJudgeError(Errors.J512.format(n=len(voters), k=neighbours))
    index = NearestNeighbors(n_neighbors=neighbours).fit(features[voters])
    distance, found = index.kneighbors(features)
    weight = 1.0 / np.maximum(distance, 1e-9)
    votes = np.zeros((len(features), n_classes))
    rows = np.repeat(np.arange(len(features)), neighbours)
    np.add.at(votes, (rows, codes[voters[found]].ravel()), weight.ravel())
    return votes / votes.sum(axis=1, keepdims=True)


def choose_candidates(
    votes: np.ndarray, certain: float = 0.9, dominant: float = 0.8
) -> Tuple[np.ndarray, np.ndarray]:
    """Turn votes into weighted candidate labels.

    One label where its share is at least `certain`; else the two first, where they have at least
    `dominant` together; else all that have a vote.

    votes (np.ndarray): Shares, shape (n, C), rows sum to 1.
    certain (float): See above.
    dominant (float): See above.
    RETURNS (Tuple[np.ndarray, np.ndarray]): Weights, shape (n, C), rows sum to 1; and whether an
        item is uncertain, shape (n,).

    >>> weights, open_ = choose_candidates(np.array([[0.95, 0.05, 0.0], [0.5, 0.4, 0.1]]))
    >>> weights.round(2).tolist(), open_.tolist()
    ([[1.0, 0.0, 0.0], [0.56, 0.44, 0.0]], [False, True])
    """
    order = np.argsort(-votes, axis=1, kind="stable")
    ranked = np.take_along_axis(votes, order, axis=1)
    keep = np.where(ranked[:, 0] >= certain, 1, votes.shape[1])
    two = (keep > 1) & (ranked[:, :2].sum(axis=1) >= dominant)
    keep = np.where(two, 2, keep)
    ranked = np.where(np.arange(votes.shape[1]) < keep[:, None], ranked, 0.0)
    weights = np.zeros_like(votes)
    np.put_along_axis(weights, order, ranked, axis=1)
    return weights / weights.sum(axis=1, keepdims=True), keep > 1


def strengthen(weights: np.ndarray, chosen: np.ndarray, steps: float) -> np.ndarray:
    """Add weight to the candidate that the denoiser chose: its odds grow by 1 / steps.

    Where the chosen label is not a candidate, nothing changes. p becomes p + (1 - p) / steps and all
    are scaled to sum to 1 again, which is odds + 1 / steps.

    weights (np.ndarray): Shape (n, C), rows sum to 1.
    chosen (np.ndarray): Shape (n,).
    steps (float): How many such updates make the odds grow by 1.
    RETURNS (np.ndarray): Shape (n, C).

    >>> strengthen(np.array([[0.5, 0.5]]), np.array([0]), 1).round(3).tolist()
    [[0.667, 0.333]]
    """
    rows = np.arange(len(weights))
    p = weights[rows, chosen]
    out = weights.copy()
    out[rows, chosen] = np.where(p > 0, p + (1 - p) / steps, 0.0)
    return out / out.sum(axis=1, keepdims=True)
