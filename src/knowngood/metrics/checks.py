"""The checks of labels, scores and rates that all metrics share."""

from __future__ import annotations

from fractions import Fraction
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowngood.errors import RecipeError


def checked_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """Return scores (N,) as float64; a ValueError if one is NaN, or -inf, for no threshold is below it.

    Example:
        >>> checked_scores([1, 2.5])
        array([1. , 2.5])
    """
    checked = np.asarray(scores, dtype=np.float64)
    if checked.ndim != 1:
        raise ValueError(f"scores must have the shape (N,); got {checked.shape}")
    if bad := np.count_nonzero(~(checked > -np.inf)):
        raise ValueError(f"scores must not be NaN or -inf; {bad} of {checked.size} are")
    return checked


def checked_rate(name: str, rate: float, such_as: str) -> Fraction:
    """Return a rate as the decimal number that was asked for; a RecipeError if it is not between 0 and 1.

    Example:
        >>> checked_rate("max_review", 0.1, "0.1 for one good part in ten")
        Fraction(1, 10)
    """
    if not (isinstance(rate, Real) and 0 < rate < 1):
        raise RecipeError(f"{name} must be between 0 and 1, such as {such_as}; got {rate!r}")
    return Fraction(str(rate))


def checked_pairs(defect: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return labels (N,), bool, and scores (N,) as arrays; a ValueError if they do not fit each other.

    Example:
        >>> checked_pairs([False, True], [1.0, 2.0])
        (array([False,  True]), array([1., 2.]))
    """
    labels, values = np.asarray(defect), checked_scores(scores)
    if labels.dtype != np.bool_ and labels.size:
        raise ValueError(f"defect must be bool (True = defect); got {labels.dtype}")
    if labels.shape != values.shape:
        raise ValueError(
            f"defect and scores must have the same length; got {labels.shape} and {values.shape}"
        )
    return labels.astype(np.bool_), values
