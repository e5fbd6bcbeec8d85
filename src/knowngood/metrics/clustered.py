"""Intervals of shares that are observed several times on each part: takes of one part are not independent.

The number of parts counts, and takes beyond one of a part count as far as they differ: the effective number
of samples is that at which a binomial share would vary as the shares of parts do. How they vary is uncertain
where errors are few, so that some pseudo-parts, of which all takes are alike, are added to the variance; and
no bound is below that of as many parts without an error.

Reference: Korn and Graubard, "Confidence intervals for proportions with small expected number of positive
counts estimated from survey data", Survey Methodology 1998. The pseudo-parts are ours; their number was
chosen by simulation, see `benchmarks/capability.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

PSEUDO_PARTS = 3


class Estimate(NamedTuple):
    """A value with its interval from `low` to `high`, at 95 % confidence unless another was asked for."""

    value: float
    low: float
    high: float


def share_of_parts(
    shares: ArrayLike, *, strata: ArrayLike | None = None, confidence: float = 0.95
) -> Estimate:
    """Return the mean of the shares (P,) of parts, each between 0 and 1, with its interval.

    Args:
        shares: Such as the share of the takes of a part that are decided wrong.
        strata: What each part belongs to, (P,), where the number of parts of each is part of the design.
        confidence: Of the two-sided interval; 0.9 gives one-sided bounds of 95 %.

    Example:
        >>> found = share_of_parts([0, 0, 1 / 3, 0, 0, 0, 1, 0, 0, 0])
        >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
        (0.133, 0.004, 0.532)
    """
    values = np.asarray(shares, np.float64)
    return scaled(float(values.mean()), values, 1.0, strata, confidence)


def scaled(
    mean: float, parts: NDArray[np.float64], most: float, strata: ArrayLike | None, confidence: float
) -> Estimate:
    """Return the interval of a mean between 0 and `most`, of which `parts` (P,) are what each part adds."""
    number = len(parts)
    share = min(1.0, max(0.0, mean / most))
    spread = variance_of_mean(parts, strata) / most**2
    low, high = _bounds(share, spread, number, (1 + confidence) / 2)
    return Estimate(mean, low * most, high * most)


def variance_of_mean(parts: NDArray[np.float64], strata: ArrayLike | None = None) -> float:
    """Return the variance of the mean of values (P,) of parts, of strata whose sizes are given."""
    labels = np.zeros(len(parts)) if strata is None else np.asarray(strata)
    groups = [parts[labels == label] for label in np.unique(labels)]
    return sum(len(group) * float(group.var(ddof=1)) for group in groups if len(group) > 1) / len(parts) ** 2


def _bounds(share: float, spread: float, number: int, quantile: float) -> tuple[float, float]:
    """Return the interval of a share whose mean has some variance over a number of parts."""
    from scipy.special import betaincinv
    from scipy.stats import norm
    from scipy.stats import t as student

    alone = 1 - (1 - quantile) ** (1 / number)  # the bound of so many parts without an error
    degrees = number - 1
    spread = (degrees * spread + PSEUDO_PARTS * share * (1 - share) / number) / (degrees + PSEUDO_PARTS)
    if spread <= 0 or degrees < 1:
        size = float(number)
    else:
        size = share * (1 - share) / spread * (norm.ppf(quantile) / student.ppf(quantile, degrees)) ** 2
    k = share * size
    high = 1.0 if size - k < 1e-9 else float(betaincinv(k + 1, size - k, quantile))
    low = 0.0 if k < 1e-9 else 1 - float(betaincinv(size - k + 1, k, quantile))
    return min(low, 1 - alone), min(1.0, max(high, alone))
