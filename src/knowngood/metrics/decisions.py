"""Two who decide on the same parts: do they differ, and when may a trial of both stop?

References: McNemar, "Note on the sampling error of the difference between correlated proportions or
percentages", Psychometrika 1947, doi:10.1007/BF02295996 (here by the exact binomial). Robbins, "Statistical
methods related to the law of the iterated logarithm", Annals of Mathematical Statistics 1970,
doi:10.1214/aoms/1177696786, for bounds that hold at all times: a rate is left out once a mixture of all other
rates explains what was observed twenty times as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95

_STEPS = 60  # of a bisection


def mcnemar(one_alone: int, other_alone: int) -> float:
    """Return the exact two-sided p-value that both reject equally often, from parts that one alone rejects.

    Example:
        >>> round(mcnemar(1, 9), 4), mcnemar(0, 0)
        (0.0215, 1.0)
    """
    from scipy.stats import binomtest

    number = one_alone + other_alone
    return float(binomtest(one_alone, number).pvalue) if number else 1.0


def bounds_at_all_times(counts: ArrayLike, totals: ArrayLike) -> NDArray[np.float64]:
    """Return bounds (N, 2) of a rate, which hold at all numbers of parts together with 95 % confidence.

    Looking after each part, and stopping when a bound says enough, does not invalidate them.

    Args:
        counts: Parts (N,) with the event so far.
        totals: Parts (N,) so far.

    Example:
        >>> low, high = bounds_at_all_times([0], [100])[0]
        >>> float(low), round(float(high), 3)
        (0.0, 0.057)
    """
    events, all_parts = np.asarray(counts, np.float64), np.asarray(totals, np.float64)
    middle = events / np.maximum(all_parts, 1)
    bounds = []
    for end in (0.0, 1.0):
        outside, inside = np.full(events.shape, end), middle.copy()
        for _ in range(_STEPS):
            between = (outside + inside) / 2
            excluded = _evidence(events, all_parts, between) >= -np.log(1 - CONFIDENCE)
            outside, inside = np.where(excluded, between, outside), np.where(excluded, inside, between)
        bounds.append(np.where(all_parts > 0, outside, end))
    return np.stack(bounds, axis=-1)


def _evidence(
    events: NDArray[np.float64], totals: NDArray[np.float64], rate: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The log of how much better a mixture of rates (Jeffreys' prior) explains the events than a rate."""
    from scipy.special import betaln, xlog1py, xlogy

    found: NDArray[np.float64] = (
        betaln(events + 0.5, totals - events + 0.5)
        - betaln(0.5, 0.5)
        - xlogy(events, rate)
        - xlog1py(totals - events, -rate)
    )
    return found
