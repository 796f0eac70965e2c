"""What goes into a denoiser and what comes out: features, labels with gaps, refined labels.

Labels are a sequence with one entry an item; None means that there is no label. The same goes for
gold, of which a denoiser needs few: the items that nobody looked at are None.
"""

import warnings
from dataclasses import dataclass, field
from math import inf
from numbers import Integral, Real
from typing import Any, Callable, Dict, Hashable, List, Optional, Sequence, Tuple

import numpy as np

from ..errors import Errors, LLMJudgeError, Warnings

Label = Hashable
MISSING = -1


@dataclass(frozen=True)
class Denoised:
    """What a denoiser returns.

    labels (List[Label]): The refined label of each item, shape (n,). Gold that the denoiser was
        given is evidence and is not copied in.
    probabilities (np.ndarray): P(class | item), shape (n, C), rows sum to 1.
    classes (Tuple[Label, ...]): The order of the columns.
    predict (Callable[[np.ndarray], np.ndarray]): From features of other items, shape (m, d), to
        their probabilities, shape (m, C).
    report (Dict[str, Any]): What was estimated and decided on the way, as JSON.
    """

    labels: List[Label]
    probabilities: np.ndarray
    classes: Tuple[Label, ...]
    predict: Callable[[np.ndarray], np.ndarray]
    report: Dict[str, Any] = field(default_factory=dict)


def check_features(features: Any, n_items: Optional[int] = None) -> np.ndarray:
    """Turn features into a float matrix and refuse what no model can learn from.

    features (array-like): Shape (n, d).
    n_items (Optional[int]): How many rows there must be.
    RETURNS (np.ndarray): Shape (n, d), float32.
    """
    try:
        matrix = np.asarray(features, dtype="float32")
    except (TypeError, ValueError) as error:
        raise LLMJudgeError(Errors.J500.format(found=error, n=n_items)) from error
    wrong_rows = n_items is not None and len(matrix) != n_items if matrix.ndim else True
    if matrix.ndim != 2 or matrix.shape[1] == 0 or wrong_rows:
        raise LLMJudgeError(Errors.J500.format(found=f"shape {matrix.shape}", n=n_items))
    bad = ~np.isfinite(matrix).all(axis=1)
    if bad.any():
        raise LLMJudgeError(
            Errors.J501.format(n=int(bad.sum()), total=len(matrix), row=int(bad.argmax()))
        )
    return matrix


