"""SiDyP: simplex diffusion with a dynamic prior over the labels that neighbours suggest.

Classifiers learn the noisy labels; how an item moves meanwhile tells which labels to doubt; the
neighbours of a doubtful item propose candidate labels; a diffusion model on the label simplex
learns to undo the noise, and its own guesses sharpen the candidates (Ye et al. 2025, arXiv
2505.19675). It needs no gold.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from ..errors import Errors, LLMJudgeError
from .arrays import (
    MISSING,
    Denoised,
    Label,
    check_counts,
    check_width,
    decode,
    prepare,
)
from .linear import Predict, balance_weights, fit_linear, make_folds, out_of_fold
from .neighbours import (
    ask_neighbours,
    choose_candidates,
    mark_noisy,
    score_dynamics,
)

if TYPE_CHECKING:
    from .branches import Branches
    from .reverse_process import Diffusion

# the penalty on candidates, of which an item may have several
SOFT_PENALTY = 0.3


class Prior(NamedTuple):
    """The candidate labels of each item, as one branch sees them.

    weights (np.ndarray): Shape (n, C), rows sum to 1, 0 for what is no candidate.
    uncertain (np.ndarray): Whether there is more than one candidate, shape (n,).
    marked (np.ndarray): Whether the item's own label is doubted, shape (n,).
    """

    weights: np.ndarray
    uncertain: np.ndarray
    marked: np.ndarray


def refine_sidyp(
    features: Any,
    labels: Sequence[Optional[Label]],
    *,
    noise_rate: Union[float, Sequence[float], None] = None,
    branches: int = 3,
    epochs: int = 10,
    hidden: int = 48,
    neighbours: int = 10,
    certain: float = 0.9,
    dominant: float = 0.8,
    diffusion_epochs: int = 10,
    dynamic: bool = True,
    published: bool = False,
    classifiers: Optional["Branches"] = None,
    groups: Optional[Sequence[Any]] = None,
    seed: int = 0,
) -> Denoised:
    """Learn to undo the noise in labels from the labels alone.

    features (array-like): Shape (n, d); neighbours are found among them.
    labels (Sequence[Optional[Label]]): Noisy labels, shape (n,). None: the LLM gave none.
    noise_rate (Union[float, Sequence[float], None]): The share of wrong labels, 0 to 1, over all or
        for each class in the order of their names. None: the share that a cross-fitted classifier
        contradicts, at most .6; too high where the classes are hard to tell apart.
    branches (int): Classifiers and denoisers, M.
    epochs (int): Of the classifiers, E: the length of the trajectories.
    hidden (int): The width of the classifiers, h.
    neighbours (int): How many vote on the candidates.
    certain (float): The share of votes that settles a label.
    dominant (float): The share of votes that settles on two.
    diffusion_epochs (int): Of the denoisers; the first fifth sees only settled labels.
    dynamic (bool): Whether the denoisers' guesses sharpen the candidates. Without, and unless `published`,
        there are no denoisers at all.
    published (bool): Whether to do as the paper does: each item counts the same in the classifiers, and the
        denoisers say what the labels are. Otherwise each class counts the same, and a class-balanced
        regression on the candidates says it, out of fold.
    classifiers (Optional[Branches]): Trained elsewhere, such as by fine-tuning an encoder; if `published`,
        `predict` then takes what their `apply` takes.
    groups (Optional[Sequence[Any]]): What must share a fold where the noise rate is estimated.
    seed (int): For weights, batches and noise.
    RETURNS (Denoised): If `published`, labels and probabilities of the items come from their own noisy label
        and path, and `predict` sums over the noisy labels that a new item may have. The report tells what
        each stage made of the labels.
    RAISES (LLMJudgeError): On features or labels that cannot carry it.

    >>> rng = np.random.default_rng(0)
    >>> truth = np.arange(300) % 3
    >>> x = 4 * np.eye(3)[truth] + 0.5 * rng.normal(size=(300, 3))
    >>> noisy = np.where(rng.random(300) < 0.3, (truth + 1) % 3, truth)
    >>> refined = refine_sidyp(x, noisy)
    >>> bool(np.mean(noisy == truth) < 0.75 < 0.95 < np.mean(np.array(refined.labels) == truth))
    True
    """
    from .branches import train_branches
    from .diffusion_training import train_denoisers

    check_counts(
        branches=branches,
        epochs=epochs,
        hidden=hidden,
        neighbours=neighbours,
        diffusion_epochs=diffusion_epochs,
    )
    matrix, codes, _, classes = prepare(features, labels)
    n = len(classes)
    rate = check_rate(noise_rate, n)
    if rate is None:
        rate = estimate_noise_rate(matrix, codes, n, groups, seed)
    if classifiers is None:
        classifiers = train_branches(
            matrix,
            codes,
            n,
            branches=branches,
            epochs=epochs,
            hidden=hidden,
            weights=None if published else balance_weights(codes, n),
            seed=seed,
        )
    priors = []
    for path in classifiers.trajectories:
        marked = mark_noisy(score_dynamics(path, codes), codes, rate)
        votes = ask_neighbours(matrix, codes, marked, n, neighbours)
        priors.append(Prior(*choose_candidates(votes, certain, dominant), marked))
    weights = [prior.weights for prior in priors]
    denoisers = None
    if dynamic or published:
        denoisers = train_denoisers(
            classifiers.trajectories,
            codes,
            priors,
            epochs=diffusion_epochs,
            dynamic=dynamic,
            seed=seed,
        )
        weights = denoisers.weights
    if denoisers is not None and published:
        relabel = (classifiers.probabilities, classifiers.trajectories, codes)
        probabilities = denoisers.relabel(*relabel)
        model = partial(_predict_published, classifiers, denoisers)
    else:
        folds = make_folds(codes, 5, seed, groups)
        probabilities, model = regress(matrix, np.mean(weights, axis=0), folds)

    def predict(new: Any) -> np.ndarray:
        return model(check_width(new, matrix.shape[1]) if own or not published else new)

    own = classifiers.apply.__module__ == train_branches.__module__
    report = describe_stages(classifiers, priors, weights, codes, classes, rate)
    best = decode(probabilities.argmax(axis=1), classes)
    return Denoised(best, probabilities, classes, predict, report)


def _predict_published(
    classifiers: "Branches", denoisers: "Diffusion", new: np.ndarray
) -> np.ndarray:
    return denoisers.predict(*classifiers.apply(new))


def regress(
    features: np.ndarray, weights: np.ndarray, folds: np.ndarray
) -> Tuple[np.ndarray, Predict]:
    """RETURNS (Tuple[np.ndarray, Callable]): What `fit_soft` says of each item without its fold, shape (n, C); and
    the same for other items."""
    out = np.zeros_like(weights)
    for fold in np.unique(folds):
        held = folds == fold
        out[held] = fit_soft(features[~held], weights[~held])(features[held])
    return out, fit_soft(features, weights)


def fit_soft(features: np.ndarray, weights: np.ndarray) -> Predict:
    """Fit a regression on weighted candidates, each class with the same mass.

    features (np.ndarray): Shape (n, d).
    weights (np.ndarray): The weights of the candidates, shape (n, C), rows sum to 1.
    RETURNS (Callable): See `fit_linear`.

    >>> model = fit_soft(np.array([[-1.0], [-1.0], [1.0]]), np.array([[1.0, 0.0], [1.0, 0.0], [0.2, 0.8]]))
    >>> model(np.array([[1.0]])).argmax()
    1
    """
    items, codes = np.nonzero(weights)
    mass = weights.sum(axis=0)
    balanced = (weights * mass.sum() / (np.maximum(mass, 1e-12) * np.count_nonzero(mass)))[
        items, codes
    ]
    return fit_linear(features[items], codes, weights.shape[1], SOFT_PENALTY, balanced)


def estimate_noise_rate(
    features: np.ndarray,
    codes: np.ndarray,
    n_classes: int,
    groups: Optional[Sequence[Any]] = None,
    seed: int = 0,
) -> float:
    """The share of labels that a cross-fitted classifier contradicts, at most .6.

    Where the classes are hard to tell apart it counts the classifier's own mistakes too, and is too
    high; where the labels are wrong in a way that the features show, it is too low.

    features (np.ndarray): Shape (n, d).
    codes (np.ndarray): Noisy labels, shape (n,), MISSING where there is none.
    n_classes (int): C.
    groups (Optional[Sequence[Any]]): What must share a fold, shape (n,).
    seed (int): For the folds.
    RETURNS (float): 0 to .6.

    >>> x = np.repeat([[-1.0], [1.0]], 50, axis=0)
    >>> noisy = np.array(([0] * 8 + [1] * 2) * 5 + ([1] * 8 + [0] * 2) * 5)
    >>> round(estimate_noise_rate(x, noisy, 2), 3)
    0.2
    """
    inside = out_of_fold(features, codes, n_classes, 1.0, groups, 5, seed).argmax(axis=1)
    seen = codes != MISSING
    return min(0.6, float(np.mean(inside[seen] != codes[seen])))


def check_rate(
    noise_rate: Union[float, Sequence[float], None], n_classes: int
) -> Union[float, np.ndarray, None]:
    if noise_rate is None:
        return None
    try:
        rates = np.asarray(noise_rate, dtype=float)
    except (TypeError, ValueError):
        rates = np.array(np.nan)
    if rates.shape not in ((), (n_classes,)) or not ((rates >= 0) & (rates < 1)).all():
        wanted = f"a share from 0 to under 1, or one for each of {n_classes} classes"
        raise LLMJudgeError(
            Errors.J513.format(name="noise_rate", found=noise_rate, expected=wanted)
        )
    return rates if rates.ndim else float(rates)


def describe_stages(
    classifiers: "Branches",
    priors: List[Prior],
    weights: List[np.ndarray],
    codes: np.ndarray,
    classes: Sequence[Label],
    rate: Union[float, np.ndarray],
) -> Dict[str, Any]:
    """What each stage made of the labels: shares, and the label of each item after the stage."""
    started = np.mean([p.weights for p in priors], axis=0)
    sizes = np.concatenate([(p.weights > 0).sum(axis=1) for p in priors])
    sharpened = np.mean(weights, axis=0)
    return {
        "method": "sidyp",
        "noise_rate": np.round(rate, 4).tolist(),
        "marked": float(np.mean([p.marked.mean() for p in priors])),
        "uncertain": float(np.mean([p.uncertain.mean() for p in priors])),
        "candidates": float(sizes.mean()),
        "missing": int((codes == MISSING).sum()),
        "stages": {
            "classifier": decode(classifiers.probabilities.mean(axis=0).argmax(axis=1), classes),
            "candidates": decode(started.argmax(axis=1), classes),
            "dynamic_prior": decode(sharpened.argmax(axis=1), classes),
        },
    }
