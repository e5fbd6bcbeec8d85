"""Calibration of a classifier: its calibration error, and the temperature that lowers it.

Reference: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", arXiv:1706.04599.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

COLDEST, HOTTEST = 0.05, 20.0
"""Bounds of the temperature: where all predictions are correct the likelihood has no maximum."""

BINS = 15
_STEPS = 61


class Reliability(NamedTuple):
    """Confidence and accuracy of predictions, in B bins of confidence of equal width, each `(B,)`."""

    answers: NDArray[np.int64]  # number of predictions
    confidence: NDArray[np.float64]  # their mean; 0 in an empty bin
    accuracy: NDArray[np.float64]  # 0 in an empty bin

    @property
    def expected_error(self) -> float:
        """The expected calibration error (ECE): the mean distance of confidence from accuracy.

        Example:
            >>> two_bins = Reliability(np.array([1, 3]), np.array([0.2, 0.9]), np.array([0.0, 1.0]))
            >>> round(two_bins.expected_error, 3)
            0.125
        """
        gaps = np.abs(self.confidence - self.accuracy)
        return float((self.answers * gaps).sum() / max(1, self.answers.sum()))


def msp(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Return one minus the maximum softmax probability, without loss of precision where that is near one.

    Args:
        logits: `(..., C)`.
        temperature: Divides the logits.

    Returns:
        `(...)`, from 0 to 1 - 1/C; higher is less confident.

    Example:
        >>> msp([[0.0, 0.0], [0.0, 100.0]])
        array([5.00000000e-01, 3.72007598e-44])
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    others = np.sort(scaled, axis=-1)
    rest = np.exp(others - others[..., -1:])[..., :-1].sum(axis=-1)
    return np.asarray(rest / (1 + rest), dtype=np.float64)


def reliability(logits: ArrayLike, labels: ArrayLike, temperature: float = 1.0) -> Reliability:
    """Compare confidence with accuracy.

    Args:
        logits: `(N, C)`.
        labels: True classes, int `(N,)`.
        temperature: Divides the logits.

    Example:
        >>> found = reliability([[0.0, 3.0], [0.0, 3.0]], [1, 0])
        >>> int(found.answers.sum()), float(found.accuracy[-1]), round(found.expected_error, 3)
        (2, 0.5, 0.453)
    """
    values = np.asarray(logits, dtype=np.float64)
    confidence = 1 - msp(values, temperature)
    correct = values.argmax(axis=-1) == np.asarray(labels)
    bin_of = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(bin_of, minlength=BINS)
    means = (np.bincount(bin_of, v, minlength=BINS) / np.maximum(count, 1) for v in (confidence, correct))
    return Reliability(count, *means)


def fit_temperature(logits: ArrayLike, labels: ArrayLike, *, doubt: float = 0.0) -> float:
    """Return the temperature with the highest likelihood of the labels; predictions stay the same.

    Args:
        logits: `(N, C)` of samples that the classifier was not fitted on.
        labels: True classes, int `(N,)`.
        doubt: Label smoothing, the share of each target that goes to the other classes: where a few
            predictions are all correct, the likeliest temperature is overconfident. Platt ("Probabilistic
            Outputs for Support Vector Machines", 1999) takes 1 / (N + 2).

    Returns:
        The temperature, from 0.05 to 20.

    Example:
        >>> round(fit_temperature([[0.0, 8.0]] * 4, [1, 1, 1, 0]), 2)  # confidence 99.97 %, accuracy 75 %
        7.28
    """
    # Inspecting images reads records of trainings, and must not wait for scipy.
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    values, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels)

    def loss(log_temperature: float) -> float:
        chances = log_softmax(values / np.exp(log_temperature), axis=-1)
        true = np.take_along_axis(chances, truth[:, None], axis=-1)
        others = (chances.sum(axis=-1, keepdims=True) - true) / max(1, chances.shape[-1] - 1)
        return -float(((1 - doubt) * true + doubt * others).mean())

    # A coarse search first: where all predictions are correct the loss is flat, and the coldest is meant.
    steps = np.linspace(np.log(COLDEST), np.log(HOTTEST), _STEPS)
    best = int(np.argmin([loss(step) for step in steps]))
    if best == 0:
        return COLDEST
    bounds = (steps[best - 1], steps[min(best + 1, _STEPS - 1)])
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
