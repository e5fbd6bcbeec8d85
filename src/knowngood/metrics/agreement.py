"""Agreement beyond chance of repeated decisions on the same parts, with intervals that count parts.

A part is described by the share (P,) of its takes that are rejected. Decisions agree beyond chance as far as
kappa says: 1 for always, 0 for as often as by chance.

References: Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement
1960, doi:10.1177/001316446002000104. Fleiss, "Measuring nominal scale agreement among many raters",
Psychological Bulletin 1971, doi:10.1037/h0031619. The intervals are those of `knowngood.metrics.clustered`
for the disagreement, linearised in the shares of decisions that make up chance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowngood.metrics.clustered import Estimate, scaled

_NONE = 1e-12  # the least disagreement by chance


def cohen(
    one: ArrayLike, other: ArrayLike, *, strata: ArrayLike | None = None, confidence: float = 0.95
) -> Estimate | None:
    """Return Cohen's kappa of two series of decisions on the same parts, or of decisions and the truth.

    Args:
        one: Share (P,) of the takes of each part that the one rejects.
        other: The same of the other; 0 or 1 for the truth.
        strata: What each part is, (P,), where the design says how many parts are good.
        confidence: Of the interval.

    Returns:
        None where both series always decide the same way: agreement by chance is then complete.

    Example:
        >>> yes, no = np.ones, np.zeros
        >>> one = np.concatenate([yes(25), no(25)])  # 20 both, 5 the one alone, 10 the other alone, 15 none
        >>> other = np.concatenate([yes(20), no(5), yes(10), no(15)])
        >>> round(cohen(one, other).value, 3)
        0.4
    """
    first, second = (np.asarray(shares, np.float64) for shares in (one, other))
    means = float(first.mean()), float(second.mean())
    chance = means[0] * (1 - means[1]) + means[1] * (1 - means[0])
    disagreement = first * (1 - second) + second * (1 - first)
    slopes = (1 - 2 * means[1]) * first + (1 - 2 * means[0]) * second
    linear = disagreement - disagreement.mean() / max(chance, _NONE) * slopes
    return _kappa(disagreement, chance, linear, 1.0, strata, confidence)


def fleiss(
    rejected: ArrayLike, takes: ArrayLike, *, strata: ArrayLike | None = None, confidence: float = 0.95
) -> Estimate | None:
    """Return Fleiss' kappa of the takes of each part, each of which counts as a rater of its own.

    Args:
        rejected: Number (P,) of takes of each part that are rejected.
        takes: Number (P,) of takes, two or more; parts with one say nothing and are left out.
        strata: What each part is, (P,), where the design says how many parts are good.
        confidence: Of the interval.

    Returns:
        None where all decisions are the same, or no part has two takes.

    Example:
        >>> round(fleiss([0, 0, 1, 3, 3, 2], [3] * 6).value, 3)
        0.556
    """
    count, total = np.asarray(rejected, np.float64), np.asarray(takes, np.float64)
    several = total > 1
    count, total = count[several], total[several]
    if not len(total):
        return None
    labels = None if strata is None else np.asarray(strata)[several]
    share = count / total
    mean = float(share.mean())
    disagreement = 2 * count * (total - count) / (total * (total - 1))
    most = float((2 * (total // 2) * (total - total // 2) / (total * (total - 1))).max())
    chance = 2 * mean * (1 - mean)
    linear = disagreement - disagreement.mean() / max(chance, _NONE) * 2 * (1 - 2 * mean) * share
    return _kappa(disagreement, chance, linear, most, labels, confidence)


def _kappa(
    disagreement: NDArray[np.float64],
    chance: float,
    linear: NDArray[np.float64],
    most: float,
    strata: ArrayLike | None,
    confidence: float,
) -> Estimate | None:
    """Return 1 - disagreement / chance, with the interval of the disagreement, linear in each part."""
    if chance < _NONE:
        return None
    mean = float(disagreement.mean())
    found = scaled(mean, linear, most, strata, confidence)
    return Estimate(1 - mean / chance, max(-1.0, 1 - found.high / chance), 1 - found.low / chance)
