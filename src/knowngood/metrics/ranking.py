"""AUROC, average precision and F1-max of image scores.

All of them are read from one object, `Cuts`: the number of good samples and defects that are rejected at
every threshold that makes a difference. Samples with equal scores are always rejected together, so ties are
exact. Every function raises a ValueError where there are no good samples or no defects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from knowngood.metrics.checks import checked_pairs

Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, eq=False)
class Cuts:
    """The samples that are rejected at each of K thresholds, from none to all.

    Recall over `false_reject_rate` is the ROC curve, `precision` over recall the precision-recall curve.

    Args:
        threshold: Thresholds (K,), descending.
        false_reject: Number of good samples that are rejected (K,), ascending from 0 to all.
        true_reject: Number of defects that are rejected (K,), ascending from 0 to all.

    Example:
        >>> cuts = cut([False, False, True], [1.0, 2.0, 3.0])
        >>> cuts.threshold[:3]
        array([3. , 2.5, 1.5])
        >>> cuts.recall, cuts.false_reject_rate
        (array([0., 1., 1., 1.]), array([0. , 0. , 0.5, 1. ]))
    """

    threshold: NDArray[np.float64]
    false_reject: NDArray[np.int64]
    true_reject: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.good == 0 or self.defects == 0:
            raise ValueError(
                f"ranking needs good and defect samples; got {self.good} good and {self.defects} defects"
            )

    @property
    def good(self) -> int:
        """Number of good samples."""
        return int(self.false_reject[-1])

    @property
    def defects(self) -> int:
        """Number of defects."""
        return int(self.true_reject[-1])

    @property
    def false_reject_rate(self) -> NDArray[np.float64]:
        """Share of the good samples that are rejected (K,)."""
        return self.false_reject / self.good

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the defects that are rejected (K,)."""
        return self.true_reject / self.defects

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of defects among the rejected samples (K,); 1 where nothing is rejected."""
        rejected = self.false_reject + self.true_reject
        return np.where(rejected == 0, 1.0, self.true_reject / np.maximum(rejected, 1))

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall (K,)."""
        return 2 * self.true_reject / (self.defects + self.true_reject + self.false_reject)

    def auroc(self) -> float:
        """Area under recall over the false-reject rate."""
        # Counts first: they add up exactly, so that a perfect ranking is 1 and not nearly 1.
        return float(np.trapezoid(self.true_reject, self.false_reject) / (self.good * self.defects))

    def average_precision(self) -> float:
        """Mean precision over the steps of recall, without interpolation."""
        return float(np.sum(np.diff(self.recall) * self.precision[1:]))


def counts_above(counts: NDArray[Number]) -> NDArray[Number]:
    """Turn counts (K,) at ascending scores into counts (K + 1,) above descending thresholds between them.

    Example:
        >>> counts_above(np.array([5, 2, 1]))
        array([0, 1, 3, 8])
    """
    return np.concatenate([np.zeros(1, counts.dtype), np.cumsum(counts[::-1])])


def cut(defect: ArrayLike, scores: ArrayLike) -> Cuts:
    """Count the rejected samples at every threshold that makes a difference.

    Each threshold is midway between two neighbouring scores; the first is the highest score (nothing is
    rejected), the last is just below the lowest (all is rejected).

    Example:
        >>> cut([False, True, True], [1.0, 2.0, 2.0]).true_reject
        array([0, 2, 2])
    """
    defect, scores = checked_pairs(defect, scores)
    levels, level = np.unique(scores, return_inverse=True)
    edges = np.concatenate([np.nextafter(levels[:1], -np.inf), _midway(levels), levels[-1:]])
    good = np.bincount(level[~defect], minlength=levels.size)
    defects = np.bincount(level[defect], minlength=levels.size)
    return Cuts(edges[::-1], counts_above(good), counts_above(defects))


def auroc(defect: ArrayLike, scores: ArrayLike) -> float:
    """Return the probability that a defect scores above a good sample, a tie counting one half.

    Example:
        >>> auroc([False, False, True, True], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    return cut(defect, scores).auroc()


def average_precision(defect: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the precision-recall curve, as a sum of steps.

    Example:
        >>> round(average_precision([False, False, True, True], [0.1, 0.4, 0.35, 0.8]), 4)
        0.8333
    """
    return cut(defect, scores).average_precision()


def f1_max(defect: ArrayLike, scores: ArrayLike) -> tuple[float, float]:
    """Return the best F1 of any threshold, and the highest threshold that reaches it.

    Example:
        >>> f1_max([False, False, True, True], [1.0, 2.0, 4.0, 5.0])
        (1.0, 3.0)
    """
    cuts = cut(defect, scores)
    best = np.argmax(cuts.f1)
    return float(cuts.f1[best]), float(cuts.threshold[best])


def _midway(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a number in [lower, upper) for each pair of neighbours in ascending levels (K,) -> (K - 1,)."""
    lower, upper = levels[:-1], levels[1:]
    middle = lower / 2 + upper / 2
    # next to infinity, and between floats that touch, there is no middle; the lower score separates as well
    return np.where((middle >= lower) & (middle < upper), middle, lower)
