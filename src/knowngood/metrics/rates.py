"""Rates of false rejects and escapes, each with its confidence interval.

Rates need 0 <= k <= n and n >= 1, and a confidence between 0 and 1; all else raises a ValueError.

Reference: Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
binomial", Biometrika 1934, doi:10.1093/biomet/26.4.404.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from knowngood.metrics.checks import checked_pairs

PROMISES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
"""The false-reject rates that `promise` names."""


@dataclass(frozen=True)
class Rate:
    """A rate `value` = `count` / `total`, with its two-sided 95 % interval from `low` to `high`."""

    value: float
    low: float
    high: float
    count: int
    total: int


class Confusion(NamedTuple):
    """The confusion matrix of a threshold.

    Example:
        >>> found = Confusion(true_accept=57, false_reject=3, escape=1, true_reject=9)
        >>> found.false_reject_rate().value, found.escape_rate().value
        (0.05, 0.1)
    """

    true_accept: int  # good samples accepted
    false_reject: int  # good samples rejected (overkill)
    escape: int  # defects accepted (underkill)
    true_reject: int  # defects rejected
    good_review: int = 0  # good samples left to a review
    defect_review: int = 0  # defects left to a review

    @property
    def good(self) -> int:
        """The number of good samples."""
        return self.true_accept + self.false_reject + self.good_review

    @property
    def defects(self) -> int:
        """The number of defects."""
        return self.escape + self.true_reject + self.defect_review

    def false_reject_rate(self) -> Rate:
        """Return the share of the good samples that are rejected."""
        return rate(self.false_reject, self.good)

    def escape_rate(self) -> Rate:
        """Return the share of the defects that are accepted."""
        return rate(self.escape, self.defects)

    def good_review_rate(self) -> Rate:
        """Return the share of the good samples that are left to a review."""
        return rate(self.good_review, self.good)

    def defect_review_rate(self) -> Rate:
        """Return the share of the defects that are left to a review."""
        return rate(self.defect_review, self.defects)


def confusion(
    defect: ArrayLike, scores: ArrayLike, threshold: float, review: float | None = None
) -> Confusion:
    """Count correct and incorrect decisions; a sample is rejected if its score is above the threshold.

    With a line for review, one whose score is above that line but not the threshold is left to a review.

    Example:
        >>> confusion([False, False, True, True], [1.0, 3.0, 2.0, 4.0], threshold=3.0, review=1.5)[2:]
        (0, 1, 1, 1)
    """
    defect, scores = checked_pairs(defect, scores)
    reached = (scores > (threshold if review is None else review)).astype(int) + (scores > threshold)
    counts = np.bincount(3 * defect + reached, minlength=6).tolist()
    accepted, reviewed, rejected, escaped, unsure, found = counts
    return Confusion(accepted, rejected, escaped, found, reviewed, unsure)


def rate(k: int, n: int) -> Rate:
    """Return k of n as a rate with its 95 % interval.

    Example:
        >>> found = rate(3, 60)
        >>> print(f"{found.value:.1%}, {found.low:.1%} to {found.high:.1%}")
        5.0%, 1.0% to 13.9%
    """
    low, high = clopper_pearson(k, n)
    return Rate(k / n, low, high, k, n)


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided confidence interval of a rate of k in n.

    The confidence is the least probability that the interval covers the true rate.

    Example:
        >>> low, high = clopper_pearson(0, 60)
        >>> low, round(high, 4)
        (0.0, 0.0596)
    """
    _check(k, n, confidence)
    quantile = (1 + confidence) / 2
    # accepting k of n is rejecting n - k of n, which turns one end into the other
    return 1 - _upper(n - k, n, quantile), _upper(k, n, quantile)


def clopper_pearson_upper(k: int, n: int, confidence: float = 0.95) -> float:
    """Return the exact one-sided upper confidence bound of a rate; see `clopper_pearson`.

    Example:
        >>> round(clopper_pearson_upper(0, 60), 3)
        0.049
    """
    _check(k, n, confidence)
    return _upper(k, n, confidence)


def enough(most: float, confidence: float = 0.95, errors: int = 0) -> int:
    """Return how many samples, with so many errors among them, bring the bound of their rate down to `most`.

    Example:
        >>> enough(0.1), enough(0.05), enough(0.1, errors=1)
        (29, 59, 46)
    """
    few, many = errors, errors + 1
    while clopper_pearson_upper(errors, many, confidence) > most:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        if clopper_pearson_upper(errors, middle, confidence) > most:
            few = middle
        else:
            many = middle
    return many


def promise(held_out: int) -> str:
    """Say which false-reject rates so many held-out good parts cannot promise, and how many more could.

    The bound is lowest, 1 - 0.05 ** (1 / n), where none of n parts is above the threshold.

    Example:
        >>> promise(12)
        '12 held-out good parts promise no false-reject rate below 22 % (95 % confidence); 17 more could promise 10 %.'
    """  # noqa: E501 - what is printed is one line
    lowest = 100 * clopper_pearson_upper(0, held_out)
    unit = 10.0 ** (math.floor(math.log10(lowest)) - 1)
    parts, promises = ("part", "promises") if held_out == 1 else ("parts", "promise")
    # Rounded down to two digits: nothing below that is promised either.
    rate = f"{math.floor(lowest / unit) * unit:.2g} % (95 % confidence)"
    said = f"{held_out} held-out good {parts} {promises} no false-reject rate below {rate}"
    goal = next((one for one in PROMISES if 100 * one < lowest), None)
    return (
        f"{said}."
        if goal is None
        else f"{said}; {enough(goal) - held_out} more could promise {100 * goal:g} %."
    )


def _check(k: int, n: int, confidence: float) -> None:
    """Raise a ValueError for counts or a confidence that make no rate."""
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"a rate needs 0 <= k <= n and n >= 1; got k = {k} and n = {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1; got {confidence}")


def _upper(k: int, n: int, quantile: float) -> float:
    """Return the rate at which k or fewer of n come with probability 1 - quantile."""
    from scipy.special import betaincinv  # half a second to import, and inspecting a part needs none of it

    return 1.0 if k == n else float(betaincinv(k + 1, n - k, quantile))
