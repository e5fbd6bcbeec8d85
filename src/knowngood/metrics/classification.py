"""Metrics of a classifier of several classes, the imbalance of their sizes, and losses.

All metrics but losses are read from one object, the confusion matrix: counts `(C, C)`, rows are true classes,
columns predicted classes. Input that does not fit raises a ValueError, and so does a mean without images.
Means over classes follow Brodersen et al., "The Balanced Accuracy and Its Posterior Distribution",
doi:10.1109/ICPR.2010.764.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ClassFigures(NamedTuple):
    """Precision, recall and F1 per class, each `(C,)`."""

    precision: NDArray[np.float64]  # NaN where the class is never predicted
    recall: NDArray[np.float64]  # NaN where the class has no images
    f1: NDArray[np.float64]  # harmonic mean of both; NaN where the class neither occurs nor is predicted
    support: NDArray[np.int64]  # number of images


def confusion_matrix(truth: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Count how many images of each class are predicted as which.

    Args:
        truth: True classes, int `(N,)`, from 0 to C - 1.
        predicted: Predicted classes, int `(N,)`.
        classes: Number of classes C.

    Example:
        >>> confusion_matrix([0, 0, 1], [0, 1, 1], classes=2).tolist()
        [[1, 1], [0, 1]]
    """
    rows = _checked_classes("truth", truth, classes)
    columns = _checked_classes("predicted", predicted, classes)
    if rows.shape != columns.shape:
        raise ValueError(
            f"truth and predicted must have the same length; got {rows.shape} and {columns.shape}"
        )
    return np.bincount(classes * rows + columns, minlength=classes**2).reshape(classes, classes)


def class_figures(matrix: ArrayLike) -> ClassFigures:
    """Return precision, recall and F1 per class of a confusion matrix.

    Example:
        >>> found = class_figures([[3, 1, 0], [0, 0, 0], [2, 0, 0]])
        >>> found.precision, found.recall
        (array([0.6, 0. , nan]), array([0.75,  nan, 0.  ]))
        >>> found.f1.round(3), found.support
        (array([0.667, 0.   , 0.   ]), array([4, 0, 2]))
    """
    counts = _checked_matrix(matrix)
    correct, support, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    f1 = _share(2 * correct, support + predicted)
    return ClassFigures(_share(correct, predicted), _share(correct, support), f1, support)


def accuracy(matrix: ArrayLike) -> float:
    """Return the share of the images that are classified correctly; large classes dominate it.

    Example:
        >>> accuracy([[8, 0], [1, 1]])
        0.9
    """
    counts = _checked_matrix(matrix)
    if not counts.any():
        raise ValueError("accuracy needs images; the confusion matrix counts none")
    return float(counts.trace() / counts.sum())


def balanced_accuracy(matrix: ArrayLike) -> float:
    """Return the mean recall of the classes that occur.

    Example:
        >>> balanced_accuracy([[8, 0], [1, 1]])
        0.75
    """
    return _macro(matrix, "recall")


def macro_f1(matrix: ArrayLike) -> float:
    """Return the mean F1 of the classes that occur.

    Example:
        >>> round(macro_f1([[8, 0], [1, 1]]), 3)
        0.804
    """
    return _macro(matrix, "f1")


def macro_precision(matrix: ArrayLike) -> float:
    """Return the mean precision of the classes that occur; one that is never predicted counts as 0.

    Example:
        >>> macro_precision([[8, 0], [2, 0]])
        0.4
    """
    return _macro(matrix, "precision")


def losses(logits: ArrayLike, truth: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the negative log-likelihood of each true class, without loss of precision near zero.

    Args:
        logits: Finite, `(N, C)`.
        truth: True classes, int `(N,)`.
        temperature: Divides the logits.

    Returns:
        The losses `(N,)`, 0 or more; the largest where a label or a confident prediction is incorrect.

    Example:
        >>> losses([[0.0, 0.0], [0.0, 100.0], [0.0, 100.0]], [0, 1, 0])
        array([6.93147181e-01, 3.72007598e-44, 1.00000000e+02])
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive; got {temperature}")
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    if scaled.ndim != 2 or not scaled.shape[1] or np.shape(truth) != scaled.shape[:1]:
        raise ValueError(f"logits (N, C) and truth (N,) do not fit; got {scaled.shape} and {np.shape(truth)}")
    classes = _checked_classes("truth", truth, scaled.shape[1])
    true = np.take_along_axis(scaled, classes[:, None], axis=1)[:, 0]
    scaled = np.sort(scaled, axis=1)
    rest = np.exp(scaled[:, :-1] - scaled[:, -1:]).sum(axis=1)
    return np.asarray(scaled[:, -1] - true + np.log1p(rest), dtype=np.float64)


def imbalance_ratio(counts: ArrayLike) -> float:
    """Return the number of images of the largest class over that of the smallest; infinite where that is 0.

    Example:
        >>> imbalance_ratio([900, 30, 300])
        30.0
    """
    sizes = _checked_counts("sizes of classes", counts)
    if sizes.ndim != 1 or not sizes.any():
        raise ValueError(f"sizes of classes must be (C,) and not all 0; got {sizes.tolist()}")
    return float(sizes.max() / sizes.min()) if sizes.all() else float("inf")


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return part / whole `(C,)`, NaN where the whole is 0."""
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))


def _macro(matrix: ArrayLike, figure: str) -> float:
    """Return the mean of a figure of `ClassFigures` over the classes that occur."""
    found = class_figures(matrix)
    if not found.support.any():
        raise ValueError("a mean over classes needs images; the confusion matrix counts none")
    # Without the zero for NaN, never predicting a hard class would be better than trying.
    return float(np.nan_to_num(getattr(found, figure))[found.support > 0].mean())


def _checked_classes(name: str, classes: ArrayLike, count: int) -> NDArray[np.int64]:
    """Return numbers of classes `(N,)`, each below the count."""
    checked = np.asarray(classes)
    if checked.ndim != 1 or (checked.size and not np.issubdtype(checked.dtype, np.integer)):
        raise ValueError(f"{name} must be int (N,), numbers of classes; got {checked.dtype} {checked.shape}")
    if bad := np.count_nonzero((checked < 0) | (checked >= count)):
        raise ValueError(f"{name} must be from 0 to {count - 1}; {bad} of {checked.size} are not")
    return checked.astype(np.int64)


def _checked_counts(name: str, counts: ArrayLike) -> NDArray[np.int64]:
    """Return counts of any shape, all of them integers and none negative."""
    checked = np.asarray(counts)
    if checked.size and (not np.issubdtype(checked.dtype, np.integer) or checked.min() < 0):
        raise ValueError(f"{name} must be counts: int, 0 or more; got {checked.dtype}, least {checked.min()}")
    return checked.astype(np.int64)


def _checked_matrix(matrix: ArrayLike) -> NDArray[np.int64]:
    """Return counts with the shape of a confusion matrix."""
    counts = _checked_counts("a confusion matrix", matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"a confusion matrix must have the shape (C, C); got {counts.shape}")
    return counts
