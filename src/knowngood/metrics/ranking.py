"""How well scores put defects above good: AUROC, average precision, F1-max.

All of them are read from one object, `Cuts`: how many good samples and defects are rejected at every
threshold that makes a difference. Samples with equal scores are always rejected together, so ties are exact.
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
    """What is rejected at each threshold, from none to all.

    Args:
        threshold: Thresholds (K,), descending; a sample is rejected when its score is greater.
        false_reject: Good samples rejected at each threshold (K,), ascending from 0 to all.
        true_reject: Defects rejected at each threshold (K,), ascending from 0 to all.

    Raises:
        ValueError: There are no good samples or no defects.

    Example:
        >>> found = cut([False, False, True], [1.0, 2.0, 3.0])
        >>> found.threshold[:3]
        array([3. , 2.5, 1.5])
        >>> found.recall
        array([0., 1., 1., 1.])
        >>> found.false_reject_rate
        array([0. , 0. , 0.5, 1. ])
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
        """Share of the good that is rejected at each threshold (K,)."""
        return self.false_reject / self.good

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the defects that is rejected at each threshold (K,)."""
        return self.true_reject / self.defects

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the rejected that is a defect at each threshold (K,); 1 where nothing is rejected."""
        rejected = self.false_reject + self.true_reject
        return np.where(rejected == 0, 1.0, self.true_reject / np.maximum(rejected, 1))

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall at each threshold (K,)."""
        return 2 * self.true_reject / (self.defects + self.true_reject + self.false_reject)

    def auroc(self) -> float:
        """Area under recall over the false-reject rate."""
        # Counts first: they add up exactly, so that a perfect ranking is 1 and not nearly 1.
        return float(np.trapezoid(self.true_reject, self.false_reject) / (self.good * self.defects))

    def average_precision(self) -> float:
        """Mean precision over the steps of recall, without interpolation."""
        return float(np.sum(np.diff(self.recall) * self.precision[1:]))


def counts_above(counts: NDArray[Number]) -> NDArray[Number]:
    """Turn counts per score level into counts above each threshold between levels.

    Args:
        counts: What is found at each level (K,), levels ascending.

    Returns:
        What is found above each threshold (K + 1,), thresholds descending: from 0 to all.

    Example:
        >>> counts_above(np.array([5, 2, 1]))
        array([0, 1, 3, 8])
    """
    return np.concatenate([np.zeros(1, counts.dtype), np.cumsum(counts[::-1])])


def cut(defect: ArrayLike, scores: ArrayLike) -> Cuts:
    """Cut the scores at every place that makes a difference.

    A threshold lies midway between two neighbouring scores; the first is the highest score (nothing is
    rejected), the last is just below the lowest (all is rejected).

    Args:
        defect: Labels (N,), bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.

    Returns:
        The cuts, one more than there are different scores.

    Raises:
        ValueError: There are no good samples or no defects, or a score is NaN or -inf.

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


def roc_curve(
    defect: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Trace recall over the false-reject rate.

    Args:
        defect: Labels (N,), bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.

    Returns:
        False-reject rate, recall and threshold (K,) each, thresholds descending.

    Raises:
        ValueError: There are no good samples or no defects, or a score is NaN or -inf.

    Example:
        >>> false_reject_rate, recall, threshold = roc_curve([False, True], [1.0, 2.0])
        >>> false_reject_rate, recall
        (array([0., 0., 1.]), array([0., 1., 1.]))
    """
    found = cut(defect, scores)
    return found.false_reject_rate, found.recall, found.threshold


def precision_recall_curve(
    defect: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Trace precision over recall.

    Args:
        defect: Labels (N,), bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.

    Returns:
        Precision, recall and threshold (K,) each, thresholds descending.

    Raises:
        ValueError: There are no good samples or no defects, or a score is NaN or -inf.

    Example:
        >>> precision, recall, threshold = precision_recall_curve([False, True], [1.0, 2.0])
        >>> precision, recall
        (array([1. , 1. , 0.5]), array([0., 1., 1.]))
    """
    found = cut(defect, scores)
    return found.precision, found.recall, found.threshold


def auroc(defect: ArrayLike, scores: ArrayLike) -> float:
    """Return the probability that a defect scores above a good sample, a tie counting one half.

    Args:
        defect: Labels (N,), bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.

    Returns:
        Area under the ROC curve, 0 to 1.

    Raises:
        ValueError: There are no good samples or no defects, or a score is NaN or -inf.

    Example:
        >>> auroc([False, False, True, True], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    return cut(defect, scores).auroc()


def average_precision(defect: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the precision-recall curve, as a sum of steps.

    Args:
        defect: Labels (N,), bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.

    Returns:
        Average precision (AP), 0 to 1.

    Raises:
        ValueError: There are no good samples or no defects, or a score is NaN or -inf.

    Example:
        >>> round(average_precision([False, False, True, True], [0.1, 0.4, 0.35, 0.8]), 4)
        0.8333
    """
    return cut(defect, scores).average_precision()


def f1_max(defect: ArrayLike, scores: ArrayLike) -> tuple[float, float]:
    """Return the best F1 that any threshold reaches, and the highest threshold that reaches it.

    Args:
        defect: Labels (N,), bool, True = defect.
        scores: Image scores (N,), higher = more anomalous.

    Returns:
        F1, 0 to 1, and the threshold, midway between two neighbouring scores.

    Raises:
        ValueError: There are no good samples or no defects, or a score is NaN or -inf.

    Example:
        >>> f1_max([False, False, True, True], [1.0, 2.0, 4.0, 5.0])
        (1.0, 3.0)
    """
    found = cut(defect, scores)
    best = np.argmax(found.f1)
    return float(found.f1[best]), float(found.threshold[best])


def _midway(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a number in [lower, upper) for each pair of neighbours in ascending levels (K,) -> (K - 1,)."""
    lower, upper = levels[:-1], levels[1:]
    middle = lower / 2 + upper / 2
    # next to infinity, and between floats that touch, there is no middle; the lower score separates as well
    return np.where((middle >= lower) & (middle < upper), middle, lower)
