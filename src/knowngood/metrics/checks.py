"""The checks of labels and scores that all metrics share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
