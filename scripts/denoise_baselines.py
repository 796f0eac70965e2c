"""What scikit-learn has, on noisy labels: baselines that do not inherit how often the LLM gives each label.

The settings of each are chosen by one rule: the least loss (`held_out_loss`) on noisy labels that were held out.
"""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from spacy_llmjudge.denoise.arrays import MISSING, Denoised, decode, encode
from spacy_llmjudge.denoise.linear import fit_linear, fit_scale, make_folds, out_of_fold
from spacy_llmjudge.denoise.tuning import held_out_loss

Label = str


def list_baselines(n_classes: int) -> Dict[str, List[Any]]:
    """RETURNS (Dict[str, List[Any]]): By method the estimators to choose among."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
    from sklearn.semi_supervised import LabelSpreading

    uniform = np.full(n_classes, 1 / n_classes)
    return {
        "nearest_centroid": [NearestCentroid()],
        "lda": [
            LinearDiscriminantAnalysis(solver="lsqr", shrinkage=s, priors=uniform)
            for s in (0.3, 0.9)
        ],
        "knn": [KNeighborsClassifier(k, weights="distance") for k in (10, 20, 40, 80)],
        "label_spreading": [
            LabelSpreading(kernel="knn", n_neighbors=k, alpha=0.5, max_iter=100) for k in (10, 20)
        ],
    }


def learn_baseline(
    method: str,
    features: np.ndarray,
    labels: Sequence[Optional[Label]],
    classes: Tuple[Label, ...],
    groups: Optional[Sequence[Any]],
    seed: int,
) -> Denoised:
    """RETURNS (Denoised): Each item gets its label from an estimator that has not seen it."""
    codes, n = encode(labels, classes), len(classes)
    folds = make_folds(codes, 5, seed, groups)
    found = []
    for number, estimator in enumerate(list_baselines(n)[method]):
        inside = np.zeros((len(codes), n))
        for fold in np.unique(folds):
            held = folds == fold
            inside[held] = _fit(estimator, features[~held], codes[~held], n)(features[held])
        found.append((-held_out_loss(inside, codes), -number, estimator, inside))
    _, _, best, inside = max(found, key=lambda x: x[:2])
    labels_out = decode(inside.argmax(axis=1), classes)
    return Denoised(labels_out, inside, classes, _fit(best, features, codes, n))


def _fit(
    estimator: Any, features: np.ndarray, codes: np.ndarray, n: int
) -> Callable[[np.ndarray], np.ndarray]:
    """RETURNS (Callable): From features to probabilities; neighbours vote as if all classes were as frequent."""
    from sklearn.base import clone

    seen = codes != MISSING
    scale = fit_scale(features[seen])
    model = clone(estimator)
    if hasattr(model, "priors") and np.ndim(model.priors):
        model.set_params(
            priors=np.full(len(np.unique(codes[seen])), 1 / len(np.unique(codes[seen])))
        )
    model.fit(scale(features[seen]), codes[seen])
    shares = np.ones(n)
    if type(model).__name__ == "NearestCentroid":
        # its own probabilities are those of a model with variances, not of the nearest centroid
        return lambda new: np.eye(n)[model.predict(scale(new))]
    if type(model).__name__ == "KNeighborsClassifier":
        shares = np.maximum(np.bincount(codes[seen], minlength=n), 1)

    def predict(new: np.ndarray) -> np.ndarray:
        out = np.full((len(new), n), 1e-9)
        out[:, model.classes_] += np.nan_to_num(model.predict_proba(scale(new)))
        out /= shares
        return out / out.sum(axis=1, keepdims=True)

    return predict


def stack_unbalanced(
    features: np.ndarray,
    labels: Sequence[Optional[Label]],
    gold: Sequence[Optional[Label]],
    classes: Tuple[Label, ...],
    groups: Optional[Sequence[Any]],
    seed: int,
) -> Denoised:
    """The stack that this project recommended before: no weights for classes, and no setting is chosen."""
    codes, truth, n = encode(labels, classes), encode(gold, classes), len(classes)
    scale, noisy_model = fit_scale(features), fit_linear(features, codes, n, 1.0)
    inside = out_of_fold(features, codes, n, 1.0, groups, 5, seed)
    basis = np.hstack([scale(features), 2 * inside])
    evidence = np.hstack([basis, np.eye(n + 1)[codes][:, :n]])
    probabilities = fit_linear(evidence, truth, n, 10.0)(evidence)
    outer = fit_linear(basis, truth, n, 10.0)

    def predict(new: np.ndarray) -> np.ndarray:
        return outer(np.hstack([scale(new), 2 * noisy_model(new)]))

    best = decode(probabilities.argmax(axis=1), classes)
    return Denoised(best, probabilities, classes, predict)