def check_counts(least: int = 1, **settings: int) -> None:
    """RAISES (LLMJudgeError): J513 where a setting that counts something is under the least."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            expected = f"a whole number from {least} on"
            raise LLMJudgeError(Errors.J513.format(name=name, found=repr(value), expected=expected))


def check_positive(**settings: float) -> None:
    """RAISES (LLMJudgeError): J513 where a setting is no number over 0."""
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < inf:
            raise LLMJudgeError(
                Errors.J513.format(name=name, found=repr(value), expected="a number over 0")
            )


def check_width(features: Any, width: int) -> np.ndarray:
    """Check the features of new items against those that a denoiser was fitted on."""
    matrix = check_features(features)
    if matrix.shape[1] != width:
        raise LLMJudgeError(Errors.J509.format(found=matrix.shape[1], width=width))
    return matrix


def clean_labels(labels: Sequence[Optional[Label]], what: str) -> List[Optional[Label]]:
    """Unpack numpy scalars, read NaN as None and refuse "-1".

    "-1" is what some data sets write for an item that the LLM gave no usable answer on. It is also
    the negative verdict of others, so neither reading is taken silently.

    labels (Sequence[Optional[Label]]): The labels, shape (n,).
    what (str): "labels" or "gold", for the message.
    RETURNS (List[Optional[Label]]): The same, with None where there is no label.
    """
    unpacked = [x.item() if isinstance(x, np.generic) else x for x in labels]
    cleaned = [None if isinstance(x, float) and x != x else x for x in unpacked]
    # -1.0 is the same in a column of floats
    refused = [i for i, label in enumerate(cleaned) if str(label) == "-1" or label == -1]
    if refused:
        raise LLMJudgeError(Errors.J503.format(n=len(refused), what=what, item=refused[0]))
    return cleaned


def find_classes(*columns: Sequence[Optional[Label]]) -> Tuple[Label, ...]:
    """RETURNS (Tuple[Label, ...]): Every label that occurs, in the order of their names."""
    found = {label for column in columns for label in column if label is not None}
    if len(found) < 2:
        names = ", ".join(repr(label) for label in found) or "none at all"
        raise LLMJudgeError(Errors.J502.format(found=names))
    return tuple(sorted(found, key=str))


def encode(labels: Sequence[Optional[Label]], classes: Sequence[Label]) -> np.ndarray:
    """RETURNS (np.ndarray): The column of each label, shape (n,), MISSING where there is none."""
    index = {label: i for i, label in enumerate(classes)}
    return np.array([MISSING if x is None else index[x] for x in labels], dtype="int64")


def check_gold(
    codes: np.ndarray, gold: np.ndarray, classes: Sequence[Label], allow_missing: bool
) -> None:
    """Check that there is gold for every class.

    codes (np.ndarray): The noisy label of each item, shape (n,), MISSING where there is none.
    gold (np.ndarray): The gold label of each item, shape (n,), MISSING where nobody looked.
    classes (Sequence[Label]): The order of the codes.
    allow_missing (bool): Whether classes without gold are only warned of.
    """
    if len(codes) != len(gold):
        raise LLMJudgeError(Errors.J504.format(n_gold=len(gold), n=len(codes)))
    n_gold = int((gold != MISSING).sum())
    lacking = [label for k, label in enumerate(classes) if not (gold == k).any()]
    if n_gold == 0 or (lacking and not allow_missing):
        names = ", ".join(str(label) for label in lacking)
        raise LLMJudgeError(Errors.J505.format(labels=names, n=n_gold))
    if lacking:
        names = ", ".join(str(label) for label in lacking)
        warnings.warn(Warnings.JW501.format(labels=names), stacklevel=4)


def prepare(
    features: Any,
    labels: Sequence[Optional[Label]],
    gold: Optional[Sequence[Optional[Label]]] = None,
    *,
    allow_missing: bool = False,
    with_gold: bool = False,
) -> Tuple[np.ndarray, np.ndarray, np.ndarray, Tuple[Label, ...]]:
    """Check what every denoiser is given.

    features (array-like): Shape (n, d).
    labels (Sequence[Optional[Label]]): Noisy labels, shape (n,).
    gold (Optional[Sequence[Optional[Label]]]): Gold labels, shape (n,), None where unknown.
    allow_missing (bool): Whether there may be classes that no gold item has.
    with_gold (bool): Whether gold and labels need two classes together only, for what learns from gold.
    RETURNS (Tuple): Features (n, d), codes of the labels (n,), codes of the gold (n,), classes.
    """
    noisy = clean_labels(labels, "labels")
    matrix = check_features(features, len(noisy))
    if not with_gold:
        find_classes(noisy)
    truth = [None] * len(noisy) if gold is None else clean_labels(gold, "gold")
    classes = find_classes(noisy, truth)
    codes, gold_codes = encode(noisy, classes), encode(truth, classes)
    if gold is not None:
        check_gold(codes, gold_codes, classes, allow_missing)
    return matrix, codes, gold_codes, classes


def decode(codes: np.ndarray, classes: Sequence[Label]) -> List[Label]:
    """RETURNS (List[Label]): The label of each column number, shape (n,)."""
    return [classes[int(k)] for k in codes]


def take(items: Optional[Sequence[Any]], index: np.ndarray) -> Optional[List[Any]]:
    """RETURNS (Optional[List[Any]]): Some of the items, where there are any at all."""
    return None if items is None else [items[i] for i in index]
