"""p-values of scores, from the scores of good parts that the model was not fitted on.

Reference: Bates, Candès, Lei, Romano and Sesia, "Testing for Outliers with Conformal p-values",
arXiv:2104.08279.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowngood.metrics.checks import checked_scores


def p_values(scores: ArrayLike, held_out: ArrayLike) -> NDArray[np.float64]:
    """Return the probability that a good part scores as high as each score, or higher.

    With n held-out good scores the p-value of s is (1 + number of them >= s) / (n + 1). Over the draw of
    held-out and new parts together, a good part gets a p-value of at most a with probability at most a.

    Args:
        scores: (N,).
        held_out: Scores (n,) of good images that the model was not fitted on, in any order.

    Returns:
        Conformal p-values (N,), from 1 / (n + 1) to 1.

    Example:
        >>> p_values([0.5, 2.0, 9.0], held_out=[1.0, 2.0, 3.0])
        array([1.  , 0.75, 0.25])
    """
    ordered = np.sort(checked_scores(held_out))
    reached = ordered.size - np.searchsorted(ordered, checked_scores(scores), side="left")
    return (1 + reached) / (ordered.size + 1)
