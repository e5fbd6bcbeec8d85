"""The costs of an inspector's decisions at each threshold."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from knowngood.metrics.ranking import cut

Values = NDArray[np.floating[Any]]

_MARGIN = 0.03  # beyond the scores, as a share of their span


class Costs(NamedTuple):
    """The total costs of decisions, by threshold."""

    prices: tuple[float, float]  # of a false reject and of an escape
    edges: NDArray[np.float64]  # thresholds between which the cost is constant, ascending `(K + 1,)`
    totals: NDArray[np.float64]  # the cost between two neighbouring edges `(K,)`
    best: float  # the threshold with the lowest cost, of several the highest
    lowest: float
    own: float  # the inspector's threshold
    paid: float  # the cost at the inspector's threshold


def costs(defect: NDArray[np.bool_], scores: Values, prices: tuple[float, float], own: float) -> Costs:
    """Compute the costs of decisions on labelled images at each threshold.

    Labels, both of which must occur, and finite scores are `(N,)`; the other arguments are as in `Costs`.

    Example:
        >>> defect, scores = np.array([False, True, False, True]), np.array([1.0, 2.0, 3.0, 4.0])
        >>> found = costs(defect, scores, (1, 10), own=3.5)
        >>> found.best, float(found.lowest), float(found.paid)
        (1.5, 1.0, 10.0)
    """
    found, (false_reject, escape) = cut(defect, scores), prices
    totals = false_reject * found.false_reject + escape * (found.defects - found.true_reject)
    best = int(np.argmin(totals))
    levels = np.unique(scores.astype(np.float64))
    low, high = min(levels[0], own), max(levels[-1], own)
    margin = _MARGIN * (high - low) or 1.0
    rejected = scores > own
    return Costs(
        prices,
        np.concatenate([[low - margin], levels, [high + margin]]),
        totals[::-1].astype(np.float64),
        float(found.threshold[best]),
        float(totals[best]),
        own,
        float(false_reject * (rejected & ~defect).sum() + escape * (defect & ~rejected).sum()),
    )
