"""Whether two detectors differ on the same test images: a paired bootstrap of the difference of AUROCs.

Reference: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile intervals).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000

_AT_ONCE = 500  # resamples whose weights are in memory together
_CELLS = 1 << 24  # pairs of a defect and a good sample that are compared at once


class Difference(NamedTuple):
    """The AUROC of one detector minus that of another, with its interval from `low` to `high`."""

    value: float
    low: float
    high: float


def paired_difference(
    defect: ArrayLike,
    one: ArrayLike,
    other: ArrayLike,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Return the difference of two mean AUROCs on the same samples, with its percentile interval.

    Good samples and defects are drawn again with replacement, each as many as there are, and both detectors
    are measured on the same draw. The AUROC of a draw is exact, ties counting one half.

    Args:
        defect: Labels (N,), bool, True for a defect.
        one: Scores (S, N) of one detector for S seeds, whose AUROCs are averaged; or (N,) for one seed.
        other: Those of another detector, for as many seeds.
        confidence: Share of draws within the interval.
        resamples: Number of draws.
        seed: The same seed gives the same interval.

    Raises:
        ValueError: There are no good samples or no defects, or the shapes do not fit each other.

    Example:
        >>> defect = [False, False, True, True]
        >>> found = paired_difference(defect, [1, 2, 3, 4], [1, 3, 2, 4], resamples=200)
        >>> found.value, found.low
        (0.25, 0.0)
    """
    labels = np.asarray(defect, np.bool_)
    first, second = (np.atleast_2d(np.asarray(scores, np.float64)) for scores in (one, other))
    if first.shape != second.shape or first.shape[1:] != labels.shape:
        raise ValueError(f"scores {first.shape} and {second.shape} do not fit labels {labels.shape}")
    if labels.all() or not labels.any():
        raise ValueError("a difference of AUROCs needs good and defect samples")
    rng = np.random.default_rng(seed)
    drawn = np.concatenate(
        [
            _drawn(first, second, labels, rng, min(_AT_ONCE, resamples - done))
            for done in range(0, resamples, _AT_ONCE)
        ]
    )
    ones = np.ones((1, len(labels)), np.float32)
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Difference(float(_weighted(first, second, labels, ones)[0]), float(low), float(high))


def _drawn(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    labels: NDArray[np.bool_],
    rng: np.random.Generator,
    count: int,
) -> NDArray[np.float64]:
    """The differences (count,) of as many draws."""
    weights = np.empty((count, len(labels)), np.float32)
    for chosen in (labels, ~labels):
        number = int(chosen.sum())
        weights[:, chosen] = rng.multinomial(number, np.full(number, 1 / number), size=count)
    return _weighted(first, second, labels, weights)


def _weighted(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    labels: NDArray[np.bool_],
    weights: NDArray[np.float32],
) -> NDArray[np.float64]:
    """The differences (B,) where sample n counts `weights` (B, N) times.

    An AUROC is the mean over pairs of a defect and a good sample of (1 + the sign of their scores'
    difference) / 2.
    """
    of_defects, of_good = weights[:, labels], weights[:, ~labels]
    total = np.zeros(len(weights))
    rows = max(1, _CELLS // of_good.shape[1])
    for start in range(0, of_defects.shape[1], rows):
        some = slice(start, start + rows)
        margin = np.zeros((of_defects[:, some].shape[1], of_good.shape[1]), np.float32)
        for mine, theirs in zip(first, second, strict=True):
            margin += _signs(mine, labels, some)
            margin -= _signs(theirs, labels, some)
        total += ((of_defects[:, some] @ margin) * of_good).sum(axis=1, dtype=np.float64)
    compared = (
        2.0 * len(first) * of_defects.shape[1] * of_good.shape[1]
    )  # a draw is as large as what there is
    found: NDArray[np.float64] = total / compared
    return found


def _signs(scores: NDArray[np.float64], labels: NDArray[np.bool_], some: slice) -> NDArray[np.float32]:
    """Whether each of some defects scores above (1), as high as (0) or below (-1) each good sample."""
    of_defects, of_good = scores[labels][some, None], scores[~labels][None]
    return (of_defects > of_good).astype(np.float32) - (of_defects < of_good)
